//! Schema version 1.

use sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, Index, IndexCreateStatement, PostgresQueryBuilder,
    SqliteQueryBuilder, Table, TableCreateStatement,
};

use super::Dialect;

pub(super) fn migration(dialect: Dialect) -> Vec<String> {
    let mut schema = Schema {
        dialect,
        statements: Vec::new(),
    };
    accounts(&mut schema);
    apps(&mut schema);
    kv(&mut schema);
    events(&mut schema);
    schema.statements
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
    schema
        .statements
        .push("CREATE UNIQUE INDEX app_slug ON app (slug) WHERE deleted_at IS NULL".into());
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
    schema
        .statements
        .push("INSERT INTO event_counter (id, seq) VALUES (1, 0)".into());
    if schema.dialect == Dialect::Postgres {
        // Holds no row: writers lock the table itself, see the engine.
        schema.table("write_gate", |t| {
            t.number("id").key(&["id"]);
        });
    }
}

/// The statements of a migration, in order.
struct Schema {
    dialect: Dialect,
    statements: Vec<String>,
}

impl Schema {
    fn table(&mut self, name: &'static str, define: impl FnOnce(&mut Columns)) {
        let mut columns = Columns {
            name,
            dialect: self.dialect,
            table: Table::create(),
        };
        columns.table.table(name);
        define(&mut columns);
        let mut table = columns.table;
        self.statements.push(match self.dialect {
            // A value of the wrong type is refused when it is written, as PostgreSQL does.
            Dialect::Sqlite => table.extra("STRICT").build(SqliteQueryBuilder),
            Dialect::Postgres => table.build(PostgresQueryBuilder),
        });
    }

    fn unique(&mut self, table: &'static str, column: &'static str) {
        self.make_index(Index::create().unique(), table, column);
    }

    fn index(&mut self, table: &'static str, column: &'static str) {
        self.make_index(&mut Index::create(), table, column);
    }

    fn make_index(
        &mut self,
        index: &mut IndexCreateStatement,
        table: &'static str,
        column: &'static str,
    ) {
        // Error messages are told apart by this form of name.
        index
            .name(format!("{table}_{column}"))
            .table(table)
            .col(column);
        self.statements.push(match self.dialect {
            Dialect::Sqlite => index.build(SqliteQueryBuilder),
            Dialect::Postgres => index.build(PostgresQueryBuilder),
        });
    }
}

/// The columns of a table; not null unless `maybe`.
struct Columns {
    name: &'static str,
    dialect: Dialect,
    table: TableCreateStatement,
}

impl Columns {
    fn add(&mut self, name: &'static str, define: impl FnOnce(&mut ColumnDef)) -> &mut Self {
        let mut column = ColumnDef::new(name);
        define(&mut column);
        self.table.col(&mut column);
        self
    }

    /// A UUID: sixteen bytes where the engine has no type for it.
    fn maybe_id(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.blob(),
                Dialect::Postgres => column.uuid(),
            };
        })
    }

    fn id(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.blob().not_null(),
                Dialect::Postgres => column.uuid().not_null(),
            };
        })
    }

    fn text(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.text().not_null();
        })
    }

    fn maybe_text(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.text();
        })
    }

    /// A text that is compared byte by byte, which SQLite always does.
    fn ordered_text(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            column.text().not_null();
            if dialect == Dialect::Postgres {
                column.extra("COLLATE \"C\"");
            }
        })
    }

    fn bytes(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.blob().not_null();
        })
    }

    fn maybe_bytes(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.blob();
        })
    }

    fn number(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.big_integer().not_null();
        })
    }

    fn maybe_number(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.big_integer();
        })
    }

    fn flag(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.big_integer().not_null(),
                Dialect::Postgres => column.boolean().not_null(),
            };
        })
    }

    /// The id of a row in `table`; this row goes with it.
    fn reference(&mut self, name: &'static str, table: &'static str) -> &mut Self {
        self.id(name)
            .foreign_key(name, table, ForeignKeyAction::Cascade)
    }

    fn maybe_reference(&mut self, name: &'static str, table: &'static str) -> &mut Self {
        self.maybe_id(name)
            .foreign_key(name, table, ForeignKeyAction::Cascade)
    }

    /// The id of a row in `table`, which cannot go while this row is there.
    fn owner(&mut self, name: &'static str, table: &'static str) -> &mut Self {
        self.id(name)
            .foreign_key(name, table, ForeignKeyAction::Restrict)
    }

    fn foreign_key(
        &mut self,
        name: &'static str,
        table: &'static str,
        action: ForeignKeyAction,
    ) -> &mut Self {
        let mut key = ForeignKey::create();
        key.from(self.name, name).to(table, "id").on_delete(action);
        self.table.foreign_key(&mut key);
        self
    }

    fn key(&mut self, columns: &[&'static str]) {
        let mut key = Index::create();
        key.primary();
        for column in columns {
            key.col(*column);
        }
        self.table.primary_key(&mut key);
    }
}
