//! Who may sign up, how long a sign-in lasts and what a password costs to check.

use super::{
    Span,
    setting::{Within, section, words},
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
        /// How long an access token is accepted after its issue.
        "accounts.access_token_lifetime" access_token_lifetime: Span = "30m",
        /// What signs access tokens: `RS256`, `ES256` or `HS256`. Counts when the first key is made.
        "accounts.token_algorithm" token_algorithm: TokenAlgorithm = "RS256",
        /// The issuer (`iss`) of access tokens. The public origin when left out.
        "accounts.token_issuer" token_issuer: Option<String>,
        /// The audience (`aud`) of access tokens.
        "accounts.token_audience" token_audience: String = "vestibule",
        /// How long a refresh token that was not used is accepted.
        "accounts.refresh_idle" refresh_idle: Span = "30d",
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
    /// What signs access tokens.
    TokenAlgorithm {
        /// RSA with SHA-256.
        Rs256 = "RS256",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// HMAC with SHA-256; only this server can verify.
        Hs256 = "HS256",
    } expected "RS256, ES256 or HS256"
}

impl TokenAlgorithm {
    /// As the token crate calls it.
    pub const fn algorithm(self) -> token::Algorithm {
        match self {
            Self::Rs256 => token::Algorithm::Rs256,
            Self::Es256 => token::Algorithm::Es256,
            Self::Hs256 => token::Algorithm::Hs256,
        }
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
