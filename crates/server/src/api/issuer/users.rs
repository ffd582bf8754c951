//! Accounts, for superusers.

use accounts::{Actor, PASSWORD_PROVIDER, Role};
use axum::{Json, extract::State};
use http::StatusCode;
use ids::AccountId;
use protocol::issuer::{Listed, Message, UserPublic};

use super::{
    fields::{self, Fields, Paging, PathId, Wrong, nullable},
    wire::user_public,
};
use crate::{
    Context, Error,
    actions::accounts::{
        self as actions, DEFAULT_PROVIDER, NewAccess, NewUser, ProfileChange, UserChange,
    },
    error::IssuerError,
    extract::SuperuserToken,
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/users/", list)
        .post("/users/new_user/", create)
        .post("/users/signup/", sign_up)
        .get("/users/get/{id}/", get)
        .patch("/users/update/{id}/", update)
        .delete("/users/delete/{id}/", delete)
}

async fn list(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    Paging(window): Paging,
) -> Result<Json<Listed<UserPublic>>, IssuerError> {
    let (people, count) = actions::list_users(&context, "", window).await?;
    let data = people.iter().map(user_public).collect();
    Ok(Json(Listed { data, count }))
}

async fn create(
    State(context): State<Context>,
    SuperuserToken(caller): SuperuserToken,
    mut body: Fields,
) -> Result<Json<UserPublic>, IssuerError> {
    let email = body.required("email", fields::email);
    let full_name = body.given("full_name", fields::full_name).flatten();
    let avatar = body.given("avatar", fields::avatar);
    let active = body.given("is_active", fields::flag).unwrap_or(true);
    let email_verified = body.given("email_verified", fields::flag).unwrap_or(false);
    let role = body.given("role", fields::role).unwrap_or(Role::User);
    let access = access(&mut body);
    body.finish()?;
    let (Some(email), Some(access)) = (email, access) else {
        unreachable!("a field that is missing was refused")
    };
    let new = NewUser {
        email,
        full_name,
        avatar,
        active,
        email_verified,
        role,
        access,
    };
    let made = actions::create_user(&context, Actor::of(&caller.account), new).await;
    let taken = "The user with this email already exists in the system.";
    made.map(|account| Json(user_public(&account)))
        .map_err(|error| refusal(error, StatusCode::BAD_REQUEST, taken))
}

/// How the person will sign in: a password and no outside id, or the reverse.
fn access(body: &mut Fields) -> Option<NewAccess> {
    let provider = body.given("provider", |value| match fields::text(value)? {
        name if [PASSWORD_PROVIDER, DEFAULT_PROVIDER].contains(&name) => Ok(name.to_owned()),
        _ => Err(Wrong::new("enum", "Input should be 'password' or 'google'")),
    });
    let password = body.given("password", fields::new_password);
    let subject = body.given("oauth_user_id", fields::subject);
    if provider.as_deref() == Some(DEFAULT_PROVIDER) {
        if body.holds("password") {
            let problem = "a password is for the provider 'password' only";
            body.refuse("password", Wrong::refused(problem).secret());
        }
        if !body.holds("oauth_user_id") {
            body.refuse("oauth_user_id", Wrong::missing());
        }
        let provider = provider?;
        return subject.map(|subject| NewAccess::Identity { provider, subject });
    }
    if body.holds("oauth_user_id") {
        let problem = "an outside id is for the provider 'google' only";
        body.refuse("oauth_user_id", Wrong::refused(problem));
    }
    if !body.holds("password") {
        body.refuse("password", Wrong::missing());
    }
    password.map(NewAccess::Password)
}

