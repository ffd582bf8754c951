//! Authenticator apps, recovery codes, passkeys, ceremonies and notices.

use ::accounts::{Passkey, totp::Authenticator};
use ids::{AccountId, NoticeId, PasskeyId};
use storage::{Ceremony, Error, Notice};

use crate::fixtures::{account, later, milliseconds, session, store, t0, unique};

fn authenticator(account: AccountId) -> Authenticator {
    Authenticator {
        account,
        sealed_secret: vec![1, 2, 3],
        created_at: t0(),
        confirmed_at: None,
        last_step: 0,
    }
}

fn passkey(account: AccountId, credential: u8) -> Passkey {
    Passkey {
        id: PasskeyId::new(milliseconds(), unique()),
        account,
        credential: vec![credential; 32],
        name: "Laptop".into(),
        public_key: "{}".into(),
        sign_count: 0,
        synced: true,
        created_at: t0(),
        last_used_at: None,
    }
}

fn ceremony(account: AccountId, token: u8) -> Ceremony {
    Ceremony {
        digest: [token; 32],
        purpose: "second_step".into(),
        account: Some(account),
        session: None,
        data: "{}".into(),
        tries: 0,
        created_at: t0(),
        expires_at: later(300),
    }
}

on_both_engines! {
    async fn a_step_is_taken_once_and_only_forwards(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let id = ada.id;
        storage.write(move |tx| tx.authenticators().insert(&authenticator(id))).await.unwrap();
        let again = storage.write(move |tx| tx.authenticators().insert(&authenticator(id))).await;
        assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
        storage.write(move |tx| tx.authenticators().confirm(id, later(1))).await.unwrap();
        let twice = storage.write(move |tx| tx.authenticators().confirm(id, later(2))).await;
        assert_eq!(twice, Err(Error::NotFound { what: "authenticator" }));
        let takers: Vec<_> = (0..16).map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move { storage.write(move |tx| tx.authenticators().take_step(id, 7)).await })
        }).collect();
        let mut taken = 0;
        for taker in takers {
            taken += u32::from(taker.await.unwrap().unwrap());
        }
        assert_eq!(taken, 1);
        assert_eq!(storage.write(move |tx| tx.authenticators().take_step(id, 6)).await, Ok(false));
        assert_eq!(storage.write(move |tx| tx.authenticators().take_step(id, 8)).await, Ok(true));
        let kept = storage.read(move |tx| tx.authenticators().find(id)).await.unwrap().unwrap();
        assert_eq!((kept.last_step, kept.confirmed_at), (8, Some(later(1))));
        assert_eq!(storage.write(move |tx| tx.authenticators().delete(id)).await, Ok(true));
        assert_eq!(storage.read(move |tx| tx.authenticators().find(id)).await, Ok(None));
    }

    async fn a_recovery_code_is_used_up_by_exactly_one(db) {
        let storage = db.open().await;
        let (ada, ben) = (account("ada"), account("ben"));
        store(&storage, &[&ada, &ben]).await;
        let (id, other) = (ada.id, ben.id);
        storage.write(move |tx| tx.recovery_codes().replace(id, &[[1; 32], [2; 32]], t0())).await.unwrap();
        assert_eq!(storage.write(move |tx| tx.recovery_codes().redeem(other, [1; 32], later(1))).await, Ok(false));
        let users: Vec<_> = (0..16).map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move { storage.write(move |tx| tx.recovery_codes().redeem(id, [1; 32], later(1))).await })
        }).collect();
        let mut used = 0;
        for user in users {
            used += u32::from(user.await.unwrap().unwrap());
        }
        assert_eq!(used, 1);
        assert_eq!(storage.read(move |tx| tx.recovery_codes().count_unused(id)).await, Ok(1));
        storage.write(move |tx| tx.recovery_codes().replace(id, &[[3; 32]], later(2))).await.unwrap();
        assert_eq!(storage.write(move |tx| tx.recovery_codes().redeem(id, [2; 32], later(3))).await, Ok(false));
        assert_eq!(storage.read(move |tx| tx.recovery_codes().made_at(id)).await, Ok(Some(later(2))));
    }

    async fn a_passkey_is_one_account_s_and_is_found_by_what_its_device_calls_it(db) {
        let storage = db.open().await;
        let (ada, ben) = (account("ada"), account("ben"));
        store(&storage, &[&ada, &ben]).await;
        let (id, other) = (ada.id, ben.id);
        let mut one = passkey(id, 1);
        let stored = one.clone();
        storage.write(move |tx| tx.passkeys().insert(&stored)).await.unwrap();
        let stolen = storage.write(move |tx| tx.passkeys().insert(&passkey(other, 1))).await;
        assert!(matches!(stolen, Err(Error::Conflict { .. })), "{stolen:?}");
        let key = one.id;
        storage.write(move |tx| tx.passkeys().note_use(key, 9, "{\"a\":1}", later(5))).await.unwrap();
        (one.sign_count, one.public_key, one.last_used_at) = (9, "{\"a\":1}".into(), Some(later(5)));
        assert_eq!(storage.read(|tx| tx.passkeys().find_by_credential(&[1; 32])).await, Ok(Some(one.clone())));
        assert_eq!(storage.read(|tx| tx.passkeys().find_by_credential(&[2; 32])).await, Ok(None));
        let gone = Err(Error::NotFound { what: "passkey" });
        assert_eq!(storage.write(move |tx| tx.passkeys().rename(other, key, "mine")).await, gone);
        assert_eq!(storage.write(move |tx| tx.passkeys().delete(other, key)).await, gone);
        assert_eq!(storage.read(move |tx| tx.passkeys().list(id)).await, Ok(vec![one]));
        assert_eq!(storage.write(move |tx| tx.passkeys().delete(id, key)).await, Ok(()));
        assert_eq!(storage.read(move |tx| tx.passkeys().find(key)).await, Ok(None));
    }

    async fn a_ceremony_is_taken_once_for_its_purpose_and_in_time(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let (id, stored) = (ada.id, ceremony(ada.id, 1));
        storage.write(move |tx| tx.ceremonies().insert(&stored)).await.unwrap();
        let take = |purpose: &'static str, at| {
            let storage = storage.clone();
            async move { storage.write(move |tx| tx.ceremonies().take([1; 32], purpose, later(at))).await.unwrap() }
        };
        assert_eq!(take("passkey", 1).await, None);
        assert_eq!(take("second_step", 300).await, None);
        assert_eq!(take("second_step", 299).await, Some(ceremony(id, 1)));
        assert_eq!(take("second_step", 299).await, None);
    }

    async fn tries_run_out_even_when_they_come_at_once(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let stored = ceremony(ada.id, 1);
        storage.write(move |tx| tx.ceremonies().insert(&stored)).await.unwrap();
        let tries: Vec<_> = (0..16).map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                storage.write(|tx| tx.ceremonies().count_try([1; 32], "second_step", 5, later(1))).await
            })
        }).collect();
        let mut counted = 0;
        for one in tries {
            counted += u32::from(one.await.unwrap().unwrap().is_some());
        }
        assert_eq!(counted, 5);
    }

    async fn ceremonies_go_with_their_session_and_when_they_expire(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let mut one = session(ada.id);
        one.idle_expires_at = later(10);
        let (id, stored) = (one.id, one.clone());
        storage.write(move |tx| tx.sessions().insert(&stored, None)).await.unwrap();
        let with_session = Ceremony { session: Some(id), ..ceremony(ada.id, 1) };
        let alone = ceremony(ada.id, 2);
        storage.write(move |tx| {
            tx.ceremonies().insert(&with_session)?;
            tx.ceremonies().insert(&alone)
        }).await.unwrap();
        assert_eq!(storage.write(|tx| tx.sessions().delete_expired(later(20), 10)).await, Ok(1));
        assert_eq!(storage.read(|tx| tx.ceremonies().find([1; 32], "second_step", later(1))).await, Ok(None));
        assert_eq!(storage.write(|tx| tx.ceremonies().delete_expired(later(300), 10)).await, Ok(0));
        assert_eq!(storage.write(|tx| tx.ceremonies().delete_expired(later(301), 10)).await, Ok(1));
    }

    async fn notices_stay_until_they_were_seen(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let id = ada.id;
        let notice = |seconds| Notice {
            id: NoticeId::new(milliseconds(), unique()),
            account: id,
            kind: "recovery_code_used".into(),
            detail: "Firefox on Linux".into(),
            created_at: later(seconds),
        };
        let (one, two) = (notice(1), notice(2));
        let stored = [one.clone(), two.clone()];
        storage.write(move |tx| stored.iter().try_for_each(|notice| tx.notices().insert(notice))).await.unwrap();
        assert_eq!(storage.read(move |tx| tx.notices().list(id, 9)).await, Ok(vec![two.clone(), one]));
        storage.write(move |tx| tx.notices().seen(id, later(1))).await.unwrap();
        assert_eq!(storage.read(move |tx| tx.notices().list(id, 9)).await, Ok(vec![two]));
        assert_eq!(storage.write(|tx| tx.notices().delete_old(later(3), 10)).await, Ok(1));
    }
}
