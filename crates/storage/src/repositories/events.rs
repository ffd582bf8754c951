//! The event log: every change of authority, in the order it was committed.

use jiff::{SignedDuration, Timestamp};
use sea_query::{Expr, ExprTrait, Order, Query};

use super::{is, millis, number};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "event";
const COUNTER: &str = "event_counter";
const COLUMNS: [&str; 5] = ["seq", "at", "kind", "subject", "payload"];

/// The event log.
#[derive(Debug)]
pub struct Events<'t>(pub(crate) &'t mut Tx);

/// Something that changed who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log: 1, 2, 3, … without gaps, in the order of commit.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The id of what it happened to.
    pub subject: String,
    /// More about it, as JSON text.
    pub payload: String,
}

/// Where to begin to read, to know everything since some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// The place of the first event to read; the next place that will be given when there is none.
    pub first: u64,
    /// From when on nothing is missing: the instant that was asked for, a later one when the log does not reach that far
    /// back, none when it is not known.
    pub complete_from: Option<Timestamp>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)*
            /// Something this program has no name for, or events that a reader came too late for: drop all that is
            /// cached. Never appended.
            Unknown,
        }

        impl EventKind {
            /// Every kind that can be appended.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name kept in storage and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* Self::Unknown => "unknown" }
            }

            /// Reads a kept name back.
            pub fn from_name(name: &str) -> Self {
                match name { $($name => Self::$kind,)* _ => Self::Unknown }
            }
        }
    };
}

kinds! {
    /// An account was made; the subject is its id, as for all `Account…` kinds.
    AccountCreated = "account.created",
    /// A field of an account changed.
    AccountChanged = "account.changed",
    /// An account was disabled.
    AccountDisabled = "account.disabled",
    /// An account was deleted.
    AccountDeleted = "account.deleted",
    /// An account's generation was raised: its older tokens are refused.
    AccountGeneration = "account.generation",
    /// An outside identity was joined to an account.
    IdentityLinked = "identity.linked",
    /// An outside identity was taken from an account; the subject is the account, as above.
    IdentityUnlinked = "identity.unlinked",
    /// What an account is protected by changed: a passkey, an authenticator app, recovery codes.
    AccountFactors = "account.factors",
    /// A session began; the subject is its id.
    SessionStarted = "session.started",
    /// A session ended; the subject is its id.
    SessionEnded = "session.ended",
    /// The person behind a session proved once more who they are; the subject is its id.
    SessionProven = "session.proven",
    /// An app was made; the subject is its id, as for all `App…` kinds.
    AppCreated = "app.created",
    /// Who may open an app changed.
    AppAccessChanged = "app.access_changed",
    /// Another release of an app is served.
    AppReleased = "app.released",
    /// An app was deleted.
    AppDeleted = "app.deleted",
    /// An app's name or slug changed.
    AppRenamed = "app.renamed",
    /// Somebody's place in an app changed; the subject is the app's id.
    MembershipChanged = "membership.changed",
    /// An invitation was made, taken up or taken back; the subject is the app's id.
    InviteChanged = "invite.changed",
    /// A signing key was planned, signs now, was retired or is gone; the subject is its id.
    KeyRotated = "key.rotated",
    /// Somebody who runs the server looked at a mailed link; the subject is the message's id.
    MailShown = "mail.shown",
    /// An API key was made or revoked, or may be used more or less often; the subject is its id. `account <id>` when
    /// that goes for all keys of an account.
    ApiKeyChanged = "api_key.changed",
    /// A service was registered, changed or removed; the subject is its id.
    ServiceChanged = "service.changed",
}

