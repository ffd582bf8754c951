//! How the person behind a session proved who they are, and when.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.add_columns("session", |t| {
        t.text_from("amr", "").number_from("authenticated_at", 0);
    });
    // Of older sessions it is only known that somebody signed in when they began.
    schema.statement("UPDATE session SET authenticated_at = created_at");
    schema.finish()
}
