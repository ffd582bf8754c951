//! What tells whether the access token of a pair is still good.
//!
//! Access tokens that were issued before count as ended, which makes their holders refresh once.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.add_columns("refresh_token", |t| {
        t.maybe_id("jti")
            .number_from_zero("generation")
            .number_from_zero("access_expires_at")
            .maybe_text("audience");
    });
    schema.unique("refresh_token", "jti");
    schema.finish()
}