async fn sign_up(
    State(context): State<Context>,
    SuperuserToken(caller): SuperuserToken,
    mut body: Fields,
) -> Result<Json<UserPublic>, IssuerError> {
    let email = body.required("email", fields::email);
    let password = body.required("password", fields::new_password);
    let full_name = body.given("full_name", fields::full_name).flatten();
    body.finish()?;
    let (Some(email), Some(password)) = (email, password) else {
        unreachable!("a field that is missing was refused")
    };
    let new = NewUser {
        email,
        full_name,
        avatar: None,
        active: true,
        email_verified: false,
        role: Role::User,
        access: NewAccess::Password(password),
    };
    let made = actions::create_user(&context, Actor::of(&caller.account), new).await;
    let taken = "The user with this email already exists in the system";
    made.map(|account| Json(user_public(&account)))
        .map_err(|error| refusal(error, StatusCode::BAD_REQUEST, taken))
}

async fn get(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    PathId(id): PathId<AccountId>,
) -> Result<Json<UserPublic>, IssuerError> {
    let found = actions::find_user(&context, id).await?;
    found
        .map(|account| Json(user_public(&account)))
        .ok_or_else(not_found)
}

async fn update(
    State(context): State<Context>,
    SuperuserToken(caller): SuperuserToken,
    PathId(id): PathId<AccountId>,
    mut body: Fields,
) -> Result<Json<UserPublic>, IssuerError> {
    let wanted = UserChange {
        profile: profile(&mut body),
        role: body.given("role", fields::role),
        active: body.given("is_active", fields::flag),
        password: body.given("password", fields::new_password),
        subject: body.given("oauth_user_id", fields::subject),
    };
    body.finish()?;
    let changed = actions::update_user(&context, Actor::of(&caller.account), id, wanted).await;
    let gone = "The user with this id does not exist in the system";
    changed
        .map(|account| Json(user_public(&account)))
        .map_err(|error| match error.code {
            "not_found" => IssuerError::new(StatusCode::NOT_FOUND, gone),
            _ => refusal(error, StatusCode::CONFLICT, EMAIL_TAKEN),
        })
}

async fn delete(
    State(context): State<Context>,
    SuperuserToken(caller): SuperuserToken,
    PathId(id): PathId<AccountId>,
) -> Result<Json<Message>, IssuerError> {
    let deleted = actions::delete_account(&context, Actor::of(&caller.account), id).await;
    deleted
        .map(|()| message("User deleted successfully"))
        .map_err(|error| refusal(error, StatusCode::CONFLICT, EMAIL_TAKEN))
}

/// The refusal of a change to an address that somebody else has.
pub(super) const EMAIL_TAKEN: &str = "User with this email already exists";

/// The fields that people change about themselves.
pub(super) fn profile(body: &mut Fields) -> ProfileChange {
    ProfileChange {
        email: body.given("email", fields::email),
        full_name: body
            .optional("full_name", nullable(fields::full_name))
            .map(Option::flatten),
        avatar: body.optional("avatar", nullable(fields::avatar)),
    }
}

/// The refusal of a change to accounts in the issuer's words.
pub(super) fn refusal(error: Error, taken: StatusCode, email_taken: &'static str) -> IssuerError {
    let field = error.extra.get("field").and_then(serde_json::Value::as_str);
    match (error.code, field) {
        ("not_found", _) => not_found(),
        ("taken", Some("email")) => IssuerError::new(taken, email_taken),
        ("taken", Some("record")) => IssuerError::new(
            taken,
            "Another user is already linked to this oauth_user_id",
        ),
        ("raises_own_role", _) => {
            IssuerError::new(StatusCode::FORBIDDEN, "A user may not raise their own role")
        }
        ("out_of_reach", _) => IssuerError::not_enough_privileges(),
        ("last_superuser_required", _) => {
            IssuerError::new(StatusCode::CONFLICT, "last_superuser_required")
        }
        _ => error.into(),
    }
}

pub(super) fn not_found() -> IssuerError {
    IssuerError::new(StatusCode::NOT_FOUND, "User not found")
}

pub(super) fn message(text: &str) -> Json<Message> {
    Json(Message {
        message: text.to_owned(),
    })
}
