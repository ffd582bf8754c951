//! What an access token says.

use ids::{AccountId, SessionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The value of the `type` claim; anything else is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// An access token.
    Access,
}

/// The claims of an access token, in the order they are written. Times are whole Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The account.
    pub sub: AccountId,
    /// Always `access`.
    #[serde(rename = "type")]
    pub token_type: TokenType,
    /// The account's address.
    pub email: String,
    /// The account's name, as the person writes it.
    pub full_name: Option<String>,
    /// An http or https address of a picture.
    pub avatar: Option<String>,
    /// Whether the account may be used.
    pub is_active: bool,
    /// Whether the address was proven.
    pub email_verified: bool,
    /// True exactly when the role is `superadmin`; a token with another pair is refused.
    pub is_superuser: bool,
    /// `user`, `reader`, `writer`, `admin` or `superadmin`.
    pub role: String,
    /// Refused from here on.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Refused before.
    pub nbf: i64,
    /// Tells one token from another.
    pub jti: Uuid,
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    #[serde(with = "audience")]
    pub aud: Vec<String>,
    /// The session it stands on; it ends with that session. Left out where no sessions are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The account's generation at issue; a token of an older one is refused.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// How the person signed in, by the names of RFC 8176; empty where it has none for that.
    #[serde(default)]
    pub amr: Vec<String>,
    /// How sure that is: `urn:vestibule:acr:1` one factor, `urn:vestibule:acr:2` two factors or a passkey whose device
    /// made sure who holds it.
    #[serde(default)]
    pub acr: Option<String>,
    /// When the person last proved who they are.
    #[serde(default)]
    pub auth_time: Option<i64>,
}

/// `aud` is one string or an array of them (RFC 7519 §4.1.3); we write one string where we can.
mod audience {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }

    pub(super) fn serialize<S: Serializer>(
        audience: &[String],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match audience {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        })
    }
}
