//! One streaming HTTP/1.1 forwarder: sends a request that came from downstream to an upstream and streams the answer back.
//!
//! *Downstream* called us, *upstream* is called by us. Bodies pass frame by frame in both directions with back-pressure and
//! are never collected. What a request may say, and who may send it, is decided before it comes here: this crate only keeps
//! the message framing honest (hop-by-hop fields, lengths, upgrades, trailers) and tells which side failed.
//!
//! An exchange is driven by the task that awaits it, not by a task of the connection: an answer that is not long costs no
//! switch between threads. Only an upgrade, or an upload that outlives the answer's head, gets a task of its own.

mod error;
mod exchange;
pub mod hop_by_hop;
mod incoming;
mod outgoing;
mod pool;
mod tunnel;
mod upstream;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;

pub use error::{Error, Failure, Retry, Side};
pub use incoming::Body;
pub use upstream::Upstream;

/// What an exchange may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long opening a connection may take. 5 s unless set.
    pub connect: Duration,
    /// How long the upstream may take to begin its answer, counted from the last progress of the request body. 2 min unless set.
    pub head: Duration,
    /// How long an answer's body may stand still. There is no limit on its whole duration. 15 min unless set.
    pub body_idle: Duration,
    /// How long an upgraded connection may be silent in both directions. 1 h unless set.
    pub tunnel_idle: Duration,
    /// How long a body announced by `Expect: 100-continue` waits for the upstream's word. 1 s unless set.
    pub expect: Duration,
    /// How long an unused connection is kept. Shorter than the 5 s after which a usual ASGI server closes it, so that we rarely
    /// write into a connection that is being closed. 4 s unless set.
    pub keep_alive: Duration,
    /// How many unused connections are kept for one upstream. 128 unless set.
    pub idle_connections: usize,
    /// Header fields in one message. 100 unless set.
    pub header_fields: usize,
    /// Bytes of names and values in the head of one message. 64 KiB unless set.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: Duration::from_mins(2),
            body_idle: Duration::from_mins(15),
            tunnel_idle: Duration::from_hours(1),
            expect: Duration::from_secs(1),
            keep_alive: Duration::from_secs(4),
            idle_connections: 128,
            header_fields: 100,
            header_bytes: 64 * 1024,
        }
    }
}

/// A request body that can be forwarded. Implemented for all bodies of bytes that can move between threads.
pub trait RequestBody:
    http_body::Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + Unpin + 'static
{
}

impl<B> RequestBody for B where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>>
        + Send
        + Unpin
        + 'static
{
}

/// Put among a request's extensions, it ties the tunnel of an accepted WebSocket to a token: cancelled by the caller, the
/// tunnel ends; when the tunnel ends by itself, the token is cancelled.
#[derive(Debug, Clone)]
pub struct TunnelEnd(pub CancellationToken);

/// Forwards requests and keeps the connections for the next ones. Cheap to clone; clones share the connections.
pub struct Forwarder<B: RequestBody> {
    shared: Arc<Shared<B>>,
}

/// What clones of a forwarder, and the bodies it handed out, share.
pub(crate) struct Shared<B: RequestBody> {
    pub(crate) limits: Limits,
    pub(crate) pool: pool::Pool<B>,
}

impl<B: RequestBody> Forwarder<B> {
    /// Makes a forwarder without connections.
    pub fn new(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                pool: pool::Pool::default(),
            }),
        }
    }

    /// Sends `request` to `upstream` and waits for the head of the answer.
    ///
    /// The target is sent in origin form and `Host` as it stands; hop-by-hop fields are removed from request and answer. A
    /// WebSocket handshake that the upstream accepts is answered with 101, and the two connections are spliced once the caller
    /// has sent that answer. Dropping the future, or the body of the answer, closes the connection to the upstream.
    ///
    /// One retry happens here, and only when a kept connection turned out dead before any byte was sent.
    ///
    /// # Errors
    /// [`Failure`] holds the cause and, when no byte was sent, the request for another try.
    pub async fn send(
        &self,
        upstream: &Upstream,
        request: Request<B>,
    ) -> Result<Response<Body<B>>, Failure<B>> {
        exchange::forward(&self.shared, upstream, request).await
    }

    /// Closes the unused connections to `upstream`, for example because its process is gone.
    pub fn forget(&self, upstream: &Upstream) {
        self.shared.pool.forget(upstream);
    }

    /// How many unused connections are kept for `upstream`.
    pub fn idle_connections(&self, upstream: &Upstream) -> usize {
        self.shared.pool.count(upstream)
    }
}

impl<B: RequestBody> Clone for Forwarder<B> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<B: RequestBody> fmt::Debug for Forwarder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}
