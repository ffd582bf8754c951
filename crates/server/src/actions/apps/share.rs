//! Sharing an app with people by their addresses.

use std::collections::BTreeSet;

use accounts::Account;
use apps::{App, DataMode, Invite, Member};
use ids::{AccountId, GroupId, InviteId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use storage::{EventKind, Group};
use token::{OpaqueKind, OpaqueToken};

use crate::{Change, Context, Error, actions::accounts::email_address, extract::OwnedApp, random};

/// How long an invitation can be taken up.
const INVITE_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Most addresses in one go.
const MOST_ADDRESSES: usize = 200;

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
    /// There is none yet: whoever has the link can take the invitation up.
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
    let mut seen = BTreeSet::new();
    let mut results = Vec::new();
    let mut plans = Vec::new();
    let separators = |c: char| c.is_whitespace() || c == ',' || c == ';';
    for text in addresses.split(separators).filter(|text| !text.is_empty()) {
        if seen.len() + results.len() >= MOST_ADDRESSES {
            return Err(Error::bad_request(
                "too_many_addresses",
                "Share with at most 200 addresses at once.",
            ));
        }
        match email_address(text) {
            Ok(email) if !seen.insert(email.clone()) => {}
            Ok(email) => plans.push(plan(context, email)),
            Err(error) => results.push(Shared {
                address: text.chars().take(320).collect(),
                outcome: Outcome::Invalid {
                    reason: error.message.into_owned(),
                },
            }),
        }
    }
    let (app, now) = (owned.app.clone(), context.now());
    let shared = context
        .change(move |change| {
            let app = change.apps().find(app.id)?.ok_or_else(Error::not_found)?;
            plans
                .iter()
                .map(|plan| share_one(change, &app, plan, mode, now))
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
    now: Timestamp,
) -> Result<Shared, Error> {
    let outcome = match change.accounts().find_by_email(&plan.email)? {
        Some(account) => add(change, app, &account, plan, mode, now)?,
        None => invite(change, app, plan, mode, now)?,
    };
    Ok(Shared {
        address: plan.email.clone(),
        outcome,
    })
}

fn add(
    change: &mut Change<'_>,
    app: &App,
    account: &Account,
    plan: &Plan,
    mode: DataMode,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let present = change.members().find(app.id, account.id)?;
    if app.owner == account.id || present.as_ref().is_some_and(|member| member.invited) {
        return Ok(Outcome::Already);
    }
    // Somebody who came by themselves keeps the group their data is in.
    let member = match present {
        Some(visitor) => Member {
            invited: true,
            ..visitor
        },
        None => Member {
            app: app.id,
            account: account.id,
            group: group_of(
                change,
                app,
                mode,
                plan.group,
                account.id,
                &account.username,
                now,
            )?,
            mode,
            invited: true,
            created_at: now,
            last_seen_at: None,
        },
    };
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
    change.invites().insert(&Invite {
        id: plan.invite,
        app: app.id,
        email: plan.email.clone(),
        token_digest: plan.digest,
        mode,
        created_by: app.owner,
        created_at: now,
        expires_at: now + INVITE_LIFETIME,
        accepted_at: None,
        revoked_at: None,
    })?;
    change.event(EventKind::InviteChanged, app.id)?;
    Ok(Outcome::Invited {
        link: plan.link.clone(),
    })
}

/// The group whose data a new member sees; made when it is one of their own.
pub(super) fn group_of(
    change: &mut Change<'_>,
    app: &App,
    mode: DataMode,
    fresh: GroupId,
    account: AccountId,
    label: &str,
    now: Timestamp,
) -> Result<GroupId, Error> {
    match mode {
        DataMode::Join => Ok(app.default_group),
        DataMode::OwnCopy => {
            change.groups().insert(&Group {
                id: fresh,
                app: app.id,
                account: Some(account),
                label: label.to_owned(),
                created_at: now,
            })?;
            Ok(fresh)
        }
    }
}

/// Reads a data mode from its name on the wire.
pub fn data_mode(name: &str) -> Result<DataMode, Error> {
    DataMode::from_name(name)
        .ok_or_else(|| Error::bad_request("bad_mode", "The mode is `join` or `own_copy`."))
}
