//! The pages before the door: setup, sign-up, sign-in, one-time links, invitations and sign-out.

use askama::Template;

use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Field, Form, Icon, Kind, Moment, Person},
};

/// First run: the owner makes their account. `GET /setup?token=`.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub struct Setup {
    /// The layout.
    pub page: Page,
    /// From [`NewAccount::form`].
    pub form: Form,
    /// The one-time setup token.
    pub token: String,
}

/// `GET /signup`.
#[derive(Debug, Template)]
#[template(path = "signup.html")]
pub struct SignUp {
    /// The layout.
    pub page: Page,
    /// From [`NewAccount::form`].
    pub form: Form,
    /// Where to go afterwards.
    pub next: String,
    /// The invitation that brought the person here.
    pub invite: Option<InviteNote>,
    /// The outside providers that people may sign in by.
    pub providers: Vec<ProviderButton>,
}

/// What a sign-up page says of the invitation.
#[derive(Debug, Clone)]
pub struct InviteNote {
    /// The token of its link.
    pub token: String,
    /// The app's name.
    pub app: String,
    /// Who invited.
    pub inviter: String,
}

/// `GET /signin`. Every failure has the same message and status.
#[derive(Debug, Template)]
#[template(path = "signin.html")]
pub struct SignIn {
    /// The layout.
    pub page: Page,
    /// From [`SignIn::form`].
    pub form: Form,
    /// Where to go afterwards.
    pub next: String,
    /// Whether the page offers to make an account.
    pub can_sign_up: bool,
    /// Whether a forgotten password can be replaced.
    pub can_reset: bool,
    /// Whether the page offers to send the proof of an address again.
    pub can_confirm: bool,
    /// Why the person has to sign in, for example to open an app.
    pub reason: Option<String>,
    /// Browsers can keep passkeys for this server.
    pub passkeys: bool,
    /// The outside providers that people may sign in by.
    pub providers: Vec<ProviderButton>,
}

/// A way in by an outside provider of identities.
#[derive(Debug, Clone)]
pub struct ProviderButton {
    /// Its name in addresses.
    pub name: String,
    /// What people call it.
    pub label: String,
}

/// A one-time sign-in link: opening it changes nothing, the button redeems it. `GET /link?token=`.
#[derive(Debug, Template)]
#[template(path = "link.html")]
pub struct Link {
    /// The layout.
    pub page: Page,
    /// The one-time token.
    pub token: String,
    /// Where to go afterwards.
    pub next: String,
}

/// `GET /signout`: a button, for links and for browsers that come back to an old page.
#[derive(Debug, Template)]
#[template(path = "signout.html")]
pub struct SignOut {
    /// The layout.
    pub page: Page,
}

/// The command line asks to act for the person. `GET /cli-login/{code}`.
#[derive(Debug, Template)]
#[template(path = "cli_login.html")]
pub struct CliLogin {
    /// The layout.
    pub page: Page,
    /// The last part of the page's address.
    pub request: String,
    /// Shown on both sides, to be compared.
    pub code: String,
    /// What the command line says of the device.
    pub device: String,
    /// When it asked.
    pub asked: Moment,
    /// Who will be signed in there.
    pub account: Person,
}

/// `GET /invite/{token}`.
#[derive(Debug, Template)]
#[template(path = "invite.html")]
pub struct Invite {
    /// The layout.
    pub page: Page,
    /// The token of the link.
    pub token: String,
    /// The app's name.
    pub app: String,
    /// Who invited.
    pub inviter: String,
    /// The invited address.
    pub email: String,
    /// Who looks at the page.
    pub seen_by: InvitedAs,
}

/// Who looks at an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvitedAs {
    /// Nobody is signed in.
    Anonymous,
    /// The invited person.
    Invited,
    /// Somebody else.
    SomebodyElse,
}

/// The form for a new account: what was typed, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// As typed.
    pub email: String,
    /// As typed.
    pub username: String,
    /// As typed.
    pub full_name: String,
    /// What is wrong with the email.
    pub email_error: Option<String>,
    /// What is wrong with the username.
    pub username_error: Option<String>,
    /// What is wrong with the full name.
    pub full_name_error: Option<String>,
    /// What is wrong with the password.
    pub password_error: Option<String>,
    /// What is wrong with it as a whole.
    pub message: Option<String>,
    /// The address cannot be changed: the invitation was sent to it.
    pub email_is_fixed: bool,
}

/// What people are told about a good password.
pub(super) const PASSWORD_HINT: &str =
    "At least 8 characters. A few unrelated words are long and easy to remember.";

impl NewAccount {
    /// The form.
    pub fn form(self) -> Form {
        let email = Field::new(Kind::Email, "email", "Email")
            .value(self.email)
            .autocomplete("email")
            .at_most(254)
            .error(self.email_error);
        let email = if self.email_is_fixed {
            email
                .fixed()
                .hint("The invitation was sent to this address.")
        } else {
            email.focused()
        };
        let username = Field::new(Kind::Text, "username", "Username")
            .value(self.username)
            .autocomplete("username")
            .at_most(30)
            .hint("3 to 30 small letters, digits and hyphens. Other people see it.")
            .error(self.username_error);
        let full_name = Field::new(Kind::Text, "full_name", "Full name")
            .value(self.full_name)
            .autocomplete("name")
            .at_most(100)
            .optional()
            .error(self.full_name_error);
        let password = Field::new(Kind::Password, "password", "Password")
            .autocomplete("new-password")
            .hint(PASSWORD_HINT)
            .error(self.password_error);
        Form::new(vec![email, username, full_name, password]).message(self.message)
    }
}

impl SignIn {
    /// The form: what was typed as the login, and what is wrong.
    pub fn form(login: &str, message: Option<String>) -> Form {
        let login_field = Field::new(Kind::Text, "email", "Email or username")
            .value(login)
            .autocomplete("username")
            .at_most(254);
        let password =
            Field::new(Kind::Password, "password", "Password").autocomplete("current-password");
        let fields = if login.is_empty() {
            vec![login_field.focused(), password]
        } else {
            vec![login_field, password.focused()]
        };
        Form::new(fields).message(message)
    }
}
