//! What the issuer's wire tells of an account beyond schema version 1.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.add_columns("account", |t| {
        t.maybe_text("avatar").text_from("provider", "password");
    });
    schema.finish()
}
