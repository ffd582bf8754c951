//! The apps' key-value data.

use ids::{AccountId, AppId, GroupId};
use kv::{Namespace, Usage};
use storage::{Expected, KvLimits, Put, Storage};

use crate::fixtures::{later, owner_and_app, t0};

const ROOMY: KvLimits = KvLimits {
    keys: 10_000,
    bytes: 10_000_000,
};

async fn put(
    storage: &Storage,
    app: AppId,
    key: &'static str,
    value: &'static str,
    expected: Expected,
) -> Put {
    let write = storage.write(move |tx| {
        tx.kv()
            .put(app, Namespace::Public, key, value, expected, t0(), ROOMY)
    });
    write
        .await
        .unwrap_or_else(|error: storage::Error| panic!("{error}"))
}

async fn written(storage: &Storage, app: AppId, key: &'static str, value: &'static str) -> u64 {
    match put(storage, app, key, value, Expected::Any).await {
        Put::Written { version } => version,
        other => panic!("{other:?}"),
    }
}

async fn usage(storage: &Storage, app: AppId) -> Usage {
    storage.read(move |tx| tx.kv().usage(app)).await.unwrap()
}

on_both_engines! {
    async fn a_value_reads_back_byte_for_byte(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let value = "{ \"b\" :1.0,\n \"a\":\"\\u0000 ü 🚪\" , \"a\":2}";
        let version = written(&storage, app, "ключ", value).await;
        let entry = storage.read(move |tx| tx.kv().get(app, Namespace::Public, "ключ")).await.unwrap().unwrap();
        assert_eq!((entry.value.as_str(), entry.version, entry.updated_at), (value, version, t0()));
        assert_eq!(storage.read(move |tx| tx.kv().exists(app, Namespace::Public, "ключ")).await, Ok(true));
        assert_eq!(storage.read(move |tx| tx.kv().get(app, Namespace::Public, "key")).await, Ok(None));
    }

    async fn namespaces_do_not_see_each_other(db) {
        let storage = db.open().await;
        let (owner, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let homes = [
            Namespace::Personal(owner.id),
            Namespace::Personal(AccountId::new(5, [5; 10])),
            // The same number as a group is another home.
            Namespace::Shared(GroupId::from_uuid(owner.id.as_uuid())),
            Namespace::Public,
            Namespace::Server,
        ];
        for (n, home) in homes.into_iter().enumerate() {
            let write = storage.write(move |tx| {
                tx.kv().put(app, home, "k", &n.to_string(), Expected::Absent, t0(), ROOMY)
            });
            assert!(matches!(write.await, Ok(Put::Written { .. })));
        }
        for (n, home) in homes.into_iter().enumerate() {
            let entry = storage.read(move |tx| tx.kv().get(app, home, "k")).await.unwrap().unwrap();
            assert_eq!(entry.value, n.to_string());
            assert_eq!(storage.scan(move |tx| tx.kv().list(app, home, "", 9)).await, Ok(vec!["k".to_owned()]));
        }
        assert_eq!(usage(&storage, app).await.keys, 5);
    }

    async fn a_write_that_expects_something_else_changes_nothing(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        assert_eq!(put(&storage, app, "k", "0", Expected::Version(1)).await, Put::Conflict { actual: None });
        let Put::Written { version } = put(&storage, app, "k", "1", Expected::Absent).await else { panic!() };
        let refused = Put::Conflict { actual: Some(version) };
        assert_eq!(put(&storage, app, "k", "2", Expected::Absent).await, refused);
        assert_eq!(put(&storage, app, "k", "2", Expected::Version(version + 1)).await, refused);
        let entry = storage.read(move |tx| tx.kv().get(app, Namespace::Public, "k")).await.unwrap().unwrap();
        assert_eq!(entry.value, "1");
        assert!(matches!(put(&storage, app, "k", "2", Expected::Version(version)).await, Put::Written { .. }));
    }

    async fn versions_grow_over_deletion_and_never_repeat(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let mut last = 0;
        for round in 0..6 {
            let version = written(&storage, app, if round % 2 == 0 { "a" } else { "b" }, "1").await;
            assert!(version > last);
            last = version;
            if round % 3 == 0 {
                let key = if round % 2 == 0 { "a" } else { "b" };
                let delete = storage.write(move |tx| tx.kv().delete(app, Namespace::Public, key));
                assert_eq!(delete.await, Ok(true));
            }
        }
        assert_eq!(storage.write(move |tx| tx.kv().delete(app, Namespace::Public, "none")).await, Ok(false));
    }

    async fn usage_is_exact_and_the_quota_holds(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let limits = KvLimits { keys: 2, bytes: 20 };
        let put = |key: &'static str, value: &'static str| {
            storage.write(move |tx| {
                tx.kv().put(app, Namespace::Server, key, value, Expected::Any, later(1), limits)
            })
        };
        let full = |keys, bytes| Ok(Put::QuotaExceeded { usage: Usage { keys, bytes } });
        assert_eq!(put("a", "12345678901234567890").await, full(0, 0));
        assert!(matches!(put("a", "123456789").await, Ok(Put::Written { .. })));
        assert_eq!(usage(&storage, app).await, Usage { keys: 1, bytes: 10 });
        assert!(matches!(put("ü", "12345678").await, Ok(Put::Written { .. })));
        assert_eq!(usage(&storage, app).await, Usage { keys: 2, bytes: 20 });
        assert_eq!(put("a", "1234567890").await, full(2, 20));
        assert_eq!(put("c", "").await, full(2, 20));
        assert!(matches!(put("a", "987654321").await, Ok(Put::Written { .. })));
        assert!(matches!(put("a", "1").await, Ok(Put::Written { .. })));
        assert_eq!(usage(&storage, app).await, Usage { keys: 2, bytes: 12 });
        assert_eq!(put("c", "1").await, full(2, 12));
        assert_eq!(storage.write(move |tx| tx.kv().delete(app, Namespace::Server, "ü")).await, Ok(true));
        assert_eq!(usage(&storage, app).await, Usage { keys: 1, bytes: 2 });
        assert!(matches!(put("c", "1").await, Ok(Put::Written { .. })));
    }

    async fn a_prefix_is_taken_literally(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let keys = [
            "%", "%a", "A", "_", "_x", "a", "a%", "a_b", "ab", "ab\u{10FFFF}", "ab\u{10FFFF}z", "b", "é", "\u{D7FF}z",
            "\u{E000}", "\u{10FFFF}", "\u{10FFFF}\u{10FFFF}", "'; DROP TABLE kv_entry; --", "\\", "*", "[a-z]",
        ];
        for key in keys {
            written(&storage, app, key, "1").await;
        }
        let prefixes = keys.into_iter().chain(["", "a\u{10FFFF}", "\u{D7FF}", "ab\u{10FFFF}", "zz", "'"]);
        for prefix in prefixes {
            let mut wanted: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
            wanted.sort_unstable();
            let found = storage.scan(move |tx| tx.kv().list(app, Namespace::Public, prefix, 1000)).await.unwrap();
            assert_eq!(found, wanted, "prefix {prefix:?}");
            let limited = storage.scan(move |tx| tx.kv().list(app, Namespace::Public, prefix, 2)).await.unwrap();
            assert_eq!(limited, wanted[..wanted.len().min(2)]);
        }
    }

    async fn two_hundred_concurrent_appends_to_one_key_lose_none(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let appends: Vec<_> = (0..200_u32)
            .map(|n| {
                let storage = storage.clone();
                tokio::spawn(async move {
                    let append = storage.write(move |tx| {
                        let entry = tx.kv().get(app, Namespace::Public, "list")?;
                        let mut list: Vec<u32> =
                            entry.as_ref().map_or_else(Vec::new, |e| serde_json::from_str(&e.value).unwrap());
                        list.push(n);
                        let text = serde_json::to_string(&list).unwrap();
                        let expected = entry.map_or(Expected::Absent, |entry| Expected::Version(entry.version));
                        let put = tx.kv().put(app, Namespace::Public, "list", &text, expected, t0(), ROOMY)?;
                        assert!(matches!(put, Put::Written { .. }));
                        Ok::<_, storage::Error>(list.len())
                    });
                    append.await.unwrap()
                })
            })
            .collect();
        let mut lengths = Vec::new();
        for append in appends {
            lengths.push(append.await.unwrap());
        }
        lengths.sort_unstable();
        assert_eq!(lengths, (1..=200).collect::<Vec<_>>());
        let entry = storage.read(move |tx| tx.kv().get(app, Namespace::Public, "list")).await.unwrap().unwrap();
        let mut list: Vec<u32> = serde_json::from_str(&entry.value).unwrap();
        list.sort_unstable();
        assert_eq!(list, (0..200).collect::<Vec<_>>());
        assert_eq!(usage(&storage, app).await, Usage { keys: 1, bytes: 4 + entry.value.len() as u64 });
    }
}
