//! What an account is protected by: passkeys, an authenticator app, recovery codes; and confirming that it is oneself.

use std::fmt::{self, Write as _};

use askama::{Template, filters::HtmlSafe};
use qrcodegen::{QrCode, QrCodeEcc};

use super::{Account, ProviderButton};
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Copy, Field, Form, Icon, Kind, Moment},
};

/// `GET /account/security`.
#[derive(Debug, Template)]
#[template(path = "security.html")]
pub struct Security {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// What happened to the account and was not seen yet.
    pub notices: Vec<NoticeRow>,
    /// There is a password.
    pub has_password: bool,
    /// The passkeys, the first one first.
    pub passkeys: Vec<PasskeyRow>,
    /// Browsers can keep passkeys for this server.
    pub passkeys_work: bool,
    /// What a new passkey is called unless the person says otherwise.
    pub device: String,
    /// Since when there is an authenticator app.
    pub authenticator: Option<Moment>,
    /// Recovery codes that are left.
    pub recovery_codes: usize,
    /// When they were made.
    pub recovery_codes_made: Option<Moment>,
    /// A sign-in by password asks for a second factor.
    pub asks_for_second: bool,
}

/// Something that happened to an account.
#[derive(Debug, Clone)]
pub struct NoticeRow {
    /// When.
    pub at: Moment,
    /// What, and what to do about it.
    pub text: String,
}

/// One passkey.
#[derive(Debug, Clone)]
pub struct PasskeyRow {
    /// A UUID.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// It may be copied between devices.
    pub synced: bool,
    /// When it was registered.
    pub since: Moment,
    /// When it was last used.
    pub last_used: Option<Moment>,
}

/// `GET /account/security/authenticator`: the picture for the app, and the field for its first code.
#[derive(Debug, Template)]
#[template(path = "authenticator.html")]
pub struct Authenticator {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// The picture.
    pub picture: QrPicture,
    /// The secret, for people who cannot take a picture.
    pub secret: String,
    /// From [`code_form`].
    pub form: Form,
}

/// Recovery codes, shown once.
#[derive(Debug, Template)]
#[template(path = "recovery_codes.html")]
pub struct RecoveryCodes {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// What was done just now.
    pub done: String,
    /// The codes.
    pub codes: Vec<String>,
}

impl RecoveryCodes {
    fn all(&self) -> String {
        self.codes.join("\n")
    }
}

/// `GET /account/security/passkeys/{passkey}/name`.
#[derive(Debug, Template)]
#[template(path = "passkey_name.html")]
pub struct PasskeyName {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Account,
    /// A UUID.
    pub id: String,
    /// The field.
    pub form: Form,
}

impl PasskeyName {
    /// The form.
    pub fn form(name: &str) -> Form {
        let name = Field::new(Kind::Text, "name", "Name")
            .value(name)
            .at_most(60)
            .hint("Only you see it: the device or the password manager that keeps the passkey.")
            .focused();
        Form::new(vec![name])
    }
}

/// `GET /signin/second-factor`.
#[derive(Debug, Template)]
#[template(path = "second_factor.html")]
pub struct SecondFactor {
    /// The layout.
    pub page: Page,
    /// Where to go afterwards.
    pub next: String,
    /// A passkey may answer.
    pub passkey: bool,
    /// From [`code_form`]; `None` when the account has neither an app nor recovery codes left.
    pub form: Option<Form>,
}

/// `GET /confirm`: it is asked once more who is there before something is changed.
#[derive(Debug, Template)]
#[template(path = "confirm_identity.html")]
pub struct ConfirmIdentity {
    /// The layout.
    pub page: Page,
    /// Where to go back to.
    pub next: String,
    /// The account, for the password manager.
    pub username: String,
    /// A passkey may answer.
    pub passkey: bool,
    /// The password may be given.
    pub password: Option<Form>,
    /// A code may be given.
    pub code: Option<Form>,
    /// The providers that the person may sign in by once more.
    pub providers: Vec<ProviderButton>,
}

impl ConfirmIdentity {
    /// Nothing of the account can be asked for here.
    fn nothing(&self) -> bool {
        let forms = self.password.is_some() || self.code.is_some();
        !self.passkey && !forms && self.providers.is_empty()
    }

    /// The password's form.
    pub fn password_form(error: Option<String>) -> Form {
        let password = Field::new(Kind::Password, "password", "Password")
            .autocomplete("current-password")
            .error(error)
            .focused();
        Form::new(vec![password])
    }
}

/// The field for a code.
pub fn code_form(hint: &'static str, error: Option<String>, focused: bool) -> Form {
    let code = Field::new(Kind::Text, "code", "Code")
        .autocomplete("one-time-code")
        .at_most(40)
        .hint(hint)
        .error(error);
    Form::new(vec![if focused { code.focused() } else { code }])
}

/// A text as a picture that cameras read, drawn as one path.
#[derive(Clone)]
pub struct QrPicture {
    path: String,
    side: i32,
}

impl HtmlSafe for QrPicture {}

/// Light modules around the dark ones, which cameras need.
const MARGIN: i32 = 4;

impl QrPicture {
    /// The picture of a text; `None` when it is too long for one.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
                let _ = write!(path, "M{} {}h1v1h-1z", x + MARGIN, y + MARGIN);
            }
        }
        Some(Self {
            path,
            side: code.size() + 2 * MARGIN,
        })
    }
}

impl fmt::Display for QrPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, side } = self;
        write!(
            f,
            r#"<svg class="qr" viewBox="0 0 {side} {side}" width="208" height="208" role="img" aria-label="Picture for your authenticator app" shape-rendering="crispEdges"><path d="{path}"/></svg>"#
        )
    }
}

/// Holds a secret.
impl fmt::Debug for QrPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QrPicture(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_address_fits_into_a_picture() {
        let text = format!("otpauth://totp/{}", "x".repeat(600));
        let picture = QrPicture::of(&text).expect("it fits").to_string();
        assert!(picture.starts_with("<svg class=\"qr\"") && picture.contains("h1v1h-1z"));
        assert!(!format!("{:?}", QrPicture::of("secret")).contains("M4"));
    }
}
