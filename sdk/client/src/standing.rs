//! Which tokens were ended before their time: what the issuer told of, for as long as it can matter.
//!
//! A pure table: messages and the time go in, judgements come out. It never says that a token is good unless it was told
//! of everything that can have ended it. What it has to forget, because memory is bounded or because something was missed,
//! moves the point from which on it knows everything; a token from before that point is [`Judgement::Unknown`], unless the
//! issuer was asked about it since. What was told as ended stays ended.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    Claims,
    messages::{Ended, Revocation},
};

/// For how many seconds the clocks of the issuer and of this machine may differ. Tokens carry the issuer's time, what is
/// heard is dated by ours; whatever lies closer together than this is not decided by comparing the two.
pub const CLOCK_SKEW_SECONDS: i64 = 30;

/// What the table says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// Nothing ended it, as far as everything that was told goes.
    Good,
    /// The table cannot say: the token is older than what it knows, or nothing was heard yet.
    Unknown,
    /// It was ended.
    Revoked,
}

/// The table. Shared between the reader of the event stream, who fills it, and everybody who checks tokens.
#[derive(Debug)]
pub struct Standing {
    names: (RandomState, RandomState),
    table: RwLock<Table>,
    /// Moves with every change, while the table is still locked.
    version: AtomicU64,
    /// How long what was told is kept.
    retention: Duration,
    /// How many things are kept at most.
    most: usize,
}

/// A name of something, 128 bits of a keyed hash: entries are of one size, whatever texts an issuer uses.
type Name = u128;

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Token,
    Session,
    Account,
    Message,
}

#[derive(Debug, Default)]
struct Table {
    /// Ended tokens and sessions, and messages that were applied.
    ended: HashSet<Name>,
    accounts: HashMap<Name, Account>,
    /// Everything that is kept, the oldest first. An account that was told of again is found by its own date.
    order: VecDeque<Entry>,
    /// Everything that ended a token issued from here on was told.
    covered_from: Option<i64>,
    /// The same, for what had to be forgotten since.
    forgotten_until: i64,
    /// Answers to questions that were asked at an earlier version may be wrong by now.
    asked_from: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    told: Told,
    name: Name,
    is_account: bool,
}

/// When something was told: the second and the table's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    at: i64,
    version: u64,
}

/// What was told of an account. All of it speaks of tokens issued until then and of none that come later: should an
/// issuer be set back to an earlier state, its newer tokens are asked about rather than refused.
#[derive(Debug, Clone, Copy)]
struct Account {
    told: Told,
    is_deleted: bool,
    /// Tokens of an older generation are ended.
    generation: u64,
    /// All tokens are ended that were issued until then.
    all: Until,
    /// The same for tokens that carry no generation.
    without_generation: Until,
}

/// A moment that is known only so well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Until {
    surely: i64,
    perhaps: i64,
}

impl Until {
    const NEVER: Self = Self {
        surely: i64::MIN,
        perhaps: i64::MIN,
    };

    fn raise(&mut self, other: Self) {
        self.surely = self.surely.max(other.surely);
        self.perhaps = self.perhaps.max(other.perhaps);
    }

    fn judge(self, issued: Option<i64>) -> Judgement {
        match issued {
            _ if self == Self::NEVER => Judgement::Good,
            Some(issued) if issued <= self.surely => Judgement::Revoked,
            Some(issued) if issued > self.perhaps => Judgement::Good,
            _ => Judgement::Unknown,
        }
    }
}

impl Account {
    const fn new(told: Told) -> Self {
        Self {
            told,
            is_deleted: false,
            generation: 0,
            all: Until::NEVER,
            without_generation: Until::NEVER,
        }
    }

    fn judge(&self, issued: Option<i64>, generation: Option<u64>) -> Judgement {
        let is_ended = self.is_deleted || generation.is_some_and(|own| own < self.generation);
        let by_name = match issued {
            _ if !is_ended => Judgement::Good,
            Some(issued) if issued > self.told.at.saturating_add(CLOCK_SKEW_SECONDS) => {
                Judgement::Unknown
            }
            _ => Judgement::Revoked,
        };
        let by_time = self.all.judge(issued);
        if generation.is_some() {
            by_name.max(by_time)
        } else {
            by_name
                .max(by_time)
                .max(self.without_generation.judge(issued))
        }
    }
}

