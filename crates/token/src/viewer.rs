//! Viewer tokens: who is looking at an app.
//!
//! A viewer token is a JWT under a key of its own for each app. The app has that key and verifies with the standard
//! library of its language; since it could therefore forge tokens for itself, the server never believes the signature.
//! It believes `cap`, a MAC over the claims that carry authority, under a key that no app has.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, AppId, GroupId, SessionId};
use jiff::Timestamp;
use secret::{Secret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::jws;

/// How long a viewer token is accepted after its issue: 15 minutes.
pub const LIFETIME: Duration = Duration::from_mins(15);
/// How far the clocks of server and app may differ when an app verifies.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The longest viewer token that is looked at.
const MAXIMUM_BYTES: usize = 4096;

/// The key under which one app's viewer tokens are signed; the app is given it.
#[derive(Clone)]
pub struct ViewerKey {
    key: hmac::Key,
    hex: SecretString,
}

/// The key of the `cap` claim; no app is given it.
#[derive(Clone)]
pub struct CapKey(hmac::Key);

/// What a viewer is to the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewerRole {
    /// Who published the app.
    Owner,
    /// Who was invited.
    Member,
    /// Who came by themselves to an app open to all.
    Visitor,
}

impl ViewerRole {
    /// The lower-case name used in the token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Visitor => "visitor",
        }
    }
}

/// What a viewer token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerClaims {
    /// The server's issuer address, `iss`.
    pub issuer: String,
    /// The app it is for, `aud`.
    pub app: AppId,
    /// The viewer, `sub`.
    pub account: AccountId,
    /// The viewer's address.
    pub email: String,
    /// The viewer's name in the server.
    pub username: String,
    /// Whether the address was proven to be the viewer's.
    pub verified: bool,
    /// The share group whose `shared:` data they see, `grp`.
    pub group: GroupId,
    /// What they are to the app.
    pub role: ViewerRole,
    /// The shell session it stands on, `sid`.
    pub session: SessionId,
    /// When it was made, `iat`; whole seconds.
    pub issued_at: Timestamp,
    /// Refused from here on, `exp`; whole seconds.
    pub expires_at: Timestamp,
    /// Tells one token from another, `jti`.
    pub jti: Uuid,
}

/// What the server believes of a viewer token: the part that `cap` covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedViewer {
    /// The app it is for.
    pub app: AppId,
    /// The viewer.
    pub account: AccountId,
    /// The share group whose `shared:` data they see.
    pub group: GroupId,
    /// What they are to the app.
    pub role: ViewerRole,
    /// The shell session it stands on.
    pub session: SessionId,
    /// When the token ends, without any grace.
    pub expires_at: Timestamp,
    /// Tells one token from another.
    pub jti: Uuid,
}

/// Why a viewer token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ViewerError {
    /// It is no viewer token at all, or an algorithm other than HS256 is named.
    #[error("not a viewer token")]
    Malformed,
    /// It was signed under another key or altered.
    #[error("not a viewer token of this server")]
    Forged,
    /// It is for another app.
    #[error("a viewer token of another app")]
    OtherApp,
    /// It was good once.
    #[error("the viewer token has expired")]
    Expired,
}

impl ViewerKey {
    pub(crate) fn from_bytes(bytes: &Secret<[u8; 32]>) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()),
            hex: Secret::new(hex::encode(bytes.expose())),
        }
    }

    /// The key as an app is given it: 64 hexadecimal digits of the 32 bytes that HMAC-SHA256 is keyed with.
    pub fn to_hex(&self) -> SecretString {
        self.hex.clone()
    }
}

impl CapKey {
    pub(crate) fn from_bytes(bytes: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()))
    }

    fn context(&self, claims: &WireClaims<'_>) -> hmac::Context {
        let mut input = hmac::Context::with_key(&self.0);
        let texts = [
            claims.jti,
            claims.sub,
            claims.aud,
            claims.grp,
            claims.role,
            claims.sid,
        ];
        for text in texts {
            input.update(&(text.len() as u64).to_be_bytes());
            input.update(text.as_bytes());
        }
        input.update(&claims.exp.to_be_bytes());
        input
    }
}

impl fmt::Debug for ViewerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewerKey(…)")
    }
}

impl fmt::Debug for CapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapKey(…)")
    }
}

/// The payload as it is written. Every text is ASCII or plain UTF-8 without escapes, except the two that name a person.
#[derive(Serialize, Deserialize)]
struct WireClaims<'a> {
    iss: std::borrow::Cow<'a, str>,
    aud: &'a str,
    sub: &'a str,
    email: std::borrow::Cow<'a, str>,
    username: std::borrow::Cow<'a, str>,
    verified: bool,
    grp: &'a str,
    role: &'a str,
    sid: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    cap: &'a str,
}

