//! The pages that mailed links lead to, those that ask for such a link, and the one where waiting links are shown.

use askama::Template;

use super::{Account, NoticeLink, door::PASSWORD_HINT};
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Copy, Field, Form, Icon, Kind, Moment},
};

/// A form that asks for a mailed link, or redeems one: opening it changes nothing, the button does. It tells its own
/// address, which may hold a token, to nobody.
#[derive(Debug, Template)]
#[template(path = "mailed.html")]
pub struct Mailed {
    /// The layout.
    pub page: Page,
    /// The heading.
    pub title: String,
    /// One paragraph each.
    pub text: Vec<String>,
    /// Where the form is posted.
    pub action: &'static str,
    /// The token to redeem.
    pub token: Option<String>,
    /// The browser keeps a new password under this name.
    pub username: Option<String>,
    /// The fields.
    pub form: Form,
    /// The button's words.
    pub button: &'static str,
    /// A way on below the form.
    pub after: Option<NoticeLink>,
}

impl Mailed {
    /// A form for an address.
    pub fn address(
        name: &'static str,
        label: &'static str,
        typed: &str,
        error: Option<String>,
    ) -> Form {
        let field = Field::new(Kind::Email, name, label)
            .value(typed)
            .autocomplete("email")
            .at_most(254)
            .focused()
            .error(error);
        Form::new(vec![field])
    }

    /// A form for a new password.
    pub fn new_password(error: Option<String>) -> Form {
        let field = Field::new(Kind::Password, "new_password", "New password")
            .autocomplete("new-password")
            .hint(PASSWORD_HINT)
            .focused()
            .error(error);
        Form::new(vec![field])
    }
}

/// `GET /account/email`.
#[derive(Debug, Template)]
#[template(path = "email.html")]
pub struct EmailAddress {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// The address now.
    pub email: String,
    /// Whether the new one has to be proven first.
    pub confirms: bool,
    /// From [`Mailed::address`].
    pub form: Form,
}

/// `GET /admin/mail`.
#[derive(Debug, Template)]
#[template(path = "mail.html")]
pub struct Mail {
    /// The layout.
    pub page: Page,
    /// The mail server.
    pub host: Option<String>,
    /// Whom mail comes from.
    pub from: String,
    /// The link that was asked for.
    pub shown: Option<ShownLink>,
    /// The newest first.
    pub links: Vec<WaitingLink>,
}

/// A link that is shown.
#[derive(Debug, Clone)]
pub struct ShownLink {
    /// Whose it is.
    pub email: String,
    /// To be copied.
    pub link: Copy,
}

/// A message that waits.
#[derive(Debug, Clone)]
pub struct WaitingLink {
    /// A UUID.
    pub id: String,
    /// Where it goes.
    pub email: String,
    /// What it is for.
    pub what: &'static str,
    /// When it was asked for.
    pub asked: Moment,
    /// When it lapses.
    pub until: Moment,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not sent.
    pub problem: Option<String>,
}
