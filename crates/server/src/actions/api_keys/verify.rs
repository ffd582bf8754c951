//! Using a key: whether it is good, for whom it stands, and whether it may be used once more.

use std::{sync::Arc, time::Duration};

use accounts::{
    Account,
    api_key::{ApiKey, Authority, authority},
    quota::{Exceeded, Tightest},
};
use ids::ServiceId;
use token::ApiKeyText;

use super::{KnownKey, known_by_digest, with_last_use};
use crate::{Context, Error};

/// A key that was used.
#[derive(Debug)]
pub struct Verified {
    /// Its record.
    pub key: ApiKey,
    /// For whom it stands.
    pub account: Arc<Account>,
    /// What it allows.
    pub authority: Authority,
    /// The limit that is nearest, if there are limits.
    pub tightest: Option<Tightest>,
}

/// Why a key was not used.
#[derive(Debug)]
pub enum Refused {
    /// There is no such key, or it cannot be used.
    Invalid,
    /// It was used too often.
    Exceeded(Exceeded),
}

/// What a service is told of a key.
#[derive(Debug)]
pub enum Introspected {
    /// It is good and for this service. The use was counted.
    Active(Verified),
    /// Anything else; the reason is not told.
    Inactive,
    /// It is good, but was used too often.
    Exceeded(Exceeded),
    /// The service asked too often, and is to wait this long.
    AskedTooOften(Duration),
}

/// Uses a key at the issuer itself.
pub async fn verify(context: &Context, text: &str) -> Result<Result<Verified, Refused>, Error> {
    let Some(found) = find(context, text).await? else {
        count("invalid");
        return Ok(Err(Refused::Invalid));
    };
    Ok(spend(context, found).await?.map_err(Refused::Exceeded))
}

/// Uses a key on behalf of a service. A question that is not answered with an active key costs the key nothing.
pub async fn introspect(
    context: &Context,
    service: &ServiceId,
    text: &str,
) -> Result<Introspected, Error> {
    let most = context.config.api_keys.introspections_per_minute.get();
    if let Err(wait) = context.key_use.ask(service.as_str(), most, context.now()) {
        return Ok(Introspected::AskedTooOften(wait));
    }
    match find(context, text).await? {
        Some(found) if found.known.key.is_for(service.as_str()) => {
            Ok(match spend(context, found).await? {
                Ok(verified) => Introspected::Active(verified),
                Err(exceeded) => Introspected::Exceeded(exceeded),
            })
        }
        _ => {
            count("invalid");
            Ok(Introspected::Inactive)
        }
    }
}

/// A good key of an account that may use it.
struct Found {
    known: Arc<KnownKey>,
    account: Arc<Account>,
    authority: Authority,
}

async fn find(context: &Context, text: &str) -> Result<Option<Found>, Error> {
    let Ok(text) = ApiKeyText::parse(text) else {
        return Ok(None);
    };
    let Some(known) = known_by_digest(context, text.digest()).await? else {
        return Ok(None);
    };
    let Some(account) = context.account(known.key.account).await? else {
        return Ok(None);
    };
    let authority = authority(&known.key, &account, context.now());
    Ok(authority.map(|authority| Found {
        known,
        account,
        authority,
    }))
}

/// Counts one use.
async fn spend(context: &Context, found: Found) -> Result<Result<Verified, Exceeded>, Error> {
    let Found {
        known,
        account,
        authority,
    } = found;
    let (id, now) = (known.key.id, context.now());
    let limits = known.limits.or(context.config.api_keys.limits());
    let taken = loop {
        if let Some(taken) = context.key_use.take(id, &limits, now) {
            break taken;
        }
        let written = context
            .storage
            .read(move |tx| tx.api_keys().usage(id))
            .await?;
        context.key_use.learn(id, &written);
    };
    count(if taken.is_ok() { "success" } else { "limited" });
    Ok(taken.map(|tightest| Verified {
        key: with_last_use(context, known.key.clone()),
        account,
        authority,
        tightest,
    }))
}

fn count(result: &'static str) {
    metrics::counter!("api_key_uses_total", "result" => result).increment(1);
}
