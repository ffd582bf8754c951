//! The request body on its way to the upstream.
//!
//! It notes how far it has come, so that the exchange can tell a slow upload from a silent upstream and a broken downstream from
//! a broken upstream. It holds a body back that asked for `100 Continue`, and it drops trailers: an HTTP/1.1 server may merge
//! them into the header fields (some ASGI servers do), where they would pass for fields that we have checked.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::RequestBody;

/// A body and what is noted about it.
pub(crate) struct Outgoing<B> {
    body: B,
    /// `None` for a body that was empty from the start.
    upload: Option<Arc<Upload>>,
    held: Option<Pin<Box<Sleep>>>,
}

/// How far a request body has come.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    frames: AtomicU64,
    started: AtomicBool,
    finished: AtomicBool,
    failed: AtomicBool,
}

impl Upload {
    /// A number that changes with each frame.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Whether the body may be, or has been, asked for.
    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Lets a held body go: the upstream said `100 Continue`.
    pub(crate) fn start(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// Whether the body was read to its end.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// Whether the body ended with an error.
    pub(crate) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl<B: RequestBody> Outgoing<B> {
    /// Wraps a body; `wait` is how long it waits for [`Upload::start`] before it starts by itself.
    pub(crate) fn new(body: B, wait: Option<Duration>) -> Self {
        let upload = (!body.is_end_stream()).then(Arc::<Upload>::default);
        let held = wait
            .filter(|_| upload.is_some())
            .map(|wait| Box::pin(tokio::time::sleep(wait)));
        if let (Some(upload), None) = (&upload, &held) {
            upload.start();
        }
        Self { body, upload, held }
    }

    /// What is noted, or `None` for a body that was empty from the start.
    pub(crate) fn upload(&self) -> Option<&Arc<Upload>> {
        self.upload.as_ref()
    }

    /// Gives the body back.
    pub(crate) fn into_inner(self) -> B {
        self.body
    }
}

impl<B: RequestBody> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some(upload) = &this.upload else {
            return Poll::Ready(None);
        };
        if let Some(held) = &mut this.held {
            if !upload.is_started() {
                ready!(held.as_mut().poll(cx));
                upload.start();
            }
            this.held = None;
        }
        loop {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
            upload.frames.fetch_add(1, Ordering::Relaxed);
            match frame {
                Some(Ok(frame)) if frame.is_data() => {
                    if this.body.is_end_stream() {
                        upload.finished.store(true, Ordering::Relaxed);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Ok(_trailers)) => {}
                Some(Err(error)) => {
                    upload.failed.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    upload.finished.store(true, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upload.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
