//! API keys: what a person may ask for, when a key is good, and what it allows.
//!
//! A key holds no rights of its own. It stands for its account as the account is at that moment, never for more than
//! [`CEILING`], and with mode [`AccessMode::ReadOnly`] for reading alone.

use ids::{AccountId, ApiKeyId};
use jiff::{SignedDuration, Timestamp};

use crate::{Account, Role};

/// No key stands for a higher role.
pub const CEILING: Role = Role::Writer;

/// How many services one key may be for.
pub const MOST_AUDIENCES: usize = 20;

const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=100;
const AUDIENCE_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=255;
/// The longest life of a key: ten years.
pub const MOST_HOURS: i64 = 10 * 366 * 24;

/// A key with which programs act for an account. Its text is known to nobody but its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Stable identity.
    pub id: ApiKeyId,
    /// For whom programs act with it.
    pub account: AccountId,
    /// What the person calls it, 3 to 100 characters.
    pub name: String,
    /// What may be done with it. Never changes.
    pub access_mode: AccessMode,
    /// The services that may ask about it. Never changes; with none, it is good at the issuer alone.
    pub audiences: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or revoked.
    pub updated_at: Timestamp,
    /// It is refused from here on.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

/// What may be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AccessMode {
    /// Reading.
    #[default]
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

impl AccessMode {
    /// The name kept in storage and sent to services.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::ReadWrite => "read_write",
        }
    }

    /// Reads a name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ReadOnly, Self::ReadWrite]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It can be used.
    Active,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

impl Standing {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl ApiKey {
    /// How the key stands at an instant. Its account is another question, see [`authority`].
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.revoked_at.is_some() {
            Standing::Revoked
        } else if self.expires_at <= now {
            Standing::Expired
        } else {
            Standing::Active
        }
    }

    /// Whether a service may learn whom the key stands for.
    pub fn is_for(&self, service: &str) -> bool {
        self.audiences.iter().any(|audience| audience == service)
    }
}

/// What a key allows at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// The account's role, but never above [`CEILING`].
    pub role: Role,
    /// Whether it is for reading alone.
    pub access_mode: AccessMode,
}

/// What a key allows; `None` when it is not good or its account may do nothing.
pub fn authority(key: &ApiKey, account: &Account, now: Timestamp) -> Option<Authority> {
    let is_good = key.account == account.id && account.active;
    (is_good && key.standing(now) == Standing::Active).then(|| Authority {
        role: account.role.min(CEILING),
        access_mode: key.access_mode,
    })
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What to call it; a name is made up when there is none.
    pub name: Option<String>,
    /// How long it shall be good, in hours.
    pub hours: i64,
    /// What it shall allow.
    pub access_mode: AccessMode,
    /// The services it is for.
    pub audiences: Vec<String>,
}

/// Why there is no such key. The text may be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// The name is too short or too long, or holds control characters.
    #[error("the name needs 3 to 100 characters")]
    Name,
    /// No hours, or more than ten years of them.
    #[error("the lifetime must be between 1 hour and ten years")]
    Hours,
    /// The id of a service is empty, too long, or has a `*` in it.
    #[error("an audience must be the id of one service; wildcards are not permitted")]
    Audience,
    /// Too many services.
    #[error("an API key may be for at most {MOST_AUDIENCES} services")]
    Audiences,
}

