//! Changing an account: one's own profile, or somebody else's record by who looks after it.

use accounts::{Account, Actor, Avatar, Email, EndReason, Identity, Password, Role, Standing};
use ids::AccountId;
use secret::SecretString;

use super::{authority, by_mail, passwords};
use crate::{Change, Context, Error, Peer, extract::Caller};

/// The provider that an outside id without a provider's name belongs to.
pub const DEFAULT_PROVIDER: &str = "google";

/// What is to become of one's profile; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// Another address. It counts as not verified.
    pub email: Option<Email>,
    /// Another full name, or none.
    pub full_name: Option<Option<String>>,
    /// Another picture, or none.
    pub avatar: Option<Option<Avatar>>,
}

/// What is to become of an account; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// What the person could change too.
    pub profile: ProfileChange,
    /// Another role. Access tokens issued before are refused, sessions go on.
    pub role: Option<Role>,
    /// Whether the account may be used. Disabling ends its sessions.
    pub active: Option<bool>,
    /// Another password. All sessions end.
    pub password: Option<SecretString>,
    /// The id of the person at [`DEFAULT_PROVIDER`], instead of the one before.
    pub subject: Option<String>,
}

/// Changes an account that the actor looks after.
pub async fn update_user(
    context: &Context,
    actor: Actor,
    id: AccountId,
    wanted: UserChange,
) -> Result<Account, Error> {
    let hashed = match &wanted.password {
        Some(password) => {
            let before = context
                .storage
                .read(move |tx| authority::find_person(tx, id))
                .await?
                .ok_or_else(Error::not_found)?;
            let personal = [before.email.as_str(), before.username.as_str()];
            let password = Password::parse(password.clone(), &personal)?;
            Some(passwords::hash(context, password).await?)
        }
        None => None,
    };
    let now = context.now();
    context
        .change(move |change| {
            let before = authority::find_person(change, id)?.ok_or_else(Error::not_found)?;
            let standing = Standing::Kept {
                role: wanted.role.unwrap_or(before.role),
                active: wanted.active.unwrap_or(before.active),
            };
            let mut consequence = authority::decide(change, actor, &before, standing)?;
            let mut account = before.clone();
            account.role = wanted.role.unwrap_or(before.role);
            account.active = wanted.active.unwrap_or(before.active);
            apply(&mut account, &wanted.profile);
            if let Some(hashed) = &hashed {
                account.password = Some(hashed.clone());
                consequence.raises_generation = true;
                consequence
                    .ends_sessions
                    .get_or_insert(EndReason::PasswordChanged);
            }
            if let Some(subject) = &wanted.subject {
                join(change, &account, subject, now)?;
            }
            let account = authority::write(change, &before, account, consequence, now)?;
            Ok(Account {
                password: None,
                ..account
            })
        })
        .await
}

/// Changes the caller's own profile. Touches neither role nor flags, except that a new address is not verified. With
/// `accounts.email_change_confirmation` the address stays as it is until the new one is proven by mail.
pub async fn update_profile(
    context: &Context,
    caller: &Caller,
    mut wanted: ProfileChange,
    peer: Peer,
) -> Result<Account, Error> {
    let (id, now) = (caller.account.id, context.now());
    let mut email = wanted
        .email
        .take()
        .filter(|email| email.as_str() != caller.account.email);
    if by_mail::capabilities(context).email_change_confirmation
        && let Some(email) = email.take()
    {
        by_mail::change_email(context, &caller.account, email.as_str(), peer).await?;
    }
    let mover = by_mail::Mover::prepare(context);
    let changed = context
        .change(move |change| {
            let before = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            let mut account = before.clone();
            apply(&mut account, &wanted);
            let nothing = accounts::Consequence {
                raises_generation: false,
                ends_sessions: None,
            };
            let mut account = authority::write(change, &before, account, nothing, now)?;
            if let Some(email) = &email {
                account = mover.change(change, account, email.as_str(), false, now)?;
            }
            Ok(Account {
                password: None,
                ..account
            })
        })
        .await?;
    context.mail.ring();
    Ok(changed)
}

fn apply(account: &mut Account, wanted: &ProfileChange) {
    if let Some(email) = &wanted.email
        && email.as_str() != account.email
    {
        email.as_str().clone_into(&mut account.email);
        account.email_verified = false;
    }
    if let Some(full_name) = &wanted.full_name {
        account.full_name.clone_from(full_name);
    }
    if let Some(avatar) = &wanted.avatar {
        account.avatar = avatar.as_ref().map(ToString::to_string);
    }
}

/// Makes an outside id the account's only one at its provider.
fn join(
    change: &mut Change<'_>,
    account: &Account,
    subject: &str,
    now: jiff::Timestamp,
) -> Result<(), Error> {
    for old in change.identities().list(account.id)? {
        if old.provider != DEFAULT_PROVIDER {
            continue;
        }
        if old.subject == subject {
            return Ok(());
        }
        change
            .identities()
            .delete(account.id, &old.provider, &old.subject)?;
    }
    Ok(change.identities().insert(&Identity {
        provider: DEFAULT_PROVIDER.to_owned(),
        subject: subject.to_owned(),
        account: account.id,
        email: Some(account.email.clone()),
        created_at: now,
        last_used_at: now,
    })?)
}
