//! What each kind of rule error is answered with.

use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use http::StatusCode;

use super::{Error, sentence};
use crate::{
    actions::publish::{ActivateError, LogError, OptionsError, PublishError, RollbackError},
    hasher::Busy,
};

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        use storage::Error as Storage;
        match &error {
            Storage::NotFound { .. } => Self::not_found(),
            Storage::Conflict { what } => Self::taken(what),
            Storage::InUse => Self::new(
                StatusCode::CONFLICT,
                "in_use",
                "Others still depend on this; remove those first.",
            ),
            Storage::InvalidText => {
                Self::bad_request("bad_text", "A text holds the character NUL; remove it.")
            }
            Storage::DiskFull
            | Storage::Busy { .. }
            | Storage::Unavailable { .. }
            | Storage::Closed => Self::unavailable(&error),
            Storage::Corrupt { .. }
            | Storage::NewerSchema { .. }
            | Storage::CannotOpen { .. }
            | Storage::Panicked
            | Storage::Aborted
            | Storage::Database { .. } => Self::internal(&error),
        }
    }
}

impl From<token::rotation::Refusal> for Error {
    fn from(refusal: token::rotation::Refusal) -> Self {
        use token::rotation::Refusal;
        let code = match refusal {
            Refusal::Unknown { .. } => {
                return Self::new(StatusCode::NOT_FOUND, "key_unknown", sentence(refusal));
            }
            Refusal::Planned { .. } => "key_planned",
            Refusal::NothingPlanned => "no_key_planned",
            Refusal::TooEarly { .. } => "key_too_early",
            Refusal::Known { .. } => "key_known",
            Refusal::SignsNow { .. } => "key_signs",
            Refusal::TokensLive { .. } => "key_tokens_live",
        };
        Self::new(StatusCode::CONFLICT, code, sentence(refusal))
    }
}

impl From<accounts::api_key::WishError> for Error {
    fn from(error: accounts::api_key::WishError) -> Self {
        use accounts::api_key::WishError;
        let field = match error {
            WishError::Name => "name",
            WishError::Hours => "ttl_hours",
            WishError::Audience | WishError::Audiences => "audiences",
        };
        Self::field(field, error)
    }
}

impl From<token::KeyError> for Error {
    fn from(error: token::KeyError) -> Self {
        Self::bad_request("bad_key_file", sentence(error))
    }
}

impl From<accounts::EmailError> for Error {
    fn from(error: accounts::EmailError) -> Self {
        Self::field("email", error)
    }
}

impl From<accounts::UsernameError> for Error {
    fn from(error: accounts::UsernameError) -> Self {
        Self::field("username", error)
    }
}

impl From<accounts::PasswordError> for Error {
    fn from(error: accounts::PasswordError) -> Self {
        Self::field("password", error)
    }
}

impl From<accounts::proof::ProofTooOld> for Error {
    fn from(error: accounts::proof::ProofTooOld) -> Self {
        let code = crate::actions::accounts::RECENT_PROOF_REQUIRED;
        Self::new(StatusCode::FORBIDDEN, code, sentence(error))
    }
}

impl From<accounts::AuthorityRefusal> for Error {
    fn from(refusal: accounts::AuthorityRefusal) -> Self {
        use accounts::AuthorityRefusal as Refusal;
        let (status, code) = match refusal {
            Refusal::RaisesOwnRole => (StatusCode::FORBIDDEN, "raises_own_role"),
            Refusal::OutOfReach => (StatusCode::FORBIDDEN, "out_of_reach"),
            Refusal::LastSuperuser => (StatusCode::CONFLICT, "last_superuser_required"),
        };
        Self::new(status, code, sentence(refusal))
    }
}

impl From<accounts::ChallengeInvalid> for Error {
    fn from(error: accounts::ChallengeInvalid) -> Self {
        Self::bad_request("challenge_invalid", sentence(error))
    }
}

impl From<accounts::totp::CodeRefusal> for Error {
    fn from(error: accounts::totp::CodeRefusal) -> Self {
        let code = crate::actions::accounts::factors::WRONG_CODE;
        Self::new(StatusCode::UNAUTHORIZED, code, sentence(error)).with("field", "code")
    }
}

impl From<accounts::passkey::MayBeCopied> for Error {
    fn from(error: accounts::passkey::MayBeCopied) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "passkey_may_be_copied",
            sentence(error),
        )
    }
}

impl From<apps::InviteRefusal> for Error {
    fn from(refusal: apps::InviteRefusal) -> Self {
        use apps::InviteRefusal as Refusal;
        let status = match refusal {
            Refusal::Accepted | Refusal::Revoked | Refusal::Expired => StatusCode::GONE,
            Refusal::OtherAddress => StatusCode::FORBIDDEN,
        };
        let code = match refusal {
            Refusal::Accepted => "invite_accepted",
            Refusal::Revoked => "invite_revoked",
            Refusal::Expired => "invite_expired",
            Refusal::OtherAddress => "invite_for_another",
        };
        Self::new(status, code, sentence(refusal))
    }
}

