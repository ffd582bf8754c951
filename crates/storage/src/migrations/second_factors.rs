//! Authenticator apps, recovery codes, passkeys, what waits for an answer of a person, and what they have to be told.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.table("authenticator", |t| {
        t.reference("account", "account")
            .bytes("sealed_secret")
            .number("created_at")
            .maybe_number("confirmed_at")
            .number("last_step")
            .key(&["account"]);
    });
    schema.table("recovery_code", |t| {
        t.reference("account", "account")
            .bytes("mac")
            .number("created_at")
            .maybe_number("used_at")
            .key(&["account", "mac"]);
    });
    schema.table("passkey", |t| {
        t.id("id")
            .reference("account", "account")
            .bytes("credential")
            .text("name")
            .text("public_key")
            .number("sign_count")
            .flag("synced")
            .number("created_at")
            .maybe_number("last_used_at")
            .key(&["id"]);
    });
    schema.unique("passkey", "credential");
    schema.index("passkey", "account");
    schema.table("ceremony", |t| {
        t.bytes("digest")
            .text("purpose")
            .maybe_reference("account", "account")
            .maybe_reference("session", "session")
            .text("data")
            .number("tries")
            .number("created_at")
            .number("expires_at")
            .key(&["digest"]);
    });
    schema.index("ceremony", "account");
    schema.index("ceremony", "session");
    schema.index("ceremony", "expires_at");
    schema.table("notice", |t| {
        t.id("id")
            .reference("account", "account")
            .text("kind")
            .text("detail")
            .number("created_at")
            .key(&["id"]);
    });
    schema.index("notice", "account");
    schema.finish()
}
