//! The viewer's API keys.

use accounts::api_key::Standing;
use askama::Template;

use super::account::Account;
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Copy, Field, Form, Icon, Kind, Moment},
};

/// The lives that people choose among: hours, and what they are called.
const LIVES: [(i64, &str); 5] = [
    (24, "1 day"),
    (7 * 24, "7 days"),
    (30 * 24, "30 days"),
    (90 * 24, "90 days"),
    (365 * 24, "1 year"),
];

/// `GET /account/api-keys`, and the answer to a new key.
#[derive(Debug, Template)]
#[template(path = "api_keys.html")]
pub struct ApiKeys {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// The key that was made just now.
    pub fresh: Option<FreshApiKey>,
    /// The usable ones first, then the newest first.
    pub keys: Vec<ApiKeyRow>,
}

/// A new key. Its text is shown this once.
#[derive(Clone)]
pub struct FreshApiKey {
    /// What the person calls it.
    pub name: String,
    /// The text.
    pub text: String,
}

impl std::fmt::Debug for FreshApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FreshApiKey({:?}, …)", self.name)
    }
}

/// A key.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// A UUID.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// Whether it can be used.
    pub standing: Standing,
    /// Whether it is for writing too.
    pub may_write: bool,
    /// The services it is for.
    pub audiences: Vec<String>,
    /// When it was made.
    pub since: Moment,
    /// When it ends or ended.
    pub expires: Moment,
    /// When it was last used.
    pub last_used: Option<Moment>,
}

/// `GET /account/api-keys/new`.
#[derive(Debug, Template)]
#[template(path = "api_key_new.html")]
pub struct NewApiKey {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// From [`NewApiKey::form`].
    pub form: Form,
    /// The life that is chosen, in hours.
    pub hours: i64,
    /// Whether writing is chosen.
    pub may_write: bool,
    /// The services that a key can be for.
    pub services: Vec<KeyService>,
}

/// A service that a key can be for.
#[derive(Debug, Clone)]
pub struct KeyService {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is chosen.
    pub is_chosen: bool,
}

impl NewApiKey {
    /// The form.
    pub fn form(name: &str, error: Option<String>, message: Option<String>) -> Form {
        let name = Field::new(Kind::Text, "name", "Name")
            .value(name)
            .autocomplete("off")
            .at_most(100)
            .optional()
            .hint("Tells you later what it is for, like “nightly backup”. 3 to 100 characters.")
            .error(error)
            .focused();
        Form::new(vec![name]).message(message)
    }

    const fn lives() -> [(i64, &'static str); 5] {
        LIVES
    }
}
