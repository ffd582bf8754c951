//! Reads `text/event-stream` (HTML §9.2.6) as it comes in, in pieces of any size.
//!
//! Of the crates that do this, none tells of comments, which here are the sign that everything was told: `sse-stream` and
//! `sse-core` pass over them, and `eventsource-stream` also over frames that only move the place; the first and the last
//! bound neither line nor event.

use std::mem;

/// The longest line, in bytes. Longer ones are an error.
pub const LONGEST_LINE: usize = 64 * 1024;
/// The largest frame, in bytes. Larger ones are an error.
pub const LARGEST_FRAME: usize = 256 * 1024;

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A comment, without its colon and the spaces around it.
    Comment(String),
    /// A frame.
    Frame(Frame),
}

/// What stands between two empty lines, comments and unknown fields left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// What it is called; empty where it has no name.
    pub event: String,
    /// The place in the stream that it names; an empty one takes back what was named before.
    pub id: Option<String>,
    /// Its data, several lines joined by line feeds. A frame without any only moves the place.
    pub data: Option<String>,
}

/// A line or a frame is longer than it may be. Nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line or a frame of the event stream is too long")]
pub struct TooLong;

/// The reader: bytes go in, items come out. One for each stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    frame: Frame,
    frame_bytes: usize,
    has_begun: bool,
    /// The last byte was a carriage return: a line feed after it ends no further line.
    after_return: bool,
}

