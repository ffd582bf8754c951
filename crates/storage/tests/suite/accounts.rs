//! Accounts and one-time links.

use ::accounts::{Account, Role};
use storage::{Error, Link, Page, Window};

use crate::fixtures::{account, app, later, session, store, t0};

/// An account in full, password included.
fn shown(account: &Account) -> String {
    format!(
        "{account:?} {:?}",
        account
            .password
            .as_ref()
            .map(|password| password.expose().clone())
    )
}

on_both_engines! {
    async fn an_account_reads_back_as_it_was_stored(db) {
        let storage = db.open().await;
        let ada = account("ada");
        let mut bob = account("bob");
        (bob.full_name, bob.password, bob.active, bob.role) = (None, None, false, Role::Admin);
        store(&storage, &[&ada, &bob]).await;
        for wanted in [ada, bob] {
            let (id, email) = (wanted.id, wanted.email.clone());
            let found = storage.read(move |tx| tx.accounts().find(id)).await.unwrap().unwrap();
            assert_eq!(shown(&found), shown(&wanted));
            let found = storage.read(move |tx| tx.accounts().find_by_email(&email)).await.unwrap().unwrap();
            assert_eq!(shown(&found), shown(&wanted));
        }
    }

    async fn people_are_listed_in_order_a_part_at_a_time_and_found_by_any_of_their_names(db) {
        let storage = db.open().await;
        let (mut pending, ada, bob, mut odd) = (account("pending"), account("ada"), account("bob"), account("odd"));
        pending.email = format!("pending:{}", pending.id);
        pending.role = Role::Superadmin;
        odd.full_name = Some("100%_sure\\ Lovelace".into());
        store(&storage, &[&pending, &ada, &bob, &odd]).await;
        for (text, skip, limit, names, count) in [
            ("", 0, 10, &["ada", "bob", "odd"][..], 3),
            ("", 1, 1, &["bob"], 3),
            ("", 3, 10, &[], 3),
            (" ADA ", 0, 10, &["ada"], 1),
            ("example.com", 0, 2, &["ada", "bob"], 3),
            ("lovelace", 0, 10, &["odd"], 1),
            ("0%_s", 0, 10, &["odd"], 1),
            ("\\", 0, 10, &["odd"], 1),
            ("a_a", 0, 10, &[], 0),
            ("%", 0, 10, &["odd"], 1),
            ("pending", 0, 10, &[], 0),
        ] {
            let window = Window { skip, limit };
            let (found, counted) = storage
                .read(move |tx| Ok::<_, Error>((tx.accounts().list_people(text, window)?, tx.accounts().count_people(text)?)))
                .await
                .unwrap();
            let found: Vec<_> = found.iter().map(|account| account.username.as_str()).collect();
            assert_eq!((found.as_slice(), counted), (names, count), "{text:?}");
        }
    }

    async fn what_happened_to_people_is_counted_for_a_span_of_time(db) {
        let storage = db.open().await;
        let (ada, mut bob) = (account("ada"), account("bob"));
        bob.updated_at = later(100);
        store(&storage, &[&ada, &bob]).await;
        for (since, until, only, counts) in [
            (0, 1, None, (1, 2)),
            (0, 101, None, (2, 2)),
            (1, 100, None, (0, 0)),
            (1, 101, Some(bob.id), (1, 0)),
            (0, 101, Some(ada.id), (1, 1)),
        ] {
            let counted = storage.read(move |tx| tx.accounts().count_activity(later(since), later(until), only)).await;
            assert_eq!(counted, Ok(counts), "{since} to {until}");
        }
    }

    async fn other_superadmins_are_those_who_can_act(db) {
        let storage = db.open().await;
        let [mut one, mut two, mut idle, mut pending] = ["one", "two", "idle", "empty"].map(account);
        for account in [&mut one, &mut two, &mut idle, &mut pending] {
            account.role = Role::Superadmin;
        }
        idle.active = false;
        pending.email = format!("pending:{}", pending.id);
        store(&storage, &[&one, &two, &idle, &pending, &account("ada")]).await;
        let id = one.id;
        let found = storage.read(move |tx| {
            Ok::<_, Error>((tx.accounts().count_other_superadmins(id)?, tx.accounts().find_other_superadmin(id)?))
        });
        let (count, other) = found.await.unwrap();
        assert_eq!((count, other.map(|other| other.id)), (1, Some(two.id)));
    }

    async fn deleted_apps_can_be_handed_over_so_that_their_owner_can_go(db) {
        let storage = db.open().await;
        let (owner, heir) = (account("owner"), account("heir"));
        store(&storage, &[&owner, &heir]).await;
        let (gone, kept) = (app(owner.id, "gone"), app(owner.id, "kept"));
        let (from, to, deleted, live) = (owner.id, heir.id, gone.id, kept.id);
        let moved = storage.write(move |tx| {
            tx.apps().insert(&gone)?;
            tx.apps().insert(&kept)?;
            tx.apps().delete(deleted, t0())?;
            tx.apps().hand_over_deleted(from, to)
        });
        assert_eq!(moved.await, Ok(1));
        assert_eq!(storage.write(move |tx| tx.accounts().delete(from)).await, Err(Error::InUse));
        let gone = storage.write(move |tx| {
            tx.apps().delete(live, t0())?;
            tx.apps().hand_over_deleted(from, to)?;
            tx.accounts().delete(from)
        });
        assert_eq!(gone.await, Ok(()));
    }

    async fn an_account_is_found_by_either_login(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada, &account("bob")]).await;
        for login in ["ada", "ada@example.com"] {
            let found = storage.read(move |tx| tx.accounts().find_by_login(login)).await.unwrap();
            assert_eq!(found.map(|found| found.id), Some(ada.id));
        }
        let found = storage.read(|tx| tx.accounts().find_by_username("ada")).await.unwrap();
        assert_eq!(found.map(|found| found.id), Some(ada.id));
        for login in ["", "ad", "ada%", "ADA", "nobody@example.com"] {
            assert!(storage.read(move |tx| tx.accounts().find_by_login(login)).await.unwrap().is_none(), "{login}");
        }
    }

    async fn a_taken_address_or_name_is_a_conflict_that_names_it(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada, &account("bob")]).await;
        let mut same_email = account("eve");
        same_email.email.clone_from(&ada.email);
        let mut same_name = account("eve");
        same_name.username.clone_from(&ada.username);
        let refused = storage.write(move |tx| tx.accounts().insert(&same_email)).await;
        assert_eq!(refused, Err(Error::Conflict { what: "email" }));
        let refused = storage.write(move |tx| tx.accounts().insert(&same_name)).await;
        assert_eq!(refused, Err(Error::Conflict { what: "username" }));
        let refused = storage
            .write(|tx| {
                let mut bob = tx.accounts().find_by_username("bob")?.expect("bob is there");
                bob.email = "ada@example.com".into();
                tx.accounts().update(&bob)
            })
            .await;
        assert_eq!(refused, Err(Error::Conflict { what: "email" }));
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(2));
    }

    async fn changing_an_absent_account_is_not_found(db) {
        let storage = db.open().await;
        let nobody = account("nobody");
        let id = nobody.id;
        assert_eq!(
            storage.write(move |tx| tx.accounts().update(&nobody)).await,
            Err(Error::NotFound { what: "account" })
        );
        assert!(storage.read(move |tx| tx.accounts().find(id)).await.unwrap().is_none());
    }

    async fn an_update_overwrites_the_whole_record(db) {
        let storage = db.open().await;
        let mut ada = account("ada");
        store(&storage, &[&ada]).await;
        ada.role = Role::Superadmin;
        ada.generation = 7;
        ada.full_name = None;
        ada.roles = Vec::new();
        ada.updated_at = later(5);
        let changed = ada.clone();
        storage.write(move |tx| tx.accounts().update(&changed)).await.unwrap();
        let id = ada.id;
        let found = storage.read(move |tx| tx.accounts().find(id)).await.unwrap().unwrap();
        assert_eq!(shown(&found), shown(&ada));
    }

    async fn pages_follow_each_other_in_order_of_creation(db) {
        let storage = db.open().await;
        let all: Vec<Account> = (0..7).map(|n| account(&format!("user{n}"))).collect();
        store(&storage, &all.iter().collect::<Vec<_>>()).await;
        let mut seen = Vec::new();
        loop {
            let page = Page { after: seen.last().copied(), limit: 3 };
            let part = storage.scan(move |tx| tx.accounts().list(page)).await.unwrap();
            if part.is_empty() {
                break;
            }
            seen.extend(part.iter().map(|account| account.id));
        }
        assert_eq!(seen, all.iter().map(|account| account.id).collect::<Vec<_>>());
    }

    async fn only_active_superadmins_are_counted_as_such(db) {
        let storage = db.open().await;
        let (mut one, mut two, three) = (account("one"), account("two"), account("three"));
        (one.role, two.role, two.active) = (Role::Superadmin, Role::Superadmin, false);
        store(&storage, &[&one, &two, &three]).await;
        assert_eq!(storage.read(|tx| tx.accounts().count_superadmins()).await, Ok(1));
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(3));
    }

    async fn a_deleted_account_takes_its_sessions_but_not_the_apps_it_owns(db) {
        let storage = db.open().await;
        let (ada, bob) = (account("ada"), account("bob"));
        store(&storage, &[&ada, &bob]).await;
        let (session, notes) = (session(ada.id), app(bob.id, "notes"));
        let id = session.id;
        storage
            .write(move |tx| {
                tx.sessions().insert(&session, None)?;
                tx.apps().insert(&notes)
            })
            .await
            .unwrap();
        storage.write(move |tx| tx.accounts().delete(ada.id)).await.unwrap();
        assert_eq!(storage.read(move |tx| tx.sessions().find(id)).await, Ok(None));
        assert_eq!(storage.write(move |tx| tx.accounts().delete(bob.id)).await, Err(Error::InUse));
        assert_eq!(storage.read(|tx| tx.accounts().count()).await, Ok(1));
    }

    async fn a_text_with_nul_is_refused_and_harms_nothing(db) {
        let storage = db.open().await;
        let mut ada = account("ada");
        ada.full_name = Some("a\0b".into());
        assert_eq!(storage.write(move |tx| tx.accounts().insert(&ada)).await, Err(Error::InvalidText));
        assert_eq!(
            storage.read(|tx| tx.accounts().find_by_login("ada\0")).await.map(|found| found.is_some()),
            Err(Error::InvalidText)
        );
    }

    async fn a_damaged_row_is_named_by_table_column_and_id(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        db.execute("UPDATE account SET role = 'wizard'").await;
        let found = storage.read(move |tx| tx.accounts().find(ada.id)).await.map(|found| found.is_some());
        let Err(error) = found else { panic!("a damaged row was read") };
        let text = error.to_string();
        assert!(text.starts_with(&format!("table account, column role, row {}: \"wizard\"", ada.id)), "{text}");
    }

    async fn a_link_is_redeemed_exactly_once(db) {
        let storage = db.open().await;
        let link = Link {
            digest: [7; 32],
            purpose: "setup".into(),
            account: None,
            data: r#"{"next":"/"}"#.into(),
            created_at: t0(),
            expires_at: later(60),
        };
        let stored = link.clone();
        storage.write(move |tx| tx.links().insert(&stored)).await.unwrap();
        assert_eq!(storage.read(|tx| tx.links().peek([7; 32], t0())).await, Ok(Some(link.clone())));
        assert_eq!(storage.read(|tx| tx.links().peek([7; 32], later(60))).await, Ok(None));
        assert_eq!(storage.write(|tx| tx.links().redeem([7; 32], later(60))).await, Ok(None));
        assert_eq!(storage.write(|tx| tx.links().redeem([8; 32], t0())).await, Ok(None));
        let tries = (0..32).map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move { storage.write(|tx| tx.links().redeem([7; 32], later(59))).await.unwrap() })
        });
        let mut won = Vec::new();
        for attempt in tries.collect::<Vec<_>>() {
            won.extend(attempt.await.unwrap());
        }
        assert_eq!(won, [link]);
        assert_eq!(storage.read(|tx| tx.links().peek([7; 32], t0())).await, Ok(None));
        assert_eq!(storage.write(|tx| tx.links().delete_expired(later(60), 10)).await, Ok(0));
        assert_eq!(storage.write(|tx| tx.links().delete_expired(later(61), 10)).await, Ok(1));
    }
}
