//! Identities at outside providers: whose they are here, and when one may be joined to an account or let go again.
//!
//! An identity is the pair of provider and subject, never an address: addresses change hands (OpenID Connect Core
//! §5.7). An address only decides whether a *new* identity makes an account or has to be joined to one.

use ids::AccountId;
use jiff::Timestamp;

use crate::{Account, Email, Session, SignUpDecision, Username, proof::require_recent_proof};

/// Longest subject, in bytes; OpenID Connect Core §2 allows 255.
const LONGEST_SUBJECT: usize = 255;
/// Longest name, in characters.
const LONGEST_NAME: usize = 100;
/// Longest address of a picture, in bytes.
const LONGEST_AVATAR: usize = 255;

/// Somebody at an outside provider who stands for an account here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's name in the configuration, for example `google`.
    pub provider: String,
    /// The provider's own id of the person; at most 255 bytes.
    pub subject: String,
    /// Whose it is here.
    pub account: AccountId,
    /// The address the provider told when the identity was joined or last used; for people to tell identities apart.
    pub email: Option<String>,
    /// When it was joined to the account.
    pub created_at: Timestamp,
    /// When somebody last signed in by it.
    pub last_used_at: Timestamp,
}

/// What a provider says of somebody, as it says it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The provider's id of the person.
    pub subject: String,
    /// An address.
    pub email: Option<String>,
    /// Whether the provider has verified the address.
    pub email_verified: bool,
    /// A name.
    pub name: Option<String>,
    /// The address of a picture.
    pub avatar: Option<String>,
    /// The name of the person's account there.
    pub username: Option<String>,
}

/// What a provider says of somebody, brought into the form it is kept in. What is not needed and not fit is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideProfile {
    /// The provider's id of the person.
    pub subject: String,
    /// An address that an account may have here.
    pub email: Option<Email>,
    /// Whether the provider has verified that address.
    pub email_verified: bool,
    /// At most 100 characters, none of them a control character.
    pub full_name: Option<String>,
    /// An http or https address of at most 255 bytes.
    pub avatar: Option<String>,
    /// What a username may be made of.
    username: Option<String>,
}

/// The provider named nobody: no subject, or one that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider's id of the person is missing, too long or unreadable")]
pub struct SubjectError;

impl OutsideProfile {
    /// Reads what a provider says.
    pub fn read(told: Told) -> Result<Self, SubjectError> {
        let subject = told.subject;
        let fit = (1..=LONGEST_SUBJECT).contains(&subject.len())
            && !subject.chars().any(char::is_control)
            && subject.trim() == subject;
        if !fit {
            return Err(SubjectError);
        }
        let email = told.email.and_then(|text| Email::parse(&text).ok());
        Ok(Self {
            email_verified: told.email_verified && email.is_some(),
            full_name: told.name.as_deref().and_then(name),
            avatar: told.avatar.filter(|text| is_picture(text)),
            username: told.username,
            subject,
            email,
        })
    }

    /// Usernames for a new account, the likeliest first; the last ones are as good as never taken. `random` makes them.
    pub fn usernames(&self, random: [u8; 8]) -> impl Iterator<Item = Username> + use<> {
        let local = self.email.as_ref().map(|email| email.local().to_owned());
        let name = self.full_name.clone();
        let wished = [self.username.clone(), local, name]
            .into_iter()
            .flatten()
            .find_map(|text| Username::suggest(&text));
        let stem = wished.as_ref().map_or("user", Username::as_str);
        let stem: String = stem.chars().take(21).collect();
        let stem = stem.trim_end_matches('-').to_owned();
        let (short, long) = random.split_at(2);
        let numbered = [short, long].map(|bytes| {
            let number = bytes
                .iter()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{stem}-{}", number % 100_000_000)
        });
        let numbered = numbered.into_iter();
        wished
            .into_iter()
            .chain(numbered.filter_map(|text| Username::parse(&text).ok()))
    }
}

fn name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .filter(|character| !character.is_control())
        .take(LONGEST_NAME)
        .collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_picture(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    text.len() <= LONGEST_AVATAR
        && host.is_some_and(|host| !host.is_empty())
        && !text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
}

