//! The codes of authenticator apps and recovery codes: making them, and taking each once.

use accounts::{Account, Method, Methods, TypedCode, recovery, recovery::RecoveryCode, totp};
use ids::AccountId;
use jiff::Timestamp;
use secret::{SecretBytes, SecretString};
use serde_json::json;
use storage::{EventKind, Tx};
use token::sealed::SealingKey;

use super::{NoticeKind, load, tell};
use crate::{
    Change, Context, Error, actions::accounts::require_recent_proof, extract::Caller, random,
};

/// The code of the refusal of a code.
pub const WRONG_CODE: &str = "wrong_code";

/// Fresh recovery codes. They are shown once.
#[derive(Debug)]
pub struct RecoveryCodes(pub Vec<SecretString>);

/// Recovery codes that are about to be written.
#[derive(Clone)]
pub(super) struct NewRecoveryCodes {
    shown: Vec<SecretString>,
    macs: Vec<[u8; 32]>,
}

impl NewRecoveryCodes {
    pub(super) fn prepare(context: &Context, account: AccountId) -> Self {
        let codes = || RecoveryCode::new(random::bytes());
        let codes: Vec<_> = std::iter::repeat_with(codes)
            .take(recovery::COUNT)
            .collect();
        Self {
            shown: codes.iter().map(RecoveryCode::reveal).collect(),
            macs: codes
                .iter()
                .map(|code| mac(context, account, code))
                .collect(),
        }
    }

    /// Puts them in the place of those that the account had. May run several times.
    pub(super) fn write(
        &self,
        change: &mut Change<'_>,
        account: AccountId,
        now: Timestamp,
    ) -> Result<RecoveryCodes, Error> {
        change.recovery_codes().replace(account, &self.macs, now)?;
        Ok(RecoveryCodes(self.shown.clone()))
    }
}

/// The codes that go with the first factor of an account, if this is the first.
pub(super) fn with_the_first(
    change: &mut Change<'_>,
    codes: &NewRecoveryCodes,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, Error> {
    if change.recovery_codes().count_unused(account)? > 0 {
        return Ok(None);
    }
    codes.write(change, account, now).map(Some)
}

/// Gives the caller new recovery codes in place of the old ones.
pub async fn new_recovery_codes(
    context: &Context,
    caller: &Caller,
) -> Result<RecoveryCodes, Error> {
    let (id, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    let codes = NewRecoveryCodes::prepare(context, id);
    context
        .change(move |change| {
            if !load(change, id)?.ask_for_second() {
                return Err(Error::bad_request(
                    "no_second_factor",
                    "Recovery codes stand in for a passkey or an authenticator app; add one of those first.",
                ));
            }
            let codes = codes.write(change, id, now)?;
            let what = json!({"what": "recovery_codes_made"});
            change.event_with(EventKind::AccountFactors, id, &what)?;
            Ok(codes)
        })
        .await
}

/// A code that somebody typed, and what it proves once it was taken.
#[derive(Clone)]
pub(in crate::actions::accounts) struct TypedSecond {
    text: SecretString,
}

impl TypedSecond {
    pub(in crate::actions::accounts) const fn new(text: SecretString) -> Self {
        Self { text }
    }

    fn parse(&self) -> Result<TypedCode, Error> {
        // Longer than any code with its spaces: not worth reading.
        if self.text.expose().len() > 64 {
            return Err(wrong_code());
        }
        TypedCode::parse(self.text.expose()).ok_or_else(wrong_code)
    }

    /// Whether somebody could guess it: six digits can be, recovery codes cannot.
    pub(super) fn can_be_guessed(&self) -> bool {
        !matches!(self.parse(), Ok(TypedCode::Recovery(_)))
    }
}

/// Takes a code of an account: exactly one caller gets through with it. May run several times.
pub(in crate::actions::accounts) fn take_code(
    context: &Context,
    change: &mut Change<'_>,
    account: &Account,
    typed: &TypedSecond,
    device: &str,
    now: Timestamp,
) -> Result<Methods, Error> {
    match typed.parse()? {
        TypedCode::Authenticator(code) => {
            let found = change.authenticators().find(account.id)?;
            let app = found.filter(|app| app.confirmed_at.is_some());
            let app = app.ok_or_else(wrong_code)?;
            let secret = open_secret(context, account.id, &app.sealed_secret)?;
            let step = totp::accept(&secret, code.expose(), app.last_step, now)?;
            if !change.authenticators().take_step(account.id, step)? {
                return Err(totp::CodeRefusal::Used.into());
            }
        }
        TypedCode::Recovery(code) => {
            let mac = mac(context, account.id, &code);
            if !change.recovery_codes().redeem(account.id, mac, now)? {
                return Err(wrong_code());
            }
            let left = change.recovery_codes().count_unused(account.id)?;
            tell(change, account.id, NoticeKind::RecoveryCodeUsed, device)?;
            let what = json!({"what": "recovery_code_used", "left": left});
            change.event_with(EventKind::AccountFactors, account.id, &what)?;
        }
    }
    Ok(Methods::one(Method::Code))
}

/// A code of the second step that is not taken. It is not told whether it ever was one.
pub(super) fn wrong_code() -> Error {
    Error::new(
        http::StatusCode::UNAUTHORIZED,
        WRONG_CODE,
        "The code is wrong; type the one that the app shows now, or one of your recovery codes.",
    )
    .with("field", "code")
}

fn mac(context: &Context, account: AccountId, code: &RecoveryCode) -> [u8; 32] {
    let key = context.master_key.mac_key("recovery-code");
    key.sign(&[account.as_uuid().as_bytes(), code.bytes()])
}

/// Seals the secret of an authenticator app for its row.
pub(super) fn seal_secret(context: &Context, account: AccountId, secret: &SecretBytes) -> Vec<u8> {
    sealing_key(context).seal(secret, &row(account), random::bytes())
}

pub(super) fn open_secret(
    context: &Context,
    account: AccountId,
    sealed: &[u8],
) -> Result<SecretBytes, Error> {
    let opened = sealing_key(context).open(sealed, &row(account));
    opened.map_err(|cause| Error::internal(&cause))
}

fn sealing_key(context: &Context) -> SealingKey {
    context.master_key.sealing_key("authenticator")
}

fn row(account: AccountId) -> Vec<u8> {
    [
        b"authenticator sealed_secret ",
        &account.as_uuid().as_bytes()[..],
    ]
    .concat()
}

/// Removes what is left over once an account has no factor to stand in for.
pub(super) fn drop_if_alone(tx: &mut Tx, account: AccountId) -> Result<(), Error> {
    if !load(tx, account)?.ask_for_second() {
        tx.recovery_codes().delete(account)?;
    }
    Ok(())
}
