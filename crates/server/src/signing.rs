//! The keys that sign access tokens and verify them, loaded and published as a key set.
//!
//! How they come and go is decided in `token::rotation` and done in `actions::signing_keys`. Every server loads them
//! anew when the event log tells of a change, and until it has heard it signs with a key that is published still.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use secret::{Secret, SecretString};
use sha2::{Digest as _, Sha256};
use token::{
    Algorithm, KeySet, SigningKey, VerifyingKey,
    rotation::{KeyLife, KeyState, Ring, Rules, Wish},
};

use crate::{
    Context, Error, actions::signing_keys, caches::PATIENCE, config::AccessSecret, random,
};

/// What signs now, and what verifies.
#[derive(Debug)]
pub struct Signing {
    /// Signs.
    pub key: SigningKey,
    /// Every key whose tokens may still be around, and the next one; the current one first.
    pub keys: KeySet,
    /// What the keys were made for. A key verifies tokens of its own algorithm only.
    pub algorithms: Vec<Algorithm>,
    /// The key set as it is served.
    pub jwks: Bytes,
    /// Strong entity tag of [`Self::jwks`], with its quotes.
    pub etag: String,
    /// What was known of the keys when they were loaded.
    ring: Ring,
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

/// The keys as they were loaded last.
#[derive(Default)]
pub(crate) struct Loaded(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    signing: Option<Arc<Signing>>,
    /// Raised when keys changed: what was loaded before is not kept after.
    epoch: u64,
}

impl Loaded {
    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the keys, because some of them changed.
    pub(crate) fn forget(&self) {
        let mut slot = self.slot();
        slot.signing = None;
        slot.epoch += 1;
    }
}

impl Context {
    /// The signing keys, loaded once and after each change; the first one is made when there is none.
    pub async fn signing(&self) -> Result<Arc<Signing>, Error> {
        let (kept, epoch) = {
            let slot = self.signing.slot();
            (slot.signing.clone(), slot.epoch)
        };
        match kept {
            Some(kept) if self.caches.is_current() => return Ok(kept),
            // The event log is not followed: whether they still are the keys is asked each time.
            Some(kept) if self.ring().await? == kept.ring => return Ok(kept),
            _ => {}
        }
        let loaded = Arc::new(Box::pin(load(self)).await?);
        let mut slot = self.signing.slot();
        if slot.epoch == epoch {
            slot.signing = Some(loaded.clone());
        }
        Ok(loaded)
    }

    /// What is known of the keys, from the database, which must answer soon.
    async fn ring(&self) -> Result<Ring, Error> {
        let read = self.storage.read(|tx| tx.keys().list());
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(records) => Ok(Ring::new(
                records?.into_iter().map(|record| record.life).collect(),
            )),
            Err(_) => Err(storage::Error::Unavailable {
                problem: "it does not answer".into(),
            }
            .into()),
        }
    }

    /// The rules of rotation under these settings.
    pub(crate) fn rotation_rules(&self) -> Rules {
        Rules {
            cache_life: self.config.issuer.key_cache_life.duration(),
        }
    }

    /// What the settings ask of the keys.
    pub(crate) fn rotation_wish(&self) -> Wish {
        let algorithm = self.config.issuer.algorithm.algorithm();
        let kid = self.given_secret(algorithm).map(|secret| {
            // Names the secret without telling anything of it.
            let key = self.master_key.mac_key("access-secret");
            let mut kid = key.sign_hex(&[secret.expose().as_bytes()]);
            kid.truncate(16);
            kid
        });
        Wish {
            algorithm,
            kid,
            rotate_every: self.config.issuer.key_rotation.every(),
        }
    }

    /// The secret that services verify HS256 tokens with, if the settings give one.
    fn given_secret(&self, algorithm: Algorithm) -> Option<&SecretString> {
        let given = self.config.issuer.access_secret.as_ref();
        given
            .map(AccessSecret::text)
            .filter(|_| algorithm == Algorithm::Hs256)
    }

    /// How long the tokens live that are signed here.
    fn token_life(&self) -> Duration {
        self.config.issuer.access_token_lifetime.duration()
    }
}

