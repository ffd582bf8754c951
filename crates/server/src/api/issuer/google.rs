//! Signing in by Google for programs that keep tokens: where to go, the way back, and the exchange of the code.

use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::issuer::{ExchangedCode, ExchangedUser, LoginUrl};
use serde::Deserialize;

use super::{
    fields::{self, Fields},
    login::refresh_cookie,
};
use crate::{
    Context, Peer,
    actions::accounts::outside::{
        BeginRefusal, Browser, ExchangeRefusal, OutsideRefusal, Return, begin_program,
        come_back_to_program, exchange as exchange_code,
    },
    error::IssuerError,
    extract::credentials,
    routes::Routes,
    shell::{cookies, device},
};

/// The provider that these addresses stand for.
const PROVIDER: &str = "google";
/// How long a browser keeps what binds a sign-in to it.
const TRIP_SECONDS: i64 = 15 * 60;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/google-api/login-url/", login_url)
        .get("/google-auth/oauth-callback/", callback)
        .post("/google-api/exchange/", exchange)
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    redirect_target: String,
    #[serde(default)]
    code_challenge: String,
}

async fn login_url(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, IssuerError> {
    context.outside_rate.check(peer).map_err(too_many)?;
    let Ok(Query(wanted)) = wanted else {
        return Err(bad("redirect_target is required."));
    };
    let name = cookies::browser_cookie(&context.config);
    let browser = Browser::read_or_fresh(credentials::cookie(&headers, name));
    let url = begin_program(
        &context,
        PROVIDER,
        &wanted.redirect_target,
        &wanted.code_challenge,
        &browser,
    )
    .await
    .map_err(|refusal| match refusal {
        BeginRefusal::Target(refusal) => IssuerError {
            detail: refusal.to_string().into(),
            ..bad("")
        },
        BeginRefusal::Challenge => bad("code_challenge format invalid."),
        BeginRefusal::Outside(OutsideRefusal::Provider { .. }) => IssuerError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Google does not answer. Please try again.",
        ),
        BeginRefusal::Outside(refusal) => google_refusal(refusal),
    })?;
    let cookie = cookies::set(
        &context.config,
        name,
        browser.value(),
        cookies::Kept::Seconds(TRIP_SECONDS),
    );
    let headers = [(header::SET_COOKIE, cookie), no_store()];
    Ok((headers, Json(LoginUrl { url })).into_response())
}

async fn callback(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    back: Result<Query<Return>, QueryRejection>,
) -> Result<Response, IssuerError> {
    context.outside_rate.check(peer).map_err(too_many)?;
    let back = back.map(|Query(back)| back).unwrap_or_default();
    let name = cookies::browser_cookie(&context.config);
    let browser = credentials::cookie(&headers, name).and_then(Browser::read);
    let agent = headers.get(header::USER_AGENT);
    let agent = agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let to = come_back_to_program(
        &context,
        PROVIDER,
        &back,
        browser.as_ref(),
        &device::name(agent),
    )
    .await
    .map_err(google_refusal)?;
    let location = HeaderValue::try_from(to.address)
        .map_err(|_| google_refusal(OutsideRefusal::UnknownState))?;
    let mut response = (
        StatusCode::TEMPORARY_REDIRECT,
        [
            (header::LOCATION, location),
            (
                header::REFERRER_POLICY,
                HeaderValue::from_static("no-referrer"),
            ),
            no_store(),
        ],
    )
        .into_response();
    if let Some(pair) = &to.pair {
        let access = i64::try_from(
            context
                .config
                .issuer
                .access_token_lifetime
                .duration()
                .as_secs(),
        );
        let refresh = pair.refresh_expires_at.as_second() - context.now().as_second();
        for (name, value, seconds) in [
            ("access_token", &pair.access, access.unwrap_or(i64::MAX)),
            (protocol::issuer::REFRESH_COOKIE, &pair.refresh, refresh),
        ] {
            let kept = cookies::Kept::Seconds(seconds);
            let cookie = cookies::set(&context.config, name, value.expose(), kept);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

async fn exchange(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    mut body: Fields,
) -> Result<Response, IssuerError> {
    context.exchange_rate.check(peer).map_err(too_many)?;
    let code = body.required("code", text);
    let verifier = body.required("code_verifier", text);
    body.finish()?;
    let (Some(code), Some(verifier)) = (code, verifier) else {
        unreachable!("a field that is missing was refused")
    };
    let origin = headers.get(header::ORIGIN);
    let origin = origin.map(|origin| origin.to_str().unwrap_or("?"));
    let exchanged = exchange_code(&context, PROVIDER, &code, &verifier, origin)
        .await
        .map_err(|refusal| match refusal {
            ExchangeRefusal::VerifierFormat => bad("code_verifier format invalid."),
            ExchangeRefusal::Code => bad("Invalid or expired auth code."),
            ExchangeRefusal::Pkce => bad("PKCE verification failed."),
            ExchangeRefusal::Origin => bad("Origin not allowed."),
            ExchangeRefusal::Other(error) => error.into(),
        })?;
    let account = exchanged.account;
    let answer = ExchangedCode {
        version: 1,
        auth_provider: PROVIDER.to_owned(),
        access_token: exchanged.access.expose().clone(),
        expires_at: exchanged.access_expires_at.as_millisecond(),
        user: ExchangedUser {
            name: account.full_name,
            email: account.email,
            avatar: account.avatar,
        },
    };
    let mut response = ([no_store()], Json(answer)).into_response();
    // Whoever holds the verifier began the sign-in, so the cookie goes to the right one.
    if let Some((refresh, expires_at)) = exchanged.refresh {
        let seconds = expires_at.as_second() - context.now().as_second();
        let cookie = refresh_cookie(&context, refresh.expose(), seconds);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn text(value: &serde_json::Value) -> Result<String, fields::Wrong> {
    fields::text(value).map(str::to_owned)
}

/// What programs are told of a refusal.
fn google_refusal(refusal: OutsideRefusal) -> IssuerError {
    match refusal {
        OutsideRefusal::NotConfigured => IssuerError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Google OAuth is not configured.",
        ),
        OutsideRefusal::UnknownState | OutsideRefusal::OtherBrowser => {
            bad("Invalid or expired state parameter")
        }
        OutsideRefusal::Declined(_) | OutsideRefusal::Provider { .. } => {
            bad("Token exchange with Google failed.")
        }
        OutsideRefusal::Account(_) | OutsideRefusal::Taken | OutsideRefusal::OnlyAtThePages => {
            bad("Google sign-in could not be completed for this account.")
        }
        OutsideRefusal::Other(error) => error.into(),
    }
}

fn bad(detail: &'static str) -> IssuerError {
    IssuerError::new(StatusCode::BAD_REQUEST, detail)
}

fn too_many(error: crate::Error) -> IssuerError {
    IssuerError {
        headers: error.headers.into_iter().collect(),
        ..IssuerError::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests.")
    }
}

const fn no_store() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
