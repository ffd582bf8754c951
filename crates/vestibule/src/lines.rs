//! Cuts a stream of bytes into lines of text, wherever the chunks happen to end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;

/// A stream of lines without their ends; empty lines are left out, and the last needs no end.
pub(crate) struct Lines<S> {
    chunks: S,
    buffer: Vec<u8>,
    ended: bool,
}

impl<S> Lines<S> {
    pub(crate) const fn new(chunks: S) -> Self {
        Self {
            chunks,
            buffer: Vec::new(),
            ended: false,
        }
    }

    fn take_line(&mut self) -> Option<String> {
        loop {
            let end = match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => end,
                None if self.ended && !self.buffer.is_empty() => self.buffer.len(),
                None => return None,
            };
            let line = String::from_utf8_lossy(&self.buffer[..end])
                .trim_end_matches('\r')
                .to_owned();
            self.buffer.drain(..(end + 1).min(self.buffer.len()));
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}

impl<S, E> Stream for Lines<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<String, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.take_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(error)) => {
                    self.ended = true;
                    self.buffer.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.ended = true,
            }
        }
    }
}

impl<S: Unpin> Unpin for Lines<S> {}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    fn lines_of(chunks: &[&'static str]) -> Vec<String> {
        let chunks: Vec<Result<Bytes, ()>> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
            .collect();
        let lines = Lines::new(stream::iter(chunks))
            .map(|line| line.unwrap())
            .collect::<Vec<_>>();
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(lines)
    }

    #[test]
    fn a_line_may_be_spread_over_chunks() {
        assert_eq!(lines_of(&["a", "b\nc", "\r\n", "\nd"]), ["ab", "c", "d"]);
    }

    #[test]
    fn a_character_may_be_cut_in_two() {
        let bytes = "ü\n".as_bytes();
        let chunks: Vec<Result<Bytes, ()>> = bytes
            .iter()
            .map(|byte| Ok(Bytes::copy_from_slice(&[*byte])))
            .collect();
        let lines = Lines::new(stream::iter(chunks))
            .map(|line| line.unwrap())
            .collect::<Vec<_>>();
        let lines = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(lines);
        assert_eq!(lines, ["ü"]);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(lines_of(&[]), [""; 0]);
    }
}
