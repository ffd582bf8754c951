//! Verified claims as a Python dictionary, and the pure verification for who brings their own keys.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pyo3::{prelude::*, types::PyDict};
use vestibule_client::{Claims, Expectations, Refusal, verify as verify_at};

use crate::{
    errors::{configuration, refused},
    keys::{self, Keys},
    values::{to_python, token_text},
};

/// The claims by the names that tokens use. What a token left out and has no default is left out here, too.
pub(crate) fn to_dict<'py>(py: Python<'py>, claims: &Claims) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("sub", &claims.sub)?;
    dict.set_item("type", "access")?;
    dict.set_item("jti", &claims.jti)?;
    dict.set_item("exp", claims.exp)?;
    set(&dict, "iat", claims.iat)?;
    set(&dict, "nbf", claims.nbf)?;
    set(&dict, "iss", claims.iss.as_deref())?;
    match claims.aud.as_slice() {
        [] => {}
        [one] => dict.set_item("aud", one)?,
        many => dict.set_item("aud", many)?,
    }
    dict.set_item("email", &claims.email)?;
    dict.set_item("role", claims.role.as_str())?;
    dict.set_item("is_superuser", claims.is_superuser)?;
    dict.set_item("is_active", claims.is_active)?;
    dict.set_item("email_verified", claims.email_verified)?;
    dict.set_item("full_name", claims.full_name.as_deref())?;
    dict.set_item("avatar", claims.avatar.as_deref())?;
    set(&dict, "tenant_id", claims.tenant_id.as_deref())?;
    set(&dict, "sid", claims.sid.as_deref())?;
    set(&dict, "gen", claims.generation)?;
    if !claims.amr.is_empty() {
        dict.set_item("amr", &claims.amr)?;
    }
    set(&dict, "acr", claims.acr.as_deref())?;
    set(&dict, "auth_time", claims.auth_time)?;
    Ok(dict)
}

/// The claims as they were sent, known or not.
pub(crate) fn raw<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let claims = serde_json::from_slice(payload).map_err(|_| refused(Refusal::InvalidPayload))?;
    to_python(py, &claims)
}

fn set<'py, T: IntoPyObject<'py>>(
    dict: &Bound<'py, PyDict>,
    name: &str,
    value: Option<T>,
) -> PyResult<()> {
    value.map_or(Ok(()), |value| dict.set_item(name, value))
}

/// Verifies a token with these keys, at the system's time unless `now` (Unix seconds) says otherwise.
#[pyfunction]
#[pyo3(signature = (
    token, keys, *, algorithm, issuer=None, audience=None, leeway=2.0, strict=true,
    consistent_privileges=true, uuid_subject=true, now=None,
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    token: &Bound<'py, PyAny>,
    keys: &Keys,
    algorithm: &str,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: f64,
    strict: bool,
    consistent_privileges: bool,
    uuid_subject: bool,
    now: Option<f64>,
) -> PyResult<Bound<'py, PyDict>> {
    let expected = Expectations {
        algorithm: keys::algorithm(algorithm)?,
        issuer,
        audience,
        leeway: Duration::try_from_secs_f64(leeway).map_err(configuration)?,
        strict,
        uuid_subject,
        agreeing_privileges: consistent_privileges,
    };
    let now = now.map_or_else(|| Ok(system_time()), instant)?;
    let token = token_text(token)?;
    let claims = py.detach(|| verify_at(token, &keys.0, &expected, now));
    to_dict(py, &claims.map_err(refused)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the caller asked for the system's time"
)]
fn system_time() -> Timestamp {
    Timestamp::now()
}

fn instant(unix_seconds: f64) -> PyResult<Timestamp> {
    SignedDuration::try_from_secs_f64(unix_seconds)
        .and_then(Timestamp::from_duration)
        .map_err(configuration)
}
