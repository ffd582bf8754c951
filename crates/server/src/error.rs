//! The one mapping from what went wrong to what is answered: status, stable code and public text.
//!
//! Rule errors convert into [`Error`] in `conversions` and nowhere else. What must not be told is logged here, once.

use std::{borrow::Cow, fmt, time::Duration};

use axum::{
    Extension, Json,
    extract::rejection::FormRejection,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use protocol::issuer::InvalidField;
use serde_json::{Map, Value};

mod conversions;
mod outside;

/// A refusal or failure, ready to be answered.
///
/// As a response it is `{"error": code, "message": text, …}`; pages render the same parts for people.
#[derive(Debug, Clone)]
pub struct Error {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// What to do next, for people. Never holds a secret or another person's data.
    pub message: Cow<'static, str>,
    /// Further fields of the JSON answer.
    pub extra: Map<String, Value>,
    /// Headers of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Error {
    /// An error with a status, a code and a message.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            extra: Map::new(),
            headers: Vec::new(),
        }
    }

    /// Adds a field to the JSON answer.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(field.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A header of the answer.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers
            .iter()
            .find_map(|(own, value)| (own == name).then_some(value))
    }

    /// 401: it is not known who is calling.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Sign in and try again.",
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 401: the call needs a viewer.
    pub fn viewer_required() -> Self {
        let message = "This needs a signed-in viewer; open the app again.";
        Self::new(StatusCode::UNAUTHORIZED, "viewer_required", message)
    }

    /// 403: it is known who is calling, and they may not.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: there is no such thing, or the caller may not know of it.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this address.",
        )
    }

    /// 400 with a code of its own.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 429 with `Retry-After`, rounded up to whole seconds.
    pub fn too_many(
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        wait: Duration,
    ) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// 413: the body is larger than the route takes.
    pub fn body_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The body is larger than this address takes.",
        )
    }

    /// 422: the body can be read but is not what is expected here.
    pub fn unprocessable(detail: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_body",
            format!("The body is not what this address takes: {detail}."),
        )
    }

    fn unreadable_body(status: StatusCode) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            Self::body_too_large()
        } else {
            Self::bad_request("unreadable_body", "The body could not be read to its end.")
        }
    }

    /// 409: the value of a field belongs to another record.
    pub fn taken(field: &'static str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "taken",
            format!("This {field} is taken; choose another."),
        )
        .with("field", field)
    }

    /// 422: a field holds something it cannot hold.
    pub fn field(field: &'static str, problem: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_field",
            sentence(problem),
        )
        .with("field", field)
    }

    /// 503: a part that is needed does not answer. The cause is logged and not told.
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(cause = %Chain(cause), "a needed part is unavailable");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The server cannot do that now; try again soon.",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("2"))
    }

    /// 500. The cause is logged with the request's id and not told.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(cause = %Chain(cause), "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on the server. Try again; if it stays, give the operator the request id.",
        )
    }
}

/// A rule's text as a sentence.
fn sentence(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first
            .to_uppercase()
            .chain(characters)
            .chain(['.'])
            .collect(),
        None => text,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        // Where a person reads the answer, the pages show it in their own way.
        let kept = Extension(self.clone());
        let mut body = Map::new();
        body.insert("error".into(), self.code.into());
        body.insert("message".into(), self.message.into());
        body.extend(self.extra);
        let mut headers: HeaderMap = self.headers.into_iter().collect();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (self.status, headers, kept, Json(Value::Object(body))).into_response()
    }
}

/// An error in the form of the issuer's area: `{"detail": …}`.
#[derive(Debug, Clone)]
pub struct IssuerError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A text that some clients compare, or the list of wrong fields.
    pub detail: Value,
    /// Headers of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl IssuerError {
    /// An error with a fixed text.
    pub fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// 401: no bearer token.
    pub fn not_authenticated() -> Self {
        let headers = vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        Self {
            headers,
            ..Self::new(StatusCode::UNAUTHORIZED, "Not authenticated")
        }
    }

    /// 403: a token that is no good, whatever is wrong with it.
    pub fn bad_token() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Could not validate credentials.")
    }

    /// 401: a token that was good, until its session ended or the account's authority changed.
    pub fn session_revoked() -> Self {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        Self {
            headers: vec![(header::WWW_AUTHENTICATE, challenge)],
            ..Self::new(StatusCode::UNAUTHORIZED, "Session revoked")
        }
    }

    /// 403: the account is disabled.
    pub fn inactive_user() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Inactive user")
    }

    /// Whether no access token was presented at all.
    pub fn is_unauthenticated(&self) -> bool {
        self.detail == "Not authenticated"
    }

    /// A form that cannot be read: 413 when it is too large, else 422.
    pub fn unreadable_form(rejection: &FormRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large")
        } else {
            Self::missing_fields(&["username", "password"])
        }
    }

    /// 403: the role is too low.
    pub fn not_enough_privileges() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "The user doesn't have enough privileges",
        )
    }

    /// What went wrong while a service was answered. It is told whether to ask again, and nothing else.
    pub(crate) fn of_private(error: Error) -> Self {
        if error.status.is_server_error() {
            return Self {
                headers: error.headers,
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Authentication service temporarily unavailable",
                )
            };
        }
        error.into()
    }

    /// 422: a field of the body holds what it cannot hold. What it holds is not repeated.
    pub fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::invalid_fields(&[invalid_field(field, "value_error", problem.into())])
    }

    /// 422: each of these fields is wrong.
    pub fn invalid_fields(fields: &[InvalidField]) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            detail: serde_json::json!(fields),
            headers: Vec::new(),
        }
    }

    /// 422: fields of the form are missing or empty.
    pub fn missing_fields(fields: &[&str]) -> Self {
        let missing = |field: &&str| invalid_field(field, "missing", "Field required".to_owned());
        let fields: Vec<_> = fields.iter().map(missing).collect();
        Self::invalid_fields(&fields)
    }
}

