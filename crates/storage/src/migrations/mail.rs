//! Mail that waits to be sent, and what is proven by mail.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    // The key is why there is one live challenge for each purpose.
    schema.table("challenge", |t| {
        t.reference("account", "account")
            .text("purpose")
            .bytes("digest")
            .text("email")
            .number("generation")
            .number("created_at")
            .number("expires_at")
            .key(&["account", "purpose"]);
    });
    schema.unique("challenge", "digest");
    schema.index("challenge", "expires_at");
    schema.table("sign_up", |t| {
        t.text("email")
            .maybe_bytes("digest")
            .bytes("sealed")
            .number("created_at")
            .number("asked_at")
            .number("expires_at")
            .key(&["email"]);
    });
    schema.unique("sign_up", "digest");
    schema.index("sign_up", "expires_at");
    schema.table("outbox", |t| {
        t.id("id")
            .text("state")
            .text("kind")
            .text("email")
            .maybe_bytes("sealed")
            .number("attempts")
            .maybe_number("due_at")
            .number("created_at")
            .number("expires_at")
            .maybe_number("finished_at")
            .maybe_text("problem")
            .key(&["id"]);
    });
    schema.index("outbox", "due_at");
    schema.index("outbox", "expires_at");
    schema.finish()
}
