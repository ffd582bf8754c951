//! The compact form of a signed token (RFC 7515 §3.1), taken apart strictly.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

/// The longest token that is looked at, in bytes.
pub const MAXIMUM_TOKEN_BYTES: usize = 8 * 1024;

/// `{"alg":"HS256","typ":"JWT"}` in base64url: the header of every token that is signed under HS256.
pub(crate) const HS256_HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// A signature algorithm (RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 to 8192 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// The registered name, the value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    /// Reads the registered name, which is case-sensitive; `None` for any other, `none` above all.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::Hs256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no signed token that we would verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than [`MAXIMUM_TOKEN_BYTES`].
    #[error("the token is longer than {MAXIMUM_TOKEN_BYTES} bytes")]
    TooLarge,
    /// Not three parts of base64url.
    #[error("not a signed token")]
    NotCompact,
    /// The header is no JSON object with an `alg`, or names a member twice.
    #[error("the token's header is malformed")]
    Header,
    /// The header asks for an extension (RFC 7515 §4.1.11), or says that the token is encrypted or of another type.
    #[error("the token's header asks for something that is not supported")]
    Unsupported,
}

/// A token's parts. The signature has not been looked at.
pub(crate) struct Parts<'a> {
    /// What is signed: header and payload as they were sent.
    pub(crate) signed: &'a str,
    /// The header as it was sent.
    pub(crate) header_text: &'a str,
    /// The payload's bytes.
    pub(crate) payload: Vec<u8>,
    /// The signature's bytes.
    pub(crate) signature: Vec<u8>,
}

/// What a header says that concerns us. Keys and addresses of keys in it (`jwk`, `jku`, `x5u`, `x5c`) are ignored:
/// a token does not choose what it is verified with (RFC 8725 §3.10).
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    typ: Option<String>,
    // Presence matters, so a `null` counts too.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    enc: bool,
    #[serde(default, deserialize_with = "present")]
    zip: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Takes a token apart. One spelling of each part is accepted: base64url without padding, white space or stray bits.
pub(crate) fn split(token: &str) -> Result<Parts<'_>, JwsError> {
    if token.len() > MAXIMUM_TOKEN_BYTES {
        return Err(JwsError::TooLarge);
    }
    let (signed, signature_text) = token.rsplit_once('.').ok_or(JwsError::NotCompact)?;
    let (header_text, payload_text) = signed.split_once('.').ok_or(JwsError::NotCompact)?;
    let decode = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| JwsError::NotCompact)
    };
    Ok(Parts {
        signed,
        header_text,
        payload: decode(payload_text)?,
        signature: decode(signature_text)?,
    })
}

impl Parts<'_> {
    /// Reads the header.
    pub(crate) fn header(&self) -> Result<Header, JwsError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(self.header_text)
            .map_err(|_| JwsError::NotCompact)?;
        let header: Header = serde_json::from_slice(&bytes).map_err(|_| JwsError::Header)?;
        let known_type = header.typ.as_deref().is_none_or(|typ| {
            // RFC 7519 §5.1 and RFC 9068 §2.1; media types are compared without case.
            ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.to_ascii_lowercase().as_str())
        });
        if header.crit || header.enc || header.zip || header.b64 || !known_type {
            return Err(JwsError::Unsupported);
        }
        Ok(header)
    }
}
