//! `vestibule._core`: the Rust core of the Python SDK. Private; the typed modules beside it are the public face.

mod background;
mod claims;
mod client;
mod errors;
mod keys;
mod log;
mod options;
mod process;
mod statistics;
mod values;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use pyo3::prelude::*;

    /// The version of the distribution.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::{
        claims::verify,
        client::Client,
        keys::{EventKey, Keys, SigningKey, verify_signature},
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::process::watch_forks(module)
    }
}
