//! Values between Python and Rust: tokens as they arrive, JSON in both directions.

use pyo3::{
    prelude::*,
    types::{PyDict, PyList, PyNone, PyString},
};
use serde_json::{Value, value::RawValue};

use crate::errors::InvalidToken;

/// A token as `str` or as the bytes of a header. What is no text at all is an invalid token, not a crash.
pub(crate) fn token_text<'a>(token: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    if let Ok(text) = token.cast::<PyString>() {
        return text.to_str().map_err(|_| InvalidToken::new_err("invalid"));
    }
    let bytes = token.extract::<&[u8]>()?;
    std::str::from_utf8(bytes).map_err(|_| InvalidToken::new_err("invalid"))
}

/// A JSON value as Python's `json` would read it.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => PyNone::get(py).to_owned().into_any(),
        Value::Bool(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into_pyobject(py)?.into_any(),
            (None, Some(number), _) => number.into_pyobject(py)?.into_any(),
            (None, None, number) => number.into_pyobject(py)?.into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let items = items.iter().map(|item| to_python(py, item));
            PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        Value::Object(members) => {
            let dict = PyDict::new(py);
            for (name, value) in members {
                dict.set_item(name, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// The JSON text of a Python value, written by Python's own `json`, so that its order is kept.
pub(crate) fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Box<RawValue>> {
    let py = value.py();
    let options = PyDict::new(py);
    options.set_item("separators", (",", ":"))?;
    options.set_item("allow_nan", false)?;
    let text: String = py
        .import("json")?
        .call_method("dumps", (value,), Some(&options))?
        .extract()?;
    RawValue::from_string(text)
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
}
