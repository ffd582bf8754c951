//! Source text: from bytes to characters and back, and from offsets to lines and columns.
//!
//! Follows PEP 263: a byte-order mark or a coding line decides, UTF-8 otherwise.

use encoding_rs::Encoding;

/// How a file's bytes stand for characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Utf8,
    Ascii,
    /// One byte is the code point of that number. (The web's label means windows-1252 instead.)
    Latin1,
    Other(&'static Encoding),
}

/// Decoded source text.
#[derive(Debug)]
pub(crate) struct Text {
    /// The characters, without a byte-order mark, with the file's own line endings.
    pub(crate) characters: String,
    bom: bool,
    coding: Coding,
    line_starts: Vec<usize>,
}

/// Why bytes are not text: the line (from 1) and a reason for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError {
    pub(crate) line: u32,
    pub(crate) reason: String,
}

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

impl Text {
    /// Decodes a Python source file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (bom, body) = match bytes.strip_prefix(UTF8_BOM) {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let coding = match declared_coding(body) {
            None => Coding::Utf8,
            Some((name, line)) => {
                let coding = coding_named(&name).ok_or_else(|| DecodeError {
                    line,
                    reason: format!("the coding `{name}` is not known"),
                })?;
                if bom && coding != Coding::Utf8 {
                    return Err(DecodeError {
                        line,
                        reason: format!("a UTF-8 byte-order mark contradicts the coding `{name}`"),
                    });
                }
                coding
            }
        };
        let text = match coding {
            Coding::Utf8 => match std::str::from_utf8(body) {
                Ok(text) => text.to_owned(),
                Err(error) => return Err(not_decodable(body, error.valid_up_to(), "UTF-8")),
            },
            Coding::Ascii => match body.iter().position(|byte| !byte.is_ascii()) {
                None => String::from_utf8_lossy(body).into_owned(),
                Some(at) => return Err(not_decodable(body, at, "ASCII")),
            },
            Coding::Latin1 => body.iter().map(|&byte| char::from(byte)).collect(),
            Coding::Other(encoding) => {
                let strict = encoding.decode_without_bom_handling_and_without_replacement(body);
                let Some(text) = strict else {
                    let (text, _) = encoding.decode_without_bom_handling(body);
                    let before = text.find('\u{fffd}').unwrap_or(0);
                    return Err(DecodeError {
                        line: count_lines(&text[..before]),
                        reason: format!("a byte is not {}", encoding.name()),
                    });
                };
                text.into_owned()
            }
        };
        Ok(Self::from_parts(text, bom, coding))
    }

    /// Decodes a plain text file (requirements, TOML) as well as can be: UTF-16 with a mark (some
    /// shells write it), UTF-8, else Latin-1.
    pub(crate) fn decode_plain(bytes: &[u8]) -> String {
        if let Some((encoding, length)) = Encoding::for_bom(bytes) {
            return encoding
                .decode_without_bom_handling(&bytes[length..])
                .0
                .into_owned();
        }
        let looks_utf16 = bytes.len() >= 4 && bytes[1] == 0 && bytes[3] == 0;
        if looks_utf16 {
            return encoding_rs::UTF_16LE
                .decode_without_bom_handling(bytes)
                .0
                .into_owned();
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
        }
    }

    fn from_parts(text: String, bom: bool, coding: Coding) -> Self {
        let line_starts = line_starts(&text);
        Self {
            characters: text,
            bom,
            coding,
            line_starts,
        }
    }

    /// Encodes `text` the way this file was; `None` when a character has no bytes in its coding.
    pub(crate) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = if self.bom {
            UTF8_BOM.to_vec()
        } else {
            Vec::new()
        };
        match self.coding {
            Coding::Utf8 => bytes.extend_from_slice(text.as_bytes()),
            Coding::Ascii => {
                if !text.is_ascii() {
                    return None;
                }
                bytes.extend_from_slice(text.as_bytes());
            }
            Coding::Latin1 => {
                for character in text.chars() {
                    bytes.push(u8::try_from(u32::from(character)).ok()?);
                }
            }
            Coding::Other(encoding) => {
                let (encoded, _, unmappable) = encoding.encode(text);
                if unmappable {
                    return None;
                }
                bytes.extend_from_slice(&encoded);
            }
        }
        Some(bytes)
    }

    /// The line and column of a byte offset into `text`, both from 1, the column in characters.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let mut offset = offset.min(self.characters.len());
        while !self.characters.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self
            .line_starts
            .partition_point(|&start| start <= offset)
            .max(1)
            - 1;
        let column = self.characters[self.line_starts[line]..offset]
            .chars()
            .count();
        (number(line + 1), number(column + 1))
    }

    /// The text of the line an offset is on, without its ending.
    pub(crate) fn line_at(&self, offset: usize) -> &str {
        let start = self.line_start(offset);
        let rest = &self.characters[start..];
        &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())]
    }

    /// The offset of the first character of the line an offset is on.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        let line = self
            .line_starts
            .partition_point(|&start| start <= offset)
            .max(1)
            - 1;
        self.line_starts[line]
    }

    /// The ending of the line an offset is on; of the line before it when it has none; else `\n`.
    pub(crate) fn newline_near(&self, offset: usize) -> &'static str {
        let line = self
            .line_starts
            .partition_point(|&start| start <= offset)
            .max(1)
            - 1;
        let own = self.line_starts.get(line + 1);
        let end = own.copied().unwrap_or(self.line_starts[line]);
        match &self.characters.as_bytes()[..end] {
            [.., b'\r', b'\n'] => "\r\n",
            [.., b'\r'] => "\r",
            _ => "\n",
        }
    }
}

