//! One-time links: making one, and what they are for.

use ids::AccountId;
use jiff::SignedDuration;
use storage::Link;
use token::{OpaqueKind, OpaqueToken};

use crate::{Change, Context, Error, random};

/// What a one-time link lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Complete the first owner's account.
    Setup,
    /// Sign in once.
    SignIn,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::SignIn => "sign_in",
        }
    }

    const fn lifetime(self) -> SignedDuration {
        match self {
            Self::Setup => SignedDuration::from_hours(7 * 24),
            Self::SignIn => SignedDuration::from_hours(1),
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::SignIn => "link",
        }
    }
}

/// A link that is about to be written, with the address that is handed out.
pub(super) struct NewLink {
    pub(super) address: String,
    link: Link,
}

impl NewLink {
    pub(super) fn prepare(context: &Context, purpose: Purpose, account: AccountId) -> Self {
        let token = OpaqueToken::generate(OpaqueKind::Link, random::bytes());
        let now = context.now();
        Self {
            address: format!(
                "{}/{}?token={}",
                context.config.shell_origin(),
                purpose.page(),
                token.reveal().expose()
            ),
            link: Link {
                digest: token.digest(),
                purpose: purpose.name().to_owned(),
                account: Some(account),
                data: "null".to_owned(),
                created_at: now,
                expires_at: now + purpose.lifetime(),
            },
        }
    }

    /// Writes the link. May run several times.
    pub(super) fn insert(&self, change: &mut Change<'_>) -> Result<(), Error> {
        Ok(change.links().insert(&self.link)?)
    }
}

/// The digest of a link's token; unreadable ones are refused like unknown ones.
pub(super) fn digest(token: &str) -> Result<[u8; 32], Error> {
    OpaqueToken::parse(OpaqueKind::Link, token)
        .map(|token| token.digest())
        .map_err(|_| used_up())
}

/// Uses a link up, for its purpose only, and tells whom it concerns.
pub(super) fn redeem(
    change: &mut Change<'_>,
    digest: [u8; 32],
    purpose: Purpose,
    now: jiff::Timestamp,
) -> Result<AccountId, Error> {
    // An error rolls the redemption back, so a link offered for the wrong purpose stays usable for the right one.
    change
        .links()
        .redeem(digest, now)?
        .filter(|link| link.purpose == purpose.name())
        .and_then(|link| link.account)
        .ok_or_else(used_up)
}

/// Whether a link could be used for its purpose now.
pub(super) async fn is_open(
    context: &Context,
    token: &str,
    purpose: Purpose,
) -> Result<bool, Error> {
    let Ok(digest) = digest(token) else {
        return Ok(false);
    };
    let now = context.now();
    let link = context
        .storage
        .read(move |tx| tx.links().peek(digest, now))
        .await?;
    Ok(link.is_some_and(|link| link.purpose == purpose.name()))
}

pub(super) fn used_up() -> Error {
    Error::new(
        http::StatusCode::GONE,
        "link_used_up",
        "This link has been used or has expired; ask for another one.",
    )
}
