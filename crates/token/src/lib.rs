//! Tokens: made, signed and verified at a given time.
//!
//! - [`SigningKey`], [`VerifyingKey`], [`KeySet`] and [`verify`]: access tokens as JWT (RFC 7519) under RS256, ES256
//!   or HS256, with the advice of RFC 8725.
//! - [`verify_id_token`]: ID tokens of outside identity providers (OpenID Connect).
//! - [`OpaqueToken`]: sessions, refresh tokens, links and invitations, of which only a digest is kept.
//! - [`viewer`]: what an app and the data API learn of the person in front of them.
//! - [`EventKey`]: the signature of events that services are told.
//! - [`ServiceKeys`]: what services prove themselves with.
//! - [`MasterKey`]: the one secret of a server, and everything that is derived from it.
//! - [`ApiKeyText`]: API keys, of which only a digest is kept.
//! - [`rotation`]: when a signing key may sign, and when it may go.
//! - [`sealed`]: secrets at rest and cookies that cannot be forged.
//!
//! No I/O and no clock. Randomness is an argument, except where a key pair is generated or ECDSA signs: there the
//! cryptographic library insists on the system's own source.

mod api_key;
mod claims;
mod event;
mod id_token;
mod jwk;
mod jws;
mod key;
mod master;
mod opaque;
mod pem;
pub mod rotation;
pub mod sealed;
mod service;
mod verify;
pub mod viewer;

pub use api_key::{ApiKeyText, ApiKeyTextError};
pub use claims::{AccessClaims, TokenType};
pub use event::{EventKey, canonical, event_text};
pub use id_token::{ID_TOKEN_ALGORITHMS, IdClaims, IdExpectations, IdTokenError, verify_id_token};
pub use jws::{Algorithm, JwsError, MAXIMUM_TOKEN_BYTES};
pub use key::{KeyError, KeySet, SigningKey, VerifyingKey};
pub use master::{AppKeyError, MacKey, MasterKey, MasterKeyError};
pub use opaque::{OpaqueError, OpaqueKind, OpaqueToken};
pub use service::{ServiceClaims, ServiceKeys, ServiceTokenError};
pub use verify::{Expectations, VerifyError, unverified_payload, verify, verify_payload};
