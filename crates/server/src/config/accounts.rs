//! Who may sign up, how long a sign-in lasts and what a password costs to check.

use super::{
    Span,
    setting::{Value, Within, section, words},
};

section! {
    /// Who may sign up, how long a sign-in lasts and what a password costs to check.
    Accounts {
        /// Who may make an account without the owner's help: `open` (everyone), `invite-only` (people whose
        /// address was invited to an app), `closed` (nobody).
        "accounts.sign_up" sign_up: SignUp = "invite-only",
        /// A session that was not used for this long ends.
        "accounts.session_idle" session_idle: Span = "30d",
        /// A session ends this long after sign-in in any case.
        "accounts.session_lifetime" session_lifetime: Span = "90d",
        /// Whether people prove by mail that their address is theirs: `off`, `optional` (they are asked to), `required`
        /// (nobody but superadmins signs in by password before they have, and a sign-up becomes an account only then).
        "accounts.email_verification" email_verification: EmailVerification = "off",
        /// Whether a forgotten password can be replaced by mail: `auto` (when there is a mail server), `on` (without
        /// one the links are shown to those who run the server), `off`.
        "accounts.password_reset" password_reset: Offered = "auto",
        /// Whether an account's new address counts only once it is proven by mail: `auto`, `on` or `off`, as for
        /// `accounts.password_reset`.
        "accounts.email_change_confirmation" email_change_confirmation: Offered = "auto",
        /// How long a sign-up is kept whose address was not proven.
        "accounts.unverified_sign_up_kept" unverified_sign_up_kept: Span = "7d",
        /// Page of a front end of your own that mailed proofs of an address lead to, with `#token=…` after it. Ours
        /// when left out, as for the next two.
        "accounts.verify_page" verify_page: Option<PageAddress>,
        /// Page of a front end of your own that mailed password resets lead to.
        "accounts.reset_page" reset_page: Option<PageAddress>,
        /// Page of a front end of your own that mailed changes of an address lead to.
        "accounts.email_change_page" email_change_page: Option<PageAddress>,
        /// Wrong passwords that one network, and each known browser, may send for one account before it has to wait,
        /// 1 to 1000. The waits grow from a quarter of a minute to a quarter of an hour; a right password ends them.
        "accounts.free_guesses" free_guesses: Within<1, 1000> = "5",
        /// Wrong passwords that one network may send for all accounts together before it has to wait, 1 to 1000000.
        "accounts.free_guesses_per_network" free_guesses_per_network: Within<1, 1_000_000> = "50",
        /// Memory that one password check takes, in KiB (argon2id `m`), 1024 to 4194304.
        "accounts.argon2_memory_kib" argon2_memory_kib: Within<8, 4_194_304> = "19456",
        /// Passes over that memory (argon2id `t`), 1 to 64.
        "accounts.argon2_passes" argon2_passes: Within<1, 64> = "2",
        /// Lanes of that memory (argon2id `p`), 1 to 16.
        "accounts.argon2_lanes" argon2_lanes: Within<1, 16> = "1",
        /// Threads that check passwords, 1 to 256; 0 stands for half of the machine's cores, at least one.
        "accounts.hash_threads" hash_threads: Within<0, 256> = "0",
        /// Password checks that may wait, 1 to 100000; further ones are answered 429 with `Retry-After`.
        "accounts.hash_queue" hash_queue: Within<1, 100_000> = "64",
    }
}

words! {
    /// Who may make an account without the owner's help.
    SignUp {
        /// Everyone.
        Open = "open",
        /// People whose address was invited to an app.
        InviteOnly = "invite-only",
        /// Nobody.
        Closed = "closed",
    } expected "open, invite-only or closed"
}

words! {
    /// Whether people prove by mail that their address is theirs.
    EmailVerification {
        /// They are not asked to.
        Off = "off",
        /// They are asked to.
        Optional = "optional",
        /// They must before they sign in.
        Required = "required",
    } expected "off, optional or required"
}

impl EmailVerification {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

words! {
    /// Whether something that works by mail is offered.
    Offered {
        /// When there is a mail server.
        Auto = "auto",
        /// Always.
        On = "on",
        /// Never.
        Off = "off",
    } expected "auto, on or off"
}

/// The address of a page elsewhere, without a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAddress(url::Url);

impl PageAddress {
    /// The address with a token in its fragment, which no server gets to see.
    pub fn with_token(&self, token: &str) -> String {
        let mut url = self.0.clone();
        url.set_fragment(Some(&format!("token={token}")));
        url.into()
    }
}

impl Value for PageAddress {
    const EXPECTED: &'static str = "the address of a page such as https://www.example.com/reset";

    fn read(text: &str) -> Option<Self> {
        let url = url::Url::parse(text).ok()?;
        let fits = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        fits.then_some(Self(url))
    }
}

impl Accounts {
    /// How long sessions live.
    pub const fn lifetimes(&self) -> accounts::Lifetimes {
        accounts::Lifetimes {
            idle: self.session_idle.duration(),
            absolute: self.session_lifetime.duration(),
        }
    }
}
