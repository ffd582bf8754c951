//! From records to what goes over the wire.

use accounts::Account;
use apps::{App, Invite};
use protocol::control::{AccountInfo, AppInfo, InviteInfo, PersonInfo, ShareResult, SignedIn};

use crate::{
    Context,
    actions::{
        accounts::SignedIn as NewSession,
        apps::{Listed, Outcome, Person, Shared},
    },
};

pub(crate) fn account(account: &Account) -> AccountInfo {
    AccountInfo {
        id: account.id.to_string(),
        email: account.email.clone(),
        username: account.username.clone(),
        role: account.role.to_string(),
    }
}

pub(crate) fn signed_in(new: &NewSession) -> SignedIn {
    SignedIn {
        token: new.token.expose().clone(),
        account: account(&new.account),
        expires_at: new.session.expires_at.to_string(),
    }
}

pub(crate) fn app(context: &Context, listed: &Listed) -> AppInfo {
    let App {
        id,
        slug,
        name,
        is_public,
        requires_auth,
        live_version,
        ..
    } = &listed.app;
    let state = context.app_state(*id, *live_version);
    AppInfo {
        id: id.to_string(),
        slug: slug.to_string(),
        name: name.clone(),
        url: context.config.app_origin(slug),
        owner: listed.owner_username.clone(),
        is_public: *is_public,
        requires_auth: *requires_auth,
        state: state.name.to_owned(),
        live_version: *live_version,
        published_at: listed.published_at.map(|at| at.to_string()),
        memory_bytes: state.memory_bytes,
        restarts: state.restarts,
    }
}

pub(crate) fn person(person: &Person) -> PersonInfo {
    PersonInfo {
        id: person.account.id.to_string(),
        email: person.account.email.clone(),
        username: person.account.username.clone(),
        mode: person.member.mode.as_str().to_owned(),
        last_seen_at: person.member.last_seen_at.map(|at| at.to_string()),
    }
}

pub(crate) fn invite(invite: &Invite) -> InviteInfo {
    InviteInfo {
        id: invite.id.to_string(),
        email: invite.email.clone(),
        mode: invite.mode.as_str().to_owned(),
        expires_at: invite.expires_at.to_string(),
    }
}

pub(crate) fn share_result(shared: &Shared) -> ShareResult {
    let (outcome, link, reason) = match &shared.outcome {
        Outcome::Added => ("added", None, None),
        Outcome::Invited { link } => ("invited", Some(link.clone()), None),
        Outcome::Already => ("already", None, None),
        Outcome::Invalid { reason } => ("invalid", None, Some(reason.clone())),
    };
    ShareResult {
        address: shared.address.clone(),
        outcome: outcome.to_owned(),
        link,
        reason,
    }
}
