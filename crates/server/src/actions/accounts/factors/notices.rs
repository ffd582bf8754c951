//! Telling people what happened to their account, on the pages, until they have seen it.

use ids::{AccountId, NoticeId};
use jiff::Timestamp;
use storage::Notice;

use crate::{Change, Context, Error, extract::Caller, random};

/// Most notices that are shown at once.
const MOST: u32 = 5;

/// Something that happened to an account and that its owner may not have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// A recovery code was used; the detail names the device.
    RecoveryCodeUsed,
    /// An administrator took all factors away.
    FactorsReset,
    /// A passkey answered with a count that it had passed before.
    PasskeyMayBeCopied,
}

impl NoticeKind {
    const ALL: [Self; 3] = [
        Self::RecoveryCodeUsed,
        Self::FactorsReset,
        Self::PasskeyMayBeCopied,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::FactorsReset => "factors_reset",
            Self::PasskeyMayBeCopied => "passkey_may_be_copied",
        }
    }

    /// What the person is told. `detail` is what [`tell`] was given.
    pub fn text(self, detail: &str) -> String {
        match self {
            Self::RecoveryCodeUsed => format!(
                "A recovery code was used to sign in from {detail}. If that was not you, change your password and make new recovery codes."
            ),
            Self::FactorsReset => {
                "An administrator removed your passkeys, your authenticator app and your recovery codes. Set them up again if you use them.".to_owned()
            }
            Self::PasskeyMayBeCopied => format!(
                "The passkey “{detail}” was refused: there may be a copy of it. Remove it and register another one."
            ),
        }
    }
}

/// Leaves a notice for an account's owner.
pub fn tell(
    change: &mut Change<'_>,
    account: AccountId,
    kind: NoticeKind,
    detail: &str,
) -> Result<(), Error> {
    let now = change.now();
    let (milliseconds, bytes) = random::id_parts(now);
    Ok(change.notices().insert(&Notice {
        id: NoticeId::new(milliseconds, bytes),
        account,
        kind: kind.name().to_owned(),
        detail: detail
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        created_at: now,
    })?)
}

/// What the caller has to be told, the newest first, each with its time.
pub async fn list_notices(
    context: &Context,
    caller: &Caller,
) -> Result<Vec<(Timestamp, String)>, Error> {
    let id = caller.account.id;
    let notices = context
        .storage
        .read(move |tx| tx.notices().list(id, MOST))
        .await?;
    let text = |notice: Notice| {
        let known = NoticeKind::ALL.into_iter();
        let kind = known.into_iter().find(|kind| kind.name() == notice.kind)?;
        Some((notice.created_at, kind.text(&notice.detail)))
    };
    Ok(notices.into_iter().filter_map(text).collect())
}

/// The caller has seen what was shown until then.
pub async fn see_notices(
    context: &Context,
    caller: &Caller,
    until: Timestamp,
) -> Result<(), Error> {
    let id = caller.account.id;
    context
        .storage
        .write(move |tx| tx.notices().seen(id, until))
        .await?;
    Ok(())
}
