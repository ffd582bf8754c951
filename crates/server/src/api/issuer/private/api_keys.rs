//! `POST /user/private/v1/api-keys/introspect`: for whom a key stands that somebody presented to a service.

use accounts::service::API_KEY_INTROSPECTION;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use protocol::issuer::{ApiKeyActive, ApiKeyInactive, ApiKeyPrincipal};
use secret::SecretString;

use super::super::{
    api_keys::{limit_headers, limited},
    fields::{self, Fields},
};
use crate::{
    Context, Error,
    actions::api_keys::{self as actions, Introspected, Verified},
    error::IssuerError,
    extract::PrivateCaller,
};

/// The only form of question and answer that is known.
const SCHEMA: &str = "1";

/// Who asks comes first, then what is asked; whatever is wrong with the key, the answer is the same.
pub(super) async fn introspect(
    State(context): State<Context>,
    caller: PrivateCaller,
    mut body: Fields,
) -> Result<Response, IssuerError> {
    caller.require(API_KEY_INTROSPECTION)?;
    // A key is for registered services; whoever holds the shared secret only is none.
    let service = caller
        .id()
        .ok_or_else(|| IssuerError::new(StatusCode::FORBIDDEN, "Forbidden"))?;
    let key = body.required("api_key", |value| {
        let text = fields::text(value).map_err(fields::Wrong::secret)?;
        Ok(SecretString::new(text.to_owned()))
    });
    let schema = body.given("schema_version", |value| {
        fields::text(value).map(str::to_owned)
    });
    body.finish()?;
    let Some(key) = key else {
        unreachable!("a field that is missing was refused")
    };
    if schema.is_some_and(|schema| schema != SCHEMA) {
        return Err(IssuerError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Introspection temporarily unavailable",
        ));
    }
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    match actions::introspect(&context, service, key.expose()).await? {
        Introspected::Active(verified) => {
            let limits = limit_headers(verified.tightest);
            let answer = active(service.as_str(), &verified);
            Ok((no_store, limits, Json(answer)).into_response())
        }
        Introspected::Inactive => {
            let answer = ApiKeyInactive {
                schema_version: SCHEMA.to_owned(),
                active: false,
            };
            Ok((no_store, Json(answer)).into_response())
        }
        Introspected::Exceeded(exceeded) => Err(limited(&exceeded)),
        Introspected::AskedTooOften(wait) => {
            let text = "Introspection rate limit exceeded";
            Err(Error::too_many("rate_limited", text, wait).into())
        }
    }
}

fn active(service: &str, verified: &Verified) -> ApiKeyActive {
    ApiKeyActive {
        schema_version: SCHEMA.to_owned(),
        active: true,
        audience_id: service.to_owned(),
        principal: ApiKeyPrincipal {
            user_id: verified.account.id.to_string(),
            role: verified.authority.role.to_string(),
            is_superuser: verified.authority.role.is_superuser(),
            access_mode: verified.authority.access_mode.as_str().to_owned(),
            authentication_method: "api_key".to_owned(),
            auth_generation: verified.account.generation,
        },
        key_expires_at: verified.key.expires_at.to_string(),
    }
}