impl From<apps::TooManyAddresses> for Error {
    fn from(error: apps::TooManyAddresses) -> Self {
        Self::bad_request("too_many_addresses", sentence(error))
    }
}

impl From<apps::TextError> for Error {
    fn from(error: apps::TextError) -> Self {
        Self::bad_request("bad_name", sentence(error))
    }
}

impl From<kv::KeyError> for Error {
    fn from(error: kv::KeyError) -> Self {
        Self::bad_request("bad_key", sentence(error))
    }
}

impl From<kv::ValueError> for Error {
    fn from(error: kv::ValueError) -> Self {
        match error {
            kv::ValueError::TooLarge { bytes, limit } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "value_too_large",
                sentence(&error),
            )
            .with("size", bytes)
            .with("limit", limit),
            kv::ValueError::NotJson { .. } | kv::ValueError::TooDeep => {
                Self::bad_request("bad_value", sentence(error))
            }
        }
    }
}

impl From<kv::AppendError> for Error {
    fn from(error: kv::AppendError) -> Self {
        Self::bad_request("not_a_list", sentence(error))
    }
}

impl From<kv::IncrementError> for Error {
    fn from(error: kv::IncrementError) -> Self {
        let code = match error {
            kv::IncrementError::NotANumber { .. } => "not_a_number",
            kv::IncrementError::Overflow => "out_of_range",
        };
        Self::bad_request(code, sentence(error))
    }
}

impl From<kv::ViewerRequired> for Error {
    fn from(_: kv::ViewerRequired) -> Self {
        Self::viewer_required()
    }
}

impl From<Busy> for Error {
    fn from(busy: Busy) -> Self {
        Self::too_many(
            "busy",
            "Too many people are signing in at once; try again in a moment.",
            busy.retry_after,
        )
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send JSON with `Content-Type: application/json`.",
            ),
            JsonRejection::JsonSyntaxError(error) => Self::bad_request(
                "bad_json",
                format!("The body is not JSON: {}.", cause_text(&error)),
            ),
            JsonRejection::JsonDataError(error) => Self::unprocessable(cause_text(&error)),
            rejection => Self::unreadable_body(rejection.status()),
        }
    }
}

impl From<FormRejection> for Error {
    fn from(rejection: FormRejection) -> Self {
        match rejection {
            FormRejection::InvalidFormContentType(_) => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send a form with `Content-Type: application/x-www-form-urlencoded`.",
            ),
            FormRejection::FailedToDeserializeForm(error) => {
                Self::unprocessable(cause_text(&error))
            }
            FormRejection::FailedToDeserializeFormBody(error) => {
                Self::unprocessable(cause_text(&error))
            }
            rejection => Self::unreadable_body(rejection.status()),
        }
    }
}

impl From<PathRejection> for Error {
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(
            "bad_query",
            format!("The query cannot be read: {}.", cause_text(&rejection)),
        )
    }
}

impl From<OptionsError> for Error {
    fn from(error: OptionsError) -> Self {
        match error {
            OptionsError::Slug(_) => Self::bad_request("bad_slug", error.to_string()),
            OptionsError::Text { .. } => Self::bad_request("bad_text", error.to_string()),
            OptionsError::Entry(_) => Self::bad_request("bad_entry", error.to_string()),
        }
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        let text = error.to_string();
        match error {
            PublishError::Busy { .. } => {
                Self::new(StatusCode::CONFLICT, "publish_in_progress", text)
            }
            PublishError::Taken(_) => Self::new(StatusCode::CONFLICT, "slug_taken", text),
            PublishError::TooMany(limit) => Self::forbidden(text).with("limit", limit),
        }
    }
}

impl From<ActivateError> for Error {
    fn from(error: ActivateError) -> Self {
        if let ActivateError::Records(error) = error {
            return error;
        }
        let failure = error.into_failure();
        // 409: the app's own state forbids it; the server is fine, and so is the request.
        Self::new(StatusCode::CONFLICT, "start_failed", failure.message)
            .with("log", failure.log.join("\n"))
    }
}

impl From<RollbackError> for Error {
    fn from(error: RollbackError) -> Self {
        let text = error.to_string();
        match error {
            RollbackError::Busy(error) => error.into(),
            RollbackError::Activate(error) => error.into(),
            RollbackError::Storage(error) => error.into(),
            RollbackError::Target(_) | RollbackError::NeverPublished => {
                Self::new(StatusCode::CONFLICT, "no_such_version", text)
            }
        }
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NoVersion => Self::not_found(),
            LogError::Storage(error) => error.into(),
            LogError::Read(error) => Self::internal(&error),
        }
    }
}

/// The innermost cause, shortened: what the client sent may be quoted in it.
fn cause_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
        .to_string()
        .chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}
