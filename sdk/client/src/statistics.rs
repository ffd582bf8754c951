//! How a client is, in numbers.

use std::time::Duration;

use crate::{FeedStatus, IntrospectionError, KeySetError};

/// How a client is. Counts are since its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// How many keys there are to verify with.
    pub keys: usize,
    /// How often the key set was fetched, in vain or not.
    pub key_fetches: u64,
    /// How often in vain.
    pub key_fetch_failures: u64,
    /// How long ago the keys at hand were fetched; `None` before, and where keys are fixed.
    pub key_set_age: Option<Duration>,
    /// Why the last fetch was in vain.
    pub key_set_error: Option<KeySetError>,
    /// How many identities are remembered.
    pub identities: usize,
    /// How often a token was known already.
    pub identity_hits: u64,
    /// How often it was not.
    pub identity_misses: u64,
    /// How many signatures were looked at.
    pub verifications: u64,
    /// How often the issuer was asked about a token.
    pub introspections: u64,
    /// How often it gave no answer, or none that can be trusted.
    pub introspection_failures: u64,
    /// What was wrong with the last question.
    pub introspection_error: Option<IntrospectionError>,
    /// Whether the feed tells everything within a second; `None` where there is none.
    pub feed_is_current: Option<bool>,
    /// Whether the issuer does not let this service follow the event stream (401, 403).
    pub feed_is_refused: bool,
    /// Whether the issuer does not take this service's credential, as it answered last: to the feed or to a question.
    pub credential_is_refused: bool,
    /// How long ago everything was known that was revoked; `None` where there is no feed.
    pub staleness: Option<Duration>,
    /// How many revocations are remembered.
    pub revocations_kept: usize,
    /// How the feed goes; `None` where there is none.
    pub feed: Option<FeedStatus>,
}
