//! Opaque tokens: a prefix that tells what a token is for, and 256 random bits.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secret::{Secret, SecretString};
use zeroize::{Zeroize, Zeroizing};

/// What an opaque token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpaqueKind {
    /// A session: a browser's cookie, or the bearer token of the command line.
    Session,
    /// A refresh token.
    Refresh,
    /// A one-time sign-in link.
    Link,
    /// An invitation to an app.
    Invite,
    /// The one-time code that carries a sign-in from the shell to an app's origin.
    Handoff,
    /// The secret with which a command line asks whether its browser sign-in was approved.
    CliLogin,
    /// A mailed proof of an address. Clients know this prefix and the two that follow.
    VerifyEmail,
    /// A mailed right to set a new password.
    ResetPassword,
    /// A mailed proof of the address that an account is to change to.
    ChangeEmail,
    /// A right to take a change of address back, mailed to the address before it.
    UndoEmailChange,
    /// The secret of a service that calls the issuer in its own name.
    Service,
    /// What a browser keeps between the two steps of a sign-in, or between a passkey's challenge and its answer.
    Ceremony,
}

impl OpaqueKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Session,
        Self::Refresh,
        Self::Link,
        Self::Invite,
        Self::Handoff,
        Self::CliLogin,
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::UndoEmailChange,
        Self::Service,
        Self::Ceremony,
    ];

    /// The prefix of the token's text.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "vst_s_",
            Self::Refresh => "vst_r_",
            Self::Link => "vst_l_",
            Self::Invite => "vst_i_",
            Self::Handoff => "vst_h_",
            Self::CliLogin => "vst_c_",
            Self::VerifyEmail => "m8vfy_",
            Self::ResetPassword => "m8rst_",
            Self::ChangeEmail => "m8eml_",
            Self::UndoEmailChange => "vst_u_",
            Self::Service => "vst_x_",
            Self::Ceremony => "vst_y_",
        }
    }
}

/// An opaque token: its kind and 32 random bytes. Only its [`digest`](Self::digest) is ever stored.
pub struct OpaqueToken {
    kind: OpaqueKind,
    random: Secret<[u8; 32]>,
}

/// Why a text is no token of the expected kind. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpaqueError {
    /// The prefix of another kind, or none.
    #[error("not a token of the expected kind")]
    OtherKind,
    /// The right prefix, but not 43 characters of base64url after it.
    #[error("not a complete token; it may have been cut off when it was copied")]
    Malformed,
}

impl OpaqueToken {
    /// Makes a token from random bytes, which must come from a cryptographic source.
    pub const fn generate(kind: OpaqueKind, random: [u8; 32]) -> Self {
        Self {
            kind,
            random: Secret::new(random),
        }
    }

    /// Reads a token from outside and checks that it is of the kind `expected`.
    pub fn parse(expected: OpaqueKind, text: &str) -> Result<Self, OpaqueError> {
        let encoded = text
            .strip_prefix(expected.prefix())
            .ok_or(OpaqueError::OtherKind)?;
        // One spelling only: the decoder refuses padding, other alphabets and stray bits.
        let mut random = [0; 32];
        let mut decoded = Zeroizing::new([0; 33]);
        match URL_SAFE_NO_PAD.decode_slice(encoded, decoded.as_mut_slice()) {
            Ok(32) => random.copy_from_slice(&decoded[..32]),
            _ => return Err(OpaqueError::Malformed),
        }
        let token = Self::generate(expected, random);
        random.zeroize();
        Ok(token)
    }

    /// What the token is for.
    pub const fn kind(&self) -> OpaqueKind {
        self.kind
    }

    /// The text to hand out: prefix and 43 characters of base64url.
    pub fn reveal(&self) -> SecretString {
        let mut text = String::with_capacity(49);
        text.push_str(self.kind.prefix());
        URL_SAFE_NO_PAD.encode_string(self.random.expose(), &mut text);
        Secret::new(text)
    }

    /// SHA-256 of the token's text, which is what storage knows.
    pub fn digest(&self) -> [u8; 32] {
        let text = self.reveal();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.expose().as_bytes()).as_ref());
        bytes
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpaqueToken({:?}, …)", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_kind() -> impl Strategy<Value = OpaqueKind> {
        proptest::sample::select(OpaqueKind::ALL.as_slice())
    }

    #[test]
    fn a_token_of_one_kind_is_refused_as_another() {
        let session = OpaqueToken::generate(OpaqueKind::Session, [7; 32]).reveal();
        assert_eq!(
            OpaqueToken::parse(OpaqueKind::Refresh, session.expose()).err(),
            Some(OpaqueError::OtherKind)
        );
    }

    #[test]
    fn a_token_has_one_spelling_only() {
        let text = OpaqueToken::generate(OpaqueKind::Link, [0xff; 32]).reveal();
        let good = text.expose();
        assert_eq!(good.len(), 49);
        let cut = &good[..48];
        let stray_bits = format!("{cut}9");
        for bad in [
            cut,
            &format!("{good}A"),
            &format!("{good}="),
            &stray_bits,
            &format!(" {good}"),
        ] {
            assert!(OpaqueToken::parse(OpaqueKind::Link, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_output_hides_the_token() {
        let token = OpaqueToken::generate(OpaqueKind::Session, [1; 32]);
        assert_eq!(format!("{token:?}"), "OpaqueToken(Session, …)");
    }

    proptest! {
        #[test]
        fn a_token_survives_printing_and_parsing(kind in any_kind(), random: [u8; 32]) {
            let token = OpaqueToken::generate(kind, random);
            let text = token.reveal();
            let read = OpaqueToken::parse(kind, text.expose()).expect("its own text");
            prop_assert_eq!(read.digest(), token.digest());
            prop_assert_eq!(read.kind(), kind);
        }

        #[test]
        fn any_text_is_refused_without_a_panic(kind in any_kind(), text: String, tail in "[A-Za-z0-9_=-]{0,60}") {
            let _ = OpaqueToken::parse(kind, &text);
            let prefixed = format!("{}{tail}", kind.prefix());
            if let Ok(token) = OpaqueToken::parse(kind, &prefixed) {
                let shown = token.reveal();
                prop_assert_eq!(shown.expose(), &prefixed);
            }
        }
    }
}
