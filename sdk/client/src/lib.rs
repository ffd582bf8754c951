//! The part of the SDKs that talks to the issuer: verifies access tokens with its published keys and hears of revocations.
//!
//! Framework-free: the Python SDK and the one for axum stand on the same crate.
