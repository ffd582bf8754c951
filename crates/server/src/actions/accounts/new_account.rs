//! What a new account needs, checked and hashed before anything is written.

use accounts::{Account, Email, Password, Role, Username};
use ids::AccountId;
use jiff::Timestamp;
use secret::SecretString;

use super::passwords;
use crate::{Context, Error, random};

/// Longest full name, in characters.
const LONGEST_NAME: usize = 100;

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
pub(super) struct Checked {
    email: String,
    username: String,
    full_name: Option<String>,
    password: Password,
}

/// A new account that can be written.
#[derive(Clone)]
pub(super) struct Hashed {
    email: String,
    username: String,
    full_name: Option<String>,
    password: SecretString,
}

impl NewAccount {
    /// Brings the fields into the form they are kept in, or says which one is not fit.
    pub(super) fn check(self) -> Result<Checked, Error> {
        let username = Username::parse(&self.username)?;
        self.check_with(&username)
    }

    /// As [`Self::check`], for whoever runs the server, who may take names such as `admin` too.
    pub(super) fn check_official(self) -> Result<Checked, Error> {
        let username = Username::parse_official(&self.username)?;
        self.check_with(&username)
    }

    fn check_with(self, username: &Username) -> Result<Checked, Error> {
        let email = Email::parse(&self.email)?;
        let full_name = self
            .full_name
            .as_deref()
            .map(full_name)
            .transpose()?
            .flatten();
        let password = Password::parse(self.password, &[email.as_str(), username.as_str()])?;
        let (email, username) = (email.as_str().to_owned(), username.as_str().to_owned());
        Ok(Checked {
            email,
            username,
            full_name,
            password,
        })
    }
}

impl Checked {
    pub(super) async fn hash(self, context: &Context) -> Result<Hashed, Error> {
        let Self {
            email,
            username,
            full_name,
            password,
        } = self;
        let password = passwords::hash(context, password).await?;
        Ok(Hashed {
            email,
            username,
            full_name,
            password,
        })
    }

    pub(super) fn email(&self) -> &str {
        &self.email
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
            avatar: None,
            provider: accounts::PASSWORD_PROVIDER.to_owned(),
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

/// A full name as it is kept; `None` for an empty one.
pub(super) fn full_name(text: &str) -> Result<Option<String>, Error> {
    let name = text.trim();
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::field(
            "full_name",
            "a name has at most 100 characters and no control characters",
        ));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}
