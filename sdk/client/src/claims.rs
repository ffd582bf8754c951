//! What an access token says, read as the services of this family read it: leniently where issuers differ, strictly where
//! it matters.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The claims of an access token. Times are whole Unix seconds.
///
/// A token of another issuer of the family has no `sid`, `gen`, `amr`, `acr` and `auth_time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account; a UUID wherever [`Expectations::uuid_subject`](crate::Expectations::uuid_subject) asked for one.
    pub sub: String,
    /// Tells one token from another. May be empty where the issuer says so.
    pub jti: String,
    /// Refused from here on.
    pub exp: i64,
    /// When it was issued.
    pub iat: Option<i64>,
    /// Refused before.
    pub nbf: Option<i64>,
    /// Who issued it.
    pub iss: Option<String>,
    /// Whom it is for.
    pub aud: Vec<String>,
    /// The account's address, as it was written.
    pub email: String,
    /// The account's role; `user` when the token does not say.
    pub role: Role,
    /// Whether the account is a superuser's; false when the token does not say.
    pub is_superuser: bool,
    /// Whether the account may be used; true when the token does not say.
    pub is_active: bool,
    /// Whether the address was proven; false when the token does not say.
    pub email_verified: bool,
    /// The account's name, as the person writes it.
    pub full_name: Option<String>,
    /// The address of a picture.
    pub avatar: Option<String>,
    /// The tenant that the token is for.
    pub tenant_id: Option<String>,
    /// The session it stands on.
    pub sid: Option<String>,
    /// The account's generation at issue (`gen`).
    pub generation: Option<u64>,
    /// How the person signed in, by the names of RFC 8176.
    pub amr: Vec<String>,
    /// How sure that is.
    pub acr: Option<String>,
    /// When the person last proved who they are.
    pub auth_time: Option<i64>,
}

/// The roles, from the lowest to the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Anybody who has an account.
    #[default]
    User,
    /// May read.
    Reader,
    /// May write.
    Writer,
    /// May administer.
    Admin,
    /// May do everything.
    Superadmin,
}

impl Role {
    /// The role's name, as tokens carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
            Self::Superadmin => "superadmin",
        }
    }
}

/// The claims that concern us as they were sent. A claim that is named twice is an error (RFC 7519 §4).
///
/// Where a null is no good value it is kept, so that it is refused; elsewhere it stands for nothing.
#[derive(Deserialize)]
pub(crate) struct Raw {
    pub(crate) sub: Option<Value>,
    pub(crate) jti: Option<Value>,
    #[serde(rename = "type")]
    pub(crate) token_type: Option<Value>,
    pub(crate) exp: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    pub(crate) iat: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    pub(crate) nbf: Option<Value>,
    pub(crate) iss: Option<Value>,
    pub(crate) aud: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    email: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    role: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    is_superuser: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    is_active: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    email_verified: Option<Value>,
    full_name: Option<Value>,
    avatar: Option<Value>,
    tenant_id: Option<Value>,
    sid: Option<Value>,
    #[serde(rename = "gen")]
    generation: Option<Value>,
    amr: Option<Value>,
    acr: Option<Value>,
    auth_time: Option<Value>,
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The claims that were already looked at when the rest is read.
pub(crate) struct Checked {
    pub(crate) sub: String,
    pub(crate) jti: String,
    pub(crate) exp: i64,
    pub(crate) iat: Option<i64>,
    pub(crate) nbf: Option<i64>,
    pub(crate) iss: Option<String>,
    pub(crate) aud: Vec<String>,
}

impl Claims {
    /// Reads who the caller is from the rest of the claims; `None` when one of them is not what it should be.
    pub(crate) fn read(raw: Raw, checked: Checked) -> Option<Self> {
        let Checked {
            sub,
            jti,
            exp,
            iat,
            nbf,
            iss,
            aud,
        } = checked;
        let email = text(raw.email?)?;
        if !is_plausible_address(&email) {
            return None;
        }
        Some(Self {
            sub,
            jti,
            exp,
            iat,
            nbf,
            iss,
            aud,
            email,
            role: raw
                .role
                .map_or(Some(Role::User), |role| serde_json::from_value(role).ok())?,
            is_superuser: flag(raw.is_superuser, false)?,
            is_active: flag(raw.is_active, true)?,
            email_verified: flag(raw.email_verified, false)?,
            full_name: optional(raw.full_name, text)?,
            avatar: optional(raw.avatar, text)?,
            tenant_id: optional(raw.tenant_id, text)?,
            sid: optional(raw.sid, text)?,
            generation: optional(raw.generation, |value| value.as_u64())?,
            amr: optional(raw.amr, texts)?.unwrap_or_default(),
            acr: optional(raw.acr, text)?,
            auth_time: optional(raw.auth_time, |value| seconds(&value))?,
        })
    }
}

/// A claim that may be left out, but not be of another kind.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether the claim could be read, so that `?` refuses it"
)]
fn optional<T>(value: Option<Value>, read: impl FnOnce(Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// An array of strings; `aud` may also be one string (RFC 7519 §4.1.3).
pub(crate) fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one]),
        Value::Array(many) => many.into_iter().map(text).collect(),
        _ => None,
    }
}

/// A number of seconds (RFC 7519 §2, `NumericDate`), without its fraction.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is looked at, and the fraction is not wanted"
    )]
    let whole = |number: f64| (number.abs() < 1e15).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

/// A switch. Issuers of the family also write 0 and 1, and the words that stand for them.
fn flag(value: Option<Value>, otherwise: bool) -> Option<bool> {
    match value {
        None => Some(otherwise),
        Some(Value::Bool(flag)) => Some(flag),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Some(Value::String(word)) => match word.to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
            "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
            _ => None,
        },
        Some(_) => None,
    }
}

/// Whether a text could be somebody's mail address on a network: one `@`, no white space, a domain with a dot in it.
///
/// Which domains and which letters an account may have is the issuer's business; here an address only has to be safe to
/// show and to compare.
fn is_plausible_address(text: &str) -> bool {
    let text = text.trim();
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_letter = |c: char| {
        !c.is_whitespace()
            && !c.is_control()
            && !matches!(
                c,
                '@' | '"' | '<' | '>' | '(' | ')' | ',' | ';' | ':' | '\\'
            )
    };
    let is_label = |label: &str| {
        !label.starts_with('-')
            && !label.ends_with('-')
            && (1..=63).contains(&label.chars().count())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    text.len() <= 320
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_letter))
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && !top.chars().all(|c| c.is_ascii_digit())
}
