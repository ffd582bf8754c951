//! What the rotation of signing keys needs to know of each.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.add_columns("signing_key", |t| {
        t.maybe_number("current_at")
            .number_from("token_life", 0)
            .flag_from_off("switches_itself");
    });
    // The only key so far signed from the beginning.
    schema.statement("UPDATE signing_key SET current_at = created_at WHERE state = 'current'");
    schema.finish()
}