impl Parser {
    /// Reads on in `bytes` until there is an item, and leaves there what comes after it; `None` when it is used up.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Item>, TooLong> {
        while let Some(&first) = bytes.first() {
            if mem::take(&mut self.after_return) && first == b'\n' {
                *bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > LONGEST_LINE {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else {
                *bytes = &[];
                return Ok(None);
            };
            self.after_return = bytes[end] == b'\r';
            *bytes = &bytes[end + 1..];
            if let Some(item) = self.end_line()? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn end_line(&mut self) -> Result<Option<Item>, TooLong> {
        let line = mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.frame_bytes = 0;
            let frame = mem::take(&mut self.frame);
            let says_something = frame.id.is_some() || frame.data.is_some();
            return Ok(says_something.then_some(Item::Frame(frame)));
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if name.is_empty() {
            return Ok(Some(Item::Comment(text(value.trim_ascii()))));
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.frame.event = text(value),
            b"data" => match &mut self.frame.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&text(value));
                }
                none => *none = Some(text(value)),
            },
            b"id" if !value.contains(&0) => self.frame.id = Some(text(value)),
            // `retry` too: how long to wait is decided by the reader.
            _ => return Ok(None),
        }
        self.frame_bytes += line.len();
        if self.frame_bytes > LARGEST_FRAME {
            return Err(TooLong);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    fn read(mut bytes: &[u8]) -> Vec<Item> {
        let mut parser = Parser::default();
        let mut items = Vec::new();
        while let Some(item) = parser.next(&mut bytes).unwrap() {
            items.push(item);
        }
        items
    }

    fn frame(event: &str, id: Option<&str>, data: Option<&str>) -> Item {
        Item::Frame(Frame {
            event: event.to_owned(),
            id: id.map(str::to_owned),
            data: data.map(str::to_owned),
        })
    }

    fn comment(text: &str) -> Item {
        Item::Comment(text.to_owned())
    }

    #[test]
    fn frames_comments_and_places_are_told_apart() {
        let text = "id: log-7\nevent: session-revoked\ndata: {}\n\n: ping\n\nid: log-9\n\n:\n\n";
        let expected = [
            frame("session-revoked", Some("log-7"), Some("{}")),
            comment("ping"),
            frame("", Some("log-9"), None),
            comment(""),
        ];
        assert_eq!(read(text.as_bytes()), expected);
    }

    #[test]
    fn lines_end_as_the_standard_says() {
        let expected = [frame("e", None, Some("1\n2")), comment("c")];
        for end in ["\n", "\r\n", "\r"] {
            let text = ["event:e", "data:1", "data: 2", "", ":c", ""].join(end);
            assert_eq!(read(text.as_bytes()), expected, "{end:?}");
        }
        assert_eq!(
            read(b"data: a\r\n\r\ndata: b\r\r"),
            [frame("", None, Some("a")), frame("", None, Some("b"))]
        );
    }

    #[test]
    fn the_finer_points_of_the_standard_hold() {
        for (text, expected) in [
            // One byte order mark at the beginning is no part of the stream; a second one is.
            (
                &b"\xef\xbb\xbfdata: a\n\n"[..],
                vec![frame("", None, Some("a"))],
            ),
            (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", vec![]),
            (
                b"data: a\n\n\xef\xbb\xbfdata: b\n\n",
                vec![frame("", None, Some("a"))],
            ),
            // One space after the colon is dropped, and one only.
            (b"data:  a\n\n", vec![frame("", None, Some(" a"))]),
            // A field without a colon is an empty one.
            (b"data\n\n", vec![frame("", None, Some(""))]),
            (b"data\ndata\n\n", vec![frame("", None, Some("\n"))]),
            (b"id\n\n", vec![frame("", Some(""), None)]),
            // A place with a zero byte is none.
            (b"id: a\0b\n\n", vec![]),
            // Unknown fields are passed over, `retry` too; a name alone is no event.
            (
                b"retry: 1\nwhat: ever\nDATA: a\n data: b\nevent: e\n\n",
                vec![],
            ),
            // The last of several names and places counts.
            (
                b"event: a\nevent: b\nid: 1\nid: 2\ndata:\n\n",
                vec![frame("b", Some("2"), Some(""))],
            ),
            // What is no UTF-8 is replaced.
            (
                b"data: a\xffb\n\n",
                vec![frame("", None, Some("a\u{fffd}b"))],
            ),
            // What is not ended by an empty line never was.
            (b"data: a\n", vec![]),
        ] {
            assert_eq!(read(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn an_endless_line_and_an_endless_frame_are_errors() {
        let mut parser = Parser::default();
        let piece = [b'x'; 1000];
        let mut fed = 0;
        while parser.next(&mut &piece[..]).is_ok() {
            fed += piece.len();
            assert!(fed <= LONGEST_LINE);
        }
        let mut parser = Parser::default();
        let line = format!("data: {}\n", "x".repeat(1000));
        let mut fed = 0;
        while parser.next(&mut line.as_bytes()).is_ok() {
            fed += line.len();
            assert!(fed <= LARGEST_FRAME + line.len());
        }
        // Comments between do not count.
        let mut parser = Parser::default();
        for _ in 0..1000 {
            let line = format!(": {}\n", "x".repeat(1000));
            assert!(parser.next(&mut line.as_bytes()).unwrap().is_some());
        }
    }

    fn any_stream() -> impl Strategy<Value = Vec<u8>> {
        let end = prop::sample::select(vec![
            &b"\n"[..],
            b"\r\n",
            b"\r",
            b"\n\n",
            b"\r\n\r\n",
            b"\r\r",
        ]);
        let line = prop_oneof![
            Just(b"data: 1".to_vec()),
            Just(b"data".to_vec()),
            Just(b"event: e".to_vec()),
            Just(b"id: 7".to_vec()),
            Just(b": ping".to_vec()),
            Just(b"\xef\xbb\xbf".to_vec()),
            vec(any::<u8>(), 0..8),
        ];
        vec((line, end), 0..20).prop_map(|lines| {
            lines
                .into_iter()
                .flat_map(|(line, end)| [line, end.to_vec()].concat())
                .collect()
        })
    }

    proptest! {
        #[test]
        fn however_it_is_cut_up_the_same_is_read(stream in any_stream(), cuts in vec(any::<Index>(), 0..6)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut items = Vec::new();
            for pair in cuts.windows(2) {
                let mut bytes = &stream[pair[0]..pair[1]];
                while let Some(item) = parser.next(&mut bytes).unwrap() {
                    items.push(item);
                }
            }
            prop_assert_eq!(items, read(&stream));
        }

        #[test]
        fn no_bytes_make_reading_panic(stream in vec(any::<u8>(), 0..400)) {
            let _ = read(&stream);
        }

        #[test]
        fn what_an_issuer_writes_is_read_back(
            event in "[a-z-]{1,12}", id in "[a-z0-9-]{1,20}", data in "[^\r\n]{0,80}",
        ) {
            let text = format!("id: {id}\nevent: {event}\ndata: {data}\n\n");
            prop_assert_eq!(read(text.as_bytes()), [frame(&event, Some(&id), Some(&data))]);
        }
    }
}