impl Standing {
    /// An empty table that knows nothing yet. What is told is kept for `retention`, which should be longer than access
    /// tokens live, and there are at most `most` things in it: a token or a session takes
    /// some 100 bytes, an account up to 400.
    pub fn new(retention: Duration, most: usize) -> Self {
        Self {
            names: (RandomState::new(), RandomState::new()),
            table: RwLock::default(),
            version: AtomicU64::new(0),
            retention,
            most,
        }
    }

    /// An empty table that was told of everything there ever was, for tests without an issuer.
    pub fn complete() -> Self {
        let standing = Self::new(Duration::MAX, usize::MAX);
        standing.cover(Timestamp::MIN);
        standing
    }

    /// A number that moves with every change. Whoever keeps a judgement reads it first and judges afterwards; the
    /// judgement holds for as long as the number stands.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// From which moment on everything is known that ended tokens, by the issuer's clock; `None` while that cannot be
    /// said.
    pub fn covers_from(&self) -> Option<Timestamp> {
        let covered = self.read().covered_from()?;
        Some(Timestamp::from_second(covered).unwrap_or(Timestamp::MIN))
    }

    /// How many things are kept.
    pub fn len(&self) -> usize {
        let table = self.read();
        table.ended.len() + table.accounts.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Judges a token. `asked` is the version at which the issuer was asked about it and said that it is good, read
    /// before the question was sent.
    pub fn judge(&self, claims: &Claims, asked: Option<u64>) -> Judgement {
        self.judge_bearer(
            &Bearer {
                sub: &claims.sub,
                jti: &claims.jti,
                sid: claims.sid.as_deref(),
                generation: claims.generation,
                issued: claims.iat,
            },
            asked,
        )
    }

    fn judge_bearer(&self, bearer: &Bearer<'_>, asked: Option<u64>) -> Judgement {
        let token = self.name(Kind::Token, bearer.jti);
        let session = bearer.sid.map(|sid| self.name(Kind::Session, sid));
        let account = self.name(Kind::Account, bearer.sub);
        let table = self.read();
        let is_ended = |name| table.ended.contains(&name);
        if is_ended(token) || session.is_some_and(is_ended) {
            return Judgement::Revoked;
        }
        let judgement = table
            .accounts
            .get(&account)
            .map_or(Judgement::Good, |account| {
                account.judge(bearer.issued, bearer.generation)
            });
        if judgement == Judgement::Revoked {
            return judgement;
        }
        let Some(covered_from) = table.covered_from() else {
            return Judgement::Unknown;
        };
        // An answer settles what the account's entry leaves open only when it came after that.
        let was_asked_since = |version| asked.is_some_and(|asked| asked >= version);
        let entry_version = table.accounts.get(&account).map_or(0, |a| a.told.version);
        // Without a date it may be as old as can be.
        let knows_since_issue = bearer.issued.unwrap_or_default() >= covered_from;
        if was_asked_since(table.asked_from.max(entry_version))
            || knows_since_issue && judgement == Judgement::Good
        {
            Judgement::Good
        } else {
            Judgement::Unknown
        }
    }

    /// Takes in a message. It was told at `now`, and what it tells of happened no earlier than `since`; `place` is its
    /// place in the stream, by which it is known again if it comes a second time.
    ///
    /// The order does not matter, nor does it matter how often a message comes.
    pub fn apply(
        &self,
        revocation: &Revocation,
        place: Option<&str>,
        since: Timestamp,
        now: Timestamp,
    ) {
        let mut table = self.write();
        let told = Told {
            at: now.as_second(),
            version: self.version() + 1,
        };
        table.forget_aged(told.at.saturating_sub(seconds(self.retention)));
        let account = self.name(Kind::Account, &revocation.user);
        match &revocation.ended {
            Ended::Session { jti, sid } => {
                let token = jti.as_deref().map(|jti| self.name(Kind::Token, jti));
                let session = sid.as_deref().map(|sid| self.name(Kind::Session, sid));
                for name in token.into_iter().chain(session) {
                    table.end(name, told);
                }
            }
            Ended::AllTokens => {
                if self.is_first(&mut table, revocation, place, told) {
                    let until = Until {
                        surely: since.min(now).as_second(),
                        perhaps: told.at.saturating_add(CLOCK_SKEW_SECONDS),
                    };
                    let account = table.account(account, told);
                    account.without_generation.raise(until);
                    if revocation.generation.is_none() {
                        account.all.raise(until);
                    }
                }
            }
            Ended::Account => table.account(account, told).is_deleted = true,
        }
        if let Some(generation) = revocation.generation.filter(|generation| *generation > 0) {
            let account = table.account(account, told);
            account.generation = account.generation.max(generation);
        }
        table.keep_at_most(self.most);
        self.moved(table);
    }

    /// Whether a message that ends all tokens until now comes for the first time: were it applied again, it would end
    /// newer ones too.
    fn is_first(
        &self,
        table: &mut Table,
        revocation: &Revocation,
        place: Option<&str>,
        told: Told,
    ) -> bool {
        let Some(id) = revocation.event_id.as_deref().or(place) else {
            return true;
        };
        let what = (id, &revocation.user, revocation.generation);
        table.end(self.name(Kind::Message, what), told)
    }

    /// From here on (by the issuer's clock) everything is told. Called when everything since then was taken in.
    pub fn cover(&self, from: Timestamp) {
        let mut table = self.write();
        let from = from.as_second();
        if table.covered_from.is_none() {
            table.asked_from = self.version() + 1;
        }
        table.covered_from = Some(from);
        self.moved(table);
    }

    /// From now on everything is told. By the issuer's clock that may be a little later.
    pub fn cover_from_now(&self, now: Timestamp) {
        let until = now.as_second().saturating_add(CLOCK_SKEW_SECONDS + 1);
        self.cover(Timestamp::from_second(until).unwrap_or(Timestamp::MAX));
    }

    /// Something was missed: what was not told as ended may have ended all the same. Nothing is known of it until
    /// [`Self::cover`].
    pub fn forget(&self) {
        let mut table = self.write();
        table.covered_from = None;
        self.moved(table);
    }

    /// Lets go of what no living token can be concerned by.
    pub fn age(&self, now: Timestamp) {
        let before = now.as_second().saturating_sub(seconds(self.retention));
        let oldest = self.read().order.front().map(|entry| entry.told.at);
        if oldest.is_some_and(|oldest| oldest < before) {
            let mut table = self.write();
            table.forget_aged(before);
            self.moved(table);
        }
    }

    fn name(&self, kind: Kind, what: impl std::hash::Hash) -> Name {
        let half = |state: &RandomState| u128::from(state.hash_one((kind, &what)));
        half(&self.names.0) << 64 | half(&self.names.1)
    }

    fn moved(&self, table: RwLockWriteGuard<'_, Table>) {
        self.version.fetch_add(1, Ordering::Release);
        drop(table);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token is judged by.
struct Bearer<'t> {
    sub: &'t str,
    jti: &'t str,
    sid: Option<&'t str>,
    generation: Option<u64>,
    issued: Option<i64>,
}

impl Table {
    fn covered_from(&self) -> Option<i64> {
        self.covered_from
            .map(|covered| covered.max(self.forgotten_until))
    }

    /// Keeps a name; `false` when it is kept already.
    fn end(&mut self, name: Name, told: Told) -> bool {
        let is_new = self.ended.insert(name);
        if is_new {
            self.order.push_back(Entry {
                told,
                name,
                is_account: false,
            });
        }
        is_new
    }

    fn account(&mut self, name: Name, told: Told) -> &mut Account {
        let order = &mut self.order;
        let account = self.accounts.entry(name).or_insert_with(|| {
            order.push_back(Entry {
                told,
                name,
                is_account: true,
            });
            Account::new(told)
        });
        account.told = Told {
            at: account.told.at.max(told.at),
            version: told.version,
        };
        account
    }

    /// Forgets what was told before a second.
    fn forget_aged(&mut self, before: i64) {
        while self
            .order
            .front()
            .is_some_and(|oldest| oldest.told.at < before)
        {
            self.forget_oldest();
        }
    }

    fn keep_at_most(&mut self, most: usize) {
        while self.order.len() > most.max(1) {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest thing. Tokens that it may have ended are known no longer.
    fn forget_oldest(&mut self) {
        let Some(oldest) = self.order.pop_front() else {
            return;
        };
        let mut told = oldest.told;
        if oldest.is_account {
            match self.accounts.get(&oldest.name) {
                // It was told of again since: then it is not the oldest.
                Some(account) if account.told != oldest.told => {
                    let told = account.told;
                    self.order.push_back(Entry { told, ..oldest });
                    return;
                }
                Some(account) => told = account.told,
                None => {}
            }
            self.accounts.remove(&oldest.name);
        } else {
            self.ended.remove(&oldest.name);
        }
        let until = told.at.saturating_add(CLOCK_SKEW_SECONDS + 1);
        self.forgotten_until = self.forgotten_until.max(until);
        self.asked_from = self.asked_from.max(told.version);
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