/// What follows from somebody coming back from a provider to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocialDecision {
    /// Their identity is known: this account.
    SignIn(AccountId),
    /// Nobody has the identity or the address: a new account with this address, which the provider has verified.
    SignUp(Email),
    /// The address, which the provider has verified, is this account's. Whoever signs in to it by another way may join
    /// the identity to it.
    Link(AccountId),
    /// They do not come in.
    Refused(SocialRefusal),
}

/// Why somebody who came back from a provider does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocialRefusal {
    /// The account is disabled.
    Inactive,
    /// The provider told no address that an account may have here.
    NoEmail,
    /// The provider does not vouch for the address.
    UnverifiedEmail,
    /// No account may be made for the address.
    SignUp(SignUpDecision),
}

/// Decides about somebody who came back from a provider. `owner` is the account their identity belongs to, `holder` the
/// account that has their address; `sign_up` says whether an account may be made for the address.
pub fn decide(
    profile: &OutsideProfile,
    owner: Option<&Account>,
    holder: Option<&Account>,
    sign_up: SignUpDecision,
) -> SocialDecision {
    if let Some(owner) = owner {
        // By the identity alone: the address may have changed there or here, and proves nothing any more.
        return if owner.active {
            SocialDecision::SignIn(owner.id)
        } else {
            SocialDecision::Refused(SocialRefusal::Inactive)
        };
    }
    let Some(email) = &profile.email else {
        return SocialDecision::Refused(SocialRefusal::NoEmail);
    };
    // Anybody can write any address into their profile at a provider that does not verify it.
    if !profile.email_verified {
        return SocialDecision::Refused(SocialRefusal::UnverifiedEmail);
    }
    match (holder, sign_up) {
        (Some(holder), _) if !holder.active => SocialDecision::Refused(SocialRefusal::Inactive),
        (Some(holder), _) => SocialDecision::Link(holder.id),
        (None, SignUpDecision::Allowed) => SocialDecision::SignUp(email.clone()),
        (None, refused) => SocialDecision::Refused(SocialRefusal::SignUp(refused)),
    }
}

/// An identity that waits to be joined to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingLink {
    /// The account it is meant for.
    pub account: AccountId,
    /// Whose it has become meanwhile.
    pub owner: Option<AccountId>,
}

/// Why an identity is not joined to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// Somebody else is signed in than the one it is meant for.
    #[error("the identity waits for another account")]
    OtherAccount,
    /// The last proof of who is at the keyboard is too old.
    #[error("a fresh sign-in is needed")]
    StaleProof,
    /// It belongs to another account.
    #[error("the identity belongs to another account")]
    Taken,
}

/// Whether a waiting identity may be joined to the account that a session belongs to.
pub fn may_link(
    waiting: WaitingLink,
    session: &Session,
    now: Timestamp,
) -> Result<(), LinkRefusal> {
    if waiting.account != session.account {
        return Err(LinkRefusal::OtherAccount);
    }
    if waiting.owner.is_some_and(|owner| owner != session.account) {
        return Err(LinkRefusal::Taken);
    }
    require_recent_proof(session, now).map_err(|_| LinkRefusal::StaleProof)
}

/// The ways by which somebody can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WaysIn {
    /// Whether the account has a password.
    pub password: bool,
    /// How many identities are joined to it, of providers that are in the configuration.
    pub identities: usize,
    /// How many passkeys it has.
    pub passkeys: usize,
}

impl WaysIn {
    /// Whether a way in remains once one identity is let go.
    pub const fn may_unlink(self) -> bool {
        self.password || self.passkeys > 0 || self.identities > 1
    }

