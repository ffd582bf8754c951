//! Cuts a stream of bytes into lines of bounded length.

/// Longest line kept, in bytes; the rest of a longer one is dropped.
pub(crate) const LINE_BYTES: usize = 8 * 1024;

/// Bytes of a line that has not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Takes bytes and hands out each line they complete. Bytes that are not UTF-8 are replaced; other control characters than
    /// tabs become the replacement character, so that a line cannot steer a terminal.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            bytes = &bytes[end + 1..];
            each(self.take());
        }
        self.keep(bytes);
    }

    /// The unfinished line, if any, when the stream has ended.
    pub(crate) fn finish(&mut self) -> Option<String> {
        (!self.partial.is_empty()).then(|| self.take())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.partial.len());
        self.cut |= bytes.len() > room;
        self.partial
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> String {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        let mut text = plain(&String::from_utf8_lossy(line));
        if std::mem::take(&mut self.cut) {
            text.push_str(" […]");
        }
        self.partial.clear();
        text
    }
}

/// Removes terminal color sequences and replaces other control characters.
fn plain(text: &str) -> String {
    if !text
        .chars()
        .any(|character| character.is_control() && character != '\t')
    {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.peek() == Some(&'[') {
            characters.next();
            for next in characters.by_ref() {
                if ('@'..='~').contains(&next) {
                    break;
                }
            }
        } else if character.is_control() && character != '\t' {
            out.push('\u{fffd}');
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| out.push(line));
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        assert_eq!(
            split(&[b"a", b"b\nc", b"\r\n", b"\nd"]),
            ["ab", "c", "", "d"]
        );
    }

    #[test]
    fn huge_lines_are_cut_and_colors_dropped() {
        let huge = vec![b'x'; 100_000];
        let lines = split(&[&huge, b"\nnext"]);
        assert!(lines[0].len() <= LINE_BYTES + 10 && lines[0].ends_with("[…]"));
        assert_eq!(lines[1], "next");
        assert_eq!(
            split(&[b"\x1b[31mred\x1b[0m\x07 \xff"]),
            ["red\u{fffd} \u{fffd}"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_bounded_lines_without_control_characters(chunks: Vec<Vec<u8>>) {
            let chunks: Vec<_> = chunks.iter().map(Vec::as_slice).collect();
            for line in split(&chunks) {
                prop_assert!(line.len() <= 3 * LINE_BYTES + 10);
                prop_assert!(!line.chars().any(|character| character.is_control() && character != '\t'));
            }
        }
    }
}
