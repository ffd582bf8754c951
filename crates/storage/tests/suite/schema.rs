//! Opening, migrating, refusing.

use storage::{DatabaseUrl, Error, Settings, Storage, testing::TestDatabase};

use crate::fixtures::{account, store};

on_both_engines! {
    async fn a_database_is_migrated_once_and_opens_again(db) {
        let storage = db.open().await;
        store(&storage, &[&account("ada")]).await;
        storage.close().await;
        let storage = db.open().await;
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(1));
    }

    async fn a_sign_in_of_the_first_release_is_still_there_after_every_migration(db) {
        db.make_schema(1).await;
        let (account, session) = (account("ada"), crate::fixtures::session(account("ada").id));
        let (mine, digest) = (db.id_literal(account.id.as_uuid()), [7; 32]);
        let (sid, bytes) = (db.id_literal(session.id.as_uuid()), db.bytes_literal(&digest));
        let (yes, no) = (db.flag_literal(true), db.flag_literal(false));
        db.execute(&format!(
            "INSERT INTO account (id, email, username, role, roles, active, email_verified, generation, created_at, updated_at)
             VALUES ({mine}, 'ada@example.com', 'ada', 'writer', '[]', {yes}, {no}, 3, 1000, 2000);
             INSERT INTO session (id, account, created_by, device, created_at, last_seen_at, idle_expires_at, expires_at, token_digest)
             VALUES ({sid}, {mine}, 'password', 'Firefox', 1000, 2000, 3000, 4000, {bytes});
             INSERT INTO refresh_token (digest, session, issued_at, expires_at) VALUES ({bytes}, {sid}, 1000, 3000)"
        ))
        .await;
        let storage = db.open().await;
        let kept = storage
            .read(move |tx| {
                let kept = tx.accounts().find(account.id)?.expect("the account is kept");
                let session = tx.sessions().find_by_digest(digest)?.expect("the session is kept");
                let refresh = tx.refresh_tokens().find(digest)?.expect("the refresh token is kept");
                Ok::<_, Error>((kept.generation, kept.provider, session.account == kept.id, refresh.session == session.id))
            })
            .await;
        assert_eq!(kept, Ok((3, "password".to_owned(), true, true)));
    }

    async fn every_older_schema_becomes_the_newest(db) {
        // A database is used for one version only, so the others are made here.
        for version in 1..TestDatabase::newest_schema() {
            let older = match db.url() {
                DatabaseUrl::Sqlite(_) => TestDatabase::sqlite(),
                DatabaseUrl::Postgres(_) => TestDatabase::postgres().await,
            };
            older.make_schema(version).await;
            let storage = older.open().await;
            store(&storage, &[&account("ada")]).await;
            storage.close().await;
        }
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
