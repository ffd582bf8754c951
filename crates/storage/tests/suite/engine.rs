//! How closures are run.

use storage::{Error, EventKind};

use crate::fixtures::{account, store, t0};

on_both_engines! {
    async fn a_failing_or_panicking_closure_is_undone_alone(db) {
        let storage = db.open().await;
        let jobs: Vec<_> = (0..60)
            .map(|n| {
                let storage = storage.clone();
                tokio::spawn(async move {
                    let account = account(&format!("user{n}"));
                    let write = storage.write(move |tx| {
                        tx.accounts().insert(&account)?;
                        tx.events().append(EventKind::AccountCreated, account.id, &serde_json::json!(null), t0())?;
                        match n % 4 {
                            1 => Err(Error::Conflict { what: "rule" }),
                            2 => panic!("a test's own panic"),
                            // A duplicate, which fails in the database.
                            3 => tx.accounts().insert(&account),
                            _ => Ok(()),
                        }
                    });
                    (n, write.await)
                })
            })
            .collect();
        for job in jobs {
            let (n, result) = job.await.unwrap();
            let wanted = match n % 4 {
                1 => Err(Error::Conflict { what: "rule" }),
                2 => Err(Error::Panicked),
                3 => Err(Error::Conflict { what: "record" }),
                _ => Ok(()),
            };
            // The id's index or that of the address: which one is hit first is the engine's choice.
            match (n % 4, result) {
                (3, Err(Error::Conflict { .. })) => {}
                (_, result) => assert_eq!(result, wanted, "job {n}"),
            }
        }
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(15));
        assert_eq!(storage.latest_event_seq().await, Ok(15));
    }

    async fn a_closure_that_hides_a_failed_statement_is_undone(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let hidden = storage
            .write(move |tx| {
                tx.accounts().insert(&account("bob"))?;
                let refused = tx.accounts().insert(&ada);
                assert!(matches!(refused, Err(Error::Conflict { .. })));
                assert_eq!(tx.accounts().count(), Err(Error::Aborted));
                Ok::<_, Error>(())
            })
            .await;
        assert_eq!(hidden, Err(Error::Aborted));
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(1));
    }

    async fn reading_closures_cannot_write_and_do_not_spoil_their_connection(db) {
        let storage = db.open().await;
        for _ in 0..20 {
            let refused = storage.read(|tx| tx.accounts().insert(&account("ada"))).await;
            assert!(matches!(refused, Err(Error::Database { .. } | Error::Unavailable { .. })), "{refused:?}");
            let panicked = storage.read(|_| -> Result<(), Error> { panic!("a test's own panic") }).await;
            assert_eq!(panicked, Err(Error::Panicked));
            assert_eq!(storage.scan(|tx| tx.accounts().count()).await, Ok(0));
        }
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(0));
    }

    async fn a_reader_sees_one_moment(db) {
        let storage = db.open().await;
        let writer = storage.clone();
        let runtime = tokio::runtime::Handle::current();
        let counted = storage
            .scan(move |tx| {
                let before = tx.accounts().count()?;
                let ada = account("ada");
                std::thread::scope(|scope| {
                    scope.spawn(|| runtime.block_on(store(&writer, &[&ada])));
                });
                Ok::<_, Error>((before, tx.accounts().count()?))
            })
            .await;
        assert_eq!(counted, Ok((0, 0)));
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(1));
    }

    async fn two_closures_that_each_read_what_the_other_changes_do_not_both_pass(db) {
        let storage = db.open().await;
        let names = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"];
        let accounts = names.map(|name| {
            let mut account = account(name);
            account.role = accounts::Role::Superadmin;
            account
        });
        store(&storage, &accounts.each_ref()).await;
        let demotions = accounts.map(|mut account| {
            let storage = storage.clone();
            account.role = accounts::Role::User;
            tokio::spawn(async move {
                let write = storage.write(move |tx| {
                    if tx.accounts().count_superadmins()? < 2 {
                        return Err(Error::Conflict { what: "last superadmin" });
                    }
                    tx.accounts().update(&account)
                });
                write.await
            })
        });
        let mut refused = 0;
        for demotion in demotions {
            match demotion.await.unwrap() {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error, Error::Conflict { what: "last superadmin" });
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1);
        assert_eq!(storage.read(|tx| tx.accounts().count_superadmins()).await, Ok(1));
    }

    async fn closing_finishes_what_waits_and_refuses_what_comes(db) {
        let storage = db.open().await;
        let writes: Vec<_> = (0..50)
            .map(|n| {
                let storage = storage.clone();
                tokio::spawn(async move { storage.write(move |tx| tx.accounts().insert(&account(&format!("u{n}")))).await })
            })
            .collect();
        storage.close().await;
        storage.close().await;
        let mut kept = 0;
        for write in writes {
            match write.await.unwrap() {
                Ok(()) => kept += 1,
                Err(error) => assert_eq!(error, Error::Closed),
            }
        }
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Err(Error::Closed));
        assert_eq!(storage.write(|tx| tx.accounts().count()).await, Err(Error::Closed));
        let again = db.open().await;
        assert_eq!(again.read(|tx| tx.accounts().count()).await, Ok(kept));
    }
}
