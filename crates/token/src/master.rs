//! The master key, and every key derived from it.
//!
//! Each derived key is HMAC-SHA256 under the master key over a length-prefixed label and, where there is one, the id
//! it is for. So keys for different uses and different apps tell nothing of each other nor of the master key.

use std::fmt::{self, Write as _};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::AppId;
use secret::{Secret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{
    sealed::SealingKey,
    service::ServiceKeys,
    viewer::{CapKey, ViewerKey},
};

/// The one secret of a server: 32 random bytes, kept in a file or given by the environment.
#[derive(Clone)]
pub struct MasterKey(Secret<[u8; 32]>);

/// Why a text is no master key. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the master key must be 64 hexadecimal digits (32 random bytes)")]
pub struct MasterKeyError;

/// Why an app key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the key of this app")]
pub struct AppKeyError;

/// The prefix of an app's key for the data API.
const APP_KEY_PREFIX: &str = "vst_a_";

impl MasterKey {
    /// Takes 32 bytes from a cryptographic random source.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Reads the form kept in a file: 64 hexadecimal digits, white space around them ignored.
    pub fn from_hex(text: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| MasterKeyError)?;
        let key = Self::from_bytes(bytes);
        bytes.zeroize();
        Ok(key)
    }

    /// The form kept in a file.
    pub fn to_hex(&self) -> SecretString {
        Secret::new(hex::encode(self.0.expose()))
    }

    /// The key under which an app's viewer tokens are signed. The app is given it, so its signature proves nothing to
    /// the server.
    pub fn viewer_key(&self, app: AppId) -> ViewerKey {
        ViewerKey::from_bytes(&self.derive("viewer-key", app.as_uuid().as_bytes()))
    }

    /// The key of the `cap` claim, which no app ever sees.
    pub fn viewer_cap_key(&self) -> CapKey {
        CapKey::from_bytes(&self.derive("viewer-cap", &[]))
    }

    /// The bearer key with which an app's own code calls the data API.
    pub fn app_key(&self, app: AppId) -> SecretString {
        let mut text = APP_KEY_PREFIX.to_owned();
        let key = self.derive("app-key", app.as_uuid().as_bytes());
        URL_SAFE_NO_PAD.encode_string(key.expose(), &mut text);
        Secret::new(text)
    }

    /// Checks a presented app key, in time that depends on its length only.
    pub fn verify_app_key(&self, app: AppId, presented: &str) -> Result<(), AppKeyError> {
        if self.app_key(app).equals(presented.as_bytes()) {
            Ok(())
        } else {
            Err(AppKeyError)
        }
    }

    /// What proves to an app that a request came through the gateway: 64 hexadecimal digits, given to the app and sent
    /// with each request.
    pub fn gateway_secret(&self, app: AppId) -> SecretString {
        let key = self.derive("gateway", app.as_uuid().as_bytes());
        Secret::new(hex::encode(key.expose()))
    }

    /// The key of the gateway's own cookies.
    pub fn gateway_cookie_key(&self) -> MacKey {
        self.mac_key("gateway-cookie")
    }

    /// A key for authenticating values that leave the server and come back, for example form tokens.
    pub fn mac_key(&self, label: &str) -> MacKey {
        let key = self.derive("mac", label.as_bytes());
        MacKey(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The keys behind services' secrets and tokens.
    pub fn service_keys(&self) -> ServiceKeys {
        ServiceKeys::new(
            self.mac_key("service-secret"),
            self.mac_key("service-token"),
        )
    }

    /// A key for secrets at rest; one label a table.
    pub fn sealing_key(&self, label: &str) -> SealingKey {
        SealingKey::from_bytes(&self.derive("sealing", label.as_bytes()))
    }

    fn derive(&self, label: &str, context: &[u8]) -> Secret<[u8; 32]> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        let mut input = hmac::Context::with_key(&master);
        let length = u8::try_from(label.len()).expect("our own labels are short");
        input.update(&[length]);
        input.update(label.as_bytes());
        input.update(context);
        let mut key = [0; 32];
        key.copy_from_slice(input.sign().as_ref());
        let secret = Secret::new(key);
        key.zeroize();
        secret
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// A key that authenticates short values (HMAC-SHA256).
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The MAC over `parts`; each part is length-prefixed, so moving bytes between parts changes it.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut input = hmac::Context::with_key(&self.0);
        for part in parts {
            input.update(&(part.len() as u64).to_be_bytes());
            input.update(part);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(input.sign().as_ref());
        mac
    }

    /// Whether `presented` is the MAC over `parts`, in constant time.
    pub fn verify(&self, parts: &[&[u8]], presented: &[u8]) -> bool {
        self.sign(parts).ct_eq(presented).into()
    }

    /// [`Self::sign`] as 64 lower-case hexadecimal digits.
    pub fn sign_hex(&self, parts: &[&[u8]]) -> String {
        self.sign(parts)
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// Whether `presented` is what [`Self::sign_hex`] gives for `parts`, in constant time.
    pub fn verify_hex(&self, parts: &[&[u8]], presented: &str) -> bool {
        self.sign_hex(parts)
            .as_bytes()
            .ct_eq(presented.as_bytes())
            .into()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app(number: u8) -> AppId {
        AppId::new(1, [number; 10])
    }

    #[test]
    fn a_master_key_survives_its_file_and_hides_in_debug_output() {
        let key = MasterKey::from_bytes([0xab; 32]);
        let text = key.to_hex();
        let read = MasterKey::from_hex(&format!(" {}\n", text.expose())).expect("its own text");
        assert_eq!(read.app_key(app(1)).expose(), key.app_key(app(1)).expose());
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }

    #[test]
    fn text_that_is_no_master_key_is_refused() {
        for text in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            assert!(MasterKey::from_hex(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_use_and_each_app_has_its_own_key() {
        let master = MasterKey::from_bytes([9; 32]);
        let mut keys = vec![
            master.viewer_key(app(1)).to_hex(),
            master.viewer_key(app(2)).to_hex(),
        ];
        for number in [1, 2] {
            keys.push(master.gateway_secret(app(number)));
            keys.push(master.app_key(app(number)));
        }
        let mut texts: Vec<_> = keys.iter().map(|key| key.expose().clone()).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 6);
    }

    #[test]
    fn the_key_of_one_app_is_refused_for_another() {
        let master = MasterKey::from_bytes([9; 32]);
        let key = master.app_key(app(1));
        assert!(key.expose().starts_with("vst_a_"));
        assert_eq!(master.verify_app_key(app(1), key.expose()), Ok(()));
        assert_eq!(
            master.verify_app_key(app(2), key.expose()),
            Err(AppKeyError)
        );
        assert_eq!(master.verify_app_key(app(1), ""), Err(AppKeyError));
    }

    #[test]
    fn moving_bytes_between_parts_changes_the_mac() {
        let key = MasterKey::from_bytes([9; 32]).mac_key("form");
        assert!(key.verify(&[b"ab", b"c"], &key.sign(&[b"ab", b"c"])));
        assert!(!key.verify(&[b"a", b"bc"], &key.sign(&[b"ab", b"c"])));
        assert!(key.verify_hex(&[b"ab"], &key.sign_hex(&[b"ab"])));
        assert!(!key.verify_hex(&[b"ab"], "00"));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_read_without_a_panic(text: String) {
            let _ = MasterKey::from_hex(&text);
        }
    }
}
