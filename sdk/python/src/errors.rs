//! Rust errors as the exceptions of `vestibule.errors`.

use pyo3::{PyErr, import_exception};
use token::VerifyError;
use vestibule_client::{CheckError, Refusal, Unavailable};

import_exception!(vestibule.errors, ConfigurationError);
import_exception!(vestibule.errors, IdentityUnavailable);
import_exception!(vestibule.errors, InvalidToken);

/// The token is refused.
pub(crate) fn refused(refusal: Refusal) -> PyErr {
    InvalidToken::new_err(refusal.as_str())
}

/// It cannot be known whether the token is good.
pub(crate) fn unavailable(unavailable: &Unavailable) -> PyErr {
    IdentityUnavailable::new_err((unavailable.cause(), 1_u32, unavailable.to_string()))
}

/// Either of the two.
pub(crate) fn failed(error: CheckError) -> PyErr {
    match error {
        CheckError::Refused(refusal) => refused(refusal),
        CheckError::Unavailable(what) => unavailable(&what),
    }
}

/// What [`token::verify_payload`] says.
pub(crate) fn invalid_token(error: VerifyError) -> PyErr {
    refused(match error {
        VerifyError::Claims => Refusal::InvalidPayload,
        _ => Refusal::Invalid,
    })
}

/// What is wrong with something that was configured.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes errors by value"
)]
pub(crate) fn configuration(error: impl ToString) -> PyErr {
    ConfigurationError::new_err(error.to_string())
}
