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

impl Accounts {
    /// How long sessions live.
    pub const fn lifetimes(&self) -> accounts::Lifetimes {
        accounts::Lifetimes {
            idle: self.session_idle.duration(),
            absolute: self.session_lifetime.duration(),
        }
    }
}
