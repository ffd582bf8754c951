//! Bodies, path ids and list limits with refusals in the list form of the issuer's 422: one entry for each wrong field,
//! all at once. What was sent is repeated, except secrets.

use std::{fmt, str::FromStr};

use accounts::{Avatar, Email, Role};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, RawQuery, Request},
};
use http::{StatusCode, request::Parts};
use ids::{AccountId, SessionId};
use jiff::{Timestamp, tz::TimeZone};
use protocol::issuer::InvalidField;
use secret::SecretString;
use serde_json::{Map, Value};
use storage::Window;

use crate::{Context, error::IssuerError};

/// A longer input is not repeated.
const LONGEST_ECHO: usize = 200;
/// So many entries of a list are given at most, and when nothing is said.
const MOST_ENTRIES: u32 = 100;
/// So many entries can be left out.
const MOST_SKIPPED: u32 = 1_000_000;

/// The fields of a JSON object, read one by one. Fields that nobody asks for are ignored.
pub(super) struct Fields {
    values: Map<String, Value>,
    wrong: Vec<InvalidField>,
}

/// What is wrong with a value.
pub(super) struct Wrong {
    kind: &'static str,
    message: String,
    is_secret: bool,
}

impl Wrong {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            is_secret: false,
        }
    }

    /// A value that a rule of ours refuses.
    pub(super) fn refused(reason: impl fmt::Display) -> Self {
        Self::new("value_error", format!("Value error, {reason}"))
    }

    /// A field that has to be there and is not.
    pub(super) fn missing() -> Self {
        Self::new("missing", "Field required")
    }

    /// The same, without what was sent.
    pub(super) fn secret(self) -> Self {
        Self {
            is_secret: true,
            ..self
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = IssuerError;

    async fn from_request(request: Request, state: &S) -> Result<Self, IssuerError> {
        let body =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        IssuerError::new(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large")
                    }
                    status => IssuerError::new(status, "There was an error parsing the body"),
                })?;
        Self::parse(&body)
    }
}

impl Fields {
    fn parse(body: &[u8]) -> Result<Self, IssuerError> {
        let problem = if body.trim_ascii().is_empty() {
            Wrong::missing()
        } else {
            match serde_json::from_slice(body) {
                Ok(Value::Object(values)) => {
                    return Ok(Self {
                        values,
                        wrong: Vec::new(),
                    });
                }
                Ok(_) => Wrong::new(
                    "model_attributes_type",
                    "Input should be a valid dictionary or object to extract fields from",
                ),
                Err(_) => Wrong::new("json_invalid", "JSON decode error"),
            }
        };
        Err(IssuerError::invalid_fields(&[entry(
            vec!["body".into()],
            problem,
            Value::Null,
        )]))
    }

    /// A field that has to be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.values.contains_key(name) {
            self.refuse(name, Wrong::missing());
            return None;
        }
        self.optional(name, read)
    }

    /// A field that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.values.get(name)?.clone();
        match read(&value) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.refuse(name, wrong);
                None
            }
        }
    }

    /// A field that may be left out, or be null, which says the same.
    pub(super) fn given<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.optional(name, nullable(read)).flatten()
    }

    /// Whether a field is there, and not null.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// Notes that a field is wrong.
    pub(super) fn refuse(&mut self, name: &'static str, wrong: Wrong) {
        let input = self.values.get(name).cloned().unwrap_or_default();
        self.wrong
            .push(entry(vec!["body".into(), name.into()], wrong, input));
    }

    /// Refuses with everything that was wrong.
    pub(super) fn finish(self) -> Result<(), IssuerError> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(IssuerError::invalid_fields(&self.wrong))
        }
    }
}

fn entry(loc: Vec<String>, wrong: Wrong, input: Value) -> InvalidField {
    let is_short = match &input {
        Value::String(text) => text.chars().count() <= LONGEST_ECHO,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    };
    InvalidField {
        kind: wrong.kind.to_owned(),
        loc,
        msg: wrong.message,
        input: (is_short && !wrong.is_secret).then_some(input),
    }
}

/// Null, or what `read` understands.
pub(super) fn nullable<T>(
    read: impl FnOnce(&Value) -> Result<T, Wrong>,
) -> impl FnOnce(&Value) -> Result<Option<T>, Wrong> {
    move |value| {
        if value.is_null() {
            Ok(None)
        } else {
            read(value).map(Some)
        }
    }
}

pub(super) fn text(value: &Value) -> Result<&str, Wrong> {
    value
        .as_str()
        .ok_or_else(|| Wrong::new("string_type", "Input should be a valid string"))
}

pub(super) fn email(value: &Value) -> Result<Email, Wrong> {
    Email::parse(text(value)?).map_err(|error| {
        Wrong::new(
            "value_error",
            format!("value is not a valid email address: {error}"),
        )
    })
}

