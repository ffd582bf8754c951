//! Whether the answer to a refresh went out, so that every server can tell a lost answer from a second holder.
//!
//! Refreshes before it count as not answered, which matters for an hour.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.add_columns("refresh_token", |t| {
        t.number_from_zero("answered");
    });
    schema.finish()
}
