//! How somebody proved who they are, how much that is worth, and whether it was long ago.
//!
//! The names are those of RFC 8176, so that a session's methods are the `amr` claim of its tokens as they stand.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::{Session, lifetime::after};

/// One way of proving who one is (RFC 8176 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `pwd`: a password.
    Password,
    /// `otp`: a code that works once, from an authenticator app or from the list of recovery codes.
    Code,
    /// `swk`: a passkey that may be copied between devices.
    SoftwareKey,
    /// `hwk`: a passkey that never leaves its device.
    HardwareKey,
    /// `user`: the device of the passkey made sure that its owner holds it, by fingerprint, face or PIN.
    UserVerified,
    /// `mfa`: what was presented is more than one factor.
    Several,
}

impl Method {
    const ALL: [Self; 6] = [
        Self::Password,
        Self::Code,
        Self::SoftwareKey,
        Self::HardwareKey,
        Self::UserVerified,
        Self::Several,
    ];

    /// The registered value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Code => "otp",
            Self::SoftwareKey => "swk",
            Self::HardwareKey => "hwk",
            Self::UserVerified => "user",
            Self::Several => "mfa",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The methods of one sign-in: a small set. Empty where the registry has no value for what was done, as for one-time
/// links and outside identity providers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Methods(u8);

impl Methods {
    /// No method that has a registered value.
    pub const NONE: Self = Self(0);

    /// A set of one.
    pub const fn one(method: Method) -> Self {
        Self(method.bit())
    }

    /// A set of a passkey's methods. `synced`: it may be copied between devices. `verified`: its device made sure who
    /// holds it, which makes it two factors by itself, the device and what its owner knows or is.
    pub const fn passkey(synced: bool, verified: bool) -> Self {
        let key = if synced {
            Method::SoftwareKey
        } else {
            Method::HardwareKey
        };
        let set = Self::one(key);
        if verified {
            set.with(Method::UserVerified).with(Method::Several)
        } else {
            set
        }
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, method: Method) -> Self {
        Self(self.0 | method.bit())
    }

    /// The set of a sign-in whose second step was `second`.
    #[must_use]
    pub const fn and_then(self, second: Self) -> Self {
        Self(self.0 | second.0).with(Method::Several)
    }

    /// The set of a session whose person proved once more who they are, in whatever way.
    #[must_use]
    pub const fn joined(self, proof: Self) -> Self {
        let both = Self(self.0 | proof.0);
        let key = both.contains(Method::SoftwareKey) || both.contains(Method::HardwareKey);
        let kinds =
            both.contains(Method::Password) as u8 + both.contains(Method::Code) as u8 + key as u8;
        if kinds > 1 {
            both.with(Method::Several)
        } else {
            both
        }
    }

    /// Whether the set holds it.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    /// The methods, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL
            .into_iter()
            .filter(move |method| self.contains(*method))
    }

    /// What the set is worth.
    pub const fn assurance(self) -> Assurance {
        if self.contains(Method::Several) {
            Assurance::Two
        } else {
            Assurance::One
        }
    }

    /// Reads the text of [`fmt::Display`] back; `None` when it names an unknown method.
    pub fn from_text(text: &str) -> Option<Self> {
        text.split_ascii_whitespace()
            .try_fold(Self::NONE, |set, name| {
                let method = Method::ALL
                    .into_iter()
                    .find(|method| method.as_str() == name)?;
                Some(set.with(method))
            })
    }
}

/// The registered values, separated by spaces; empty for the empty set.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, method) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Methods({self})")
    }
}

/// How sure it is who signed in: the `acr` claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// One factor.
    One,
    /// Two factors, or a passkey whose device made sure who holds it.
    Two,
}

impl Assurance {
    /// The value of the claim.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "urn:vestibule:acr:1",
            Self::Two => "urn:vestibule:acr:2",
        }
    }
}

/// For how long after a proof its session may change what the account is protected by.
pub const RECENT: Duration = Duration::from_mins(10);

/// The session's last proof is too old for what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("confirm that it is you, then do this again")]
pub struct ProofTooOld;

/// Whether the person behind a session proved who they are so lately that it may change passwords, addresses, factors
/// and keys. A session that was stolen or left open cannot, however long it lives.
pub fn require_recent_proof(session: &Session, now: Timestamp) -> Result<(), ProofTooOld> {
    if now < after(session.authenticated_at, RECENT) {
        Ok(())
    } else {
        Err(ProofTooOld)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lifetime::tests::{at, session};

    #[test]
    fn a_password_is_one_factor_and_a_code_after_it_makes_two() {
        let password = Methods::one(Method::Password);
        assert_eq!(password.assurance(), Assurance::One);
        let both = password.and_then(Methods::one(Method::Code));
        assert_eq!(both.to_string(), "pwd otp mfa");
        assert_eq!(both.assurance(), Assurance::Two);
    }

    #[test]
    fn a_passkey_is_two_factors_only_when_its_device_made_sure_who_holds_it() {
        assert_eq!(Methods::passkey(true, true).to_string(), "swk user mfa");
        assert_eq!(Methods::passkey(false, false).to_string(), "hwk");
        assert_eq!(Methods::passkey(true, false).assurance(), Assurance::One);
        assert_eq!(Methods::passkey(false, true).assurance(), Assurance::Two);
    }

    #[test]
    fn another_proof_adds_to_a_session_and_the_same_one_again_does_not() {
        let password = Methods::one(Method::Password);
        assert_eq!(password.joined(password), password);
        let code = Methods::one(Method::Code);
        assert_eq!(password.joined(code).assurance(), Assurance::Two);
        assert_eq!(Methods::NONE.joined(code).assurance(), Assurance::One);
        let passkey = Methods::passkey(true, true);
        assert_eq!(passkey.joined(password).to_string(), "pwd swk user mfa");
    }

    #[test]
    fn a_proof_is_recent_until_its_tenth_minute_ends() {
        let session = session();
        assert_eq!(require_recent_proof(&session, at(0)), Ok(()));
        assert_eq!(require_recent_proof(&session, at(599)), Ok(()));
        assert_eq!(require_recent_proof(&session, at(600)), Err(ProofTooOld));
    }

    #[test]
    fn using_a_session_does_not_renew_its_proof() {
        let mut session = session();
        session.last_seen_at = at(900);
        assert_eq!(require_recent_proof(&session, at(900)), Err(ProofTooOld));
    }

    proptest! {
        #[test]
        fn a_set_survives_its_text(bits in 0_u8..64) {
            prop_assert_eq!(Methods::from_text(&Methods(bits).to_string()), Some(Methods(bits)));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            if let Some(set) = Methods::from_text(&text) {
                prop_assert!(set.0 < 64);
            }
        }
    }
}
