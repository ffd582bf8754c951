//! Taking over accounts of another program, with the password hashes that it kept.

use std::sync::{Arc, Mutex, PoisonError};

use accounts::{
    Account, Avatar, Email, EndReason, Ended, HashError, Identity, PASSWORD_PROVIDER, Role,
    Username,
};
use ids::AccountId;
use jiff::Timestamp;
use secret::SecretString;
use storage::EventKind;

use super::{authority, invitations, new_account, passwords, sessions};
use crate::{Change, Context, Error, random};

/// An account of another program, as it tells it.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    /// Its id, when it is a UUID that the account is to keep.
    pub id: Option<String>,
    /// Email address.
    pub email: String,
    /// Username; made from the address when left out.
    pub username: Option<String>,
    /// Full name.
    pub full_name: Option<String>,
    /// Address of a picture.
    pub avatar: Option<String>,
    /// `user` when left out.
    pub role: Option<String>,
    /// Whether it may be used; it may when left out.
    pub active: Option<bool>,
    /// Whether the address was proven; it was not when left out.
    pub email_verified: Option<bool>,
    /// The password's hash, of any kind that is known here.
    pub password_hash: Option<SecretString>,
    /// Ids of the person at outside providers: the provider's name and the id.
    pub identities: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// What happens to accounts that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay as they are.
    Skipped,
    /// Names, role, standing and outside ids are taken over. A password that is there stays: it may be newer.
    Updated,
}

/// What became of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It was made.
    Made,
    /// It was there and has what the other program knew.
    Updated,
    /// It was there.
    Skipped,
}

/// What keeps an account from being taken over; never holds what was in a field.
pub type ImportProblem = String;

/// An account that was checked.
#[derive(Debug, Clone)]
struct Checked {
    id: Option<AccountId>,
    email: Email,
    username: Option<String>,
    full_name: Option<String>,
    avatar: Option<String>,
    role: Role,
    active: bool,
    email_verified: bool,
    password: Option<SecretString>,
    identities: Vec<(String, String)>,
    created_at: Option<Timestamp>,
    /// What an id and a name are made from.
    parts: (u64, [u8; 10]),
    digits: [u8; 4],
}

/// Takes over accounts, all of them in one transaction; what is wrong with one keeps only that one out. With
/// `dry_run` everything is tried and nothing kept.
pub async fn import_accounts(
    context: &Context,
    batch: Vec<Foreign>,
    existing: Existing,
    dry_run: bool,
) -> Result<Vec<Result<Imported, ImportProblem>>, Error> {
    let now = context.now();
    let checked: Vec<_> = batch
        .into_iter()
        .map(|foreign| check(context, foreign, now))
        .collect();
    // Outlives a transaction that is rolled back on purpose.
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let kept = outcomes.clone();
    let done = context.change(move |change| {
        let mut found = Vec::with_capacity(checked.len());
        for one in &checked {
            found.push(match one {
                Ok(one) => import(change, one, existing, now)?,
                Err(problem) => Err(problem.clone()),
            });
        }
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = found;
        if dry_run { Err(dry()) } else { Ok(()) }
    });
    match done.await {
        Err(error) if dry_run && error.code == DRY => {}
        done => done?,
    }
    let outcomes = std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(outcomes)
}

const DRY: &str = "dry_run";

fn dry() -> Error {
    Error::new(http::StatusCode::CONFLICT, DRY, "Nothing was changed.")
}

fn check(context: &Context, foreign: Foreign, now: Timestamp) -> Result<Checked, ImportProblem> {
    let about = |field: &str, problem: &dyn std::fmt::Display| format!("{field}: {problem}");
    let id = foreign
        .id
        .as_deref()
        .map(|id| id.parse().map_err(|_| "id: not a UUID".to_owned()))
        .transpose()?;
    let email = Email::parse(&foreign.email).map_err(|error| about("email", &error))?;
    let username = foreign
        .username
        .as_deref()
        .map(|name| Username::parse_official(name).map_err(|error| about("username", &error)))
        .transpose()?;
    let full_name = foreign.full_name.as_deref().unwrap_or_default();
    let full_name =
        new_account::full_name(full_name).map_err(|error| about("full_name", &error.message))?;
    let avatar = foreign
        .avatar
        .as_deref()
        .filter(|avatar| !avatar.is_empty())
        .map(|avatar| Avatar::parse(avatar).map_err(|error| about("avatar", &error)))
        .transpose()?;
    let role = match foreign.role.as_deref() {
        None | Some("") => Role::User,
        Some(role) => role
            .parse()
            .map_err(|_| "role: not user, reader, writer, admin or superadmin".to_owned())?,
    };
    let password = foreign
        .password_hash
        // Django marks an account without a usable password by an exclamation mark.
        .filter(|hash| !hash.expose().is_empty() && !hash.expose().starts_with('!'));
    if let Some(hash) = &password {
        passwords::scheme(context, hash).map_err(|error| match error {
            HashError::TooCostly => {
                "password_hash: comparing with it would take too long or too much memory".to_owned()
            }
            HashError::Damaged | HashError::Parameters => {
                "password_hash: of no kind that is known here".to_owned()
            }
        })?;
    }
    for (provider, subject) in &foreign.identities {
        if provider.is_empty() || subject.is_empty() || subject.len() > 255 {
            return Err(
                "providers: a provider's name and an id of 1 to 255 bytes are needed".into(),
            );
        }
    }
    Ok(Checked {
        id,
        email,
        username: username.map(|name| name.as_str().to_owned()),
        full_name,
        avatar: avatar.map(|avatar| avatar.to_string()),
        role,
        active: foreign.active.unwrap_or(true),
        email_verified: foreign.email_verified.unwrap_or(false),
        password,
        identities: foreign.identities,
        created_at: foreign.created_at.filter(|at| *at <= now),
        parts: random::id_parts(now),
        digits: random::bytes(),
    })
}

