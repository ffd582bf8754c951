//! What waits: sign-ups whose address is not proven yet, and mailed links that nobody was there to send.

use accounts::{Account, ChallengePurpose, Email, Role};
use ids::AccountId;
use jiff::Timestamp;
use secret::{SecretBytes, SecretString};
use storage::{EventKind, SignUp, Tx};
use uuid::Uuid;

use super::Typed;
use crate::{
    Change, Context, Error,
    actions::accounts::{authority, invitations, passwords},
    config::EmailVerification,
    mail::{self, Letter, OpenError},
    random,
};

/// Mailed links that are listed at once.
const MOST_LISTED: u32 = 200;

/// Makes the account of a sign-up, with everything random made beforehand.
#[derive(Clone)]
pub(super) struct Maker {
    context: Context,
    id: AccountId,
    digits: [u8; 4],
}

impl Maker {
    pub(super) fn prepare(context: &Context) -> Self {
        let (milliseconds, bytes) = random::id_parts(context.now());
        Self {
            context: context.clone(),
            id: AccountId::new(milliseconds, bytes),
            digits: random::bytes(),
        }
    }

    /// Makes the account. Invitations of its address are taken up once the address is proven.
    pub(super) fn make(
        &self,
        change: &mut Change<'_>,
        email: &str,
        typed: &Typed,
        is_proven: bool,
        now: Timestamp,
    ) -> Result<Account, Error> {
        let wished = match &typed.username {
            Some(name) if change.accounts().find_by_username(name)?.is_none() => Some(name.clone()),
            _ => None,
        };
        let username = match wished {
            Some(name) => name,
            None => authority::free_username(change, &Email::parse(email)?, self.digits)?,
        };
        let account = Account {
            id: self.id,
            email: email.to_owned(),
            username,
            full_name: typed.full_name.clone(),
            avatar: None,
            provider: accounts::PASSWORD_PROVIDER.to_owned(),
            role: Role::User,
            roles: Vec::new(),
            active: true,
            email_verified: is_proven,
            generation: 1,
            password: Some(SecretString::new(typed.password.clone())),
            created_at: now,
            updated_at: now,
        };
        change.accounts().insert(&account)?;
        change.event(EventKind::AccountCreated, account.id)?;
        if is_proven {
            invitations::take_up_at(change, &account, now)?;
        }
        Ok(account)
    }

    /// Makes the account of the sign-up that a token completes; `None` when it is no such token, or no longer.
    pub(super) fn complete(
        &self,
        change: &mut Change<'_>,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Account>, Error> {
        if find(change, digest, now)?.is_none() {
            return Ok(None);
        }
        let Some(sign_up) = change.sign_ups().take(digest)? else {
            return Ok(None);
        };
        if change.accounts().find_by_email(&sign_up.email)?.is_some() {
            // Made by other means meanwhile.
            return Ok(None);
        }
        let typed = open(&self.context, &sign_up)?;
        self.make(change, &sign_up.email, &typed, true, now)
            .map(Some)
    }
}

/// Keeps a sign-up until its address is proven.
pub(super) fn insert(
    change: &mut Change<'_>,
    context: &Context,
    email: &str,
    typed: &Typed,
    digest: Option<[u8; 32]>,
    now: Timestamp,
) -> Result<(), Error> {
    let json = serde_json::to_vec(typed).expect("a sign-up holds texts only");
    // A nonce of its own for each run of the transaction: what is sealed may differ.
    let sealed = context.master_key.sealing_key("sign_up").seal(
        &SecretBytes::new(json),
        associated(email).as_bytes(),
        random::bytes(),
    );
    Ok(change.sign_ups().upsert(&SignUp {
        email: email.to_owned(),
        digest,
        sealed,
        created_at: now,
        asked_at: now,
        expires_at: now + context.config.accounts.unverified_sign_up_kept.signed(),
    })?)
}

