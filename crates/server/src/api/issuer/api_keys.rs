//! API keys of the caller, their use at the issuer, and anybody's for superusers.

use accounts::{
    api_key::{AccessMode, ApiKey, Wish},
    quota::Tightest,
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ids::{AccountId, ApiKeyId};
use jiff::Timestamp;
use protocol::issuer::{
    API_KEY_HEADER, ApiKeyCreated, ApiKeyOfAccount, ApiKeyPublic, InvalidField, Listed, Message,
};
use serde_json::Value;

use super::fields::{self, Fields, NamedId, PathId, Wrong};
use crate::{
    Context, Error,
    actions::api_keys::{self as actions, Refused},
    error::IssuerError,
    extract::{SuperuserToken, TokenCaller},
    routes::Routes,
};

/// How long a key is good when nothing is said.
const HOURS: i64 = 24;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/profile/api-keys/", list)
        .post("/profile/api-keys/", create)
        .get("/profile/api-keys/verify", verify)
        .get("/profile/api-keys/{id}", get)
        .delete("/profile/api-keys/{id}", revoke)
        .get("/api-keys/by-user/{id}/", by_user)
        .post("/api-keys/revoke/{id}/", revoke_any)
}

impl NamedId for ApiKeyId {
    const NAME: &'static str = "key_id";
}

async fn create(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
    mut body: Fields,
) -> Result<Response, IssuerError> {
    let name = body.given("name", |value| {
        let name = fields::text(value)?;
        fields::at_least(name.trim(), 3)?;
        fields::at_most(name, 100)?;
        if name.chars().any(char::is_control) {
            return Err(Wrong::refused("a name has no control characters"));
        }
        Ok(name.to_owned())
    });
    let hours = body.given("ttl_hours", hours).unwrap_or(HOURS);
    let access_mode = body
        .given("access_mode", |value| {
            let expected = "Input should be 'read_only' or 'read_write'";
            AccessMode::from_name(value.as_str().unwrap_or_default())
                .ok_or_else(|| Wrong::new("enum", expected))
        })
        .unwrap_or_default();
    let audiences = body.given("audiences", audiences).unwrap_or_default();
    body.finish()?;
    let wish = Wish {
        name,
        hours,
        access_mode,
        audiences,
    };
    let made = actions::create(&context, &caller, wish).await;
    let made = made.map_err(told)?;
    let answer = ApiKeyCreated {
        key: public(&made.key),
        plaintext: made.text.expose().clone(),
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, no_store, Json(answer)).into_response())
}

/// What `Fields` let pass and the rule refuses concerns audiences, which clients know as a conflict.
fn told(error: Error) -> IssuerError {
    match error.code {
        "bad_field" => IssuerError {
            status: StatusCode::CONFLICT,
            detail: error.message.into_owned().into(),
            headers: Vec::new(),
        },
        _ => error.into(),
    }
}

fn hours(value: &Value) -> Result<i64, Wrong> {
    let hours = value
        .as_i64()
        .or_else(|| value.is_u64().then_some(i64::MAX))
        .ok_or_else(|| Wrong::new("int_type", "Input should be a valid integer"))?;
    if hours < 1 {
        return Err(Wrong::new("greater_than", "Input should be greater than 0"));
    }
    let most = accounts::api_key::MOST_HOURS;
    if hours > most {
        let text = format!("Input should be less than or equal to {most}");
        return Err(Wrong::new("less_than_equal", text));
    }
    Ok(hours)
}

fn audiences(value: &Value) -> Result<Vec<String>, Wrong> {
    let list = value
        .as_array()
        .ok_or_else(|| Wrong::new("list_type", "Input should be a valid list"))?;
    let texts = list
        .iter()
        .map(|entry| fields::text(entry).map(str::to_owned));
    texts.collect()
}

async fn list(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
) -> Result<Json<Vec<ApiKeyPublic>>, IssuerError> {
    let keys = actions::list_mine(&context, &caller).await?;
    Ok(Json(keys.iter().map(public).collect()))
}

async fn get(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Json<ApiKeyPublic>, IssuerError> {
    let key = actions::find_mine(&context, &caller, id).await?;
    Ok(Json(public(&key)))
}

async fn revoke(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Json<Message>, IssuerError> {
    actions::revoke_mine(&context, &caller, id).await?;
    Ok(revoked())
}

async fn by_user(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    PathId(account): PathId<AccountId>,
) -> Result<Json<Listed<ApiKeyOfAccount>>, IssuerError> {
    let keys = actions::list_of(&context, account).await?;
    let now = context.now();
    Ok(Json(Listed {
        count: keys.len() as u64,
        data: keys.iter().map(|key| of_account(key, now)).collect(),
    }))
}

async fn revoke_any(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Json<Message>, IssuerError> {
    actions::revoke_any(&context, id).await?;
    Ok(revoked())
}

fn revoked() -> Json<Message> {
    Json(Message {
        message: "API key revoked successfully".to_owned(),
    })
}

async fn verify(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let Some(text) = headers.get(API_KEY_HEADER) else {
        return Err(IssuerError::invalid_fields(&[InvalidField {
            kind: "missing".to_owned(),
            loc: vec!["header".to_owned(), API_KEY_HEADER.to_owned()],
            msg: "Field required".to_owned(),
            input: None,
        }]));
    };
    let verified = actions::verify(&context, text.to_str().unwrap_or_default()).await?;
    match verified {
        Ok(verified) => {
            let limits = limit_headers(verified.tightest);
            Ok((limits, Json(public(&verified.key))).into_response())
        }
        Err(Refused::Invalid) => Err(IssuerError::new(
            StatusCode::UNAUTHORIZED,
            "Invalid or expired API key",
        )),
        Err(Refused::Exceeded(exceeded)) => Err(limited(&exceeded)),
    }
}

/// 429 of a key that was used too often.
pub(super) fn limited(exceeded: &accounts::quota::Exceeded) -> IssuerError {
    let error = Error::too_many("rate_limited", exceeded.to_string(), exceeded.retry_after);
    let mut refused = IssuerError::from(error);
    for (name, value) in &limit_headers(Some(exceeded.told)) {
        refused.headers.push((name.clone(), value.clone()));
    }
    refused
}

/// How near the tightest limit is.
pub(super) fn limit_headers(tightest: Option<Tightest>) -> HeaderMap {
    let Some(told) = tightest else {
        return HeaderMap::new();
    };
    let reset = u64::try_from(told.reset.as_second()).unwrap_or_default();
    HeaderMap::from_iter([
        (
            HeaderName::from_static("x-ratelimit-limit"),
            HeaderValue::from(told.limit),
        ),
        (
            HeaderName::from_static("x-ratelimit-remaining"),
            HeaderValue::from(told.remaining),
        ),
        (
            HeaderName::from_static("x-ratelimit-reset"),
            HeaderValue::from(reset),
        ),
    ])
}

fn public(key: &ApiKey) -> ApiKeyPublic {
    ApiKeyPublic {
        id: key.id.to_string(),
        name: key.name.clone(),
        expires_at: key.expires_at.to_string(),
        revoked: key.revoked_at.is_some(),
        created_at: key.created_at.to_string(),
        updated_at: key.updated_at.to_string(),
        last_used_at: key.last_used_at.map(|at| at.to_string()),
        access_mode: key.access_mode.as_str().to_owned(),
        audiences: key.audiences.clone(),
    }
}

fn of_account(key: &ApiKey, now: Timestamp) -> ApiKeyOfAccount {
    ApiKeyOfAccount {
        key: public(key),
        user_id: key.account.to_string(),
        status: key.standing(now).as_str().to_owned(),
    }
}
