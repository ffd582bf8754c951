//! Posted forms: their fields, and the proof that the form was one of ours.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, Request},
};
use http::header;
use jiff::Timestamp;
use secret::SecretString;
use token::MacKey;

use super::{page::CSRF_FIELD, ui::Tone, visit::Visit};
use crate::{
    Context, Error,
    extract::credentials::{Cause, cause, cookie},
};

/// The fields of a posted form. A missing one is empty; of a repeated one the last counts.
#[derive(Debug, Default)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`. Any bytes can be read: what is not UTF-8 is replaced.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The text of a field.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The text of a field, without white space around it; `None` when nothing is left.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        Some(self.get(name).trim()).filter(|text| !text.is_empty())
    }

    /// A password, exactly as typed.
    pub(super) fn secret(&self, name: &str) -> SecretString {
        SecretString::new(self.get(name).to_owned())
    }

    /// A flag: `true` or `false`; `None` when the form has none.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).parse().ok()
    }
}

/// A posted form that our own page sent, and who sent it.
pub(super) struct Posted {
    /// Who, and what the answer needs.
    pub(super) visit: Visit,
    /// What.
    pub(super) fields: Fields,
}

impl FromRequest<Context> for Posted {
    type Rejection = Error;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, context).await?;
        // A program tells no origin; it has to have read the form's token like everybody else.
        if cause(&parts.headers, &context.config.shell_origin()) == Cause::AnotherSite {
            return Err(Error::forbidden(
                "The form was sent from another site, so it was not taken.",
            ));
        }
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("");
        if !kind
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
        {
            return Err(Error::new(
                http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send a form with `Content-Type: application/x-www-form-urlencoded`.",
            ));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), context)
            .await
            .map_err(|_| Error::body_too_large())?;
        let fields = Fields::parse(&bytes);
        if !visit.accepts_form(fields.get(CSRF_FIELD)) {
            return Err(Error::forbidden(
                "This form is out of date. Go back, reload the page and send it again.",
            ));
        }
        Ok(Self { visit, fields })
    }
}

/// The key of form tokens.
fn key(context: &Context) -> MacKey {
    context.master_key.mac_key("form")
}

/// The token that forms of this browser carry. `binding` names the session, or the form cookie of somebody who is not
/// signed in.
pub(super) fn token(context: &Context, binding: &str) -> String {
    key(context).sign_hex(&[b"token", binding.as_bytes()])
}

/// Whether a form's token belongs to `binding`.
pub(super) fn verify(context: &Context, binding: &str, presented: &str) -> bool {
    key(context).verify_hex(&[b"token", binding.as_bytes()], presented)
}

/// How long a message waits for its page, in seconds.
const FLASH_SECONDS: i64 = 60;
/// Longest message, in bytes: cookies are small.
const LONGEST_FLASH: usize = 600;

/// The cookie's value for a message.
pub(super) fn seal_flash(context: &Context, tone: Tone, text: &str, now: Timestamp) -> String {
    let text = &text[..text.floor_char_boundary(LONGEST_FLASH)];
    let until = (now.as_second() + FLASH_SECONDS).to_string();
    let hex = hex::encode(text);
    let mac = key(context).sign_hex(&[
        b"flash",
        tone.as_str().as_bytes(),
        until.as_bytes(),
        hex.as_bytes(),
    ]);
    format!("{}.{until}.{hex}.{mac}", tone.as_str())
}

/// The message of a cookie's value, if it is one of ours and fresh.
pub(super) fn open_flash(
    context: &Context,
    headers: &http::HeaderMap,
    now: Timestamp,
) -> Option<(Tone, String)> {
    let sealed = cookie(headers, super::cookies::FLASH_COOKIE)?;
    let mut parts = sealed.splitn(4, '.');
    let (tone, until, hex, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let signed = [
        &b"flash"[..],
        tone.as_bytes(),
        until.as_bytes(),
        hex.as_bytes(),
    ];
    if !key(context).verify_hex(&signed, mac) || until.parse::<i64>().ok()? < now.as_second() {
        return None;
    }
    Some((
        Tone::from_name(tone)?,
        String::from_utf8(hex::decode(hex).ok()?).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_field_is_empty_and_a_password_is_not_trimmed() {
        let fields =
            Fields::parse(b"email=+ada%40example.com+&password=+pass+word+&flag=true&flag=no");
        assert_eq!(fields.get("name"), "");
        assert_eq!(fields.filled("email"), Some("ada@example.com"));
        assert_eq!(fields.secret("password").expose(), " pass word ");
        assert_eq!(fields.flag("flag"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let fields = Fields::parse(&bytes);
            let _ = (fields.get("a"), fields.flag("b"));
        }
    }
}