/// A wrong field of the body. What was sent is not repeated.
fn invalid_field(field: &str, kind: &str, message: String) -> InvalidField {
    InvalidField {
        kind: kind.to_owned(),
        loc: vec!["body".to_owned(), field.to_owned()],
        msg: message,
        input: None,
    }
}

impl From<Error> for IssuerError {
    fn from(error: Error) -> Self {
        match error.code {
            "bad_field" => {
                let field = error.extra.get("field").and_then(Value::as_str);
                let message = format!("Value error, {}", error.message);
                let field = field.unwrap_or_default();
                Self::invalid(field, message)
            }
            "too_many_attempts" => Self {
                headers: error.headers,
                ..Self::new(
                    error.status,
                    "Too many login attempts. Try again in 15 minutes.",
                )
            },
            _ => Self {
                status: error.status,
                detail: error.message.into_owned().into(),
                headers: error.headers,
            },
        }
    }
}

impl IntoResponse for IssuerError {
    fn into_response(self) -> Response {
        let mut headers: HeaderMap = self.headers.into_iter().collect();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (
            self.status,
            headers,
            Json(serde_json::json!({"detail": self.detail})),
        )
            .into_response()
    }
}

/// An error with its causes on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::hasher::Busy;

    #[test]
    fn every_rule_s_refusal_has_its_status_code_and_text() {
        use apps::InviteRefusal as Invite;
        use storage::Error as Storage;
        let problem = String::from("secret detail");
        let errors: Vec<Error> = vec![
            Error::unauthorized(),
            Error::viewer_required(),
            Error::forbidden("Only the owner of the app may do that."),
            Error::not_found(),
            Error::body_too_large(),
            Error::unprocessable("missing field `login`"),
            Error::internal(&io::Error::other("secret detail")),
            Storage::NotFound { what: "app" }.into(),
            Storage::Conflict { what: "slug" }.into(),
            Storage::InUse.into(),
            Storage::InvalidText.into(),
            Storage::DiskFull.into(),
            Storage::Unavailable {
                problem: problem.clone(),
            }
            .into(),
            Storage::Database { problem }.into(),
            Busy {
                retry_after: Duration::from_millis(1500),
            }
            .into(),
            accounts::PasswordError::TooShort.into(),
            accounts::proof::ProofTooOld.into(),
            Invite::Accepted.into(),
            Invite::Revoked.into(),
            Invite::Expired.into(),
            Invite::OtherAddress.into(),
            apps::TooManyAddresses.into(),
            kv::KeyError::Empty.into(),
            kv::ValueError::TooLarge {
                bytes: 300_000,
                limit: 262_144,
            }
            .into(),
            kv::ValueError::NotJson { line: 1, column: 2 }.into(),
            kv::ValueError::TooDeep.into(),
            kv::AppendError::NotAList { found: "a text" }.into(),
            kv::IncrementError::NotANumber { found: "a text" }.into(),
            kv::IncrementError::Overflow.into(),
            kv::ViewerRequired.into(),
        ];
        let line = |error: &Error| {
            let headers: Vec<_> = error
                .headers
                .iter()
                .map(|(name, value)| format!(" {name}={value:?}"))
                .collect();
            let extra = Value::Object(error.extra.clone());
            format!(
                "{} {}: {} {extra}{}",
                error.status.as_u16(),
                error.code,
                error.message,
                headers.concat()
            )
        };
        let lines: Vec<String> = errors.iter().map(line).collect();
        assert!(!lines.concat().contains("secret detail"));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