/// A name as it is kept; `None` for an empty one.
pub(super) fn full_name(value: &Value) -> Result<Option<String>, Wrong> {
    let name = text(value)?.trim();
    at_most(name, 100)?;
    if name.chars().any(char::is_control) {
        return Err(Wrong::refused("a name has no control characters"));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

pub(super) fn avatar(value: &Value) -> Result<Avatar, Wrong> {
    Avatar::parse(text(value)?).map_err(Wrong::refused)
}

/// Any text of 1 to 128 characters, as a password that is only compared.
pub(super) fn typed_password(value: &Value) -> Result<SecretString, Wrong> {
    let password = text(value).map_err(Wrong::secret)?;
    at_least(password, 1).map_err(Wrong::secret)?;
    at_most(password, 128).map_err(Wrong::secret)?;
    Ok(SecretString::new(password.to_owned()))
}

/// A new password of 8 to 128 characters; the other rules know the account.
pub(super) fn new_password(value: &Value) -> Result<SecretString, Wrong> {
    let password = text(value).map_err(Wrong::secret)?;
    at_least(password, 8).map_err(Wrong::secret)?;
    at_most(password, 128).map_err(Wrong::secret)?;
    Ok(SecretString::new(password.to_owned()))
}

/// A secret text of somebody else's making.
pub(super) fn opaque(value: &Value) -> Result<SecretString, Wrong> {
    let secret = text(value).map_err(Wrong::secret)?;
    at_least(secret, 1).map_err(Wrong::secret)?;
    at_most(secret, 8192).map_err(Wrong::secret)?;
    Ok(SecretString::new(secret.to_owned()))
}

/// A time in ISO 8601 or in Unix seconds; without an offset it is UTC.
pub(super) fn time(value: &Value) -> Result<Timestamp, Wrong> {
    let read = || match value {
        Value::Number(number) => Timestamp::from_second(number.as_i64()?).ok(),
        Value::String(text) => text
            .parse()
            .or_else(|_| {
                let civil = text.parse::<jiff::civil::DateTime>();
                civil.and_then(|civil| civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()))
            })
            .ok(),
        _ => None,
    };
    let problem = || Wrong::new("datetime_parsing", "Input should be a valid datetime");
    read().ok_or_else(problem)
}

pub(super) fn flag(value: &Value) -> Result<bool, Wrong> {
    value
        .as_bool()
        .ok_or_else(|| Wrong::new("bool_type", "Input should be a valid boolean"))
}

pub(super) fn role(value: &Value) -> Result<Role, Wrong> {
    let expected = "Input should be 'user', 'reader', 'writer', 'admin' or 'superadmin'";
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Wrong::new("enum", expected))
}

/// An outside provider's id of a person.
pub(super) fn subject(value: &Value) -> Result<String, Wrong> {
    let subject = text(value)?;
    at_least(subject, 1)?;
    at_most(subject, 255)?;
    if subject.chars().any(char::is_control) {
        return Err(Wrong::refused("an id has no control characters"));
    }
    Ok(subject.to_owned())
}

pub(super) fn at_least(text: &str, least: usize) -> Result<(), Wrong> {
    if text.chars().count() >= least {
        return Ok(());
    }
    let plural = if least == 1 { "" } else { "s" };
    Err(Wrong::new(
        "string_too_short",
        format!("String should have at least {least} character{plural}"),
    ))
}

pub(super) fn at_most(text: &str, most: usize) -> Result<(), Wrong> {
    if text.chars().count() <= most {
        return Ok(());
    }
    Err(Wrong::new(
        "string_too_long",
        format!("String should have at most {most} characters"),
    ))
}

/// An id in the path; 422 when it is no UUID.
pub(super) struct PathId<T>(pub(super) T);

/// An id that paths hold.
pub(super) trait NamedId: FromStr {
    /// The variable's name.
    const NAME: &'static str;
}

impl NamedId for AccountId {
    const NAME: &'static str = "user_id";
}

impl NamedId for SessionId {
    const NAME: &'static str = "session_id";
}

impl<T: NamedId> FromRequestParts<Context> for PathId<T> {
    type Rejection = IssuerError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, IssuerError> {
        let text = Path::<String>::from_request_parts(parts, context)
            .await
            .map(|Path(text)| text)
            .unwrap_or_default();
        text.parse().map(Self).map_err(|_| {
            IssuerError::invalid_fields(&[entry(
                vec!["path".into(), T::NAME.into()],
                Wrong::new("uuid_parsing", "Input should be a valid UUID"),
                Value::String(text),
            )])
        })
    }
}

/// Which part of a list is wanted: `skip` and `limit` in the query.
pub(super) struct Paging(pub(super) Window);

