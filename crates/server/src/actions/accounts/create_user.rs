//! Making an account for somebody by their address: the API's and the admin pages' way.

use accounts::{
    Account, Actor, AuthorityRefusal, Avatar, Email, Identity, PASSWORD_PROVIDER, Password, Role,
};
use ids::AccountId;
use secret::SecretString;
use storage::EventKind;

use super::{authority, invitations, passwords};
use crate::{Context, Error, random};

/// An account that somebody else makes for a person. The username is derived from the address.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Where mail reaches the person.
    pub email: Email,
    /// As the person writes it; at most 100 characters.
    pub full_name: Option<String>,
    /// The address of a picture.
    pub avatar: Option<Avatar>,
    /// Whether the account may be used.
    pub active: bool,
    /// Whether whoever makes the account vouches for the address.
    pub email_verified: bool,
    /// Standing on the whole server.
    pub role: Role,
    /// How the person will sign in.
    pub access: NewAccess,
}

/// How the person of a new account signs in.
#[derive(Debug, Clone)]
pub enum NewAccess {
    /// By password.
    Password(SecretString),
    /// By an outside provider.
    Identity {
        /// The provider's name in the configuration.
        provider: String,
        /// The provider's id of the person.
        subject: String,
    },
}

/// Makes an account. Invitations of its address are taken up at once when the address is vouched for.
pub async fn create_user(context: &Context, actor: Actor, new: NewUser) -> Result<Account, Error> {
    let hashed = match &new.access {
        NewAccess::Password(password) => {
            let email = new.email.as_str();
            let password = Password::parse(password.clone(), &[email, new.email.local()])?;
            Some(passwords::hash(context, password).await?)
        }
        NewAccess::Identity { .. } => None,
    };
    let (now, name_digits) = (context.now(), random::bytes());
    let (milliseconds, bytes) = random::id_parts(now);
    let id = AccountId::new(milliseconds, bytes);
    context
        .change(move |change| {
            if !authority::current(change, actor)?.manages(new.role) {
                return Err(AuthorityRefusal::OutOfReach.into());
            }
            let account = Account {
                id,
                email: new.email.as_str().to_owned(),
                username: authority::free_username(change, &new.email, name_digits)?,
                full_name: new.full_name.clone(),
                avatar: new.avatar.as_ref().map(ToString::to_string),
                provider: match &new.access {
                    NewAccess::Password(_) => PASSWORD_PROVIDER.to_owned(),
                    NewAccess::Identity { provider, .. } => provider.clone(),
                },
                role: new.role,
                roles: Vec::new(),
                active: new.active,
                email_verified: new.email_verified,
                generation: 1,
                password: hashed.clone(),
                created_at: now,
                updated_at: now,
            };
            change.accounts().insert(&account)?;
            if let NewAccess::Identity { provider, subject } = &new.access {
                change.identities().insert(&Identity {
                    provider: provider.clone(),
                    subject: subject.clone(),
                    account: id,
                    email: Some(account.email.clone()),
                    created_at: now,
                    last_used_at: now,
                })?;
            }
            change.event(EventKind::AccountCreated, id)?;
            if account.email_verified {
                invitations::take_up(change, &account)?;
            }
            Ok(Account {
                password: None,
                ..account
            })
        })
        .await
}
