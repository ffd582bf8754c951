//! The superuser that the settings name, for servers that are set up by a file and not by a link.

use accounts::{Account, Email, PASSWORD_PROVIDER, Password, Role, Username};
use http::StatusCode;
use ids::AccountId;
use secret::SecretString;
use storage::EventKind;

use super::{authority, owner::pending_owner, passwords};
use crate::{Change, Context, Error, random};

/// Makes the superuser that the settings name, if there is no superuser yet. Says whether there is one now.
///
/// # Errors
/// Also when half of the settings is missing, the password is not fit or the address is somebody else's: the server is
/// not to start as if nothing had been asked for.
pub(super) async fn ensure(context: &Context) -> Result<bool, Error> {
    let issuer = &context.config.issuer;
    let settings = (&issuer.first_superuser, &issuer.first_superuser_password);
    let (email, password) = match settings {
        (Some(email), Some(password)) => (email.clone(), password.clone()),
        (None, None) => return Ok(false),
        _ => {
            return Err(misconfigured(
                "issuer.first_superuser and issuer.first_superuser_password are set together or not at all",
            ));
        }
    };
    let now = context.now();
    let (milliseconds, bytes) = random::id_parts(now);
    let id = AccountId::new(milliseconds, bytes);
    let others = move |tx: &mut storage::Tx| tx.accounts().count_other_superadmins(id);
    // Before the hash: a start of a server that is set up costs nothing.
    if context.storage.read(others).await? > 0 {
        return Ok(true);
    }
    let password = Password::parse(password, &[email.as_str()])
        .map_err(|error| misconfigured(&format!("issuer.first_superuser_password: {error}")))?;
    let hashed = passwords::hash(context, password).await?;
    let name_digits = random::bytes();
    context
        .change(move |change| {
            // Another node may have been faster.
            if others(change)? > 0 {
                return Ok(true);
            }
            if change.accounts().find_by_email(email.as_str())?.is_some() {
                return Err(misconfigured(
                    "the address of issuer.first_superuser belongs to an account that is no superuser; give that account the role, or name another address",
                ));
            }
            let pending = pending_owner(change)?;
            let is_new = pending.is_none();
            let blank = Account {
                id,
                email: String::new(),
                username: String::new(),
                full_name: None,
                avatar: None,
                provider: PASSWORD_PROVIDER.to_owned(),
                role: Role::Superadmin,
                roles: Vec::new(),
                active: true,
                email_verified: true,
                generation: 1,
                password: None,
                created_at: now,
                updated_at: now,
            };
            let account = Account {
                email: email.as_str().to_owned(),
                username: username(change, &email, name_digits)?,
                email_verified: true,
                password: Some(SecretString::clone(&hashed)),
                updated_at: now,
                ..pending.unwrap_or(blank)
            };
            if is_new {
                change.accounts().insert(&account)?;
                change.event(EventKind::AccountCreated, account.id)?;
            } else {
                // The setup link is void: the place is taken.
                change.accounts().update(&account)?;
                change.event(EventKind::AccountChanged, account.id)?;
            }
            Ok(true)
        })
        .await
}

/// Whoever runs the server may be called `admin`.
fn username(change: &mut Change<'_>, email: &Email, digits: [u8; 4]) -> Result<String, Error> {
    if let Ok(name) = Username::parse_official(email.local())
        && change.accounts().find_by_username(name.as_str())?.is_none()
    {
        return Ok(name.to_string());
    }
    authority::free_username(change, email, digits)
}

fn misconfigured(problem: &str) -> Error {
    Error::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "misconfigured",
        problem.to_owned(),
    )
}
