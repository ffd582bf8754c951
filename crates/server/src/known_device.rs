//! The cookie by which a browser proves that somebody signed in to an account from it before.
//!
//! It opens nothing. The sign-in throttle counts such a browser apart from everybody else, so that strangers who guess
//! at an account cannot make its owner wait.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::AccountId;
use token::{MacKey, MasterKey};

use crate::random;

/// The cookie's name.
pub const COOKIE: &str = "vestibule_device";
/// How long browsers keep it: as long as they keep any.
pub const COOKIE_SECONDS: i64 = 400 * 24 * 3600;

const ID: usize = 16;
const PROOF: usize = 32;
/// Accounts that one browser is remembered by, the last ones.
const ACCOUNTS: usize = 5;

/// A browser, with a proof for each account that was signed in to from it. Nothing is believed before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    id: [u8; ID],
    proofs: Vec<[u8; PROOF]>,
}

impl KnownDevice {
    /// A browser that nobody signed in from yet.
    pub fn fresh() -> Self {
        Self {
            id: random::bytes(),
            proofs: Vec::new(),
        }
    }

    /// Reads a cookie.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > (ID + ACCOUNTS * PROOF) * 4 / 3 + 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, rest) = bytes.split_first_chunk()?;
        let (proofs, rest) = rest.as_chunks();
        rest.is_empty().then(|| Self {
            id: *id,
            proofs: proofs.to_vec(),
        })
    }

    /// The browser's id, if this account was signed in to from it.
    pub(crate) fn proven(&self, master: &MasterKey, account: AccountId) -> Option<[u8; ID]> {
        let (key, account) = (key(master), account.as_uuid());
        let is_proof = |proof: &[u8; PROOF]| key.verify(&[&self.id, account.as_bytes()], proof);
        self.proofs.iter().any(is_proof).then_some(self.id)
    }

    /// The cookie for the browser, now that this account was signed in to from it.
    pub(crate) fn remember(mut self, master: &MasterKey, account: AccountId) -> String {
        let proof = key(master).sign(&[&self.id, account.as_uuid().as_bytes()]);
        self.proofs.retain(|kept| *kept != proof);
        self.proofs.insert(0, proof);
        self.proofs.truncate(ACCOUNTS);
        let mut bytes = self.id.to_vec();
        bytes.extend(self.proofs.as_flattened());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn key(master: &MasterKey) -> MacKey {
    master.mac_key("known-device")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn master() -> MasterKey {
        MasterKey::from_bytes([1; 32])
    }

    fn account(number: u8) -> AccountId {
        AccountId::new(1, [number; 10])
    }

    #[test]
    fn a_browser_is_known_to_the_accounts_that_signed_in_from_it_only() {
        let first = KnownDevice::fresh();
        let id = first.id;
        let text = first.remember(&master(), account(1));
        let text = KnownDevice::read(&text)
            .expect("its own text")
            .remember(&master(), account(2));
        let known = KnownDevice::read(&text).expect("its own text");
        assert_eq!(known.proven(&master(), account(1)), Some(id));
        assert_eq!(known.proven(&master(), account(2)), Some(id));
        assert_eq!(known.proven(&master(), account(3)), None);
        assert_eq!(
            known.proven(&MasterKey::from_bytes([2; 32]), account(1)),
            None
        );
        let stolen = KnownDevice {
            id: [7; ID],
            ..known
        };
        assert_eq!(stolen.proven(&master(), account(1)), None);
    }

    #[test]
    fn the_last_accounts_are_kept_each_once() {
        let mut device = KnownDevice::fresh();
        for number in [1, 2, 3, 4, 5, 6, 6] {
            let text = device.remember(&master(), account(number));
            device = KnownDevice::read(&text).expect("its own text");
        }
        assert_eq!(device.proofs.len(), ACCOUNTS);
        assert_eq!(device.proven(&master(), account(1)), None);
        assert!(device.proven(&master(), account(2)).is_some());
    }

    proptest! {
        #[test]
        fn any_cookie_is_read_without_a_panic_and_proves_nothing(text in "[A-Za-z0-9_=-]{0,300}") {
            if let Some(device) = KnownDevice::read(&text) {
                prop_assert_eq!(device.proven(&master(), account(1)), None);
            }
        }
    }
}
