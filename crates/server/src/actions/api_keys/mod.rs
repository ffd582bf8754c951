//! API keys: programs act for an account with them, at the issuer and, by introspection, at services.

mod flush;
mod manage;
mod verify;

use std::sync::Arc;

use accounts::{api_key::ApiKey, quota::Limits};
use ids::ApiKeyId;
use storage::LimitOf;

use crate::{Context, Error};

pub use flush::flush;
pub(crate) use flush::keep_flushed;
pub use manage::{
    Created, KeyService, REVOKED, TOO_MANY, create, find_mine, list_mine, list_of, revoke_any,
    revoke_mine, services_for_keys, set_limits,
};
pub use verify::{Introspected, Refused, Verified, introspect, verify};

/// A key with the limits that were set for it or its account.
#[derive(Debug, Clone)]
pub(crate) struct KnownKey {
    pub(crate) key: ApiKey,
    pub(crate) limits: Limits,
}

/// A key by its id, usable or not, through the caches.
async fn known(context: &Context, id: ApiKeyId) -> Result<Option<Arc<KnownKey>>, Error> {
    let load = || {
        context.storage.read(move |tx| {
            let Some(key) = tx.api_keys().find(id)? else {
                return Ok::<_, Error>(None);
            };
            let own = tx.api_keys().limits(LimitOf::Key(id))?;
            let account = tx.api_keys().limits(LimitOf::Account(key.account))?;
            Ok(Some(KnownKey {
                key,
                limits: own.or(account),
            }))
        })
    };
    context.caches.get(&context.caches.api_keys, id, load).await
}

/// The key that a text with this digest is, usable or not.
async fn known_by_digest(
    context: &Context,
    digest: [u8; 32],
) -> Result<Option<Arc<KnownKey>>, Error> {
    if let Some(id) = context.caches.api_key_digests.get(&digest) {
        return known(context, id).await;
    }
    let found = context
        .storage
        .read(move |tx| tx.api_keys().find_by_digest(digest))
        .await?;
    let Some(key) = found else { return Ok(None) };
    context.caches.api_key_digests.insert(digest, key.id);
    known(context, key.id).await
}

/// The key with the last use that this server knows of.
fn with_last_use(context: &Context, mut key: ApiKey) -> ApiKey {
    key.last_used_at = key.last_used_at.max(context.key_use.last_used(key.id));
    key
}
