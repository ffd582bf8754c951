//! Ends exchanges that outlive the right to them: long answers, streams and WebSocket tunnels.
//!
//! A request is let in once, but what it began may go on for hours. Whenever authority changes, whoever holds an open
//! exchange is looked at again, in memory; it ends when a new request like it would not be let in as the same viewer.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use apps::App;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use ids::{AppId, Slug};
use tokio::sync::watch;

use super::{
    authorize::Viewer,
    house::{House, Standing},
};

/// Changes often come together, and are looked at together.
const SETTLE: Duration = Duration::from_millis(50);
/// How long it may stay unclear whether the right still stands, a look each time.
const LOOKS_IN_DOUBT: u32 = 20;
/// Bodies up to this many bytes are short: they are sent, not held open.
const SHORT: u64 = 64 * 1024;
/// A body that is always ready is looked after once in so many frames.
const FRAMES: u8 = 32;

/// The right that one exchange stands on.
pub(super) struct Leash<H> {
    house: H,
    changes: watch::Receiver<u64>,
    app: AppId,
    slug: Slug,
    viewer: Option<Viewer>,
    /// A change was seen, and the right was not looked at since.
    due: bool,
}

impl<H: House> Leash<H> {
    /// For an exchange that was just let in.
    pub(super) fn new(
        house: &H,
        changes: watch::Receiver<u64>,
        app: &App,
        viewer: Option<&Viewer>,
    ) -> Self {
        Self {
            house: house.clone(),
            changes,
            app: app.id,
            slug: app.slug.clone(),
            viewer: viewer.cloned(),
            due: false,
        }
    }

    /// Waits until the right is gone. Can be dropped and called again.
    pub(super) async fn broken(&mut self) {
        let mut doubts = 0;
        loop {
            if !self.due && self.changes.changed().await.is_err() {
                return std::future::pending().await;
            }
            self.due = true;
            tokio::time::sleep(SETTLE).await;
            // What changes while it is looked is looked at again.
            self.changes.mark_unchanged();
            match self.holds().await {
                Some(true) => (self.due, doubts) = (false, 0),
                Some(false) => return,
                None if doubts == LOOKS_IN_DOUBT => return,
                None => doubts += 1,
            }
        }
    }

    /// Whether a new request would be let in alike; `None` when that cannot be told.
    async fn holds(&self) -> Option<bool> {
        let app = self.house.find_app(&self.slug).await.ok()?;
        let Some(app) = app.filter(|app| app.id == self.app) else {
            return Some(false);
        };
        let Some(viewer) = &self.viewer else {
            return Some(!app.requires_auth);
        };
        let standing = self
            .house
            .find_standing(&app, viewer.session, viewer.account);
        Some(match standing.await.ok()? {
            Standing::Viewer(person) => {
                (person.role, person.group) == (viewer.person.role, viewer.person.group)
            }
            Standing::SignedOut | Standing::NoAccess => false,
        })
    }

    /// The body of an answer, cut off when the right is gone.
    pub(super) fn hold(mut self, body: Body) -> Body {
        if body.size_hint().upper().is_some_and(|bytes| bytes <= SHORT) {
            return body;
        }
        Body::new(Held {
            body,
            broken: Some(Box::pin(async move { self.broken().await })),
            frames: 0,
        })
    }
}

struct Held {
    body: Body,
    /// Gone once it has ended.
    broken: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    frames: u8,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.broken.is_none() {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.frames = (self.frames + 1) % FRAMES;
        if frame.is_ready() && self.frames != 0 {
            return frame;
        }
        match self
            .broken
            .as_mut()
            .map(|broken| broken.as_mut().poll(context))
        {
            Some(Poll::Ready(())) => {
                self.broken = None;
                let cause = "the right to this answer has ended";
                Poll::Ready(Some(Err(axum::Error::new(cause))))
            }
            _ => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
