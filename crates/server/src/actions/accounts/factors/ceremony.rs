//! What a browser keeps between two steps, and what the server keeps of it.

use std::sync::Arc;

use ids::{AccountId, SessionId};
use jiff::{SignedDuration, Timestamp};
use secret::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use storage::Ceremony;
use token::{OpaqueKind, OpaqueToken};

use crate::{Change, Context, Error, random};

/// How long the second step may take.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// What a ceremony is for. A token of one is worth nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A sign-in that waits for its second factor.
    SecondStep,
    /// The answer of a passkey to that.
    SecondStepPasskey,
    /// A sign-in by a passkey alone.
    SignInPasskey,
    /// The registration of a passkey.
    NewPasskey,
    /// Confirming by a passkey that it is still oneself.
    ConfirmPasskey,
}

impl Purpose {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SecondStep => "second_step",
            Self::SecondStepPasskey => "second_step_passkey",
            Self::SignInPasskey => "sign_in_passkey",
            Self::NewPasskey => "new_passkey",
            Self::ConfirmPasskey => "confirm_passkey",
        }
    }
}

/// A ceremony that is about to be written, with the token that the browser is given.
#[derive(Clone)]
pub(super) struct NewCeremony {
    token: Arc<OpaqueToken>,
    ceremony: Ceremony,
}

impl NewCeremony {
    pub(super) fn prepare(
        context: &Context,
        purpose: Purpose,
        account: Option<AccountId>,
        session: Option<SessionId>,
        data: &impl Serialize,
    ) -> Result<Self, Error> {
        let token = OpaqueToken::generate(OpaqueKind::Ceremony, random::bytes());
        let now = context.now();
        let data = serde_json::to_string(data).map_err(|cause| Error::internal(&cause))?;
        let ceremony = Ceremony {
            digest: token.digest(),
            purpose: purpose.name().to_owned(),
            account,
            session,
            data,
            tries: 0,
            created_at: now,
            expires_at: now + LIFETIME,
        };
        Ok(Self {
            token: Arc::new(token),
            ceremony,
        })
    }

    /// Writes it. May run several times.
    pub(super) fn insert(&self, change: &mut Change<'_>) -> Result<(), Error> {
        Ok(change.ceremonies().insert(&self.ceremony)?)
    }

    /// The same for the account that turned out to be meant.
    pub(super) fn for_account(&self, account: AccountId, data: String) -> Self {
        let ceremony = Ceremony {
            account: Some(account),
            data,
            ..self.ceremony.clone()
        };
        Self {
            token: Arc::clone(&self.token),
            ceremony,
        }
    }

    pub(super) fn token(&self) -> SecretString {
        self.token.reveal()
    }

    pub(super) const fn expires_at(&self) -> Timestamp {
        self.ceremony.expires_at
    }
}

/// The digest of a ceremony's token; unreadable ones are refused like unknown ones.
pub(super) fn digest(token: &str) -> Result<[u8; 32], Error> {
    OpaqueToken::parse(OpaqueKind::Ceremony, token)
        .map(|token| token.digest())
        .map_err(|_| lapsed())
}

/// Takes a ceremony away to finish it: exactly one caller gets it, and an error of theirs puts it back.
pub(super) fn take(
    change: &mut Change<'_>,
    digest: [u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Ceremony, Error> {
    change
        .ceremonies()
        .take(digest, purpose.name(), now)?
        .ok_or_else(lapsed)
}

/// What was kept in a ceremony.
pub(super) fn data<T: DeserializeOwned>(ceremony: &Ceremony) -> Result<T, Error> {
    serde_json::from_str(&ceremony.data).map_err(|cause| Error::internal(&cause))
}

/// There is no such ceremony for this browser, or not any more.
pub(super) fn lapsed() -> Error {
    Error::new(
        http::StatusCode::GONE,
        "step_lapsed",
        "This took longer than five minutes, or was begun in another browser. Begin again.",
    )
}
