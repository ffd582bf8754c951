//! Signing in, refreshing and signing out: the calls that hand out or take back tokens.

use axum::{
    Extension, Json,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::issuer::{AccessToken, Done, LoginForm, REFRESH_COOKIE, UserPublic};
use secret::SecretString;

use super::wire::user_public;
use crate::{
    Context, Error, KnownDevice, Peer,
    actions::accounts::{self as actions, Credentials, RefreshRefusal, TokenPair},
    error::IssuerError,
    extract::{
        TokenCaller,
        credentials::{self, known_device},
    },
    routes::Routes,
    shell::{cookies, device},
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/login/access-token", login)
        .post("/login/refresh-token/", refresh)
        .post("/login/logout/", logout)
        .post("/login/test-token/", test_token)
}

async fn login(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    form: Result<axum::Form<LoginForm>, FormRejection>,
) -> Result<Response, IssuerError> {
    let form = match form {
        Ok(axum::Form(form)) => form,
        Err(rejection) => return Err(IssuerError::unreadable_form(&rejection)),
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
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let browser = known_device(&headers);
    let credentials = Credentials {
        login: form.username,
        password: SecretString::new(form.password),
        otp: Some(SecretString::new(form.otp)),
        peer,
        device: browser.clone(),
    };
    let client = Some(form.client_id.as_str()).filter(|id| !id.is_empty());
    let logged_in = actions::login(&context, credentials, &device::name(agent), client)
        .await
        .map_err(|error| match error.code {
            "wrong_credentials" => IssuerError::new(
                StatusCode::BAD_REQUEST,
                "Invalid credentials or inactive user",
            ),
            actions::factors::SECOND_FACTOR_REQUIRED => {
                IssuerError::new(StatusCode::BAD_REQUEST, "Second factor required")
            }
            actions::factors::WRONG_CODE => {
                IssuerError::new(StatusCode::BAD_REQUEST, "Invalid second factor")
            }
            "email_unverified" => IssuerError::new(StatusCode::FORBIDDEN, "email_unverified"),
            _ => IssuerError::from(error),
        })?;
    let mut response = answer_pair(&context, &logged_in.pair);
    // So that nobody who guesses at this account elsewhere can make this browser wait.
    let browser = browser
        .unwrap_or_else(KnownDevice::fresh)
        .remember(&context.master_key, logged_in.account);
    let remembered = cookies::known_device(&context.config, &browser);
    response
        .headers_mut()
        .append(header::SET_COOKIE, remembered);
    Ok(response)
}

async fn refresh(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let token = credentials::cookie(&headers, REFRESH_COOKIE)
        .ok_or_else(|| IssuerError::new(StatusCode::UNAUTHORIZED, "Refresh token missing"))?;
    match actions::refresh(&context, token).await? {
        Ok(pair) => Ok(answer_pair(&context, &pair)),
        Err(refusal) => {
            let text = match refusal {
                RefreshRefusal::Invalid => "Invalid refresh token",
                RefreshRefusal::Expired => "Refresh token expired",
                RefreshRefusal::OtherKind => "Not a refresh token",
                RefreshRefusal::Inactive => "Invalid user or inactive user",
                RefreshRefusal::LateTwin => {
                    "Token reuse detected. Use the token of the newer answer."
                }
                RefreshRefusal::Reused => {
                    "Token reuse detected. Session revoked. Please log in again."
                }
            };
            let error = IssuerError::new(StatusCode::UNAUTHORIZED, text);
            Err(if refusal.is_final() {
                without_cookie(&context, error)
            } else {
                error
            })
        }
    }
}

/// Signs out. The access token suffices; the refresh token's session goes too, when there is one.
///
/// Whoever presents any access token means to be signed out here, so the cookie goes whatever becomes of it. Without
/// one nothing happens: another site may cause such a request.
async fn logout(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let caller = TokenCaller::of(&context, &headers).await;
    if let Err(error) = &caller
        && error.is_unauthenticated()
    {
        return Err(error.clone());
    }
    match end(&context, &headers, caller).await {
        Ok(()) => {
            let done = Done {
                success: true,
                msg: "Logged out successfully".to_owned(),
            };
            let cookie = [(header::SET_COOKIE, refresh_cookie(&context, "", 0))];
            Ok((cookie, Json(done)).into_response())
        }
        Err(error) => Err(without_cookie(&context, error)),
    }
}

/// Who holds the access token, as the account is now.
async fn test_token(TokenCaller(caller): TokenCaller) -> Json<UserPublic> {
    Json(user_public(&caller.account))
}

async fn end(
    context: &Context,
    headers: &HeaderMap,
    caller: Result<TokenCaller, IssuerError>,
) -> Result<(), IssuerError> {
    let failed = |error: Error| {
        if error.status.is_server_error() {
            let text = "Logout failed: session could not be fully revoked. Please try again.";
            IssuerError::new(StatusCode::SERVICE_UNAVAILABLE, text)
        } else {
            error.into()
        }
    };
    let refresh = credentials::cookie(headers, REFRESH_COOKIE);
    let account = caller.as_ref().ok().map(|caller| caller.0.account.id);
    if let Ok(TokenCaller(caller)) = &caller {
        match actions::sign_out(context, caller).await {
            // It had ended already, or none is kept.
            Err(error) if error.status == StatusCode::NOT_FOUND => {}
            ended => ended.map_err(failed)?,
        }
    }
    if let Some(refresh) = refresh {
        actions::sign_out_by_refresh(context, refresh, account)
            .await
            .map_err(failed)?;
    }
    caller.map(drop)
}

fn answer_pair(context: &Context, pair: &TokenPair) -> Response {
    // Whole seconds, up: the token was made a moment ago, and browsers should be told the number that is configured.
    let lasts = pair
        .refresh_expires_at
        .duration_since(context.now())
        .saturating_add(jiff::SignedDuration::from_millis(999))
        .as_secs();
    let kept = context.config.issuer.refresh_cookie_max_age;
    let seconds = kept.map_or(lasts, |kept| kept.signed().as_secs());
    let cookie = refresh_cookie(context, pair.refresh.expose(), seconds);
    let body = AccessToken {
        access_token: pair.access.expose().clone(),
        token_type: "bearer".to_owned(),
    };
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([(header::SET_COOKIE, cookie), no_store], Json(body)).into_response()
}

/// The error, and with it the deletion of the cookie.
fn without_cookie(context: &Context, mut error: IssuerError) -> IssuerError {
    let deleted = refresh_cookie(context, "", 0);
    error.headers.push((header::SET_COOKIE, deleted));
    error
}

pub(super) fn refresh_cookie(context: &Context, value: &str, seconds: i64) -> HeaderValue {
    // Clients of all kinds hold this cookie, and many send a `Secure` one over https only, to this machine too.
    let secure = if context.config.public_url.scheme() == "https" {
        "; Secure"
    } else {
        ""
    };
    let text = format!(
        "{REFRESH_COOKIE}={value}; HttpOnly; Max-Age={seconds}; Path=/; SameSite=strict{secure}"
    );
    HeaderValue::from_str(&text).expect("tokens are ASCII")
}
