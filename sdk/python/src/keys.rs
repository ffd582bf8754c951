//! Keys that verify, keys that sign, and the key of signed events.

use std::sync::Arc;

use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyDict, PyType},
};
use secret::Secret;
use serde_json::Value;
use token::{Algorithm, KeySet, VerifyingKey};

use crate::{
    errors::{configuration, invalid_token},
    values::{to_json, to_python, token_text},
};

/// Reads the registered name of an algorithm (RFC 7518 §3.1) out of the three there are.
pub(crate) fn algorithm(name: &str) -> PyResult<Algorithm> {
    Algorithm::from_name(name).ok_or_else(|| {
        configuration(format!(
            "unknown algorithm {name:?}; expected RS256, ES256 or HS256"
        ))
    })
}

/// Keys that verify tokens.
#[pyclass(frozen, module = "vestibule._core")]
pub(crate) struct Keys(pub(crate) Arc<KeySet>);

#[pymethods]
impl Keys {
    #[classmethod]
    fn from_pem(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        let key = VerifyingKey::from_pem(text).map_err(configuration)?;
        Ok(Self(Arc::new(KeySet::alone(key))))
    }

    #[classmethod]
    fn from_secret(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        let secret = Secret::new(text.as_bytes().to_vec());
        let key = VerifyingKey::from_secret(&secret).map_err(configuration)?;
        Ok(Self(Arc::new(KeySet::alone(key))))
    }

    #[classmethod]
    fn from_jwks(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        let keys = KeySet::from_jwks(text)
            .map_err(|_| configuration("not a JWK set: expected a JSON object with `keys`"))?;
        Ok(Self(Arc::new(keys)))
    }

    /// The ids of the keys that have one.
    #[getter]
    fn kids(&self) -> Vec<&str> {
        self.0.keys().iter().filter_map(VerifyingKey::kid).collect()
    }

    /// The public keys as the text of a JWK set. Secret keys are never in it.
    fn to_jwks(&self) -> String {
        self.0.to_jwks().to_string()
    }

    /// The key of that id as `PUBLIC KEY` in PEM, or without an id the first; `None` if there is no such key.
    #[pyo3(signature = (kid=None))]
    fn public_pem(&self, kid: Option<&str>) -> PyResult<Option<String>> {
        let fits = |key: &&VerifyingKey| kid.is_none() || key.kid() == kid;
        let key = self.0.keys().iter().find(fits);
        key.map(VerifyingKey::to_public_pem)
            .transpose()
            .map_err(configuration)
    }

    fn __len__(&self) -> usize {
        self.0.keys().len()
    }
}

/// Verifies the signature and the header alone and gives the claims, which nobody has looked at.
#[pyfunction]
#[pyo3(signature = (token, keys, *, algorithm))]
pub(crate) fn verify_signature<'py>(
    py: Python<'py>,
    token: &Bound<'py, PyAny>,
    keys: &Keys,
    algorithm: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let algorithm = self::algorithm(algorithm)?;
    let token = token_text(token)?;
    let claims = py.detach(|| {
        let payload = token::verify_payload(token, &keys.0, &[algorithm]).map_err(invalid_token)?;
        serde_json::from_slice::<serde_json::Map<String, Value>>(&payload)
            .map_err(|_| invalid_token(token::VerifyError::Claims))
    })?;
    to_python(py, &Value::Object(claims))
}

/// A key that signs tokens: for tests, and for whoever issues them in tests.
#[pyclass(frozen, module = "vestibule._core")]
pub(crate) struct SigningKey(token::SigningKey);

#[pymethods]
impl SigningKey {
    #[classmethod]
    fn generate(class: &Bound<'_, PyType>, algorithm: &str) -> PyResult<Self> {
        let algorithm = self::algorithm(algorithm)?;
        class
            .py()
            .detach(|| token::SigningKey::generate(algorithm))
            .map(Self)
            .map_err(configuration)
    }

    #[classmethod]
    fn from_pem(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        token::SigningKey::from_pem(text)
            .map(Self)
            .map_err(configuration)
    }

    #[classmethod]
    fn from_secret(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        let secret = Secret::new(text.as_bytes().to_vec());
        token::SigningKey::from_bytes(Algorithm::Hs256, &secret)
            .map(Self)
            .map_err(configuration)
    }

    #[getter]
    fn algorithm(&self) -> &'static str {
        self.0.algorithm().as_str()
    }

    #[getter]
    fn kid(&self) -> Option<&str> {
        self.0.kid()
    }

    /// The key that verifies what this one signs.
    fn keys(&self) -> Keys {
        Keys(Arc::new(KeySet::new([self.0.verifying_key()])))
    }

    /// The public half as a JWK (RFC 7517 §4).
    fn jwk<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let set = KeySet::new([self.0.verifying_key()]).to_jwks();
        match set.pointer("/keys/0") {
            Some(jwk) => to_python(py, jwk),
            None => Err(configuration("an HS256 key has no public half")),
        }
    }

    /// The public half as `PUBLIC KEY` in PEM.
    fn public_pem(&self) -> PyResult<String> {
        self.0.to_public_pem().map_err(configuration)
    }

    /// Signs any claims; nothing in them is checked.
    fn sign(&self, claims: &Bound<'_, PyDict>) -> PyResult<String> {
        let payload = to_json(claims)?;
        let token = claims.py().detach(|| self.0.sign(&payload));
        Ok(token.map_err(configuration)?.expose().clone())
    }

    fn __repr__(&self) -> String {
        format!("<{:?}>", self.0)
    }
}

/// The key under which events are signed.
#[pyclass(frozen, module = "vestibule._core")]
pub(crate) struct EventKey(token::EventKey);

#[pymethods]
impl EventKey {
    #[new]
    fn new(text: String) -> Self {
        Self(token::EventKey::new(&Secret::new(text)))
    }

    /// The signature of a payload that is given as JSON text: 64 lower-case hexadecimal digits.
    fn sign(&self, payload: &str) -> PyResult<String> {
        Ok(self.0.sign(&json(payload)?))
    }

    /// Whether this is the signature of the payload, in constant time.
    fn verify(&self, payload: &str, signature: &str) -> PyResult<bool> {
        Ok(self.0.verify(&json(payload)?, signature))
    }

    fn __repr__(&self) -> String {
        format!("<{:?}>", self.0)
    }
}

fn json(text: &str) -> PyResult<Value> {
    serde_json::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))
}
