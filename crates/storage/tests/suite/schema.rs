//! Opening, migrating, refusing.

use storage::{DatabaseUrl, Error, Settings, Storage};

use crate::fixtures::{account, store};

on_both_engines! {
    async fn a_database_is_migrated_once_and_opens_again(db) {
        let storage = db.open().await;
        store(&storage, &[&account("ada")]).await;
        storage.close().await;
        let storage = db.open().await;
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(1));
    }

    async fn several_programs_that_start_at_once_migrate_it_once(db) {
        let (a, b, c, d) = tokio::join!(db.open(), db.open(), db.open(), db.open());
        store(&a, &[&account("ada")]).await;
        for storage in [a, b, c, d] {
            assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(1));
        }
    }

    async fn a_newer_database_is_refused(db) {
        db.open().await.close().await;
        db.execute("INSERT INTO schema_version (version) VALUES (4000)").await;
        let refused = Storage::open(db.settings()).await.map(|_| ());
        let Err(error @ Error::NewerSchema { found: 4000, known: 2.. }) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("newer program"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, only a text that is long enough to be looked at".repeat(20),
    )
    .unwrap();
    for (path, advice) in [
        (
            folder.path().join("missing/vestibule.db"),
            "its directory does not exist",
        ),
        (folder.path().to_owned(), "it is a directory"),
        (text, "the file is damaged"),
    ] {
        let refused = Storage::open(Settings::new(DatabaseUrl::Sqlite(path.clone()))).await;
        let text = refused.expect_err("it cannot be opened").to_string();
        assert!(
            text.contains(advice) && text.contains(&*path.to_string_lossy()),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_and_no_password_is_told() {
    let url = "postgres://vestibule:hunter2@127.0.0.1:1/vestibule".to_owned();
    let refused = Storage::open(Settings::new(DatabaseUrl::Postgres(url.into()))).await;
    let error = refused.expect_err("nobody listens on port 1");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let refused = Storage::open(Settings::new(DatabaseUrl::Postgres(
        "mysql://a:hunter2@b/c d".to_owned().into(),
    )))
    .await;
    assert!(
        !refused
            .expect_err("not this scheme")
            .to_string()
            .contains("hunter2")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owners_eyes_only() {
    use std::os::unix::fs::PermissionsExt;
    let database = storage::testing::TestDatabase::sqlite();
    let storage = database.open().await;
    store(&storage, &[&account("ada")]).await;
    let DatabaseUrl::Sqlite(path) = database.url() else {
        unreachable!()
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{:?}",
            entry.path()
        );
        seen += 1;
    }
    assert_eq!(seen, 3);
}
