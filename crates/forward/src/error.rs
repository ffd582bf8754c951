//! What can go wrong while forwarding: which side failed, and whether another try is safe.

use std::{error::Error as StdError, fmt, io};

use http::Request;

use crate::Upstream;

type Cause = Box<dyn StdError + Send + Sync>;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be forwarded unambiguously; the text says why.
    #[error("the request cannot be forwarded: {0}")]
    Request(&'static str),
    /// The request's head has more fields or bytes than allowed.
    #[error("the request's header fields are too many or too large")]
    RequestHead,
    /// The request body ended with an error: the downstream went away or broke its framing.
    #[error("the request body broke off")]
    Downstream(#[source] Cause),
    /// No connection could be opened.
    #[error("could not connect to {upstream}")]
    Connect {
        /// Where to.
        upstream: Upstream,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The connection was closed or broke before the head of an answer arrived.
    #[error("the upstream closed the connection before it answered")]
    ResetBeforeHead {
        /// Whether doing the same again has no further effect: an idempotent method (RFC 9110 §9.2.2) without a body.
        repeatable: bool,
        /// What the connection said.
        #[source]
        cause: Cause,
    },
    /// The upstream did not begin its answer in time.
    #[error("the upstream did not answer in time")]
    HeadTimeout,
    /// What the upstream sent is no acceptable HTTP answer; the text says why.
    #[error("the upstream's answer is malformed: {0}")]
    Answer(Cause),
    /// The body of the answer broke off.
    #[error("the upstream broke off its answer")]
    ResetInBody(#[source] Cause),
    /// The body of the answer stood still for too long.
    #[error("the upstream's answer stood still for too long")]
    BodyIdle,
}

/// Whose failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The party that called us.
    Downstream,
    /// The party we called.
    Upstream,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The upstream cannot have acted on it.
    Safe,
    /// It may have acted, but a repetition changes nothing more.
    Idempotent,
    /// It may have acted, or a repetition would fail as well.
    No,
}

impl Error {
    /// Which side failed.
    pub const fn side(&self) -> Side {
        match self {
            Self::Request(_) | Self::RequestHead | Self::Downstream(_) => Side::Downstream,
            Self::Connect { .. }
            | Self::ResetBeforeHead { .. }
            | Self::HeadTimeout
            | Self::Answer(_)
            | Self::ResetInBody(_)
            | Self::BodyIdle => Side::Upstream,
        }
    }

    /// Whether the same request may be sent again.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Connect { .. } => Retry::Safe,
            Self::ResetBeforeHead {
                repeatable: true, ..
            } => Retry::Idempotent,
            Self::ResetBeforeHead { .. }
            | Self::Request(_)
            | Self::RequestHead
            | Self::Downstream(_)
            | Self::HeadTimeout
            | Self::Answer(_)
            | Self::ResetInBody(_)
            | Self::BodyIdle => Retry::No,
        }
    }

    /// Whether nothing listens at the upstream at this moment, as while a process restarts.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Connect { cause, .. }
            if matches!(cause.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound))
    }

    /// Whether the upstream took too long.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::HeadTimeout | Self::BodyIdle => true,
            Self::Connect { cause, .. } => cause.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }
}

/// A failed [`crate::Forwarder::send`].
pub struct Failure<B> {
    /// Why it failed.
    pub error: Error,
    /// The request, when no byte of it was sent. Its hop-by-hop fields may already be gone.
    pub request: Option<Box<Request<B>>>,
}

impl<B> Failure<B> {
    pub(crate) fn unsent(error: Error, request: Request<B>) -> Self {
        Self {
            error,
            request: Some(Box::new(request)),
        }
    }
}

impl<B> From<Error> for Failure<B> {
    fn from(error: Error) -> Self {
        Self {
            error,
            request: None,
        }
    }
}

impl<B> fmt::Debug for Failure<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("error", &self.error)
            .field("unsent", &self.request.is_some())
            .finish()
    }
}

impl<B> fmt::Display for Failure<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<B> StdError for Failure<B> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}
