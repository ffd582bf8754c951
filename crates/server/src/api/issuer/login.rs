//! Signing in, refreshing and signing out: the calls that hand out or take back tokens.

use axum::{
    Extension, Json,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::issuer::{AccessToken, Done, LoginForm, REFRESH_COOKIE};
use secret::SecretString;

use crate::{
    Context, Peer,
    actions::accounts::{self as actions, Credentials, RefreshRefusal, TokenPair},
    error::IssuerError,
    extract::{
        TokenCaller,
        credentials::{self, known_device},
    },
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/login/access-token", login)
        .post("/login/refresh-token/", refresh)
        .post("/login/logout/", logout)
}

async fn login(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    form: Result<axum::Form<LoginForm>, FormRejection>,
) -> Result<Response, IssuerError> {
    let Ok(axum::Form(form)) = form else {
        return Err(IssuerError::missing_fields(&["username", "password"]));
    };
    let missing: Vec<_> = [("username", &form.username), ("password", &form.password)]
        .into_iter()
        .filter_map(|(name, value)| value.is_empty().then_some(name))
        .collect();
    if !missing.is_empty() {
        return Err(IssuerError::missing_fields(&missing));
    }
    if form.username.contains('\0') || form.password.contains('\0') {
        return Err(IssuerError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid characters in credentials",
        ));
    }
    let device = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let credentials = Credentials {
        login: form.username,
        password: SecretString::new(form.password),
        otp: None,
        peer,
        device: known_device(&headers),
    };
    let pair = actions::login(&context, credentials, device)
        .await
        .map_err(|error| match error.code {
            "wrong_credentials" => IssuerError::new(
                StatusCode::BAD_REQUEST,
                "Invalid credentials or inactive user",
            ),
            "email_unverified" => IssuerError::new(StatusCode::FORBIDDEN, "email_unverified"),
            _ => IssuerError::from(error),
        })?;
    Ok(answer_pair(&context, &pair))
}

async fn refresh(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let token = credentials::cookie(&headers, REFRESH_COOKIE)
        .ok_or_else(|| IssuerError::new(StatusCode::UNAUTHORIZED, "Refresh token missing"))?;
    match actions::refresh(&context, token).await? {
        Ok(pair) => Ok(answer_pair(&context, &pair)),
        Err(refusal) => Err(IssuerError::new(
            StatusCode::UNAUTHORIZED,
            match refusal {
                RefreshRefusal::Invalid => "Invalid refresh token",
                RefreshRefusal::Expired => "Refresh token expired",
                RefreshRefusal::Inactive => "Invalid user or inactive user",
                RefreshRefusal::LateTwin => {
                    "Token reuse detected. Use the token of the newer answer."
                }
                RefreshRefusal::Reused => {
                    "Token reuse detected. Session revoked. Please log in again."
                }
            },
        )),
    }
}

async fn logout(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let refresh = credentials::cookie(&headers, REFRESH_COOKIE)
        .ok_or_else(|| IssuerError::new(StatusCode::UNAUTHORIZED, "Refresh token missing"))?;
    let other = actions::session_of_refresh(&context, refresh)
        .await?
        .filter(|id| *id != caller.session.id);
    actions::sign_out(&context, &caller).await?;
    if let Some(other) = other {
        // A cookie of another of the person's sessions goes too; one of somebody else is left alone.
        match actions::end_session(&context, &caller, other).await {
            Err(error) if error.status != StatusCode::NOT_FOUND => return Err(error.into()),
            _ => {}
        }
    }
    let done = Done {
        success: true,
        msg: "Logged out successfully".to_owned(),
    };
    Ok((
        [(header::SET_COOKIE, refresh_cookie(&context, "", 0))],
        Json(done),
    )
        .into_response())
}

fn answer_pair(context: &Context, pair: &TokenPair) -> Response {
    let lifetime = pair
        .refresh_expires_at
        .duration_since(context.now())
        .as_secs();
    let cookie = refresh_cookie(context, pair.refresh.expose(), lifetime);
    let body = AccessToken {
        access_token: pair.access.expose().clone(),
        token_type: "bearer".to_owned(),
    };
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([(header::SET_COOKIE, cookie), no_store], Json(body)).into_response()
}

fn refresh_cookie(context: &Context, value: &str, seconds: i64) -> HeaderValue {
    let secure = if context.config.secure_cookies() {
        "; Secure"
    } else {
        ""
    };
    let text = format!(
        "{REFRESH_COOKIE}={value}; HttpOnly; Max-Age={seconds}; Path=/; SameSite=strict{secure}"
    );
    HeaderValue::from_str(&text).expect("tokens are ASCII")
}
