//! Identities at outside providers, and the tokens of theirs that a session holds.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.table("identity", |t| {
        t.text("provider")
            .text("subject")
            .reference("account", "account")
            .maybe_text("email")
            .number("created_at")
            .number("last_used_at")
            .key(&["provider", "subject"]);
    });
    schema.index("identity", "account");
    schema.table("external_token", |t| {
        t.reference("session", "session")
            .text("provider")
            .bytes("sealed_access")
            .maybe_bytes("sealed_refresh")
            .maybe_number("expires_at")
            .number("updated_at")
            .key(&["session"]);
    });
    schema.finish()
}