    /// Whether a way in remains once one passkey is removed.
    pub const fn may_remove_passkey(self) -> bool {
        self.password || self.identities > 0 || self.passkeys > 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lifetime::tests::{account, at, session};

    fn told(email: Option<&str>, email_verified: bool) -> OutsideProfile {
        let told = Told {
            subject: "4711".into(),
            email: email.map(str::to_owned),
            email_verified,
            ..Told::default()
        };
        OutsideProfile::read(told).expect("a subject")
    }

    fn other() -> Account {
        Account {
            id: AccountId::new(9, [9; 10]),
            ..account()
        }
    }

    #[test]
    fn a_known_identity_is_its_account_whatever_the_address_says() {
        for profile in [
            told(None, false),
            told(Some("mallory@example.com"), false),
            told(Some("ada@example.com"), true),
        ] {
            let decided = decide(
                &profile,
                Some(&account()),
                Some(&other()),
                SignUpDecision::Closed,
            );
            assert_eq!(decided, SocialDecision::SignIn(account().id));
        }
    }

    #[test]
    fn an_unverified_address_opens_nothing() {
        let profile = told(Some("ada@example.com"), false);
        for holder in [None, Some(&account())] {
            assert_eq!(
                decide(&profile, None, holder, SignUpDecision::Allowed),
                SocialDecision::Refused(SocialRefusal::UnverifiedEmail)
            );
        }
        assert_eq!(
            decide(&told(None, true), None, None, SignUpDecision::Allowed),
            SocialDecision::Refused(SocialRefusal::NoEmail)
        );
    }

    #[test]
    fn a_disabled_account_stays_out_by_every_way() {
        let disabled = Account {
            active: false,
            ..account()
        };
        let profile = told(Some("ada@example.com"), true);
        let refused = SocialDecision::Refused(SocialRefusal::Inactive);
        let allowed = SignUpDecision::Allowed;
        assert_eq!(decide(&profile, Some(&disabled), None, allowed), refused);
        assert_eq!(decide(&profile, None, Some(&disabled), allowed), refused);
    }

    #[test]
    fn a_verified_address_makes_an_account_where_one_may_be_made() {
        let profile = told(Some(" Ada@Example.com"), true);
        let SocialDecision::SignUp(email) = decide(&profile, None, None, SignUpDecision::Allowed)
        else {
            panic!("a new account");
        };
        assert_eq!(email.as_str(), "ada@example.com");
        let refused = SignUpDecision::InviteNeeded;
        assert_eq!(
            decide(&profile, None, None, refused),
            SocialDecision::Refused(SocialRefusal::SignUp(refused))
        );
    }

    #[test]
    fn an_identity_is_joined_by_its_own_person_with_a_fresh_proof_only() {
        let (ada, ben) = (account().id, other().id);
        let waiting = |owner| WaitingLink {
            account: ada,
            owner,
        };
        let hers = session();
        let his = Session {
            account: ben,
            ..session()
        };
        assert_eq!(may_link(waiting(None), &hers, at(599)), Ok(()));
        assert_eq!(may_link(waiting(Some(ada)), &hers, at(1)), Ok(()));
        assert_eq!(
            may_link(waiting(None), &hers, at(600)),
            Err(LinkRefusal::StaleProof)
        );
        assert_eq!(
            may_link(waiting(None), &his, at(1)),
            Err(LinkRefusal::OtherAccount)
        );
        assert_eq!(
            may_link(waiting(Some(ben)), &hers, at(1)),
            Err(LinkRefusal::Taken)
        );
    }

    #[test]
    fn the_last_way_in_is_not_let_go() {
        let ways = |password, identities, passkeys| WaysIn {
            password,
            identities,
            passkeys,
        };
        assert!(!ways(false, 1, 0).may_unlink());
        assert!(!ways(false, 0, 0).may_unlink());
        for ways in [ways(true, 1, 0), ways(false, 2, 0), ways(false, 1, 1)] {
            assert!(ways.may_unlink());
        }
    }

    #[test]
    fn the_last_way_in_is_not_removed() {
        let ways = |password, identities, passkeys| WaysIn {
            password,
            identities,
            passkeys,
        };
        assert!(!ways(false, 0, 1).may_remove_passkey());
        for ways in [ways(true, 0, 1), ways(false, 0, 2), ways(false, 1, 1)] {
            assert!(ways.may_remove_passkey());
        }
    }

    #[test]
    fn what_cannot_be_kept_is_left_out() {
        let read = |told| OutsideProfile::read(told).expect("a subject");
        let profile = read(Told {
            subject: "1".into(),
            email: Some("ada@localhost".into()),
            email_verified: true,
            name: Some(format!("\u{7} {} ", "ä".repeat(200))),
            avatar: Some("javascript:alert(1)".into()),
            username: None,
        });
        assert_eq!(
            (profile.email.clone(), profile.email_verified),
            (None, false)
        );
        assert_eq!(profile.full_name.map(|name| name.chars().count()), Some(99));
        assert_eq!(profile.avatar, None);
        for subject in ["", " 1", "a\0b", &"x".repeat(256)] {
            let told = Told {
                subject: subject.into(),
                ..Told::default()
            };
            assert_eq!(OutsideProfile::read(told), Err(SubjectError), "{subject:?}");
        }
    }

    #[test]
    fn usernames_come_from_what_is_known() {
        let names = |told: Told| -> Vec<String> {
            let profile = OutsideProfile::read(Told {
                subject: "1".into(),
                ..told
            });
            let names = profile.expect("a subject").usernames([1; 8]);
            names.map(|name| name.as_str().to_owned()).collect()
        };
        let from = |username: Option<&str>, email: Option<&str>| {
            names(Told {
                username: username.map(str::to_owned),
                email: email.map(str::to_owned),
                ..Told::default()
            })
        };
        assert_eq!(from(Some("Octo_Cat"), None)[0], "octo-cat");
        assert_eq!(from(Some("x"), Some("ada.l@example.com"))[0], "ada-l");
        assert_eq!(from(Some("admin"), None)[0], "user-257");
    }

    proptest! {
        #[test]
        fn usernames_are_always_found(username: Option<String>, name: Option<String>, random: [u8; 8]) {
            let told = Told { subject: "1".into(), username, name, ..Told::default() };
            let names: Vec<_> = OutsideProfile::read(told).expect("a subject").usernames(random).collect();
            prop_assert!(names.len() >= 2, "{names:?}");
        }

        #[test]
        fn nobody_comes_in_without_a_known_identity_or_a_verified_address(
            known: bool, held: bool, owner_active: bool, holder_active: bool, verified: bool, has_email: bool,
            policy in 0_u8..3,
        ) {
            let profile = told(has_email.then_some("ada@example.com"), verified);
            let owner = Account { active: owner_active, ..account() };
            let holder = Account { active: holder_active, ..other() };
            let sign_up = [SignUpDecision::Allowed, SignUpDecision::InviteNeeded, SignUpDecision::Closed][usize::from(policy)];
            match decide(&profile, known.then_some(&owner), held.then_some(&holder), sign_up) {
                SocialDecision::SignIn(id) => prop_assert!(known && owner_active && id == owner.id),
                SocialDecision::SignUp(_) => prop_assert!(
                    !known && !held && has_email && verified && sign_up == SignUpDecision::Allowed
                ),
                SocialDecision::Link(id) => prop_assert!(
                    !known && held && holder_active && has_email && verified && id == holder.id
                ),
                SocialDecision::Refused(_) => {
                    let nowhere = if held { !holder_active } else { sign_up != SignUpDecision::Allowed };
                    let stranger = !has_email || !verified || nowhere;
                    let expected = if known { !owner_active } else { stranger };
                    prop_assert!(expected);
                }
            }
        }

        #[test]
        fn a_profile_is_read_or_refused_without_a_panic(
            subject: String, email: Option<String>, email_verified: bool, name: Option<String>,
            avatar in proptest::option::of("(https?://)?[a-z./ ?]{0,20}"),
        ) {
            let told = Told { subject, email, email_verified, name, avatar, username: None };
            if let Ok(profile) = OutsideProfile::read(told) {
                prop_assert!(profile.full_name.is_none_or(|name| (1..=100).contains(&name.chars().count())));
                prop_assert!(!profile.email_verified || profile.email.is_some());
            }
        }
    }
}
