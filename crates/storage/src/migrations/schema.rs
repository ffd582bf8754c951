//! What migrations are written with: tables, columns and indexes for both dialects.

use sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, Index, IndexCreateStatement, PostgresQueryBuilder,
    SqliteQueryBuilder, Table, TableCreateStatement,
};

use super::Dialect;

/// The statements of a migration, in order.
pub(super) struct Schema {
    pub(super) dialect: Dialect,
    statements: Vec<String>,
}

impl Schema {
    /// No statements yet.
    pub(super) const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            statements: Vec::new(),
        }
    }

    /// The statements, in order.
    pub(super) fn finish(self) -> Vec<String> {
        self.statements
    }

    /// Adds a statement that the builder has no words for.
    pub(super) fn statement(&mut self, text: impl Into<String>) {
        self.statements.push(text.into());
    }

    /// Adds columns to a table that is there. One that is not null needs a default for the rows that are there.
    pub(super) fn add_columns(&mut self, name: &'static str, define: impl FnOnce(&mut Columns)) {
        let mut columns = Columns {
            name,
            dialect: self.dialect,
            table: Table::create(),
        };
        columns.table.table(name);
        define(&mut columns);
        // One statement a column: SQLite adds no more at once.
        for mut column in columns.table.get_columns().iter().cloned() {
            let mut alter = Table::alter();
            alter.table(name).add_column(&mut column);
            self.statements.push(match self.dialect {
                Dialect::Sqlite => alter.build(SqliteQueryBuilder),
                Dialect::Postgres => alter.build(PostgresQueryBuilder),
            });
        }
    }

    /// Makes a table.
    pub(super) fn table(&mut self, name: &'static str, define: impl FnOnce(&mut Columns)) {
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

    /// Makes a column's values unique.
    pub(super) fn unique(&mut self, table: &'static str, column: &'static str) {
        self.make_index(Index::create().unique(), table, column);
    }

    /// Makes a column quick to search by.
    pub(super) fn index(&mut self, table: &'static str, column: &'static str) {
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
pub(super) struct Columns {
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
    pub(super) fn maybe_id(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.blob(),
                Dialect::Postgres => column.uuid(),
            };
        })
    }

    pub(super) fn id(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.blob().not_null(),
                Dialect::Postgres => column.uuid().not_null(),
            };
        })
    }

    pub(super) fn text(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.text().not_null();
        })
    }

    /// A text that rows have from the beginning, also those that were there before the column.
    pub(super) fn text_from(&mut self, name: &'static str, default: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.text().not_null().default(default);
        })
    }

    pub(super) fn maybe_text(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.text();
        })
    }

    /// A text that is compared byte by byte, which SQLite always does.
    pub(super) fn ordered_text(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            column.text().not_null();
            if dialect == Dialect::Postgres {
                column.extra("COLLATE \"C\"");
            }
        })
    }

    pub(super) fn bytes(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.blob().not_null();
        })
    }

    pub(super) fn maybe_bytes(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.blob();
        })
    }

    pub(super) fn number(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.big_integer().not_null();
        })
    }

    /// A number that rows have from the beginning, also those that were there before the column.
    pub(super) fn number_from(&mut self, name: &'static str, default: i64) -> &mut Self {
        self.add(name, |column| {
            column.big_integer().not_null().default(default);
        })
    }

    pub(super) fn maybe_number(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.big_integer();
        })
    }

    /// A number that is zero in rows that were there before the column.
    pub(super) fn number_from_zero(&mut self, name: &'static str) -> &mut Self {
        self.add(name, |column| {
            column.big_integer().not_null().default(0);
        })
    }

    pub(super) fn flag(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.big_integer().not_null(),
                Dialect::Postgres => column.boolean().not_null(),
            };
        })
    }

    /// A flag that is off in the rows that were there before the column.
    pub(super) fn flag_from_off(&mut self, name: &'static str) -> &mut Self {
        let dialect = self.dialect;
        self.add(name, |column| {
            match dialect {
                Dialect::Sqlite => column.big_integer().not_null().default(0),
                Dialect::Postgres => column.boolean().not_null().default(false),
            };
        })
    }

    /// The id of a row in `table`; this row goes with it.
    pub(super) fn reference(&mut self, name: &'static str, table: &'static str) -> &mut Self {
        self.id(name)
            .foreign_key(name, table, ForeignKeyAction::Cascade)
    }

    pub(super) fn maybe_reference(&mut self, name: &'static str, table: &'static str) -> &mut Self {
        self.maybe_id(name)
            .foreign_key(name, table, ForeignKeyAction::Cascade)
    }

    /// The id of a row in `table`, which cannot go while this row is there.
    pub(super) fn owner(&mut self, name: &'static str, table: &'static str) -> &mut Self {
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

    pub(super) fn key(&mut self, columns: &[&'static str]) {
        let mut key = Index::create();
        key.primary();
        for column in columns {
            key.col(*column);
        }
        self.table.primary_key(&mut key);
    }
}
