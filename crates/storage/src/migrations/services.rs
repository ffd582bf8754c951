//! Services that call the issuer in their own name.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.table("service", |t| {
        t.ordered_text("id")
            .text("name")
            .maybe_text("audience")
            .maybe_bytes("secret")
            .text("scopes")
            .flag("disabled")
            .number("created_at")
            .number("updated_at")
            .key(&["id"]);
    });
    schema.finish()
}