/// Checks a wish and makes the key's record of it. `id` also gives the name when there is none.
pub fn issue(
    wish: Wish,
    account: AccountId,
    id: ApiKeyId,
    now: Timestamp,
) -> Result<ApiKey, WishError> {
    let name = match wish.name {
        Some(name) => name.trim().to_owned(),
        // The last digits are random, the first ones the time.
        None => format!("key-{}", &id.as_uuid().simple().to_string()[24..]),
    };
    if !NAME_CHARACTERS.contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(WishError::Name);
    }
    if !(1..=MOST_HOURS).contains(&wish.hours) {
        return Err(WishError::Hours);
    }
    let mut audiences: Vec<String> = Vec::new();
    for audience in &wish.audiences {
        let audience = audience.trim();
        let is_one = AUDIENCE_CHARACTERS.contains(&audience.chars().count())
            && !audience.chars().any(|c| c == '*' || c.is_control());
        if !is_one {
            return Err(WishError::Audience);
        }
        if !audiences.iter().any(|known| known == audience) {
            audiences.push(audience.to_owned());
        }
        if audiences.len() > MOST_AUDIENCES {
            return Err(WishError::Audiences);
        }
    }
    Ok(ApiKey {
        id,
        account,
        name,
        access_mode: wish.access_mode,
        audiences,
        created_at: now,
        updated_at: now,
        expires_at: now + SignedDuration::from_hours(wish.hours),
        revoked_at: None,
        last_used_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PASSWORD_PROVIDER;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("in range")
    }

    fn account(role: Role) -> Account {
        Account {
            id: AccountId::new(1, [1; 10]),
            email: "ada@example.com".into(),
            username: "ada".into(),
            full_name: None,
            avatar: None,
            provider: PASSWORD_PROVIDER.into(),
            role,
            roles: Vec::new(),
            active: true,
            email_verified: true,
            generation: 1,
            password: None,
            created_at: now(),
            updated_at: now(),
        }
    }

    fn wish() -> Wish {
        Wish {
            name: Some(" build ".into()),
            hours: 24,
            access_mode: AccessMode::ReadOnly,
            audiences: Vec::new(),
        }
    }

    fn made(wish: Wish) -> Result<ApiKey, WishError> {
        issue(
            wish,
            account(Role::User).id,
            ApiKeyId::new(1, [2; 10]),
            now(),
        )
    }

    #[test]
    fn a_key_is_good_until_its_hour_and_not_after_it_was_revoked() {
        let mut key = made(wish()).expect("good");
        let end = now() + SignedDuration::from_hours(24);
        assert_eq!((key.name.as_str(), key.expires_at), ("build", end));
        assert_eq!(
            key.standing(end - SignedDuration::from_nanos(1)),
            Standing::Active
        );
        assert_eq!(key.standing(end), Standing::Expired);
        key.revoked_at = Some(now());
        assert_eq!(key.standing(now()), Standing::Revoked);
    }

    #[test]
    fn a_key_never_gives_more_than_writing_and_never_more_than_its_account_has() {
        let key = made(wish()).expect("good");
        for (role, given) in [
            (Role::User, Role::User),
            (Role::Reader, Role::Reader),
            (Role::Writer, Role::Writer),
            (Role::Admin, Role::Writer),
            (Role::Superadmin, Role::Writer),
        ] {
            let given = Some(Authority {
                role: given,
                access_mode: AccessMode::ReadOnly,
            });
            assert_eq!(authority(&key, &account(role), now()), given);
        }
    }

    #[test]
    fn a_key_of_a_disabled_or_another_account_gives_nothing() {
        let key = made(wish()).expect("good");
        let disabled = Account {
            active: false,
            ..account(Role::Writer)
        };
        assert_eq!(authority(&key, &disabled, now()), None);
        let other = Account {
            id: AccountId::new(2, [9; 10]),
            ..account(Role::Writer)
        };
        assert_eq!(authority(&key, &other, now()), None);
        let late = key.expires_at;
        assert_eq!(authority(&key, &account(Role::Writer), late), None);
    }

    #[test]
    fn wishes_are_checked() {
        let name = |name: &str| Wish {
            name: Some(name.into()),
            ..wish()
        };
        assert_eq!(made(name("ab")), Err(WishError::Name));
        assert_eq!(made(name(&"é".repeat(101))), Err(WishError::Name));
        assert_eq!(made(name("a\u{0}bc")), Err(WishError::Name));
        assert!(made(name(&"é".repeat(100))).is_ok());
        for hours in [0, -1, i64::MAX, MOST_HOURS + 1] {
            assert_eq!(made(Wish { hours, ..wish() }), Err(WishError::Hours));
        }
        let audiences = |list: &[&str]| Wish {
            audiences: list.iter().map(|&id| id.into()).collect(),
            ..wish()
        };
        for bad in ["", " ", "a*", "a\nb"] {
            assert_eq!(made(audiences(&[bad])), Err(WishError::Audience), "{bad:?}");
        }
        let key = made(audiences(&["items", " items ", "billing"])).expect("good");
        assert_eq!(key.audiences, ["items", "billing"]);
        assert!(key.is_for("billing") && !key.is_for("bill") && !key.is_for(""));
        let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        let many = Wish {
            audiences: many,
            ..wish()
        };
        assert_eq!(made(many), Err(WishError::Audiences));
    }

    #[test]
    fn a_key_without_a_name_gets_one() {
        let key = made(Wish {
            name: None,
            ..wish()
        })
        .expect("good");
        assert_eq!(key.name, "key-02020202");
    }

    #[test]
    fn every_mode_reads_back_from_its_name() {
        for mode in [AccessMode::ReadOnly, AccessMode::ReadWrite] {
            assert_eq!(AccessMode::from_name(mode.as_str()), Some(mode));
        }
        assert_eq!(AccessMode::from_name("READ_ONLY"), None);
    }
}
