//! Sharing an app with people by their addresses.

use accounts::{Account, Email};
use apps::{Address, App, DataMode, Invite, Member, NewInvite};
use ids::{GroupId, InviteId};
use jiff::Timestamp;
use serde_json::json;
use storage::{EventKind, Group};
use token::{OpaqueKind, OpaqueToken};

use crate::{Change, Context, Error, config::EmailVerification, extract::OwnedApp, random};

/// What became of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The address, as kept when it is one, else as typed.
    pub address: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is an account: it has access from now on.
    Added,
    /// There is none yet, or one whose address was not proven: whoever has the link can take the invitation up.
    Invited {
        /// The link to pass on.
        link: String,
    },
    /// They had access before.
    Already,
    /// It is no address.
    Invalid {
        /// Why.
        reason: String,
    },
}

/// What one address gets, with everything random made beforehand since the transaction may run several times.
#[derive(Clone)]
struct Plan {
    email: String,
    group: GroupId,
    invite: InviteId,
    digest: [u8; 32],
    link: String,
}

/// Shares an app. `addresses` holds any number, separated by commas, semicolons or white space.
pub async fn share(
    context: &Context,
    owned: &OwnedApp,
    addresses: &str,
    mode: DataMode,
) -> Result<Vec<Shared>, Error> {
    let mut results = Vec::new();
    let mut plans = Vec::new();
    for address in apps::parse_addresses(addresses, Email::parse)? {
        match address {
            Address::Valid(email) => plans.push(plan(context, email.as_str().to_owned())),
            Address::Invalid { text, reason } => {
                results.push(Shared {
                    address: text,
                    outcome: Outcome::Invalid {
                        reason: reason.to_string(),
                    },
                });
            }
        }
    }
    let (app, now) = (owned.app.clone(), context.now());
    let proof = context.config.accounts.email_verification;
    let shared = context
        .change(move |change| {
            let app = change.apps().find(app.id)?.ok_or_else(Error::not_found)?;
            plans
                .iter()
                .map(|plan| share_one(change, &app, plan, mode, proof, now))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    results.extend(shared);
    Ok(results)
}

fn plan(context: &Context, email: String) -> Plan {
    let now = context.now();
    let (milliseconds, bytes) = random::id_parts(now);
    let token = OpaqueToken::generate(OpaqueKind::Invite, random::bytes());
    Plan {
        email,
        group: GroupId::new(milliseconds, bytes),
        invite: InviteId::new(milliseconds, random::bytes()),
        digest: token.digest(),
        link: format!(
            "{}/invite/{}",
            context.config.shell_origin(),
            token.reveal().expose()
        ),
    }
}

fn share_one(
    change: &mut Change<'_>,
    app: &App,
    plan: &Plan,
    mode: DataMode,
    proof: EmailVerification,
    now: Timestamp,
) -> Result<Shared, Error> {
    // Anybody can type an address when they sign up. Where addresses are proven, an account that has not done so gets
    // an invitation, which its owner takes up by the link or by proving the address.
    let is_trusted = |account: &Account| account.email_verified || proof == EmailVerification::Off;
    let outcome = match change.accounts().find_by_email(&plan.email)? {
        Some(account) if is_trusted(&account) => add(change, app, &account, plan, mode, now)?,
        Some(account) if is_inside(change, app, &account)? => Outcome::Already,
        _ => invite(change, app, plan, mode, now)?,
    };
    Ok(Shared {
        address: plan.email.clone(),
        outcome,
    })
}

/// Whether the app is the account's or was shared with it.
fn is_inside(change: &mut Change<'_>, app: &App, account: &Account) -> Result<bool, Error> {
    let present = change.members().find(app.id, account.id)?;
    Ok(app.owner == account.id || present.is_some_and(|member| member.invited))
}

fn add(
    change: &mut Change<'_>,
    app: &App,
    account: &Account,
    plan: &Plan,
    mode: DataMode,
    now: Timestamp,
) -> Result<Outcome, Error> {
    if is_inside(change, app, account)? {
        return Ok(Outcome::Already);
    }
    let present = change.members().find(app.id, account.id)?;
    let member = apps::join(app, account.id, present.as_ref(), mode, plan.group, now);
    make_group(
        change,
        app,
        &member,
        present.is_none(),
        &account.username,
        now,
    )?;
    change.members().upsert(&member)?;
    change.event_with(
        EventKind::MembershipChanged,
        app.id,
        &json!({"account": account.id}),
    )?;
    Ok(Outcome::Added)
}

fn invite(
    change: &mut Change<'_>,
    app: &App,
    plan: &Plan,
    mode: DataMode,
    now: Timestamp,
) -> Result<Outcome, Error> {
    // A new link replaces the old one: only its digest is known, so it cannot be shown again.
    for old in change.invites().find_open_by_email(&plan.email, now)? {
        if old.app == app.id {
            change.invites().update(&Invite {
                revoked_at: Some(now),
                ..old
            })?;
        }
    }
    let new = NewInvite {
        id: plan.invite,
        app: app.id,
        email: plan.email.clone(),
        token_digest: plan.digest,
        mode,
        created_by: app.owner,
    };
    change.invites().insert(&apps::new_invite(new, now))?;
    change.event(EventKind::InviteChanged, app.id)?;
    Ok(Outcome::Invited {
        link: plan.link.clone(),
    })
}

/// Makes the group of a new member who gets one of their own.
pub(super) fn make_group(
    change: &mut Change<'_>,
    app: &App,
    member: &Member,
    is_new: bool,
    label: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if !is_new || member.group == app.default_group {
        return Ok(());
    }
    let (label, account) = (label.to_owned(), Some(member.account));
    Ok(change.groups().insert(&Group {
        id: member.group,
        app: app.id,
        account,
        label,
        created_at: now,
    })?)
}

/// Reads a data mode from its name on the wire.
pub fn data_mode(name: &str) -> Result<DataMode, Error> {
    DataMode::from_name(name)
        .ok_or_else(|| Error::bad_request("bad_mode", "The mode is `join` or `own_copy`."))
}
