//! What a new account needs, checked and hashed before anything is written.

use accounts::{Account, Role};
use ids::AccountId;
use jiff::Timestamp;
use secret::SecretString;

use super::passwords;
use crate::{Context, Error, random};

/// A new account as typed.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Email address.
    pub email: String,
    /// Username.
    pub username: String,
    /// Full name.
    pub full_name: Option<String>,
    /// Password.
    pub password: SecretString,
}

/// A new account whose fields are fit.
pub(super) struct Checked(NewAccount);

/// A new account that can be written.
#[derive(Clone)]
pub(super) struct Hashed {
    pub(super) email: String,
    username: String,
    full_name: Option<String>,
    password: SecretString,
}

impl NewAccount {
    /// Brings the fields into the form they are kept in, or says which one is not fit.
    pub(super) fn check(self) -> Result<Checked, Error> {
        let email = rules::email(&self.email)?;
        let username = rules::username(&self.username)?;
        let full_name = self
            .full_name
            .as_deref()
            .map(rules::full_name)
            .transpose()?
            .flatten();
        rules::password(&self.password)?;
        Ok(Checked(Self {
            email,
            username,
            full_name,
            password: self.password,
        }))
    }
}

impl Checked {
    pub(super) async fn hash(self, context: &Context) -> Result<Hashed, Error> {
        let NewAccount {
            email,
            username,
            full_name,
            password,
        } = self.0;
        let password = passwords::hash(context, password).await?;
        Ok(Hashed {
            email,
            username,
            full_name,
            password,
        })
    }

    pub(super) fn email(&self) -> &str {
        &self.0.email
    }
}

impl Hashed {
    /// A record of its own.
    pub(super) fn record(&self, role: Role, now: Timestamp) -> Account {
        let (milliseconds, bytes) = random::id_parts(now);
        let blank = Account {
            id: AccountId::new(milliseconds, bytes),
            email: String::new(),
            username: String::new(),
            full_name: None,
            role,
            roles: Vec::new(),
            active: true,
            email_verified: false,
            generation: 1,
            password: None,
            created_at: now,
            updated_at: now,
        };
        self.complete(blank, now)
    }

    /// The same in a record that was there before.
    pub(super) fn complete(&self, pending: Account, now: Timestamp) -> Account {
        Account {
            email: self.email.clone(),
            username: self.username.clone(),
            full_name: self.full_name.clone(),
            password: Some(self.password.clone()),
            updated_at: now,
            ..pending
        }
    }
}

pub(crate) mod rules {
    //! Which fields are fit.

    use secret::SecretString;

    use crate::Error;

    /// Domains that no mail reaches (RFC 2606, RFC 6761), which token consumers refuse.
    const SPECIAL_USE: &[&str] = &["test", "invalid", "localhost", "local", "onion", "arpa"];

    pub(crate) fn email(text: &str) -> Result<String, Error> {
        let email = text.trim().to_lowercase();
        let unfit = || Error::field("email", "This is no email address that mail could reach.");
        let (local, domain) = email.rsplit_once('@').ok_or_else(unfit)?;
        let local_fits = (1..=64).contains(&local.len())
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let top = domain.rsplit('.').next().unwrap_or_default();
        let domain_fits = domain.contains('.')
            && domain.split('.').all(label)
            && !top.bytes().all(|b| b.is_ascii_digit())
            && !SPECIAL_USE.contains(&top);
        (local_fits && domain_fits && email.len() <= 254)
            .then_some(email)
            .ok_or_else(unfit)
    }

    pub(crate) fn username(text: &str) -> Result<String, Error> {
        let name = text.trim().to_lowercase();
        let fits = (3..=30).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        let problem = "A username has 3 to 30 of a-z, 0-9 and inner hyphens.";
        fits.then_some(name)
            .ok_or_else(|| Error::field("username", problem))
    }

    pub(crate) fn full_name(text: &str) -> Result<Option<String>, Error> {
        let name = text.trim();
        if name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Error::field(
                "full_name",
                "A name has at most 100 characters.",
            ));
        }
        Ok((!name.is_empty()).then(|| name.to_owned()))
    }

    pub(crate) fn password(password: &SecretString) -> Result<(), Error> {
        let text = password.expose();
        if text.chars().count() < 10 || text.len() > 1024 {
            return Err(Error::field(
                "password",
                "A password has at least 10 characters and at most 1024 bytes.",
            ));
        }
        Ok(())
    }
}
