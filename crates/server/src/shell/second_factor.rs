//! The second step of a sign-in, and signing in by a passkey alone.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    cookies::{self, Kept, SECOND_STEP_COOKIE},
    errors,
    form::Posted,
    next::Next,
    pages::{self, code_form},
    passkeys,
    ui::Tone,
    visit::{Visit, add_cookie, go},
};
use crate::{
    Error,
    actions::accounts::{SignedIn, factors},
    extract::Query,
};

#[derive(Deserialize)]
pub(super) struct Coming {
    #[serde(default)]
    next: String,
}

/// `GET /signin/second-factor`.
pub(super) async fn page(
    visit: Visit,
    headers: HeaderMap,
    Query(query): Query<Coming>,
) -> Result<Response, Error> {
    let next = Next::parse(&query.next);
    let Some(token) = waiting(&headers) else {
        return Ok(go("/signin"));
    };
    match factors::find_second_step(&visit.context, token).await {
        Ok(asked) => Ok(show(&visit, StatusCode::OK, &next, asked, None)),
        Err(error) if error.status == StatusCode::GONE => Ok(begin_again(&visit, &next, &error)),
        Err(error) => Err(error),
    }
}

/// `POST /signin/second-factor`.
pub(super) async fn by_code(
    headers: HeaderMap,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let next = Next::parse(fields.get("next"));
    let Some(token) = waiting(&headers) else {
        return Ok(go("/signin"));
    };
    let context = &visit.context;
    let known = visit.known_device.as_ref();
    let code = fields.secret("code");
    match factors::second_step_by_code(context, token, code, visit.peer, known).await {
        Ok(signed_in) => done(&visit, &next, &signed_in).await,
        Err(error) => again(&visit, token, &next, error).await,
    }
}

/// `POST /signin/second-factor/passkey/begin`.
pub(super) async fn begin(
    headers: HeaderMap,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let token = waiting(&headers).unwrap_or_default();
    let challenge = factors::begin_second_step_by_passkey(&visit.context, token).await?;
    Ok(passkeys::challenge(&visit, &challenge))
}

/// `POST /signin/second-factor/passkey`.
pub(super) async fn by_passkey(
    headers: HeaderMap,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let next = Next::parse(fields.get("next"));
    let Some(token) = waiting(&headers) else {
        return Ok(go("/signin"));
    };
    let answered = match passkeys::token(&headers) {
        Ok(challenge) => {
            let answer = fields.get("answer");
            factors::second_step_by_passkey(&visit.context, token, challenge, answer).await
        }
        Err(error) => Err(error),
    };
    match answered {
        Ok(signed_in) => done(&visit, &next, &signed_in).await,
        Err(error) => again(&visit, token, &next, error).await,
    }
}

/// `POST /signin/passkey/begin`.
pub(super) async fn begin_alone(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let challenge = factors::begin_sign_in_by_passkey(&visit.context, visit.peer).await?;
    Ok(passkeys::challenge(&visit, &challenge))
}

/// `POST /signin/passkey`.
pub(super) async fn alone(
    headers: HeaderMap,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let next = Next::parse(fields.get("next"));
    let answered = match passkeys::token(&headers) {
        Ok(challenge) => {
            let answer = fields.get("answer");
            factors::sign_in_by_passkey(&visit.context, challenge, answer, &visit.device).await
        }
        Err(error) => Err(error),
    };
    match answered {
        Ok(signed_in) => done(&visit, &next, &signed_in).await,
        Err(error) if errors::belongs_to_form(&error) => Ok(begin_again(&visit, &next, &error)),
        Err(error) => Err(error),
    }
}

fn waiting(headers: &HeaderMap) -> Option<&str> {
    cookies::cookie(headers, SECOND_STEP_COOKIE)
}

async fn done(visit: &Visit, next: &Next, signed_in: &SignedIn) -> Result<Response, Error> {
    let mut response = visit.go_signed_in(next, signed_in).await?;
    add_cookie(
        &mut response,
        cookies::set(&visit.context.config, SECOND_STEP_COOKIE, "", Kept::Not),
    );
    Ok(response)
}

/// Shows the step once more with what was wrong, or goes back to the first one when that has to be taken again.
async fn again(visit: &Visit, token: &str, next: &Next, error: Error) -> Result<Response, Error> {
    if !errors::belongs_to_form(&error) {
        return Err(error);
    }
    match factors::find_second_step(&visit.context, token).await {
        Ok(asked) => {
            let mut response = show(visit, error.status, next, asked, Some(&error));
            if let Some(wait) = error.header(&http::header::RETRY_AFTER) {
                let headers = response.headers_mut();
                headers.insert(http::header::RETRY_AFTER, wait.clone());
            }
            Ok(response)
        }
        Err(lapsed) if lapsed.status == StatusCode::GONE => Ok(begin_again(visit, next, &lapsed)),
        Err(other) => Err(other),
    }
}

fn begin_again(visit: &Visit, next: &Next, error: &Error) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next.as_str())
        .finish();
    visit.go_saying(&format!("/signin?{query}"), Tone::Warn, &error.message)
}

fn show(
    visit: &Visit,
    status: StatusCode,
    next: &Next,
    asked: factors::Asked,
    error: Option<&Error>,
) -> Response {
    let hint = match (asked.authenticator, asked.recovery_code) {
        (true, true) => {
            Some("The six digits that your authenticator app shows, or a recovery code.")
        }
        (true, false) => Some("The six digits that your authenticator app shows."),
        (false, true) => Some("One of your recovery codes."),
        (false, false) => None,
    };
    let message = error.map(|error| error.message.to_string());
    let form = hint.map(|hint| code_form(hint, message, !asked.passkey));
    let page = pages::SecondFactor {
        page: visit.page(),
        next: next.to_string(),
        passkey: asked.passkey,
        form,
    };
    visit.show_door(status, &page)
}
