//! The viewer's own account.

use askama::Template;

use super::door::PASSWORD_HINT;
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Field, Form, Icon, Kind, Moment},
};

/// The tabs of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTab {
    /// Name and addresses.
    Profile,
    /// Password, passkeys, authenticator app.
    Security,
    /// Where one is signed in.
    Sessions,
    /// Outside identities.
    Connections,
    /// Keys for programs.
    ApiKeys,
}

/// What every tab shows above its content.
#[derive(Debug, Clone, Copy, Template)]
#[template(path = "account_head.html")]
pub struct Account {
    /// The open tab.
    pub tab: AccountTab,
}

impl askama::filters::HtmlSafe for Account {}

/// `GET /account`.
#[derive(Debug, Template)]
#[template(path = "profile.html")]
pub struct Profile {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// From [`Profile::form`].
    pub form: Form,
    /// Lower-case, unique.
    pub email: String,
    /// Whether it was proven.
    pub email_verified: bool,
    /// Whether the page offers to prove it.
    pub can_confirm: bool,
    /// Lower-case, unique.
    pub username: String,
    /// `superadmin`, …
    pub role: String,
    /// When the account was made.
    pub since: Moment,
}

impl Profile {
    /// The form.
    pub fn form(full_name: &str, error: Option<String>) -> Form {
        let full_name = Field::new(Kind::Text, "full_name", "Full name")
            .value(full_name)
            .autocomplete("name")
            .at_most(100)
            .optional()
            .hint("How others see you beside your username.")
            .error(error);
        Form::new(vec![full_name])
    }
}

/// `GET /account/password`.
#[derive(Debug, Template)]
#[template(path = "password.html")]
pub struct Password {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// From [`Password::form`].
    pub form: Form,
    /// The browser keeps the new password under this name.
    pub username: String,
}

impl Password {
    /// The form. `has_password` is false for an owner who came by a link and has none yet.
    pub fn form(has_password: bool, current: Option<String>, new: Option<String>) -> Form {
        let current = Field::new(Kind::Password, "current_password", "Present password")
            .autocomplete("current-password")
            .error(current);
        let new = Field::new(Kind::Password, "new_password", "New password")
            .autocomplete("new-password")
            .hint(PASSWORD_HINT)
            .error(new);
        Form::new(if has_password {
            vec![current, new]
        } else {
            vec![new]
        })
    }
}

/// `GET /account/sessions`.
#[derive(Debug, Template)]
#[template(path = "sessions.html")]
pub struct Sessions {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// The present one first, then last used first.
    pub sessions: Vec<SessionRow>,
    /// Those that were ended of late because somebody held a copy.
    pub stolen: Vec<StolenRow>,
}

/// A sign-in that somebody else held a copy of.
#[derive(Debug, Clone)]
pub struct StolenRow {
    /// Such as `Firefox on Linux`.
    pub device: String,
    /// When that was noticed.
    pub ended: Moment,
}

/// One sign-in on one device.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// A UUID.
    pub id: String,
    /// `Firefox on Linux`.
    pub device: String,
    /// The command line, not a browser.
    pub is_cli: bool,
    /// When it began.
    pub since: Moment,
    /// When it was last used.
    pub last_seen: Moment,
    /// The one that shows this page.
    pub current: bool,
}

/// `GET /account/connections`.
#[derive(Debug, Template)]
#[template(path = "connections.html")]
pub struct Connections {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// The connected ones first.
    pub connections: Vec<ConnectionRow>,
}

/// A provider of identities, and the viewer's identity there.
#[derive(Debug, Clone)]
pub struct ConnectionRow {
    /// Its name in addresses.
    pub provider: String,
    /// What people call it.
    pub label: String,
    /// Whether people may sign in by it now.
    pub is_offered: bool,
    /// The identity that is connected.
    pub identity: Option<IdentityRow>,
}

/// An identity at a provider.
#[derive(Debug, Clone)]
pub struct IdentityRow {
    /// The address it is known by there; may be empty.
    pub email: String,
    /// The provider's id of the person.
    pub subject: String,
    /// When it was connected.
    pub since: Moment,
    /// When it was last used.
    pub last_used: Moment,
}
