//! What people do by mail: proving an address, setting a forgotten password, changing an address.
//!
//! Whoever asks is answered alike whatever exists, in status, text and time, because asking only writes that somebody
//! asked. What there is to say to an address is found out in [`resolve_mail`], by the task that sends.

mod change_email;
mod register;
mod reset_password;
mod resolve;
mod verify_email;
mod waiting;

use accounts::{Challenge, ChallengeInvalid, ChallengePurpose, Email};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use storage::Tx;
use token::{OpaqueKind, OpaqueToken};
use uuid::Uuid;

pub(super) use change_email::Mover;
pub use change_email::{
    EmailChange, change_email, confirm_email_change, find_email_change, find_undo,
    undo_email_change,
};
pub use register::{Registration, register};
pub use reset_password::{confirm_password_reset, is_password_reset_open, request_password_reset};
pub(crate) use resolve::resolve_mail;
pub use verify_email::{Proven, confirm_email, find_verification, request_verification};
pub use waiting::{MailedLink, list_mailed_links, show_mailed_link};
pub(super) use waiting::{is_waiting, unverified};

use crate::{
    Context, Error,
    config::{EmailVerification, PageAddress, SignUp},
};

/// What is offered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether everybody may make an account.
    pub public_sign_up: bool,
    /// Whether addresses are proven.
    pub email_verification: EmailVerification,
    /// Whether a forgotten password can be replaced.
    pub password_reset: bool,
    /// Whether a new address counts only once it is proven.
    pub email_change_confirmation: bool,
    /// How long a sign-up is kept whose address was not proven, in whole days, at least one.
    pub sign_up_kept_days: u64,
}

/// What is offered here.
pub fn capabilities(context: &Context) -> Capabilities {
    let settings = &context.config.accounts;
    let kept = settings.unverified_sign_up_kept.duration().as_secs();
    Capabilities {
        public_sign_up: settings.sign_up == SignUp::Open,
        email_verification: settings.email_verification,
        password_reset: context.config.offers(settings.password_reset),
        email_change_confirmation: context.config.offers(settings.email_change_confirmation),
        sign_up_kept_days: (kept / 86_400).max(1),
    }
}

/// What somebody asked for, as it waits in the outbox.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Request {
    SignUp(Typed),
    VerifyEmail,
    ResetPassword,
    ChangeEmail { account: Uuid, generation: u64 },
}

/// What somebody typed to sign up, checked; the password as its hash.
#[derive(Clone, Serialize, Deserialize)]
struct Typed {
    username: Option<String>,
    full_name: Option<String>,
    password: String,
}

/// A fresh token and its digest.
#[derive(Clone)]
struct FreshToken {
    digest: [u8; 32],
    token: String,
    link: String,
}

impl FreshToken {
    fn make(context: &Context, purpose: ChallengePurpose) -> Self {
        let token = OpaqueToken::generate(kind(purpose), crate::random::bytes());
        let text = token.reveal();
        Self {
            digest: token.digest(),
            link: link(context, purpose, text.expose()),
            token: text.expose().clone(),
        }
    }
}

const fn kind(purpose: ChallengePurpose) -> OpaqueKind {
    match purpose {
        ChallengePurpose::VerifyEmail => OpaqueKind::VerifyEmail,
        ChallengePurpose::ResetPassword => OpaqueKind::ResetPassword,
        ChallengePurpose::ChangeEmail => OpaqueKind::ChangeEmail,
        ChallengePurpose::UndoEmailChange => OpaqueKind::UndoEmailChange,
    }
}

/// Where a token is redeemed. Front ends get it in the fragment, which reaches no server; our own pages work without
/// scripts and so need it in the query: opening them changes nothing, and no request that they lead to tells it.
fn link(context: &Context, purpose: ChallengePurpose, token: &str) -> String {
    let settings = &context.config.accounts;
    let (page, path): (Option<&PageAddress>, _) = match purpose {
        ChallengePurpose::VerifyEmail => (settings.verify_page.as_ref(), "verify"),
        ChallengePurpose::ResetPassword => (settings.reset_page.as_ref(), "reset"),
        ChallengePurpose::ChangeEmail => (settings.email_change_page.as_ref(), "email-change"),
        ChallengePurpose::UndoEmailChange => (None, "email-change/undo"),
    };
    match page {
        Some(page) => page.with_token(token),
        None => format!("{}/{path}?token={token}", context.config.shell_origin()),
    }
}

/// The digest of a token of a purpose; what is no such token is refused like an unknown one.
fn digest(purpose: ChallengePurpose, token: &str) -> Result<[u8; 32], Error> {
    OpaqueToken::parse(kind(purpose), token)
        .map(|token| token.digest())
        .map_err(|_| ChallengeInvalid.into())
}

/// The account of a challenge that holds now. Nothing changes.
fn look(
    tx: &mut Tx,
    digest: [u8; 32],
    purpose: ChallengePurpose,
    now: Timestamp,
) -> Result<(Challenge, accounts::Account), Error> {
    let challenge = tx.challenges().find(digest)?.ok_or(ChallengeInvalid)?;
    let account = tx
        .accounts()
        .find(challenge.account)?
        .ok_or(ChallengeInvalid)?;
    challenge.check(purpose, &account, now)?;
    Ok((challenge, account))
}

/// The same, using the challenge up. Whatever fails afterwards rolls that back.
fn redeem(
    tx: &mut Tx,
    digest: [u8; 32],
    purpose: ChallengePurpose,
    now: Timestamp,
) -> Result<(Challenge, accounts::Account), Error> {
    let found = look(tx, digest, purpose, now)?;
    tx.challenges().take(digest)?.ok_or(ChallengeInvalid)?;
    Ok(found)
}

/// An address as it is compared.
fn normal(email: &str) -> Result<String, Error> {
    Ok(Email::parse(email)?.as_str().to_owned())
}

/// Where a new password is asked for, when that is offered.
pub(super) fn forgot_page(context: &Context) -> Option<String> {
    capabilities(context)
        .password_reset
        .then(|| format!("{}/forgot", context.config.shell_origin()))
}

/// 404: the feature is switched off.
fn unavailable() -> Error {
    Error::new(
        http::StatusCode::NOT_FOUND,
        "feature_unavailable",
        "This is not offered here; turn to the person who runs the server.",
    )
}
