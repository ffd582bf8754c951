//! Who reads the event log on behalf of the outside, and how far they have come.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    // One row: the name of this log, so that a place in it can be told from a place in another.
    schema.table("event_epoch", |t| {
        t.number("id").text("epoch").key(&["id"]);
    });
    schema.table("event_reader", |t| {
        t.text("name")
            .number("seq")
            .maybe_text("holder")
            .maybe_number("held_until")
            .key(&["name"]);
    });
    schema.finish()
}
