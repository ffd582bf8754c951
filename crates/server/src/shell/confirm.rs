//! Confirming that it is still oneself, before something is changed that protects the account.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    errors,
    form::Posted,
    next::Next,
    pages::{ConfirmIdentity, ProviderButton, code_form},
    passkeys,
    visit::{Visit, go},
};
use crate::{
    Error,
    actions::accounts::{factors, outside},
    extract::Query,
};

#[derive(Deserialize)]
pub(super) struct Coming {
    #[serde(default)]
    next: String,
}

/// `GET /confirm?next=`.
pub(super) async fn page(visit: Visit, Query(query): Query<Coming>) -> Result<Response, Error> {
    show(&visit, &Next::parse(&query.next), None).await
}

/// `POST /confirm`: by password or by code.
pub(super) async fn confirm(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let (context, caller) = (&visit.context, visit.caller()?);
    let next = Next::parse(fields.get("next"));
    let done = if fields.filled("code").is_some() {
        factors::confirm_by_code(context, caller, fields.secret("code")).await
    } else {
        factors::confirm_by_password(context, caller, fields.secret("password")).await
    };
    finish(&visit, &next, done).await
}

/// `POST /confirm/passkey/begin`.
pub(super) async fn begin(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let challenge = factors::begin_confirm_by_passkey(&visit.context, visit.caller()?).await?;
    Ok(passkeys::challenge(&visit, &challenge))
}

/// `POST /confirm/passkey`.
pub(super) async fn by_passkey(
    headers: HeaderMap,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let (context, caller) = (&visit.context, visit.caller()?);
    let next = Next::parse(fields.get("next"));
    let done = match passkeys::token(&headers) {
        Ok(token) => {
            factors::confirm_by_passkey(context, caller, token, fields.get("answer")).await
        }
        Err(error) => Err(error),
    };
    finish(&visit, &next, done).await
}

async fn finish(visit: &Visit, next: &Next, done: Result<(), Error>) -> Result<Response, Error> {
    match done {
        Ok(()) => Ok(go(next.as_str())),
        Err(error)
            if errors::belongs_to_form(&error)
                && error.code != "unauthorized"
                && error.status != StatusCode::TOO_MANY_REQUESTS =>
        {
            show(visit, next, Some(&error)).await
        }
        Err(error) => Err(error),
    }
}

async fn show(visit: &Visit, next: &Next, error: Option<&Error>) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let factors = factors::factors(&visit.context, caller).await?;
    let about_code = error.and_then(|error| errors::field(error, "code"));
    let about_password = error.and_then(|error| errors::field(error, "password"));
    let mut page = visit.page();
    if let Some(error) = error.filter(|_| about_code.is_none() && about_password.is_none()) {
        page.flash = Some(super::ui::Alert::new(
            super::ui::Tone::Bad,
            error.message.to_string(),
        ));
    }
    let hint = "From your authenticator app, or a recovery code.";
    let connections = outside::connections(&visit.context, caller).await?;
    let providers = connections
        .into_iter()
        .filter(|connection| connection.is_offered && connection.identity.is_some())
        .map(|connection| ProviderButton {
            name: connection.provider,
            label: connection.label,
        });
    let has_codes = factors.authenticator || factors.recovery_codes > 0;
    let page = ConfirmIdentity {
        page,
        next: next.to_string(),
        username: caller.account.username.clone(),
        passkey: factors.passkeys > 0 && factors::passkeys_work(&visit.context),
        password: factors
            .password
            .then(|| ConfirmIdentity::password_form(about_password)),
        providers: providers.collect(),
        code: has_codes.then(|| code_form(hint, about_code, !factors.password)),
    };
    let status = error.map_or(StatusCode::OK, |error| error.status);
    Ok(visit.show(status, &page))
}

/// Where a person is sent who has to confirm first, to come back to `next`.
pub(super) fn address(next: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    format!("/confirm?{query}")
}
