//! Who is calling, remembered from one request to the next.
//!
//! Only tokens that were verified are remembered, so nobody can fill the memory with inventions, and it is bounded. What is
//! remembered was found out under certain keys and with certain knowledge of revocations; both have version numbers, and a
//! look-up compares two numbers to know that nothing changed since.

use std::{
    any::Any,
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::Claims;

/// Somebody who is calling, by a token that was verified.
pub struct Identity {
    /// What the token says.
    pub claims: Claims,
    /// The token's payload as it was sent, where the configuration asks for that.
    pub payload: Option<Box<[u8]>>,
    attachment: OnceLock<Box<dyn Any + Send + Sync>>,
    pub(crate) marks: Marks,
}

/// What was found out about an identity, and when.
#[derive(Debug)]
pub(crate) struct Marks {
    /// The version of the key set that it was verified with.
    pub(crate) keys: u64,
    /// The version of the standing table at which it was judged good.
    good_at: AtomicU64,
    /// The version of the standing table before the issuer was asked about it and called it active.
    asked_at: AtomicU64,
    /// Until when such an answer is believed where there is no table; milliseconds of the monotonic clock.
    active_until: AtomicU64,
    /// Until when the opposite answer is.
    inactive_until: AtomicU64,
}

/// A version that no table reaches: "never".
const NEVER: u64 = u64::MAX;

impl Marks {
    pub(crate) fn is_good_at(&self, version: u64) -> bool {
        self.good_at.load(Ordering::Acquire) == version
    }

    pub(crate) fn set_good_at(&self, version: u64) {
        self.good_at.store(version, Ordering::Release);
    }

    pub(crate) fn asked_at(&self) -> Option<u64> {
        Some(self.asked_at.load(Ordering::Acquire)).filter(|version| *version != NEVER)
    }

    pub(crate) fn set_asked_at(&self, version: u64) {
        self.asked_at.store(version, Ordering::Release);
    }

    pub(crate) fn is_active(&self, now: Duration) -> bool {
        milliseconds(now) < self.active_until.load(Ordering::Acquire)
    }

    pub(crate) fn set_active_until(&self, until: Duration) {
        self.active_until
            .store(milliseconds(until), Ordering::Release);
    }

    pub(crate) fn is_inactive(&self, now: Duration) -> bool {
        milliseconds(now) < self.inactive_until.load(Ordering::Acquire)
    }

    pub(crate) fn set_inactive_until(&self, until: Duration) {
        self.inactive_until
            .store(milliseconds(until), Ordering::Release);
        self.active_until.store(0, Ordering::Release);
        // What was said before counts no longer.
        self.asked_at.store(NEVER, Ordering::Release);
        self.good_at.store(NEVER, Ordering::Release);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Identity {
    pub(crate) fn new(claims: Claims, payload: Option<Box<[u8]>>, keys: u64) -> Self {
        Self {
            claims,
            payload,
            attachment: OnceLock::new(),
            marks: Marks {
                keys,
                good_at: AtomicU64::new(NEVER),
                asked_at: AtomicU64::new(NEVER),
                active_until: AtomicU64::new(0),
                inactive_until: AtomicU64::new(0),
            },
        }
    }

    /// What an SDK attached, if it is of this type.
    pub fn attachment<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.attachment.get()?.downcast_ref()
    }

    /// Attaches something that lives as long as the identity, such as the user object of another language. The first one
    /// stays; nobody waits for anybody. Gives what is attached now, `None` when that is of another type.
    pub fn attach<T: Any + Send + Sync>(&self, value: T) -> Option<&T> {
        // A second one is dropped here, outside of every lock.
        let _ = self.attachment.set(Box::new(value));
        self.attachment()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// SHA-256 of a token: the token itself is not kept.
pub(crate) type TokenDigest = [u8; 32];

pub(crate) fn token_digest(token: &str) -> TokenDigest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

/// The identities that are remembered. When it is full, those go that were not used lately.
pub(crate) struct IdentityCache {
    cache: Cache<TokenDigest, Arc<Identity>, quick_cache::UnitWeighter, DigestHasher>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl IdentityCache {
    /// Room for `most` identities.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            cache: Cache::with(
                most,
                most as u64,
                quick_cache::UnitWeighter,
                DigestHasher,
                DefaultLifecycle::default(),
            ),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, digest: &TokenDigest) -> Option<Arc<Identity>> {
        let found = self.cache.get(digest);
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Remembers an identity. What has to go for it is dropped after the cache's locks are released, for an attachment may
    /// do anything when it is dropped.
    pub(crate) fn insert(&self, digest: TokenDigest, identity: Arc<Identity>) {
        self.cache.insert(digest, identity);
    }

    /// Forgets an identity, if it is still this one.
    pub(crate) fn remove(&self, digest: &TokenDigest, identity: &Arc<Identity>) {
        drop(
            self.cache
                .remove_if(digest, |found| Arc::ptr_eq(found, identity)),
        );
    }

    /// Forgets those whose tokens ended before `second`.
    pub(crate) fn forget_expired(&self, second: i64) {
        let expired: Vec<_> = self
            .cache
            .iter()
            .filter(|(_, identity)| identity.claims.exp < second)
            .collect();
        for (digest, identity) in expired {
            self.remove(&digest, &identity);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

/// Digests are evenly spread already, so their first bytes serve as a hash.
#[derive(Clone, Default)]
struct DigestHasher;

impl BuildHasher for DigestHasher {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    /// The length of the digest, which is always the same.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tokens::claims;

    fn remembered(cache: &IdentityCache, name: &str, exp: i64) -> (TokenDigest, Arc<Identity>) {
        let mut claims = claims();
        claims.exp = exp;
        let identity = Arc::new(Identity::new(claims, None, 0));
        let digest = token_digest(name);
        cache.insert(digest, identity.clone());
        (digest, identity)
    }

    #[test]
    fn the_cache_never_grows_over_its_bound() {
        let cache = IdentityCache::new(100);
        for number in 0..10_000 {
            remembered(&cache, &number.to_string(), 1);
        }
        assert!(cache.len() <= 100, "{}", cache.len());
    }

    #[test]
    fn expired_identities_are_forgotten_and_others_stay() {
        let cache = IdentityCache::new(100);
        let (old, _) = remembered(&cache, "old", 10);
        let (young, identity) = remembered(&cache, "young", 20);
        cache.forget_expired(15);
        assert!(cache.get(&old).is_none());
        assert!(
            cache
                .get(&young)
                .is_some_and(|found| Arc::ptr_eq(&found, &identity))
        );
        assert_eq!((cache.hits(), cache.misses(), cache.len()), (1, 1, 1));
    }

    #[test]
    fn an_attachment_stays_and_a_second_one_is_let_go() {
        let identity = Identity::new(claims(), None, 0);
        assert!(identity.attachment::<String>().is_none());
        assert_eq!(
            identity.attach("first".to_owned()).map(String::as_str),
            Some("first")
        );
        assert_eq!(
            identity.attach("second".to_owned()).map(String::as_str),
            Some("first")
        );
        assert!(identity.attach(7_u8).is_none());
    }

    #[test]
    fn what_is_evicted_may_use_the_cache_while_it_is_dropped() {
        struct Nosy(Arc<IdentityCache>);
        impl Drop for Nosy {
            fn drop(&mut self) {
                // Would wait for ever if the shard were still locked.
                self.0.get(&token_digest("anything"));
                self.0.insert(
                    token_digest("from a drop"),
                    Arc::new(Identity::new(claims(), None, 0)),
                );
            }
        }
        let cache = Arc::new(IdentityCache::new(4));
        for number in 0..100 {
            let (_, identity) = remembered(&cache, &number.to_string(), 1);
            identity.attach(Nosy(cache.clone()));
        }
        assert!(cache.len() <= 4);
        cache.forget_expired(2);
    }
}
