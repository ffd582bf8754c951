//! API keys, how often they may be used, and how often they were.

use super::{
    Dialect,
    schema::{Columns, Schema},
};

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema::new(dialect);
    schema.table("api_key", |t| {
        t.id("id")
            .reference("account", "account")
            .text("name")
            .bytes("digest")
            .text("access_mode")
            .text("audiences")
            .number("created_at")
            .number("updated_at")
            .number("expires_at")
            .maybe_number("revoked_at")
            .maybe_number("last_used_at")
            .key(&["id"]);
    });
    schema.unique("api_key", "digest");
    schema.index("api_key", "account");
    schema.index("api_key", "expires_at");
    schema.index("api_key", "revoked_at");
    schema.table("api_key_limit", |t| {
        t.reference("api_key", "api_key");
        limits(t).key(&["api_key"]);
    });
    schema.table("account_api_key_limit", |t| {
        t.reference("account", "account");
        limits(t).key(&["account"]);
    });
    schema.table("api_key_usage", |t| {
        t.reference("api_key", "api_key")
            .number("minute_start")
            .number("minute_count")
            .number("hour_start")
            .number("hour_count")
            .number("day_start")
            .number("day_count")
            .number("month_start")
            .number("month_count")
            .key(&["api_key"]);
    });
    schema.finish()
}

fn limits(t: &mut Columns) -> &mut Columns {
    t.maybe_number("per_minute")
        .maybe_number("per_hour")
        .maybe_number("per_day")
        .maybe_number("per_month")
}