/// Gives a sign-up that waits another token; `false` when there is none.
pub(super) fn renew(
    change: &mut Change<'_>,
    email: &str,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<bool, Error> {
    let found = change.sign_ups().find(email)?;
    let Some(sign_up) =
        found.filter(|sign_up| sign_up.digest.is_some() && now < sign_up.expires_at)
    else {
        return Ok(false);
    };
    change.sign_ups().upsert(&SignUp {
        digest: Some(digest),
        asked_at: now,
        ..sign_up
    })?;
    Ok(true)
}

/// The sign-up that a token completes now.
pub(super) fn find(
    tx: &mut Tx,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<SignUp>, storage::Error> {
    let found = tx.sign_ups().find_by_digest(digest)?;
    Ok(found.filter(|sign_up| {
        now < sign_up.expires_at
            && now < sign_up.asked_at + ChallengePurpose::VerifyEmail.lifetime()
    }))
}

fn open(context: &Context, sign_up: &SignUp) -> Result<Typed, Error> {
    let key = context.master_key.sealing_key("sign_up");
    let json = key
        .open(&sign_up.sealed, associated(&sign_up.email).as_bytes())
        .map_err(|cause| Error::internal(&OpenError::Sealed(cause)))?;
    serde_json::from_slice(json.expose())
        .map_err(|cause| Error::internal(&OpenError::Unknown(cause)))
}

fn associated(email: &str) -> String {
    format!("sign_up.sealed.{email}")
}

/// Whether this is the login and password of a sign-up that waits for its address to be proven.
pub(in crate::actions::accounts) async fn is_waiting(
    context: &Context,
    login: &str,
    password: &SecretString,
) -> Result<bool, Error> {
    if context.config.accounts.email_verification != EmailVerification::Required {
        return Ok(false);
    }
    let (email, now) = (login.to_owned(), context.now());
    let found = context
        .storage
        .read(move |tx| tx.sign_ups().find(&email))
        .await?;
    let Some(sign_up) = found.filter(|sign_up| now < sign_up.expires_at) else {
        return Ok(false);
    };
    let typed = open(context, &sign_up)?;
    let stored = Some(SecretString::new(typed.password));
    Ok(passwords::verify(context, stored, password.clone())
        .await?
        .matches)
}

/// Refuses an account whose address must be proven first. Whoever runs the server is let in: mail may be what they have
/// to mend.
pub(in crate::actions::accounts) fn unverified(context: &Context, account: &Account) -> bool {
    context.config.accounts.email_verification == EmailVerification::Required
        && !account.email_verified
        && !account.role.is_superuser()
}

/// A mailed link that waits, as those who run the server see it.
#[derive(Debug, Clone)]
pub struct MailedLink {
    /// The message's id.
    pub id: Uuid,
    /// `reset_password`, `sign_up`, `verify_email`, `change_email` or `email_changed`.
    pub kind: String,
    /// The address it goes to.
    pub email: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// It is worth nothing from here on.
    pub expires_at: Timestamp,
    /// How often it was tried to send it.
    pub attempts: u32,
    /// Why the last try failed.
    pub problem: Option<String>,
}

/// The messages that wait and hold a link, the newest first.
pub async fn list_mailed_links(context: &Context) -> Result<Vec<MailedLink>, Error> {
    let now = context.now();
    let waiting = context
        .storage
        .scan(move |tx| tx.outbox().list_ready(now, MOST_LISTED))
        .await?;
    let mut listed = Vec::new();
    for mail in waiting {
        let has_link =
            mail::open::<Letter>(context, &mail).is_ok_and(|letter| letter.link().is_some());
        if has_link {
            listed.push(MailedLink {
                id: mail.id,
                kind: mail.kind,
                email: mail.email,
                created_at: mail.created_at,
                expires_at: mail.expires_at,
                attempts: mail.attempts,
                problem: mail.problem,
            });
        }
    }
    Ok(listed)
}

/// Shows the link of a message that waits. That it was shown is an event, with whom it was shown to.
pub async fn show_mailed_link(
    context: &Context,
    id: Uuid,
    shown_to: &str,
) -> Result<String, Error> {
    let (now, own, shown_to) = (context.now(), context.clone(), shown_to.to_owned());
    context
        .change(move |change| {
            let mail = change
                .outbox()
                .find(id)?
                .filter(|mail| now < mail.expires_at)
                .ok_or_else(Error::not_found)?;
            let letter: Letter = mail::open(&own, &mail).map_err(|_| Error::not_found())?;
            let link = letter.link().ok_or_else(Error::not_found)?.to_owned();
            change.event_with(
                EventKind::MailShown,
                id,
                &serde_json::json!({"kind": mail.kind, "email": mail.email, "to": shown_to}),
            )?;
            Ok(link)
        })
        .await
}
