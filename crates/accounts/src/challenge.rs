//! What is proven by mail: that an address is somebody's, and that they may set a password or change the address.

use ids::AccountId;
use jiff::{SignedDuration, Timestamp};

use crate::Account;

/// A proof that was mailed and has not come back. Only the SHA-256 of its token is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose.
    pub account: AccountId,
    /// What for; an account has at most one for each purpose.
    pub purpose: ChallengePurpose,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// The address that is proven; trimmed and lower-cased.
    pub email: String,
    /// The account's generation when it was mailed.
    pub generation: u64,
    /// When it was mailed.
    pub created_at: Timestamp,
    /// Refused from here on.
    pub expires_at: Timestamp,
}

/// What a mailed proof is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengePurpose {
    /// The account's address is its owner's.
    VerifyEmail,
    /// The owner of the address may set a new password.
    ResetPassword,
    /// The address that the account is to change to is its owner's.
    ChangeEmail,
    /// The owner of the address before may take the change back.
    UndoEmailChange,
}

/// A token is worth nothing. Why is not told: it would tell what exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this link has been used, replaced by a newer one, or has expired; ask for another one")]
pub struct ChallengeInvalid;

impl ChallengePurpose {
    /// All purposes.
    pub const ALL: [Self; 4] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::UndoEmailChange,
    ];

    /// The name kept in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::UndoEmailChange => "undo_email_change",
        }
    }

    /// Reads a kept name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == name)
    }

    /// How long a token is good for.
    pub const fn lifetime(self) -> SignedDuration {
        match self {
            Self::VerifyEmail => SignedDuration::from_hours(24),
            Self::ResetPassword => SignedDuration::from_mins(30),
            Self::ChangeEmail => SignedDuration::from_hours(1),
            Self::UndoEmailChange => SignedDuration::from_hours(72),
        }
    }
}

impl Challenge {
    /// A new challenge to `email`, on the account as it is now.
    pub fn new(
        account: &Account,
        purpose: ChallengePurpose,
        email: &str,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Self {
        Self {
            account: account.id,
            purpose,
            digest,
            email: email.to_owned(),
            generation: account.generation,
            created_at: now,
            expires_at: now + purpose.lifetime(),
        }
    }

    /// Whether the challenge holds for the account as it is now.
    ///
    /// A change of authority since it was mailed makes it worthless, except for taking a change of address back: that
    /// is there against somebody who has the account and would raise the generation at once.
    pub fn check(
        &self,
        purpose: ChallengePurpose,
        account: &Account,
        now: Timestamp,
    ) -> Result<(), ChallengeInvalid> {
        let same_address = match self.purpose {
            ChallengePurpose::VerifyEmail | ChallengePurpose::ResetPassword => {
                self.email == account.email
            }
            ChallengePurpose::ChangeEmail | ChallengePurpose::UndoEmailChange => {
                self.email != account.email
            }
        };
        let same_generation = self.purpose == ChallengePurpose::UndoEmailChange
            || self.generation == account.generation;
        let holds = self.purpose == purpose
            && self.account == account.id
            && account.active
            && now < self.expires_at
            && same_address
            && same_generation;
        if holds { Ok(()) } else { Err(ChallengeInvalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    const T0: Timestamp = Timestamp::UNIX_EPOCH;

    fn account() -> Account {
        Account {
            id: AccountId::new(1, [1; 10]),
            email: "ada@example.com".into(),
            username: "ada".into(),
            full_name: None,
            avatar: None,
            provider: "password".into(),
            role: Role::User,
            roles: Vec::new(),
            active: true,
            email_verified: false,
            generation: 7,
            password: None,
            created_at: T0,
            updated_at: T0,
        }
    }

    fn new(purpose: ChallengePurpose, email: &str) -> Challenge {
        Challenge::new(&account(), purpose, email, [0; 32], T0)
    }

    #[test]
    fn a_challenge_holds_until_its_expiry_instant() {
        use ChallengePurpose::{ChangeEmail, ResetPassword, UndoEmailChange, VerifyEmail};
        for (purpose, email, minutes) in [
            (VerifyEmail, "ada@example.com", 24 * 60),
            (ResetPassword, "ada@example.com", 30),
            (ChangeEmail, "new@example.com", 60),
            (UndoEmailChange, "old@example.com", 72 * 60),
        ] {
            let challenge = new(purpose, email);
            let end = T0 + SignedDuration::from_mins(minutes);
            let last = end - SignedDuration::from_millis(1);
            assert_eq!(
                challenge.check(purpose, &account(), last),
                Ok(()),
                "{purpose:?}"
            );
            assert_eq!(
                challenge.check(purpose, &account(), end),
                Err(ChallengeInvalid),
                "{purpose:?}"
            );
        }
    }

    #[test]
    fn a_challenge_is_bound_to_account_address_generation_and_purpose() {
        let challenge = new(ChallengePurpose::ResetPassword, "ada@example.com");
        let refused = |account: &Account, purpose| {
            assert_eq!(challenge.check(purpose, account, T0), Err(ChallengeInvalid));
        };
        let reset = ChallengePurpose::ResetPassword;
        refused(&account(), ChallengePurpose::VerifyEmail);
        refused(
            &Account {
                generation: 8,
                ..account()
            },
            reset,
        );
        refused(
            &Account {
                email: "eve@example.com".into(),
                ..account()
            },
            reset,
        );
        refused(
            &Account {
                id: AccountId::new(2, [2; 10]),
                ..account()
            },
            reset,
        );
        refused(
            &Account {
                active: false,
                ..account()
            },
            reset,
        );
    }

    #[test]
    fn taking_a_change_of_address_back_outlives_what_a_thief_does_next() {
        let undo = ChallengePurpose::UndoEmailChange;
        let challenge = new(undo, "old@example.com");
        let later = Account {
            generation: 99,
            ..account()
        };
        assert_eq!(challenge.check(undo, &later, T0), Ok(()));
        // Nothing to take back once the address is as it was.
        let back = Account {
            email: "old@example.com".into(),
            ..account()
        };
        assert_eq!(challenge.check(undo, &back, T0), Err(ChallengeInvalid));
    }
}
