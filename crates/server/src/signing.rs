//! The key that signs access tokens: made at first start, kept sealed, published as a key set.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use storage::{EventKind, KeyState};
use token::{Algorithm, KeySet, SigningKey, VerifyingKey};

use crate::{Context, Error, random};

/// What signs now, and what verifies.
#[derive(Debug)]
pub struct Signing {
    /// Signs.
    pub key: SigningKey,
    /// Every key whose tokens may still be around, the current one first.
    pub keys: KeySet,
    /// The key set as it is served.
    pub jwks: Bytes,
    /// Strong entity tag of [`Self::jwks`], with its quotes.
    pub etag: String,
}

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A key could not be made or used.
    #[error("could not make or read the signing key {kid}")]
    Key {
        /// Which one; `new` while it is being made.
        kid: String,
        /// Why.
        #[source]
        cause: token::KeyError,
    },
    /// The kept key is sealed under another master key.
    #[error(
        "could not open the signing key {kid}: is this the master key the database was made with?"
    )]
    Sealed {
        /// Which one.
        kid: String,
        /// Why.
        #[source]
        cause: token::sealed::OpenError,
    },
}

impl Context {
    /// The signing keys, loaded once; made when there are none.
    pub async fn signing(&self) -> Result<Arc<Signing>, Error> {
        let kept = self
            .signing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let loaded = Arc::new(load(self).await?);
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded.clone());
        Ok(loaded)
    }

    /// Forgets the loaded keys, because another one signs now.
    pub(crate) fn forget_signing(&self) {
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn load(context: &Context) -> Result<Signing, Error> {
    let mut records = context.storage.read(|tx| tx.keys().list()).await?;
    if !records
        .iter()
        .any(|record| record.state == KeyState::Current)
    {
        make(context).await?;
        records = context.storage.read(|tx| tx.keys().list()).await?;
    }
    let sealing = context.master_key.sealing_key("signing_key");
    let mut current = None;
    let mut others = Vec::new();
    for record in records {
        let failed = |cause| {
            Error::internal(&SigningError::Key {
                kid: record.kid.clone(),
                cause,
            })
        };
        let algorithm = Algorithm::from_name(&record.algorithm)
            .ok_or_else(|| failed(token::KeyError::Library))?;
        let bytes = sealing
            .open(&record.sealed_private, associated(&record.kid).as_bytes())
            .map_err(|cause| {
                Error::internal(&SigningError::Sealed {
                    kid: record.kid.clone(),
                    cause,
                })
            })?;
        let key = SigningKey::from_bytes(algorithm, &bytes).map_err(failed)?;
        match record.state {
            KeyState::Current => current = Some(key),
            KeyState::Next | KeyState::Retired => others.push(key.verifying_key()),
        }
    }
    let key = current.ok_or_else(Error::not_found)?;
    let keys = KeySet::new(std::iter::once(key.verifying_key()).chain(others));
    let jwks = Bytes::from(keys.to_jwks().to_string());
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&jwks)));
    Ok(Signing {
        key,
        keys,
        jwks,
        etag,
    })
}

/// Makes the first key. When two servers do so at once, the first one's is kept.
async fn make(context: &Context) -> Result<(), Error> {
    let algorithm = context.config.issuer.algorithm.algorithm();
    // An RSA key takes a while: not on the threads that serve requests.
    let made = tokio::task::spawn_blocking(move || {
        let key = SigningKey::generate(algorithm)?;
        let bytes = key.to_bytes()?;
        Ok::<_, token::KeyError>((key, bytes))
    });
    let failed = |cause| {
        Error::internal(&SigningError::Key {
            kid: "new".into(),
            cause,
        })
    };
    let (key, bytes) = made
        .await
        .map_err(|_| failed(token::KeyError::Library))?
        .map_err(failed)?;
    let now = context.now();
    let kid = key
        .kid()
        .map_or_else(|| hex::encode(random::bytes::<8>()), str::to_owned);
    let record = storage::SigningKey {
        sealed_private: context.master_key.sealing_key("signing_key").seal(
            &bytes,
            associated(&kid).as_bytes(),
            random::bytes(),
        ),
        algorithm: algorithm.as_str().to_owned(),
        public_jwk: public_jwk(&key.verifying_key()),
        state: KeyState::Current,
        created_at: now,
        published_at: Some(now),
        retired_at: None,
        kid,
    };
    context
        .change(move |change| {
            if change
                .keys()
                .list()?
                .iter()
                .any(|kept| kept.state == KeyState::Current)
            {
                return Ok(());
            }
            change.keys().insert(&record)?;
            change.event(EventKind::KeyRotated, &record.kid)
        })
        .await
}

fn public_jwk(key: &VerifyingKey) -> String {
    KeySet::new([key.clone()]).to_jwks()["keys"][0].to_string()
}

fn associated(kid: &str) -> String {
    format!("signing_key.sealed_private.{kid}")
}
