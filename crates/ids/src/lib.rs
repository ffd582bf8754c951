//! Identifiers of the records that everything hangs on: parse, print, order.
//!
//! Ids are UUID version 7 (RFC 9562 §5.7), so they sort by creation time. Nothing here reads a clock or makes
//! randomness: both come in as values.

mod service;
mod slug;

pub use service::{ServiceId, ServiceIdError};
pub use slug::{Slug, SlugError};

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Text that is no identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is not a valid identifier; expected a UUID")]
pub struct IdError {
    /// What was being parsed, for example `account id`.
    pub kind: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an id from a Unix time in milliseconds and ten random bytes.
            pub fn new(unix_milliseconds: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_milliseconds, &random).into_uuid())
            }

            /// Wraps a UUID read back from storage.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself, for storage.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError { kind: $kind })
            }
        }
    )*};
}

ids! {
    /// A person or a service known to the server.
    AccountId, "account id";
    /// The server-side record behind every token of one sign-in.
    SessionId, "session id";
    /// A place that accounts are members of.
    WorkspaceId, "workspace id";
    /// A published app.
    AppId, "app id";
    /// People who see the same `shared:` data of one app.
    GroupId, "share group id";
    /// An invitation of one mail address to one app.
    InviteId, "invite id";
    /// A key with which programs act for an account.
    ApiKeyId, "API key id";
    /// A passkey of an account.
    PasskeyId, "passkey id";
    /// Something that a person has to be told.
    NoticeId, "notice id";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_survives_printing_and_parsing(time in 0_u64..1 << 48, random: [u8; 10]) {
            let id = AccountId::new(time, random);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn ids_sort_by_time(earlier in 0_u64..1 << 47, a: [u8; 10], b: [u8; 10]) {
            prop_assert!(AppId::new(earlier, a) < AppId::new(earlier + 1, b));
        }

        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(text: String) {
            let _ = text.parse::<SessionId>();
        }
    }
}
