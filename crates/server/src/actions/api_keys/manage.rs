//! Making, listing and revoking keys, and limiting their use.

use accounts::{
    Service,
    api_key::{self, ApiKey, Wish},
    quota::Limits,
    service::API_KEY_INTROSPECTION,
};
use http::StatusCode;
use ids::{AccountId, ApiKeyId};
use secret::SecretString;
use serde_json::json;
use storage::{EventKind, LimitOf};
use token::ApiKeyText;

use super::with_last_use;
use crate::{Change, Context, Error, extract::Caller, random};

/// A new key.
#[derive(Debug)]
pub struct Created {
    /// Its record.
    pub key: ApiKey,
    /// Its text, which is told this once.
    pub text: SecretString,
}

/// Makes a key for the caller.
pub async fn create(context: &Context, caller: &Caller, wish: Wish) -> Result<Created, Error> {
    let (now, owner) = (context.now(), caller.account.id);
    let (milliseconds, random) = random::id_parts(now);
    let key = api_key::issue(wish, owner, ApiKeyId::new(milliseconds, random), now)?;
    eligible(context, &key.audiences).await?;
    let text = ApiKeyText::generate(random::bytes());
    let (digest, most) = (text.digest(), context.config.api_keys.each.get());
    let record = key.clone();
    context
        .change(move |change| {
            let owner = change.accounts().find(record.account)?;
            if !owner.is_some_and(|owner| owner.active) {
                return Err(Error::forbidden("This account is disabled."));
            }
            if change.api_keys().count_usable(record.account, now)? >= most {
                let text = format!(
                    "Maximum of {most} active API keys reached. Revoke an existing key before creating a new one."
                );
                return Err(Error::new(StatusCode::CONFLICT, TOO_MANY, text));
            }
            change.api_keys().insert(&record, digest)?;
            tell(change, &record, "created")
        })
        .await?;
    metrics::counter!("api_keys_created_total").increment(1);
    Ok(Created {
        key,
        text: text.reveal(),
    })
}

/// The code of the refusal to make one key more.
pub const TOO_MANY: &str = "too_many_api_keys";
/// The code of the refusal to revoke a key twice.
pub const REVOKED: &str = "api_key_revoked";

/// A service that a key can be for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyService {
    /// What people call it.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// The services that keys can be for, by name.
pub async fn services_for_keys(context: &Context) -> Result<Vec<KeyService>, Error> {
    let services = context.services().await?;
    let mut found: Vec<_> = services
        .values()
        .filter(|service| may_ask(service))
        .map(|service| KeyService {
            name: service.name.clone(),
            id: service.id.to_string(),
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

fn may_ask(service: &Service) -> bool {
    service.may_call() && service.scopes.contains(API_KEY_INTROSPECTION)
}

/// A key may be for registered services only that may ask about keys.
async fn eligible(context: &Context, audiences: &[String]) -> Result<(), Error> {
    if audiences.is_empty() {
        return Ok(());
    }
    let services = context.services().await?;
    let mut others: Vec<&str> = audiences
        .iter()
        .filter(|audience| {
            let service = services.get(audience.as_str());
            service.is_none_or(|service| !may_ask(service))
        })
        .map(String::as_str)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    others.sort_unstable();
    let text = format!("Unknown or ineligible audience(s): {}", others.join(", "));
    Err(Error::new(StatusCode::CONFLICT, "unknown_audience", text))
}

/// The caller's keys, the newest first.
pub async fn list_mine(context: &Context, caller: &Caller) -> Result<Vec<ApiKey>, Error> {
    list_of(context, caller.account.id).await
}

/// The keys of an account, the newest first.
pub async fn list_of(context: &Context, account: AccountId) -> Result<Vec<ApiKey>, Error> {
    let keys = context
        .storage
        .scan(move |tx| tx.api_keys().list_of(account))
        .await?;
    Ok(keys
        .into_iter()
        .map(|key| with_last_use(context, key))
        .collect())
}

/// One of the caller's keys.
pub async fn find_mine(context: &Context, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, Error> {
    let key = context
        .storage
        .read(move |tx| tx.api_keys().find(id))
        .await?;
    key.filter(|key| key.account == caller.account.id)
        .map(|key| with_last_use(context, key))
        .ok_or_else(unknown)
}

/// Revokes one of the caller's keys.
pub async fn revoke_mine(context: &Context, caller: &Caller, id: ApiKeyId) -> Result<(), Error> {
    revoke(context, id, Some(caller.account.id)).await
}

/// Revokes anybody's key. For superusers.
pub async fn revoke_any(context: &Context, id: ApiKeyId) -> Result<(), Error> {
    revoke(context, id, None).await
}

async fn revoke(context: &Context, id: ApiKeyId, owner: Option<AccountId>) -> Result<(), Error> {
    let now = context.now();
    context
        .change(move |change| {
            let key = change.api_keys().find(id)?;
            let key = key
                .filter(|key| owner.is_none_or(|owner| owner == key.account))
                .ok_or_else(unknown)?;
            if !change.api_keys().revoke(id, now)? {
                let text = "API key is already revoked";
                return Err(Error::new(StatusCode::CONFLICT, REVOKED, text));
            }
            tell(change, &key, "revoked")
        })
        .await?;
    metrics::counter!("api_keys_revoked_total").increment(1);
    Ok(())
}

/// Sets how often a key, or each key of an account, may be used; all absent takes that back.
pub async fn set_limits(context: &Context, of: LimitOf, limits: Limits) -> Result<(), Error> {
    context
        .change(move |change| {
            let subject = match of {
                LimitOf::Key(id) => {
                    change.api_keys().find(id)?.ok_or_else(unknown)?;
                    id.to_string()
                }
                LimitOf::Account(id) => {
                    change.accounts().find(id)?.ok_or_else(Error::not_found)?;
                    format!("account {id}")
                }
            };
            change.api_keys().set_limits(of, limits)?;
            let payload = json!({ "change": "limits" });
            change.event_with(EventKind::ApiKeyChanged, subject, &payload)
        })
        .await
}

fn tell(change: &mut Change<'_>, key: &ApiKey, what: &str) -> Result<(), Error> {
    let payload = json!({ "change": what, "account": key.account });
    change.event_with(EventKind::ApiKeyChanged, key.id, &payload)
}

fn unknown() -> Error {
    Error::new(
        StatusCode::NOT_FOUND,
        "api_key_not_found",
        "API key not found",
    )
}
