//! Schema version 1.

use super::{Dialect, schema::Schema};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    accounts(&mut schema);
    apps(&mut schema);
    kv(&mut schema);
    events(&mut schema);
    schema.finish()
}

fn accounts(schema: &mut Schema) {
    schema.table("account", |t| {
        t.id("id")
            .text("email")
            .text("username")
            .maybe_text("full_name")
            .text("role")
            .text("roles")
            .flag("active")
            .flag("email_verified")
            .number("generation")
            .maybe_text("password")
            .number("created_at")
            .number("updated_at")
            .key(&["id"]);
    });
    schema.unique("account", "email");
    schema.unique("account", "username");
    schema.table("session", |t| {
        t.id("id")
            .reference("account", "account")
            .text("created_by")
            .text("device")
            .maybe_id("active_workspace")
            .number("created_at")
            .number("last_seen_at")
            .number("idle_expires_at")
            .number("expires_at")
            .maybe_number("ended_at")
            .maybe_text("end_reason")
            .maybe_bytes("token_digest")
            .key(&["id"]);
    });
    schema.unique("session", "token_digest");
    schema.index("session", "account");
    schema.index("session", "ended_at");
    schema.index("session", "idle_expires_at");
    schema.index("session", "expires_at");
    schema.table("refresh_token", |t| {
        t.bytes("digest")
            .reference("session", "session")
            .maybe_bytes("parent")
            .number("issued_at")
            .number("expires_at")
            .maybe_number("used_at")
            .maybe_bytes("successor")
            .key(&["digest"]);
    });
    schema.index("refresh_token", "session");
    schema.index("refresh_token", "parent");
    schema.table("link", |t| {
        t.bytes("digest")
            .text("purpose")
            .maybe_reference("account", "account")
            .text("data")
            .number("created_at")
            .number("expires_at")
            .maybe_number("redeemed_at")
            .key(&["digest"]);
    });
    schema.index("link", "account");
    schema.index("link", "expires_at");
    schema.table("signing_key", |t| {
        t.text("kid")
            .text("algorithm")
            .bytes("sealed_private")
            .text("public_jwk")
            .text("state")
            .number("created_at")
            .maybe_number("published_at")
            .maybe_number("retired_at")
            .key(&["kid"]);
    });
}

fn apps(schema: &mut Schema) {
    schema.table("app", |t| {
        t.id("id")
            .text("slug")
            .text("name")
            .owner("owner", "account")
            .flag("is_public")
            .flag("requires_auth")
            .text("newcomers")
            .id("default_group")
            .maybe_number("live_version")
            .number("created_at")
            .number("updated_at")
            .maybe_number("deleted_at")
            .key(&["id"]);
    });
    // Partial: a deleted app keeps its slug in its row.
    schema.statement("CREATE UNIQUE INDEX app_slug ON app (slug) WHERE deleted_at IS NULL");
    schema.index("app", "owner");
    schema.index("app", "deleted_at");
    schema.table("release", |t| {
        t.reference("app", "app")
            .number("version")
            .text("state")
            .maybe_text("failed_stage")
            .maybe_text("failed_message")
            .text("source_digest")
            .text("plan")
            .maybe_text("message")
            .id("created_by")
            .number("created_at")
            .maybe_number("activated_at")
            .key(&["app", "version"]);
    });
    schema.index("release", "state");
    schema.table("member", |t| {
        t.reference("app", "app")
            .reference("account", "account")
            .id("share_group")
            .text("mode")
            .flag("invited")
            .number("created_at")
            .maybe_number("last_seen_at")
            .key(&["app", "account"]);
    });
    schema.index("member", "account");
    schema.table("invite", |t| {
        t.id("id")
            .reference("app", "app")
            .text("email")
            .bytes("token_digest")
            .text("mode")
            .id("created_by")
            .number("created_at")
            .number("expires_at")
            .maybe_number("accepted_at")
            .maybe_number("revoked_at")
            .key(&["id"]);
    });
    schema.unique("invite", "token_digest");
    schema.index("invite", "app");
    schema.index("invite", "email");
    schema.table("share_group", |t| {
        t.id("id")
            .reference("app", "app")
            .maybe_id("account")
            .text("label")
            .number("created_at")
            .key(&["id"]);
    });
    schema.index("share_group", "app");
}

fn kv(schema: &mut Schema) {
    schema.table("kv_entry", |t| {
        t.reference("app", "app")
            .text("scope")
            .id("owner")
            .ordered_text("key")
            .text("value")
            .number("size")
            .number("version")
            .number("updated_at")
            .key(&["app", "scope", "owner", "key"]);
    });
    schema.table("kv_usage", |t| {
        t.reference("app", "app")
            .number("keys")
            .number("bytes")
            .number("last_version")
            .key(&["app"]);
    });
}

fn events(schema: &mut Schema) {
    schema.table("event", |t| {
        t.number("seq")
            .number("at")
            .text("kind")
            .text("subject")
            .text("payload")
            .key(&["seq"]);
    });
    schema.table("event_counter", |t| {
        t.number("id").number("seq").key(&["id"]);
    });
    schema.statement("INSERT INTO event_counter (id, seq) VALUES (1, 0)");
    if schema.dialect == Dialect::Postgres {
        // Holds no row: writers lock the table itself, see the engine.
        schema.table("write_gate", |t| {
            t.number("id").key(&["id"]);
        });
    }
}
