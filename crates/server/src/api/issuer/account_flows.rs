//! `/user/account`: sign-up, proofs of addresses and forgotten passwords, for front ends of one's own.

use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use protocol::issuer::{
    AddressOf, Capabilities, FlowStatus, MailedToken, NewAddress, NewPassword, Paths, Register,
};
use secret::SecretString;
use serde_json::json;

use crate::{
    Context, Error, Peer,
    actions::accounts::{self as actions, Registration},
    config::EmailVerification,
    error::IssuerError,
    extract::TokenCaller,
    routes::Routes,
};

/// How long front ends may keep what is offered.
const CAPABILITIES_CACHE: &str = "public, max-age=60";

type Body<T> = Result<Json<T>, JsonRejection>;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/account/capabilities", capabilities)
        .post("/account/register", register)
        .post("/account/verify-email/request", request_verification)
        .post("/account/verify-email/confirm", confirm_email)
        .post("/account/password-reset/request", request_password_reset)
        .post("/account/password-reset/confirm", confirm_password_reset)
        .post("/account/email-change/request", request_email_change)
        .post("/account/email-change/confirm", confirm_email_change)
}

async fn capabilities(State(context): State<Context>) -> Response {
    let offered = actions::capabilities(&context);
    let verifies = offered.email_verification != EmailVerification::Off;
    let path = |is_offered: bool, path: &str| is_offered.then(|| format!("/account/{path}"));
    let mut login_providers = vec!["password".to_owned()];
    login_providers.extend(context.config.providers.iter().map(|one| one.name.clone()));
    let body = Capabilities {
        login_providers,
        public_signup: offered.public_sign_up,
        email_verification: offered.email_verification.as_str().to_owned(),
        password_reset: offered.password_reset,
        email_change_confirmation: offered.email_change_confirmation,
        unverified_signup_expiry_days: verifies.then_some(offered.sign_up_kept_days),
        paths: Paths {
            register: path(offered.public_sign_up, "register"),
            verify_email_request: path(verifies, "verify-email/request"),
            verify_email_confirm: path(verifies, "verify-email/confirm"),
            password_reset_request: path(offered.password_reset, "password-reset/request"),
            password_reset_confirm: path(offered.password_reset, "password-reset/confirm"),
            email_change_request: path(offered.email_change_confirmation, "email-change/request"),
            email_change_confirm: path(offered.email_change_confirmation, "email-change/confirm"),
        },
    };
    let cached = [(
        header::CACHE_CONTROL,
        HeaderValue::from_static(CAPABILITIES_CACHE),
    )];
    (cached, Json(body)).into_response()
}

async fn register(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    body: Body<Register>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).public_sign_up)?;
    let Json(body) = body.map_err(unreadable)?;
    let registration = Registration {
        email: body.email,
        username: body.username,
        full_name: body.full_name,
        password: SecretString::new(body.password),
    };
    actions::register(&context, registration, peer)
        .await
        .map_err(refusal)?;
    Ok(accepted())
}

async fn request_verification(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    body: Body<AddressOf>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).email_verification != EmailVerification::Off)?;
    let Json(body) = body.map_err(unreadable)?;
    actions::request_verification(&context, &body.email, peer)
        .await
        .map_err(refusal)?;
    Ok(accepted())
}

async fn confirm_email(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    body: Body<MailedToken>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).email_verification != EmailVerification::Off)?;
    let Json(body) = body.map_err(unreadable)?;
    actions::confirm_email(&context, &body.token, peer)
        .await
        .map_err(refusal)?;
    Ok(completed())
}

async fn request_password_reset(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    body: Body<AddressOf>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).password_reset)?;
    let Json(body) = body.map_err(unreadable)?;
    actions::request_password_reset(&context, &body.email, peer)
        .await
        .map_err(refusal)?;
    Ok(accepted())
}

async fn confirm_password_reset(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    body: Body<NewPassword>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).password_reset)?;
    let Json(body) = body.map_err(unreadable)?;
    let new = SecretString::new(body.new_password);
    actions::confirm_password_reset(&context, &body.token, new, peer)
        .await
        .map_err(|error| match error.code {
            "bad_field" => wrong_field("new_password", &error),
            _ => refusal(error),
        })?;
    Ok(completed())
}

async fn request_email_change(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    TokenCaller(caller): TokenCaller,
    body: Body<NewAddress>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).email_change_confirmation)?;
    let Json(body) = body.map_err(unreadable)?;
    actions::change_email(&context, &caller.account, &body.new_email, peer)
        .await
        .map_err(|error| match error.code {
            "bad_field" => wrong_field("new_email", &error),
            _ => refusal(error),
        })?;
    Ok(accepted())
}

async fn confirm_email_change(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    body: Body<MailedToken>,
) -> Result<Response, IssuerError> {
    require(actions::capabilities(&context).email_change_confirmation)?;
    let Json(body) = body.map_err(unreadable)?;
    actions::confirm_email_change(&context, &body.token, peer)
        .await
        .map_err(refusal)?;
    Ok(completed())
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, status("accepted")).into_response()
}

fn completed() -> Response {
    status("completed").into_response()
}

fn status(status: &str) -> impl IntoResponse + use<> {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let status = status.to_owned();
    (no_store, Json(FlowStatus { status }))
}

/// Before anything else is looked at: what is not offered is not found, whatever was sent.
fn require(is_offered: bool) -> Result<(), IssuerError> {
    if is_offered {
        Ok(())
    } else {
        Err(IssuerError::new(
            StatusCode::NOT_FOUND,
            "feature_unavailable",
        ))
    }
}

/// The texts that front ends compare.
fn refusal(error: Error) -> IssuerError {
    let detail = match error.code {
        "feature_unavailable" => "feature_unavailable",
        "challenge_invalid" => "challenge_invalid",
        "email_unverified" => "email_unverified",
        _ if error.status == StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        "bad_field" => {
            let field = error.extra.get("field").and_then(|field| field.as_str());
            return wrong_field(field.unwrap_or("body"), &error);
        }
        _ => return error.into(),
    };
    IssuerError {
        headers: error.headers.into_iter().collect(),
        ..IssuerError::new(error.status, detail)
    }
}

/// 422 about a field. What was sent is not repeated.
fn wrong_field(field: &str, error: &Error) -> IssuerError {
    let wrong = json!([{"type": "value_error", "loc": ["body", field], "msg": error.message, "input": null}]);
    IssuerError {
        detail: wrong,
        ..IssuerError::new(StatusCode::UNPROCESSABLE_ENTITY, "")
    }
}

/// 422 about the body as a whole.
fn unreadable(rejection: JsonRejection) -> IssuerError {
    let error = Error::from(rejection);
    if error.status == StatusCode::PAYLOAD_TOO_LARGE {
        return error.into();
    }
    let wrong =
        json!([{"type": "json_invalid", "loc": ["body"], "msg": error.message, "input": null}]);
    IssuerError {
        detail: wrong,
        ..IssuerError::new(StatusCode::UNPROCESSABLE_ENTITY, "")
    }
}
