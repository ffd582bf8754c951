//! API keys, their limits and their use.

use accounts::{
    api_key::{AccessMode, ApiKey, Wish, issue},
    quota::{Limits, Usage},
};
use ids::{AccountId, ApiKeyId};
use jiff::SignedDuration;
use storage::{Error, LimitOf};

use crate::fixtures::{account, later, store, t0};

fn key(account: AccountId, number: u8) -> ApiKey {
    let wish = Wish {
        name: Some(format!("key {number}")),
        hours: i64::from(number),
        access_mode: AccessMode::ReadWrite,
        audiences: vec!["items".into(), "a \"b\"".into()],
    };
    issue(
        wish,
        account,
        ApiKeyId::new(u64::from(number), [number; 10]),
        t0(),
    )
    .expect("a good wish")
}

on_both_engines! {
    async fn a_key_is_found_by_its_id_and_its_digest_and_goes_with_its_account(db) {
        let storage = db.open().await;
        let (ada, bob) = (account("ada"), account("bob"));
        store(&storage, &[&ada, &bob]).await;
        let (first, second) = (key(ada.id, 1), key(ada.id, 2));
        let (a, b) = (first.clone(), second.clone());
        storage
            .write(move |tx| {
                tx.api_keys().insert(&a, [1; 32])?;
                tx.api_keys().insert(&b, [2; 32])?;
                tx.api_keys().add_usage(b.id, &Usage::once(t0()))?;
                tx.api_keys().set_limits(LimitOf::Key(b.id), Limits([Some(1); 4]))
            })
            .await
            .unwrap();
        let id = first.id;
        assert_eq!(storage.read(move |tx| tx.api_keys().find(id)).await, Ok(Some(first.clone())));
        assert_eq!(storage.read(|tx| tx.api_keys().find_by_digest([2; 32])).await, Ok(Some(second.clone())));
        assert_eq!(storage.read(|tx| tx.api_keys().find_by_digest([3; 32])).await, Ok(None));
        assert_eq!(storage.read(move |tx| tx.api_keys().list_of(ada.id)).await, Ok(vec![second, first]));
        assert_eq!(storage.read(move |tx| tx.api_keys().list_of(bob.id)).await, Ok(vec![]));
        let same = storage.write(move |tx| tx.api_keys().insert(&key(bob.id, 3), [1; 32])).await;
        assert!(matches!(same, Err(Error::Conflict { .. })), "{same:?}");
        storage.write(move |tx| tx.accounts().delete(ada.id)).await.unwrap();
        assert_eq!(storage.read(move |tx| tx.api_keys().find(id)).await, Ok(None));
    }

    async fn a_key_is_revoked_once_and_counts_no_more(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let (first, second) = (key(ada.id, 1), key(ada.id, 2));
        let id = first.id;
        storage
            .write(move |tx| tx.api_keys().insert(&first, [1; 32]).and_then(|()| tx.api_keys().insert(&second, [2; 32])))
            .await
            .unwrap();
        let usable = |now| storage.read(move |tx| tx.api_keys().count_usable(ada.id, now));
        assert_eq!(usable(t0()).await, Ok(2));
        assert_eq!(usable(t0() + SignedDuration::from_hours(1)).await, Ok(1), "the first has expired");
        assert_eq!(storage.write(move |tx| tx.api_keys().revoke(id, later(5))).await, Ok(true));
        assert_eq!(storage.write(move |tx| tx.api_keys().revoke(id, later(6))).await, Ok(false));
        assert_eq!(usable(t0()).await, Ok(1));
        let kept = storage.read(move |tx| tx.api_keys().find(id)).await.unwrap().unwrap();
        assert_eq!((kept.revoked_at, kept.updated_at), (Some(later(5)), later(5)));
        assert_eq!(storage.write(|tx| tx.api_keys().delete_ended(later(5), 10)).await, Ok(0));
        assert_eq!(storage.write(|tx| tx.api_keys().delete_ended(later(6), 10)).await, Ok(1));
    }

    async fn uses_of_several_servers_are_added_up(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let key = key(ada.id, 1);
        let id = key.id;
        storage.write(move |tx| tx.api_keys().insert(&key, [1; 32])).await.unwrap();
        assert_eq!(storage.read(move |tx| tx.api_keys().usage(id)).await, Ok(Usage::default()));
        let adding: Vec<_> = (0..16)
            .map(|_| {
                let storage = storage.clone();
                tokio::spawn(async move { storage.write(move |tx| tx.api_keys().add_usage(id, &Usage::once(t0()))).await })
            })
            .collect();
        for add in adding {
            add.await.unwrap().unwrap();
        }
        let used = storage.read(move |tx| tx.api_keys().usage(id)).await.unwrap();
        assert_eq!(used.0.map(|window| window.count), [16; 4]);
        storage.write(move |tx| tx.api_keys().note_use(id, later(9))).await.unwrap();
        storage.write(move |tx| tx.api_keys().note_use(id, later(7))).await.unwrap();
        let kept = storage.read(move |tx| tx.api_keys().find(id)).await.unwrap().unwrap();
        assert_eq!(kept.last_used_at, Some(later(9)));
        let unknown = ApiKeyId::new(9, [9; 10]);
        let none = storage.write(move |tx| tx.api_keys().add_usage(unknown, &Usage::once(t0()))).await;
        assert_eq!(none, Ok(Usage::default()), "a key that has gone is left alone");
    }

    async fn limits_are_set_and_taken_back(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let of = LimitOf::Account(ada.id);
        let limits = Limits([Some(0), None, Some(7), None]);
        for given in [limits, Limits([None, Some(3), None, None]), Limits::default()] {
            storage.write(move |tx| tx.api_keys().set_limits(of, given)).await.unwrap();
            assert_eq!(storage.read(move |tx| tx.api_keys().limits(of)).await, Ok(given));
        }
    }
}