async fn load(context: &Context) -> Result<Signing, Error> {
    let mut records = context.storage.read(|tx| tx.keys().list()).await?;
    let is_current = |record: &storage::SigningKey| record.life.state == KeyState::Current;
    if !records.iter().any(is_current) {
        signing_keys::make_first(context).await?;
        records = context.storage.read(|tx| tx.keys().list()).await?;
    }
    let life = context.token_life();
    if records
        .iter()
        .any(|record| is_current(record) && record.life.token_life < life)
    {
        signing_keys::note_token_life(context, life).await?;
        records = context.storage.read(|tx| tx.keys().list()).await?;
    }
    let ring = Ring::new(records.iter().map(|record| record.life.clone()).collect());
    let mut records: HashMap<_, _> = records
        .into_iter()
        .map(|record| (record.life.kid.clone(), record))
        .collect();
    let mut key = None;
    let mut verifying = Vec::new();
    // In this order: the current one first.
    for life in ring.keys() {
        let Some(record) = records.remove(&life.kid) else {
            continue;
        };
        if life.state == KeyState::Current {
            let opened = open(context, &record)?;
            verifying.push(opened.verifying_key());
            key = Some(opened);
        } else {
            verifying.push(public_half(context, &record)?);
        }
    }
    let key = key.ok_or_else(Error::not_found)?;
    let mut algorithms: Vec<_> = verifying.iter().map(VerifyingKey::algorithm).collect();
    algorithms.sort_by_key(|algorithm| algorithm.as_str());
    algorithms.dedup();
    let keys = KeySet::new(verifying);
    let jwks = Bytes::from(keys.to_jwks().to_string());
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&jwks)));
    Ok(Signing {
        key,
        keys,
        algorithms,
        jwks,
        etag,
        ring,
    })
}

/// What verifies a key's tokens. Public halves are kept open, so a key that only verifies needs no unsealing.
fn public_half(context: &Context, record: &storage::SigningKey) -> Result<VerifyingKey, Error> {
    let set = KeySet::from_jwks(&format!(r#"{{"keys":[{}]}}"#, record.public_jwk));
    match set.as_ref().map(KeySet::keys) {
        Ok([key]) if key.kid() == Some(record.life.kid.as_str()) => Ok(key.clone()),
        _ => open(context, record).map(|key| key.verifying_key()),
    }
}

fn open(context: &Context, record: &storage::SigningKey) -> Result<SigningKey, Error> {
    let kid = record.life.kid.as_str();
    let sealing = context.master_key.sealing_key("signing_key");
    let bytes = sealing
        .open(&record.sealed_private, associated(kid).as_bytes())
        .map_err(|cause| {
            Error::internal(&SigningError::Sealed {
                kid: kid.to_owned(),
                cause,
            })
        })?;
    SigningKey::from_bytes(record.life.algorithm, &bytes).map_err(|cause| {
        Error::internal(&SigningError::Key {
            kid: kid.to_owned(),
            cause,
        })
    })
}

/// A key that was made or read and is not kept yet.
#[derive(Debug, Clone)]
pub(crate) struct Made(pub(crate) storage::SigningKey);

impl Made {
    /// Makes a new key, or takes the one that the settings give. An RSA key takes a while: not on the threads that serve requests.
    pub(crate) async fn new(context: &Context, algorithm: Algorithm) -> Result<Self, Error> {
        let failed = |cause| {
            Error::internal(&SigningError::Key {
                kid: "new".into(),
                cause,
            })
        };
        if let Some(secret) = context.given_secret(algorithm) {
            let bytes = Secret::new(secret.expose().as_bytes().to_vec());
            let key = SigningKey::from_bytes(algorithm, &bytes).map_err(failed)?;
            return Self::seal(context, &key);
        }
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(|_| failed(token::KeyError::Library))?
            .map_err(failed)?;
        Self::seal(context, &key)
    }

    /// Seals a key for keeping.
    pub(crate) fn seal(context: &Context, key: &SigningKey) -> Result<Self, Error> {
        let kid = key
            .kid()
            .map(str::to_owned)
            .or_else(|| context.rotation_wish().kid)
            .unwrap_or_else(|| hex::encode(random::bytes::<8>()));
        let bytes = key.to_bytes().map_err(|cause| {
            Error::internal(&SigningError::Key {
                kid: kid.clone(),
                cause,
            })
        })?;
        let sealed_private = context.master_key.sealing_key("signing_key").seal(
            &bytes,
            associated(&kid).as_bytes(),
            random::bytes(),
        );
        let public_jwk = KeySet::new([key.verifying_key()]).to_jwks()["keys"][0].to_string();
        Ok(Self(storage::SigningKey {
            life: KeyLife::next(kid, key.algorithm(), false, context.now()),
            sealed_private,
            public_jwk,
        }))
    }

    /// The key as it begins its life.
    pub(crate) fn life(&self) -> KeyLife {
        self.0.life.clone()
    }
}

fn associated(kid: &str) -> String {
    format!("signing_key.sealed_private.{kid}")
}
