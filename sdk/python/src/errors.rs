//! Rust errors as the exceptions of `vestibule.errors`.

use pyo3::{PyErr, import_exception};
use token::VerifyError;

import_exception!(vestibule.errors, ConfigurationError);
import_exception!(vestibule.errors, IdentityUnavailable);
import_exception!(vestibule.errors, InvalidToken);

/// Why `error` refuses a token, as one of the reasons of `InvalidToken`.
pub(crate) fn invalid_token(error: VerifyError) -> PyErr {
    InvalidToken::new_err(match error {
        VerifyError::Expired => "expired",
        VerifyError::Claims => "invalid_payload",
        VerifyError::Privileges => "inconsistent_privilege_claims",
        _ => "invalid",
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
