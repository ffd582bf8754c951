//! Unused connections, kept for a few seconds for each upstream.
//!
//! A kept connection is not polled by anyone. What happens to it meanwhile (the upstream closed it, or sent something unasked)
//! is found out when it is taken: it is polled once then, and dropped unless it is still idle.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};

use crate::{RequestBody, Shared, Upstream, outgoing::Outgoing, upstream::Stream};

/// The two ends hyper gives for one client connection. Boxed: it moves between pool, exchange and body.
pub(crate) struct Connection<B: RequestBody> {
    pub(crate) sender: http1::SendRequest<Outgoing<B>>,
    pub(crate) driver: http1::Connection<TokioIo<Stream>, Outgoing<B>>,
    /// Limits the wait for an answer. It stays with the connection, because putting off a timer that is set costs next to
    /// nothing, while setting one anew for each exchange wakes the thread that waits for timers.
    pub(crate) timer: Pin<Box<Sleep>>,
}

/// All unused connections. The lock is held for a few instructions only.
pub(crate) struct Pool<B: RequestBody> {
    idle: Mutex<Idle<B>>,
}

/// A connection and when it was put here.
type Kept<B> = (Instant, Box<Connection<B>>);

struct Idle<B: RequestBody> {
    connections: HashMap<Upstream, Vec<Kept<B>>>,
    /// Whether a task exists that will close what stays unused.
    swept: bool,
}

impl<B: RequestBody> Default for Pool<B> {
    fn default() -> Self {
        Self {
            idle: Mutex::new(Idle {
                connections: HashMap::new(),
                swept: false,
            }),
        }
    }
}

impl<B: RequestBody> Pool<B> {
    /// Takes the most recently used connection that is still good.
    pub(crate) fn take(
        &self,
        upstream: &Upstream,
        keep_alive: Duration,
    ) -> Option<Box<Connection<B>>> {
        loop {
            let (since, mut connection) = self.lock().connections.get_mut(upstream)?.pop()?;
            if since.elapsed() < keep_alive && is_idle(&mut connection) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose exchange has ended cleanly.
    pub(crate) fn put(
        shared: &Arc<Shared<B>>,
        upstream: &Upstream,
        connection: Box<Connection<B>>,
    ) {
        let now = Instant::now();
        let mut idle = shared.pool.lock();
        let kept = match idle.connections.get_mut(upstream) {
            Some(kept) => kept,
            None => idle.connections.entry(upstream.clone()).or_default(),
        };
        if kept.len() < shared.limits.idle_connections {
            kept.push((now, connection));
        }
        let start = !std::mem::replace(&mut idle.swept, true);
        drop(idle);
        if start {
            tokio::spawn(sweep(Arc::downgrade(shared), shared.limits.keep_alive));
        }
    }

    pub(crate) fn forget(&self, upstream: &Upstream) {
        let removed = self.lock().connections.remove(upstream);
        drop(removed);
    }

    pub(crate) fn count(&self, upstream: &Upstream) -> usize {
        self.lock().connections.get(upstream).map_or(0, Vec::len)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle<B>> {
        // Every change under the lock is a single push or removal, so a panic leaves nothing half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the connection, polled once, is open and waits for a request.
fn is_idle<B: RequestBody>(connection: &mut Connection<B>) -> bool {
    connection.drive(&mut Context::from_waker(Waker::noop())) == Driven::Open
        && connection.sender.is_ready()
}

/// What became of a connection that was polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driven {
    Open,
    Closed,
}

impl<B: RequestBody> Connection<B> {
    /// Moves the connection forward as far as it goes.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Driven {
        if Pin::new(&mut self.driver).poll(cx).is_ready() {
            Driven::Closed
        } else {
            Driven::Open
        }
    }
}

/// Waits for something that appears only while the connection is moved forward; `None` when that ended without it.
///
/// What we do with the connection's other end wakes whoever polled the connection last. Were that us, each request would
/// schedule its own task again and a second thread with it. So the connection is moved by nobody first, and only when there
/// is nothing to do but wait it is told whom to wake.
pub(crate) fn poll_driven<C, T>(
    connection: &mut C,
    cx: &mut Context<'_>,
    drive: impl Fn(&mut C, &mut Context<'_>) -> Driven,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<Option<T>> {
    let mut nobody = Context::from_waker(Waker::noop());
    let mut driven = drive(connection, &mut nobody);
    if let Poll::Ready(value) = poll(&mut nobody) {
        return Poll::Ready(Some(value));
    }
    if driven == Driven::Open {
        driven = drive(connection, cx);
        if let Poll::Ready(value) = poll(&mut nobody) {
            return Poll::Ready(Some(value));
        }
    }
    match driven {
        Driven::Open => Poll::Pending,
        Driven::Closed => Poll::Ready(None),
    }
}

/// Closes connections that stayed unused; ends when none is left.
async fn sweep<B: RequestBody>(shared: Weak<Shared<B>>, keep_alive: Duration) {
    loop {
        tokio::time::sleep(keep_alive).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut stale = Vec::new();
        let mut idle = shared.pool.lock();
        idle.connections.retain(|_, kept| {
            // Oldest first, as connections are taken and put back at the end.
            let fresh = kept.partition_point(|(since, _)| since.elapsed() >= keep_alive);
            stale.extend(kept.drain(..fresh));
            !kept.is_empty()
        });
        idle.swept = !idle.connections.is_empty();
        let go_on = idle.swept;
        drop(idle);
        drop(stale);
        if !go_on {
            return;
        }
    }
}