/// The inner result is about this account alone; the outer one ends the batch.
fn import(
    change: &mut Change<'_>,
    one: &Checked,
    existing: Existing,
    now: Timestamp,
) -> Result<Result<Imported, ImportProblem>, Error> {
    let found = change.accounts().find_by_email(one.email.as_str())?;
    if found.is_some() && existing == Existing::Skipped {
        return Ok(Ok(Imported::Skipped));
    }
    let own = found.as_ref().map(|account| account.id);
    for (provider, subject) in &one.identities {
        let holder = change.identities().find(provider, subject)?;
        if holder.is_some_and(|identity| Some(identity.account) != own) {
            return Ok(Err(format!(
                "providers: the id at {provider} belongs to another account"
            )));
        }
    }
    if let Some(username) = &one.username {
        let holder = change.accounts().find_by_username(username)?;
        if holder.is_some_and(|account| Some(account.id) != own) {
            return Ok(Err("username: belongs to another account".into()));
        }
    }
    match found {
        Some(account) => {
            update(change, one, &account, now)?;
            Ok(Ok(Imported::Updated))
        }
        None => make(change, one, now),
    }
}

fn make(
    change: &mut Change<'_>,
    one: &Checked,
    now: Timestamp,
) -> Result<Result<Imported, ImportProblem>, Error> {
    let id = one
        .id
        .unwrap_or_else(|| AccountId::new(one.parts.0, one.parts.1));
    if change.accounts().find(id)?.is_some() {
        return Ok(Err("id: belongs to another account".into()));
    }
    let username = match &one.username {
        Some(username) => username.clone(),
        None => authority::free_username(change, &one.email, one.digits)?,
    };
    let provider = match one.identities.first() {
        Some((provider, _)) if one.password.is_none() => provider.clone(),
        _ => PASSWORD_PROVIDER.to_owned(),
    };
    let account = Account {
        id,
        email: one.email.as_str().to_owned(),
        username,
        full_name: one.full_name.clone(),
        avatar: one.avatar.clone(),
        provider,
        role: one.role,
        roles: Vec::new(),
        active: one.active,
        email_verified: one.email_verified,
        generation: 1,
        password: one.password.clone(),
        created_at: one.created_at.unwrap_or(now),
        updated_at: now,
    };
    change.accounts().insert(&account)?;
    change.event(EventKind::AccountCreated, id)?;
    join(change, one, id, now)?;
    if account.email_verified {
        invitations::take_up_at(change, &account, now)?;
    }
    Ok(Ok(Imported::Made))
}

fn update(
    change: &mut Change<'_>,
    one: &Checked,
    before: &Account,
    now: Timestamp,
) -> Result<(), Error> {
    let id = before.id;
    let changes_standing = before.role != one.role || before.active != one.active;
    let after = Account {
        username: one
            .username
            .clone()
            .unwrap_or_else(|| before.username.clone()),
        full_name: one.full_name.clone().or_else(|| before.full_name.clone()),
        avatar: one.avatar.clone().or_else(|| before.avatar.clone()),
        role: one.role,
        active: one.active,
        email_verified: before.email_verified || one.email_verified,
        generation: before.generation + u64::from(changes_standing),
        password: before.password.clone().or_else(|| one.password.clone()),
        updated_at: now,
        ..before.clone()
    };
    change.accounts().update(&after)?;
    join(change, one, id, now)?;
    if before.active && !after.active {
        let ended = Ended {
            at: now,
            reason: EndReason::AccountClosed,
        };
        sessions::end_all(change, id, None, ended)?;
        change.event(EventKind::AccountDisabled, id)?;
    } else if changes_standing {
        change.event(EventKind::AccountGeneration, id)?;
    } else {
        change.event(EventKind::AccountChanged, id)?;
    }
    if after.email_verified && !before.email_verified {
        invitations::take_up_at(change, &after, now)?;
    }
    Ok(())
}

fn join(
    change: &mut Change<'_>,
    one: &Checked,
    account: AccountId,
    now: Timestamp,
) -> Result<(), Error> {
    for (provider, subject) in &one.identities {
        if change.identities().find(provider, subject)?.is_none() {
            change.identities().insert(&Identity {
                provider: provider.clone(),
                subject: subject.clone(),
                account,
                email: Some(one.email.as_str().to_owned()),
                created_at: now,
                last_used_at: now,
            })?;
        }
    }
    Ok(())
}
