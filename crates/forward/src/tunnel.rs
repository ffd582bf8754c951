//! The two connections of an upgraded request, spliced.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Copies bytes both ways until both sides have ended, one of them breaks, or nothing moved for `idle`.
///
/// When one side ends, its end is passed on and the other direction goes on (half-close).
pub(crate) async fn splice(downstream: OnUpgrade, upstream: OnUpgrade, idle: Duration) {
    let (downstream, upstream) = match tokio::try_join!(downstream, upstream) {
        Ok(sides) => sides,
        Err(error) => {
            tracing::debug!(%error, "upgrade not completed");
            return;
        }
    };
    let moved = Arc::new(AtomicU64::new(0));
    let mut downstream = Watched {
        io: TokioIo::new(downstream),
        moved: Arc::clone(&moved),
    };
    let mut upstream = TokioIo::new(upstream);
    let silence = async {
        loop {
            let before = moved.load(Ordering::Relaxed);
            tokio::time::sleep(idle).await;
            if moved.load(Ordering::Relaxed) == before {
                return;
            }
        }
    };
    tokio::select! {
        result = tokio::io::copy_bidirectional(&mut downstream, &mut upstream) => match result {
            Ok((received, sent)) => tracing::debug!(received, sent, "tunnel ended"),
            Err(error) => tracing::debug!(%error, "tunnel broke"),
        },
        () = silence => tracing::debug!("tunnel closed: silent for too long"),
    }
}

/// Counts reads and writes.
struct Watched<T> {
    io: T,
    moved: Arc<AtomicU64>,
}

impl<T> Watched<T> {
    fn note<R>(&self, poll: Poll<R>) -> Poll<R> {
        if poll.is_ready() {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        poll
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.note(poll)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