/// A count as the 32-bit number findings carry.
pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (index, byte) in bytes.iter().enumerate() {
        let ends_line = *byte == b'\n' || *byte == b'\r' && bytes.get(index + 1) != Some(&b'\n');
        if ends_line {
            starts.push(index + 1);
        }
    }
    starts
}

fn count_lines(text: &str) -> u32 {
    number(line_starts(text).len())
}

fn not_decodable(body: &[u8], at: usize, coding: &str) -> DecodeError {
    let before: String = body[..at].iter().map(|&byte| char::from(byte)).collect();
    DecodeError {
        line: count_lines(&before),
        reason: format!(
            "the byte 0x{:02x} is not {coding}",
            body[at.min(body.len() - 1)]
        ),
    }
}

/// The coding named on one of the first two lines, with that line's number (PEP 263).
fn declared_coding(body: &[u8]) -> Option<(String, u32)> {
    let mut lines = body.split(|&byte| byte == b'\n' || byte == b'\r');
    let mut seen = 0;
    while seen < 2 {
        let line = lines.next()?;
        seen += 1;
        let trimmed: &[u8] = line.trim_ascii_start();
        let trimmed = trimmed.strip_prefix(b"\x0c").unwrap_or(trimmed);
        if let Some(comment) = trimmed.strip_prefix(b"#") {
            if let Some(name) = coding_in_comment(comment) {
                return Some((name, seen));
            }
        } else if !trimmed.is_empty() {
            return None;
        } else if line.is_empty() && seen == 1 && body.starts_with(b"\r\n") {
            // The split saw the two halves of one line ending.
            lines.next();
        }
    }
    None
}

fn coding_in_comment(comment: &[u8]) -> Option<String> {
    let at = comment.windows(6).position(|window| window == b"coding")? + 6;
    let rest = comment.get(at..)?;
    let rest = rest
        .strip_prefix(b":")
        .or_else(|| rest.strip_prefix(b"="))?;
    let name: String = rest
        .trim_ascii_start()
        .iter()
        .map(|&byte| char::from(byte))
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    (!name.is_empty()).then_some(name)
}

fn coding_named(name: &str) -> Option<Coding> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    Some(match name.as_str() {
        "utf-8" | "utf8" | "u8" | "utf" | "utf-8-sig" | "utf8-sig" => Coding::Utf8,
        "ascii" | "us-ascii" | "646" => Coding::Ascii,
        "latin-1" | "latin1" | "latin" | "l1" | "iso-8859-1" | "iso8859-1" | "8859"
        | "iso-latin-1" | "cp819" => Coding::Latin1,
        other if other.starts_with("utf-8-") => Coding::Utf8,
        other => {
            let encoding = Encoding::for_label(other.as_bytes())?;
            // UTF-16 cannot carry a coding line, and replacement labels are not codings at all.
            let ascii_based = encoding.is_ascii_compatible();
            ascii_based.then_some(if encoding == encoding_rs::UTF_8 {
                Coding::Utf8
            } else {
                Coding::Other(encoding)
            })?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_in_any_style() {
        let text = Text::decode("a\r\né😀x\rb\n".as_bytes()).unwrap();
        assert_eq!(text.position(0), (1, 1));
        assert_eq!(text.position("a\r\né😀".len()), (2, 3));
        assert_eq!(text.position("a\r\né😀x\r".len()), (3, 1));
    }

    #[test]
    fn a_byte_order_mark_is_kept_and_not_counted() {
        let text = Text::decode(b"\xef\xbb\xbfapp = 1\n").unwrap();
        assert_eq!(text.position(0), (1, 1));
        assert_eq!(
            text.encode(&text.characters).unwrap(),
            b"\xef\xbb\xbfapp = 1\n"
        );
    }

    #[test]
    fn a_declared_coding_is_used_both_ways() {
        let bytes = b"# -*- coding: latin-1 -*-\nx = '\xe9'\n";
        let text = Text::decode(bytes).unwrap();
        assert!(text.characters.contains('é'));
        assert_eq!(text.encode(&text.characters).unwrap(), bytes);
        let bytes = b"#!/usr/bin/python\n# vim: set fileencoding=koi8-r :\nx = '\xc1'\n";
        let text = Text::decode(bytes).unwrap();
        assert!(text.characters.contains('а'));
        assert_eq!(text.encode(&text.characters).unwrap(), bytes);
    }

    #[test]
    fn undeclared_bytes_and_unknown_codings_name_their_line() {
        let error = Text::decode(b"a = 1\nb = '\xe9'\n").unwrap_err();
        assert_eq!(
            (error.line, error.reason.as_str()),
            (2, "the byte 0xe9 is not UTF-8")
        );
        assert_eq!(Text::decode(b"\n# coding: klingon\n").unwrap_err().line, 2);
        assert!(Text::decode(b"x = 1\n# coding: klingon\n").is_ok());
    }

    #[test]
    fn a_requirements_file_written_as_utf16_is_read() {
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend("fastapi\r\n".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(Text::decode_plain(&bytes), "fastapi\r\n");
    }
}