impl Events<'_> {
    /// Appends an event and returns its place. Readers see it once the transaction is committed.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small and read better without a reference"
    )]
    pub fn append(
        &mut self,
        kind: EventKind,
        subject: impl ToString,
        payload: &serde_json::Value,
        now: Timestamp,
    ) -> Result<u64, Error> {
        // The counter's row stays locked until the commit, so places are given in the order of commit and a rolled
        // back transaction leaves no gap.
        let mut draw = Query::update();
        draw.table(COUNTER)
            .value("seq", Expr::col("seq").add(1_i64))
            .cond_where(is("id", 1_i64))
            .returning_col("seq");
        let drawn = self
            .0
            .query_one(&draw, |row| row.cells(COUNTER, &["seq"]).u64())?;
        let seq = drawn.ok_or(Error::NotFound {
            what: "the event counter",
        })?;
        let values = [
            number(seq),
            millis(now),
            kind.as_str().into(),
            subject.to_string().into(),
            payload.to_string().into(),
        ];
        self.0.insert(TABLE, COLUMNS, values)?;
        self.0.set_last_event(seq);
        Ok(seq)
    }

    /// Up to `limit` events that come after a place, in order.
    pub fn after(&mut self, seq: u64, limit: u32) -> Result<Vec<Event>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .and_where(Expr::col("seq").gt(number(seq)))
            .order_by("seq", Order::Asc)
            .limit(limit.into());
        self.0.query(&select, read)
    }

    /// The place of the latest event ever appended; 0 when there is none.
    pub fn latest(&mut self) -> Result<u64, Error> {
        let latest = self
            .0
            .query_one(&latest(), |row| row.cells(COUNTER, &["seq"]).u64())?;
        Ok(latest.unwrap_or_default())
    }

    /// The place of the first event since an instant; the next place that will be given when there is none.
    pub fn first_since(&mut self, instant: Timestamp) -> Result<u64, Error> {
        let mut select = Query::select();
        select
            .column("seq")
            .from(TABLE)
            .and_where(Expr::col("at").gte(millis(instant)))
            .order_by("seq", Order::Asc)
            .limit(1);
        let first = self
            .0
            .query_one(&select, |row| row.cells(TABLE, &["seq"]).u64())?;
        match first {
            Some(seq) => Ok(seq),
            None => Ok(self.latest()? + 1),
        }
    }

    /// Where to begin to read everything since a recent instant. The clocks of the nodes that wrote the log may differ by
    /// up to `skew`; then some of what is older is read, too.
    ///
    /// Found by halving, as there is no index by time: most of the log is older, and it grows with every sign-in.
    pub fn recent(&mut self, since: Timestamp, skew: SignedDuration) -> Result<Recent, Error> {
        let latest = self.latest()?;
        let Some((oldest, oldest_at)) = self.first_from(0)? else {
            let complete_from = (latest == 0).then_some(since);
            return Ok(Recent {
                first: latest + 1,
                complete_from,
            });
        };
        // Whatever was written by a clock that is `skew` behind comes after what one that is as much ahead wrote before.
        let instant = since.checked_sub(skew * 2).unwrap_or(Timestamp::MIN);
        if oldest_at >= instant {
            // What was before it, if anything, was pruned.
            let known_from = oldest_at
                .checked_add(skew)
                .unwrap_or(Timestamp::MAX)
                .max(since);
            return Ok(Recent {
                first: oldest,
                complete_from: Some(if oldest == 1 { since } else { known_from }),
            });
        }
        let (mut before, mut first) = (oldest, latest + 1);
        while first - before > 1 {
            let middle = before + (first - before) / 2;
            match self.first_from(middle)? {
                Some((seq, at)) if at < instant => before = seq,
                _ => first = middle,
            }
        }
        Ok(Recent {
            first,
            complete_from: Some(since),
        })
    }

    /// The first event that is not before a place: its own place, and when it happened.
    fn first_from(&mut self, seq: u64) -> Result<Option<(u64, Timestamp)>, Error> {
        let mut select = Query::select();
        select
            .columns(["seq", "at"])
            .from(TABLE)
            .and_where(Expr::col("seq").gte(number(seq)))
            .order_by("seq", Order::Asc)
            .limit(1);
        self.0.query_one(&select, |row| {
            let mut cells = row.cells(TABLE, &["seq", "at"]);
            Ok((cells.u64()?, cells.time()?))
        })
    }

    /// Removes up to `limit` events that come before a place, and counts them. A reader that had not got so far is
    /// told to drop what it caches.
    pub fn prune(&mut self, before: u64, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("seq")
            .from(TABLE)
            .and_where(Expr::col("seq").lt(number(before)))
            .order_by("seq", Order::Asc)
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("seq").in_subquery(chosen)),
        )
    }
}

/// Selects the place of the latest event.
pub(crate) fn latest() -> sea_query::SelectStatement {
    Query::select()
        .column("seq")
        .from(COUNTER)
        .cond_where(is("id", 1_i64))
        .to_owned()
}

fn read(row: &Row<'_>) -> Result<Event, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Event {
        seq: cells.u64()?,
        at: cells.time()?,
        kind: cells.parsed(|name| Some(EventKind::from_name(name)))?,
        subject: cells.text()?,
        payload: cells.text()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), *kind);
        }
        assert_eq!(EventKind::from_name("later.invention"), EventKind::Unknown);
    }
}
