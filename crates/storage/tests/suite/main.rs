//! What must hold of the storage, on SQLite and on PostgreSQL alike.

/// Makes two tests of each function, one an engine. A function gets a fresh database.
macro_rules! on_both_engines {
    ($(async fn $name:ident($database:ident) $body:block)*) => {
        mod cases {
            use super::*;
            $(pub(super) async fn $name($database: &storage::testing::TestDatabase) $body)*
        }
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::cases::$name(&storage::testing::TestDatabase::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::cases::$name(&storage::testing::TestDatabase::postgres().await).await;
            })*
        }
    };
}

mod accounts;
mod api_keys;
mod apps;
mod durability;
mod engine;
mod events;
mod fixtures;
mod identities;
mod keys;
mod kv;
mod mail;
mod schema;
mod second_factors;
mod services;
mod sessions;
