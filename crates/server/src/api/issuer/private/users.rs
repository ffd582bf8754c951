//! `POST /user/private/users/`: an account that a service makes for a person, such as a sign-up form of its own.

use accounts::{Actor, Role, service::USER_CREATE};
use axum::{Json, extract::State};
use http::StatusCode;
use protocol::issuer::UserPublic;

use crate::{
    Context,
    actions::accounts::{NewAccess, NewUser, create_user},
    api::issuer::{
        fields::{self, Fields},
        users::refusal,
        wire::user_public,
    },
    error::IssuerError,
    extract::PrivateCaller,
};

/// Makes an account of the lowest role.
pub(super) async fn create(
    State(context): State<Context>,
    caller: PrivateCaller,
    mut body: Fields,
) -> Result<Json<UserPublic>, IssuerError> {
    caller.require(USER_CREATE)?;
    let email = body.required("email", fields::email);
    let password = body.required("password", fields::new_password);
    let full_name = body.given("full_name", fields::full_name).flatten();
    let email_verified = body.given("is_verified", fields::flag).unwrap_or(false);
    body.finish()?;
    let (Some(email), Some(password)) = (email, password) else {
        unreachable!("a field that is missing was refused")
    };
    let new = NewUser {
        email,
        full_name,
        avatar: None,
        active: true,
        email_verified,
        role: Role::User,
        access: NewAccess::Password(password),
    };
    let taken = "The user with this email already exists in the system.";
    create_user(&context, Actor::Operator, new)
        .await
        .map(|account| Json(user_public(&account)))
        .map_err(|error| refusal(error, StatusCode::CONFLICT, taken))
}
