//! Taking up an invitation to an app.

use apps::{App, Invite, InviteState, invite_state};
use ids::{AccountId, GroupId};
use jiff::Timestamp;
use serde_json::json;
use storage::EventKind;
use token::{OpaqueKind, OpaqueToken};

use super::share::make_group;
use crate::{Change, Context, Error, extract::Caller};

/// An invitation as its link's page shows it.
#[derive(Debug, Clone)]
pub struct InviteView {
    /// The invitation.
    pub invite: Invite,
    /// The app it is to.
    pub app: App,
}

/// The open invitation that a link's token names.
pub async fn find_invite(context: &Context, token: &str) -> Result<InviteView, Error> {
    let (digest, now) = (digest(token)?, context.now());
    context
        .storage
        .read(move |tx| {
            let invite = tx
                .invites()
                .find_by_digest(digest)?
                .filter(|invite| is_open(invite, now));
            let invite = invite.ok_or_else(gone)?;
            let app = tx.apps().find(invite.app)?.ok_or_else(gone)?;
            Ok(InviteView { invite, app })
        })
        .await
}

/// Takes up the invitation that a link's token names. It must have been sent to the caller's address, whose being
/// theirs is thereby proven.
pub async fn accept_invite(context: &Context, caller: &Caller, token: &str) -> Result<App, Error> {
    let (digest, now, account) = (digest(token)?, context.now(), caller.account.clone());
    context
        .change(move |change| {
            let invite = change
                .invites()
                .find_by_digest(digest)?
                .filter(|invite| is_open(invite, now));
            let invite = invite.ok_or_else(gone)?;
            apps::accept(&invite, &account.email, now)?;
            let app = change.apps().find(invite.app)?.ok_or_else(gone)?;
            take_up_invite(change, invite, account.id, now)?;
            let mut proven = change
                .accounts()
                .find(account.id)?
                .ok_or_else(Error::not_found)?;
            if !proven.email_verified {
                proven.email_verified = true;
                proven.updated_at = now;
                change.accounts().update(&proven)?;
                change.event(EventKind::AccountChanged, proven.id)?;
            }
            Ok(app)
        })
        .await
}

/// Makes an account a member by an open invitation of its address.
pub(crate) fn take_up_invite(
    change: &mut Change<'_>,
    invite: Invite,
    account: AccountId,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(app) = change.apps().find(invite.app)? else {
        return Ok(());
    };
    let present = change.members().find(app.id, account)?;
    if app.owner != account {
        // The group's id is the invitation's: random, used once, and the same when the transaction runs again.
        let fresh = GroupId::from_uuid(invite.id.as_uuid());
        let member = apps::join(&app, account, present.as_ref(), invite.mode, fresh, now);
        make_group(change, &app, &member, present.is_none(), &invite.email, now)?;
        change.members().upsert(&member)?;
    }
    let app = app.id;
    change.invites().update(&Invite {
        accepted_at: Some(now),
        ..invite
    })?;
    change.event_with(
        EventKind::MembershipChanged,
        app,
        &json!({"account": account}),
    )?;
    change.event(EventKind::InviteChanged, app)
}

fn digest(token: &str) -> Result<[u8; 32], Error> {
    OpaqueToken::parse(OpaqueKind::Invite, token)
        .map(|token| token.digest())
        .map_err(|_| gone())
}

fn is_open(invite: &Invite, now: Timestamp) -> bool {
    invite_state(invite, now) == InviteState::Open
}

fn gone() -> Error {
    Error::new(
        http::StatusCode::GONE,
        "invite_gone",
        "This invitation was taken up or back, or has expired; ask the owner of the app for another one.",
    )
}
