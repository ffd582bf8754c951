//! Readers of the event log that pass it on to the outside: one node at a time, each event at least once.

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, Query};

use super::{is, millis, number};
use crate::{Error, Tx};

const TABLE: &str = "event_reader";
const EPOCH: &str = "event_epoch";

/// The readers, and the name of the log they read.
#[derive(Debug)]
pub struct EventReaders<'t>(pub(crate) &'t mut Tx);

impl EventReaders<'_> {
    /// The name of this event log. `fresh` becomes it when it has none yet.
    pub fn epoch(&mut self, fresh: &str) -> Result<String, Error> {
        let mut select = Query::select();
        select
            .column("epoch")
            .from(EPOCH)
            .cond_where(is("id", 1_i64));
        let found = self
            .0
            .query_one(&select, |row| row.cells(EPOCH, &["epoch"]).text())?;
        if let Some(epoch) = found {
            return Ok(epoch);
        }
        self.0
            .insert(EPOCH, ["id", "epoch"], [1_i64.into(), fresh.into()])?;
        Ok(fresh.to_owned())
    }

    /// Makes `holder` the one who reads under this name until `until`, and gives the place from which it goes on;
    /// `None` while somebody else is. A name that is new begins at `beginning`.
    pub fn hold(
        &mut self,
        name: &str,
        holder: &str,
        beginning: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u64>, Error> {
        let mut select = Query::select();
        select
            .columns(["seq", "holder", "held_until"])
            .from(TABLE)
            .cond_where(is("name", name));
        let found = self.0.query_one(&select, |row| {
            let mut cells = row.cells(TABLE, &["seq", "holder", "held_until"]);
            Ok((cells.u64()?, cells.optional_text()?, cells.optional_time()?))
        })?;
        let Some((seq, other, held_until)) = found else {
            let values = [name.into(), number(beginning), holder.into(), millis(until)];
            self.0
                .insert(TABLE, ["name", "seq", "holder", "held_until"], values)?;
            return Ok(Some(beginning));
        };
        let is_held = other.as_deref().is_some_and(|other| other != holder)
            && held_until.is_some_and(|until| until > now);
        if is_held {
            return Ok(None);
        }
        self.0.update(
            TABLE,
            ["holder", "held_until"],
            [holder.into(), millis(until)],
            is("name", name),
        )?;
        Ok(Some(seq))
    }

    /// Notes how far the holder has come, and holds on until `until`. `false`, and no change, when somebody else took
    /// over.
    pub fn advance(
        &mut self,
        name: &str,
        holder: &str,
        seq: u64,
        until: Timestamp,
    ) -> Result<bool, Error> {
        let rows = self.0.update(
            TABLE,
            ["seq", "held_until"],
            [number(seq), millis(until)],
            held_by(name, holder),
        )?;
        Ok(rows == 1)
    }

    /// Lets go, so that another node need not wait.
    pub fn release(&mut self, name: &str, holder: &str) -> Result<(), Error> {
        let nobody: [Expr; 2] = [Option::<String>::None.into(), Option::<i64>::None.into()];
        self.0
            .update(
                TABLE,
                ["holder", "held_until"],
                nobody,
                held_by(name, holder),
            )
            .map(drop)
    }
}

fn held_by(name: &str, holder: &str) -> Cond {
    is("name", name).add(Expr::col("holder").eq(holder))
}
