//! The body of an answer on its way to the downstream.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::header;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    task::AbortHandle,
    time::{Instant, Sleep},
};

use crate::{
    Error, RequestBody, Shared, Upstream, hop_by_hop,
    pool::{Connection, Driven, Pool, poll_driven},
};

/// The body of an answer, read from the upstream as it is polled. Dropping it before its end closes the connection.
pub struct Body<B: RequestBody> {
    incoming: Incoming,
    source: Source<B>,
    idle: Idle,
}

/// Who moves the connection forward.
pub(crate) enum Source<B: RequestBody> {
    /// This body, as it is polled.
    Here(Lease<B>),
    /// A task of its own, ended with the body.
    Task { _task: AbortOnDrop },
    /// Nobody: all was read, or it broke.
    Done,
}

/// A connection in use, and where it goes back to.
pub(crate) struct Lease<B: RequestBody> {
    pub(crate) shared: Arc<Shared<B>>,
    pub(crate) upstream: Upstream,
    pub(crate) connection: Box<Connection<B>>,
    /// Whether another request may follow on this connection.
    pub(crate) reusable: bool,
}

/// Ends a task when dropped.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<B: RequestBody> Lease<B> {
    /// Gives the connection back if its exchange is over on both sides, else closes it.
    pub(crate) fn release(mut self) {
        if !self.reusable {
            return;
        }
        // One more turn lets the connection notice that the message ended. Nobody is to be woken for it from here on.
        if !self.connection.sender.is_ready() {
            let mut nobody = Context::from_waker(Waker::noop());
            if self.connection.drive(&mut nobody) == Driven::Closed {
                return;
            }
        }
        if self.connection.sender.is_ready() {
            Pool::put(&self.shared, &self.upstream, self.connection);
        }
    }
}

impl<B: RequestBody> Body<B> {
    pub(crate) fn new(incoming: Incoming, source: Source<B>, idle: Duration) -> Self {
        Self {
            incoming,
            source,
            idle: Idle {
                limit: idle,
                timer: None,
                active: false,
            },
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let reset = |error: hyper::Error| Error::ResetInBody(error.into());
        let Source::Here(lease) = &mut self.source else {
            return Pin::new(&mut self.incoming).poll_frame(cx).map_err(reset);
        };
        let incoming = &mut self.incoming;
        if let ready @ Poll::Ready(_) =
            Pin::new(&mut *incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
        {
            return ready.map_err(reset);
        }
        match poll_driven(&mut *lease.connection, cx, Connection::drive, |cx| {
            Pin::new(&mut *incoming).poll_frame(cx)
        }) {
            Poll::Ready(Some(frame)) => Poll::Ready(frame.map(|frame| frame.map_err(reset))),
            Poll::Ready(None) => {
                Poll::Ready(Some(Err(Error::ResetInBody("the connection ended".into()))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn finish(&mut self) {
        if let Source::Here(lease) = std::mem::replace(&mut self.source, Source::Done) {
            lease.release();
        }
    }
}

impl<B: RequestBody> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if matches!(this.source, Source::Done) {
            return Poll::Ready(None);
        }
        match this.poll_incoming(cx) {
            Poll::Pending => {
                if this.idle.poll_expired(cx).is_pending() {
                    return Poll::Pending;
                }
                this.source = Source::Done;
                Poll::Ready(Some(Err(Error::BodyIdle)))
            }
            Poll::Ready(Some(Ok(mut frame))) => {
                this.idle.active = true;
                if let Some(trailers) = frame.trailers_mut() {
                    hop_by_hop::clean_answer(trailers);
                    // No answer field that changes the browser's state may come in after the head was checked.
                    trailers.remove(header::SET_COOKIE);
                }
                if this.incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.source = Source::Done;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Done) || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl<B: RequestBody> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

/// A limit on standing still. The timer is made at the first wait and looked at when it fires, so that a frame costs nothing: it
/// fires between one and two limits after the last frame.
struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    active: bool,
}

impl Idle {
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| {
            self.active = false;
            Box::pin(tokio::time::sleep(self.limit))
        });
        while timer.as_mut().poll(cx).is_ready() {
            if !std::mem::take(&mut self.active) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + self.limit);
        }
        Poll::Pending
    }
}
