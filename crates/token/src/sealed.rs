//! Secrets at rest, and the gateway's own cookie.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, AppId, SessionId};
use jiff::Timestamp;
use secret::{Secret, SecretBytes};
use uuid::Uuid;

use crate::MacKey;

/// A key for secrets at rest: AES-256-GCM.
pub struct SealingKey(LessSafeKey);

/// A sealed value could not be opened: another key, other associated data, or altered bytes. Which of them is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "could not open a sealed value; it was sealed under another master key, for another record, or is damaged"
)]
pub struct OpenError;

/// The first byte of a sealed value: the form that follows it.
const FORM: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

impl SealingKey {
    pub(crate) fn from_bytes(bytes: &Secret<[u8; 32]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose()).expect("32 bytes fit AES-256");
        Self(LessSafeKey::new(key))
    }

    /// Seals `value` so that only this key opens it, and only together with the same `associated` data, which names
    /// the record that holds it (table, column, row).
    ///
    /// `nonce` must be random: a nonce that is used twice under one key gives the values away.
    pub fn seal(
        &self,
        value: &SecretBytes,
        associated: &[u8],
        nonce: [u8; NONCE_BYTES],
    ) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + value.expose().len() + TAG_BYTES);
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        let mut body = value.expose().clone();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                &mut body,
            )
            .expect("sealing fails for values of 64 GiB and more only");
        sealed.append(&mut body);
        sealed
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<SecretBytes, OpenError> {
        let Some((&[FORM], rest)) = sealed.split_first_chunk::<1>() else {
            return Err(OpenError);
        };
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        let mut body = body.to_vec();
        let length = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated),
                &mut body,
            )
            .map_err(|_| OpenError)?
            .len();
        body.truncate(length);
        Ok(Secret::new(body))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// What the gateway remembers of a viewer on an app's origin. The app never sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayCookie {
    /// The shell session it stands on.
    pub session: SessionId,
    /// Whose session.
    pub account: AccountId,
    /// The app whose origin it was set on.
    pub app: AppId,
    /// When it was set, to the millisecond.
    pub issued_at: Timestamp,
}

/// A cookie that was not made by this server, or was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cookie of this gateway")]
pub struct CookieError;

const COOKIE_BODY: usize = 1 + 3 * 16 + 8;
const COOKIE: usize = COOKIE_BODY + 32;

impl GatewayCookie {
    /// The cookie's value: 119 characters of base64url.
    pub fn encode(&self, key: &MacKey) -> String {
        let mut bytes = Vec::with_capacity(COOKIE);
        bytes.push(FORM);
        bytes.extend_from_slice(self.session.as_uuid().as_bytes());
        bytes.extend_from_slice(self.account.as_uuid().as_bytes());
        bytes.extend_from_slice(self.app.as_uuid().as_bytes());
        bytes.extend_from_slice(&self.issued_at.as_millisecond().to_be_bytes());
        let mac = key.sign(&[&bytes]);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a value that a browser sent. The MAC is compared in constant time, before anything else is believed.
    pub fn decode(text: &str, key: &MacKey) -> Result<Self, CookieError> {
        let mut bytes = [0; COOKIE + 1];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(COOKIE) {
            return Err(CookieError);
        }
        let (body, mac) = bytes[..COOKIE].split_at(COOKIE_BODY);
        if !key.verify(&[body], mac) || body[0] != FORM {
            return Err(CookieError);
        }
        let uuid = |at: usize| Uuid::from_slice(&body[at..at + 16]).map_err(|_| CookieError);
        let time = body[49..].try_into().map_err(|_| CookieError)?;
        Ok(Self {
            session: SessionId::from_uuid(uuid(1)?),
            account: AccountId::from_uuid(uuid(17)?),
            app: AppId::from_uuid(uuid(33)?),
            issued_at: Timestamp::from_millisecond(i64::from_be_bytes(time))
                .map_err(|_| CookieError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MasterKey;

    fn master() -> MasterKey {
        MasterKey::from_bytes([3; 32])
    }

    #[test]
    fn a_sealed_value_opens_for_its_own_record_only() {
        let key = master().sealing_key("signing_key");
        let sealed = key.seal(&Secret::new(b"value".to_vec()), b"row 1", [5; 12]);
        assert_eq!(
            key.open(&sealed, b"row 1").expect("same record").expose(),
            b"value"
        );
        assert_eq!(key.open(&sealed, b"row 2").err(), Some(OpenError));
        let other = master().sealing_key("other");
        assert_eq!(other.open(&sealed, b"row 1").err(), Some(OpenError));
    }

    proptest! {
        #[test]
        fn a_sealed_value_survives_and_any_altered_byte_is_noticed(
            value: Vec<u8>, associated: Vec<u8>, nonce: [u8; 12], at: prop::sample::Index, bit in 0_u8..8,
        ) {
            let key = master().sealing_key("t");
            let mut sealed = key.seal(&Secret::new(value.clone()), &associated, nonce);
            let opened = key.open(&sealed, &associated).expect("unaltered");
            prop_assert_eq!(opened.expose(), &value);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key.open(&sealed, &associated).is_err());
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>, text: String) {
            prop_assert!(master().sealing_key("t").open(&bytes, b"").is_err());
            prop_assert!(GatewayCookie::decode(&text, &master().gateway_cookie_key()).is_err());
        }

        #[test]
        fn a_cookie_survives_and_any_altered_character_is_noticed(
            ids: [[u8; 10]; 3], time in 0_i64..4_000_000_000_000, at in 0_usize..119,
        ) {
            let key = master().gateway_cookie_key();
            let cookie = GatewayCookie {
                session: SessionId::new(1, ids[0]),
                account: AccountId::new(2, ids[1]),
                app: AppId::new(3, ids[2]),
                issued_at: Timestamp::from_millisecond(time).expect("in range"),
            };
            let text = cookie.encode(&key);
            prop_assert_eq!(GatewayCookie::decode(&text, &key), Ok(cookie));
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            prop_assert_eq!(GatewayCookie::decode(&altered, &key), Err(CookieError));
        }
    }
}
