//! Who has access to an app, and taking it away again.

use accounts::Account;
use apps::{Invite, InviteState, Member, invite_state};
use ids::{AccountId, InviteId};
use serde_json::json;
use storage::EventKind;

use crate::{Context, Error, extract::OwnedApp};

/// A member and their account.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their place in the app.
    pub member: Member,
    /// Who they are; without the password.
    pub account: Account,
}

/// Everybody an app was shared with.
#[derive(Debug, Clone)]
pub struct People {
    /// Those who have access.
    pub members: Vec<Person>,
    /// Those who were invited and have not come yet.
    pub invites: Vec<Invite>,
}

/// Lists an app's members and open invitations.
pub async fn people(context: &Context, owned: &OwnedApp) -> Result<People, Error> {
    let (app, now) = (owned.app.id, context.now());
    context
        .storage
        .scan(move |tx| {
            let mut members = Vec::new();
            for member in tx.members().list(app)? {
                if let Some(account) = tx.accounts().find(member.account)? {
                    members.push(Person {
                        member,
                        account: Account {
                            password: None,
                            ..account
                        },
                    });
                }
            }
            let mut invites = tx.invites().list(app)?;
            invites.retain(|invite| invite_state(invite, now) == InviteState::Open);
            Ok(People { members, invites })
        })
        .await
}

/// Takes a member's access away. Their group's data stays until the owner deletes it.
pub async fn unshare(context: &Context, owned: &OwnedApp, account: AccountId) -> Result<(), Error> {
    let app = owned.app.id;
    context
        .change(move |change| {
            change.members().remove(app, account)?;
            change.event_with(
                EventKind::MembershipChanged,
                app,
                &json!({"account": account}),
            )
        })
        .await
}

/// Takes an invitation back; its link works no more. One that was taken up or back is not found.
pub async fn revoke_invite(
    context: &Context,
    owned: &OwnedApp,
    invite: InviteId,
) -> Result<(), Error> {
    let (app, now) = (owned.app.id, context.now());
    context
        .change(move |change| {
            let found = change.invites().find(invite)?;
            let open = |invite: &Invite| {
                let state = invite_state(invite, now);
                invite.app == app && matches!(state, InviteState::Open | InviteState::Expired)
            };
            let mut invite = found.filter(open).ok_or_else(Error::not_found)?;
            invite.revoked_at = Some(now);
            change.invites().update(&invite)?;
            change.event(EventKind::InviteChanged, app)
        })
        .await
}
