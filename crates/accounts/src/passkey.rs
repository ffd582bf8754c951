//! Passkeys: keys that a device or a password manager holds for one account here (`WebAuthn` credentials).

use ids::{AccountId, PasskeyId};
use jiff::Timestamp;

/// Longest name, in characters.
pub const LONGEST_NAME: usize = 60;
/// Most passkeys of one account.
pub const MOST: usize = 20;

/// A passkey of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Stable identity.
    pub id: PasskeyId,
    /// Whose it is.
    pub account: AccountId,
    /// The id under which its device knows it; unique among all.
    pub credential: Vec<u8>,
    /// What the person calls it.
    pub name: String,
    /// The public key and what was told of it at registration, as JSON text in the form of the verifier.
    pub public_key: String,
    /// How often it was used, by its own count; zero for ever when it keeps none.
    pub sign_count: u32,
    /// It may be copied between devices.
    pub synced: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last used to sign in or to confirm.
    pub last_used_at: Option<Timestamp>,
}

/// A passkey's own count did not go up: there may be a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this passkey may have been copied, so it was not accepted; sign in another way and replace it"
)]
pub struct MayBeCopied;

/// Whether a passkey that says it was used `counted` times may be accepted after it said `known`. Passkeys that keep
/// no count say zero always (Web Authentication, §6.1.1).
pub const fn check_count(known: u32, counted: u32) -> Result<(), MayBeCopied> {
    if counted > known || (counted == 0 && known == 0) {
        Ok(())
    } else {
        Err(MayBeCopied)
    }
}

/// A name as it is kept; `device` where nothing is left of it.
pub fn name(typed: &str, device: &str) -> String {
    let clean = |text: &str| -> String {
        let kept: String = text
            .chars()
            .filter(|character| !character.is_control())
            .take(LONGEST_NAME)
            .collect();
        kept.trim().to_owned()
    };
    let (typed, device) = (clean(typed), clean(device));
    match (typed.is_empty(), device.is_empty()) {
        (false, _) => typed,
        (true, false) => device,
        (true, true) => "Passkey".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_count_that_does_not_go_up_tells_of_a_copy() {
        assert_eq!(check_count(0, 0), Ok(()));
        assert_eq!(check_count(0, 1), Ok(()));
        assert_eq!(check_count(7, 8), Ok(()));
        assert_eq!(check_count(7, 7), Err(MayBeCopied));
        assert_eq!(check_count(7, 6), Err(MayBeCopied));
        assert_eq!(check_count(7, 0), Err(MayBeCopied));
    }

    proptest! {
        #[test]
        fn any_name_is_cleaned(typed: String, device: String) {
            let kept = name(&typed, &device);
            prop_assert!(!kept.is_empty() && kept.chars().count() <= LONGEST_NAME);
            prop_assert!(!kept.chars().any(char::is_control));
        }
    }
}