/// Makes a viewer token.
pub fn mint(claims: &ViewerClaims, key: &ViewerKey, cap: &CapKey) -> SecretString {
    let [jti, sub, aud, grp, sid] = [
        claims.jti,
        claims.account.as_uuid(),
        claims.app.as_uuid(),
        claims.group.as_uuid(),
        claims.session.as_uuid(),
    ]
    .map(|uuid| uuid.to_string());
    let mut wire = WireClaims {
        iss: claims.issuer.as_str().into(),
        aud: &aud,
        sub: &sub,
        email: claims.email.as_str().into(),
        username: claims.username.as_str().into(),
        verified: claims.verified,
        grp: &grp,
        role: claims.role.as_str(),
        sid: &sid,
        iat: claims.issued_at.as_second(),
        exp: claims.expires_at.as_second(),
        jti: &jti,
        cap: "",
    };
    let mac = URL_SAFE_NO_PAD.encode(cap.context(&wire).sign());
    wire.cap = &mac;

    let mut token = jws::HS256_HEADER.to_owned();
    token.push('.');
    let payload = serde_json::to_vec(&wire).expect("texts and numbers always become JSON");
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = hmac::sign(&key.key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Secret::new(token)
}

/// Verifies what the server itself believes of a viewer token. `grace` is added to its end, for work that began while
/// it was good.
pub fn verify_cap(
    token: &str,
    app: AppId,
    key: &CapKey,
    now: Timestamp,
    grace: Duration,
) -> Result<TrustedViewer, ViewerError> {
    let parts = split(token)?;
    let wire: WireClaims<'_> =
        serde_json::from_slice(&parts.payload).map_err(|_| ViewerError::Malformed)?;
    let presented = URL_SAFE_NO_PAD
        .decode(wire.cap)
        .map_err(|_| ViewerError::Malformed)?;
    let expected = key.context(&wire).sign();
    aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), &presented)
        .map_err(|_| ViewerError::Forged)?;
    let trusted = trusted(&wire)?;
    check(&trusted, app, now, grace)?;
    Ok(trusted)
}

/// Verifies a viewer token as the app does: under the app's own key, with [`LEEWAY`]. It proves nothing to the server.
pub fn verify(
    token: &str,
    app: AppId,
    key: &ViewerKey,
    now: Timestamp,
) -> Result<ViewerClaims, ViewerError> {
    let parts = split(token)?;
    hmac::verify(&key.key, parts.signed.as_bytes(), &parts.signature)
        .map_err(|_| ViewerError::Forged)?;
    let wire: WireClaims<'_> =
        serde_json::from_slice(&parts.payload).map_err(|_| ViewerError::Malformed)?;
    let trusted = trusted(&wire)?;
    check(&trusted, app, now, LEEWAY)?;
    Ok(ViewerClaims {
        issuer: wire.iss.into_owned(),
        app: trusted.app,
        account: trusted.account,
        email: wire.email.into_owned(),
        username: wire.username.into_owned(),
        verified: wire.verified,
        group: trusted.group,
        role: trusted.role,
        session: trusted.session,
        issued_at: timestamp(wire.iat)?,
        expires_at: trusted.expires_at,
        jti: trusted.jti,
    })
}

struct Parts<'a> {
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn split(token: &str) -> Result<Parts<'_>, ViewerError> {
    if token.len() > MAXIMUM_BYTES {
        return Err(ViewerError::Malformed);
    }
    let parts = jws::split(token).map_err(|_| ViewerError::Malformed)?;
    // Only we make these tokens, and always with this header.
    if parts.header_text != jws::HS256_HEADER {
        return Err(ViewerError::Malformed);
    }
    Ok(Parts {
        signed: parts.signed,
        payload: parts.payload,
        signature: parts.signature,
    })
}

fn trusted(wire: &WireClaims<'_>) -> Result<TrustedViewer, ViewerError> {
    let uuid = |text: &str| Uuid::try_parse(text).map_err(|_| ViewerError::Malformed);
    Ok(TrustedViewer {
        app: AppId::from_uuid(uuid(wire.aud)?),
        account: AccountId::from_uuid(uuid(wire.sub)?),
        group: GroupId::from_uuid(uuid(wire.grp)?),
        role: match wire.role {
            "owner" => ViewerRole::Owner,
            "member" => ViewerRole::Member,
            "visitor" => ViewerRole::Visitor,
            _ => return Err(ViewerError::Malformed),
        },
        session: SessionId::from_uuid(uuid(wire.sid)?),
        expires_at: timestamp(wire.exp)?,
        jti: uuid(wire.jti)?,
    })
}

fn timestamp(seconds: i64) -> Result<Timestamp, ViewerError> {
    Timestamp::from_second(seconds).map_err(|_| ViewerError::Malformed)
}

fn check(
    viewer: &TrustedViewer,
    app: AppId,
    now: Timestamp,
    grace: Duration,
) -> Result<(), ViewerError> {
    if viewer.app != app {
        return Err(ViewerError::OtherApp);
    }
    // RFC 7519 §4.1.4: refused on the instant of `exp` and after it.
    let end = viewer
        .expires_at
        .saturating_add(grace)
        .map_err(|_| ViewerError::Malformed)?;
    if now >= end {
        return Err(ViewerError::Expired);
    }
    Ok(())
}