impl FromRequestParts<Context> for Paging {
    type Rejection = IssuerError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, IssuerError> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, context)
            .await
            .unwrap_or(RawQuery(None));
        Self::parse(query.as_deref().unwrap_or_default())
    }
}

impl Paging {
    fn parse(query: &str) -> Result<Self, IssuerError> {
        let (mut skip, mut limit) = (0, MOST_ENTRIES);
        let mut wrong = Vec::new();
        for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
            let (place, least, most) = match name.as_ref() {
                "skip" => (&mut skip, 0, MOST_SKIPPED),
                "limit" => (&mut limit, 1, MOST_ENTRIES),
                _ => continue,
            };
            match number(&text, least, most) {
                Ok(number) => *place = number,
                Err(problem) => wrong.push(entry(
                    vec!["query".into(), name.into_owned()],
                    problem,
                    Value::String(text.into_owned()),
                )),
            }
        }
        if wrong.is_empty() {
            Ok(Self(Window { skip, limit }))
        } else {
            Err(IssuerError::invalid_fields(&wrong))
        }
    }
}

fn number(text: &str, least: u32, most: u32) -> Result<u32, Wrong> {
    let digits = text.trim();
    let bare = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::new(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        ));
    }
    // Whatever has more digits than this type is beyond every limit.
    let number = digits.parse().unwrap_or(if digits.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    });
    if number < i64::from(least) {
        return Err(Wrong::new(
            "greater_than_equal",
            format!("Input should be greater than or equal to {least}"),
        ));
    }
    u32::try_from(number)
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| {
            Wrong::new(
                "less_than_equal",
                format!("Input should be less than or equal to {most}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detail<T>(result: Result<T, IssuerError>) -> Value {
        match result {
            Ok(_) => Value::Null,
            Err(error) => {
                assert_eq!(error.status, 422);
                error.detail
            }
        }
    }

    #[test]
    fn every_wrong_field_is_named_with_what_was_sent_but_no_password() {
        let mut fields =
            Fields::parse(br#"{"email": "nobody", "password": "s3cr3t", "role": 7, "more": []}"#)
                .unwrap_or_else(|_| panic!("it is an object"));
        assert!(fields.required("email", email).is_none());
        assert!(fields.required("password", new_password).is_none());
        assert!(fields.optional("role", role).is_none());
        assert!(fields.required("name", full_name).is_none());
        let detail = detail(fields.finish());
        let kinds: Vec<_> = detail
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (&entry["type"], &entry["loc"][1], &entry["input"]))
            .collect();
        assert_eq!(
            serde_json::json!(kinds),
            serde_json::json!([
                ["value_error", "email", "nobody"],
                ["string_too_short", "password", null],
                ["enum", "role", 7],
                ["missing", "name", null],
            ])
        );
        assert!(!detail.to_string().contains("s3cr3t"));
    }

    #[test]
    fn a_body_that_is_no_object_is_refused_as_a_whole() {
        for (body, kind) in [
            (&b""[..], "missing"),
            (b"[]", "model_attributes_type"),
            (b"null", "model_attributes_type"),
            (b"{", "json_invalid"),
            (b"\xff", "json_invalid"),
        ] {
            assert_eq!(detail(Fields::parse(body))[0]["type"], kind);
        }
    }

    #[test]
    fn a_list_is_given_in_parts_of_1_to_100() {
        let window =
            |query: &str| Paging::parse(query).map(|paging| (paging.0.skip, paging.0.limit));
        assert_eq!(window("").ok(), Some((0, 100)));
        assert_eq!(window("skip=5&limit=1&x=y").ok(), Some((5, 1)));
        for (query, kind) in [
            ("limit=0", "greater_than_equal"),
            ("limit=101", "less_than_equal"),
            ("limit=99999999999999999999", "less_than_equal"),
            ("limit=-99999999999999999999", "greater_than_equal"),
            ("skip=-1", "greater_than_equal"),
            ("skip=1000001", "less_than_equal"),
            ("limit=", "int_parsing"),
            ("limit=ten", "int_parsing"),
            ("limit=1.5", "int_parsing"),
        ] {
            assert_eq!(detail(window(query))[0]["type"], kind, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_body_and_query_is_read_or_refused_without_a_panic(body: Vec<u8>, query: String, value: String) {
            let _ = Fields::parse(&body);
            let _ = Paging::parse(&query);
            let value = Value::String(value);
            let _ = (email(&value).is_ok(), full_name(&value).is_ok(), avatar(&value).is_ok(), role(&value).is_ok());
            let _ = (new_password(&value).is_ok(), typed_password(&value).is_ok(), subject(&value).is_ok(), flag(&value).is_ok(), time(&value).is_ok());
        }
    }
}
