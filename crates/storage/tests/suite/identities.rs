use ::accounts::Identity;
use storage::{Error, ExternalToken};

use super::fixtures::{account, later, session, store, t0};

fn identity(account: &::accounts::Account, subject: &str) -> Identity {
    Identity {
        provider: "google".into(),
        subject: subject.into(),
        account: account.id,
        email: Some(account.email.clone()),
        created_at: t0(),
        last_used_at: t0(),
    }
}

on_both_engines! {
    async fn an_identity_belongs_to_one_account(db) {
        let storage = db.open().await;
        let (ada, bob) = (account("ada"), account("bob"));
        store(&storage, &[&ada, &bob]).await;
        let (hers, stolen) = (identity(&ada, "1"), identity(&bob, "1"));
        let kept = hers.clone();
        storage.write(move |tx| tx.identities().insert(&hers)).await.unwrap();
        let refused = storage.write(move |tx| tx.identities().insert(&stolen)).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
        assert_eq!(storage.read(|tx| tx.identities().find("google", "1")).await, Ok(Some(kept)));
        assert_eq!(storage.read(|tx| tx.identities().find("github", "1")).await, Ok(None));
    }

    async fn an_identity_is_removed_by_its_own_account_only(db) {
        let storage = db.open().await;
        let (ada, bob) = (account("ada"), account("bob"));
        store(&storage, &[&ada, &bob]).await;
        let hers = identity(&ada, "1");
        let (ada, bob) = (ada.id, bob.id);
        storage.write(move |tx| tx.identities().insert(&hers)).await.unwrap();
        let refused = storage.write(move |tx| tx.identities().delete(bob, "google", "1")).await;
        assert_eq!(refused, Err(Error::NotFound { what: "identity" }));
        storage.write(move |tx| tx.identities().delete(ada, "google", "1")).await.unwrap();
        assert_eq!(storage.read(move |tx| tx.identities().list(ada)).await, Ok(Vec::new()));
    }

    async fn the_use_of_an_identity_is_noted(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let (hers, id) = (identity(&ada, "1"), ada.id);
        storage
            .write(move |tx| {
                tx.identities().insert(&hers)?;
                tx.identities().touch("google", "1", Some("new@example.com"), later(9))
            })
            .await
            .unwrap();
        let found = storage.read(move |tx| tx.identities().list(id)).await.unwrap();
        assert_eq!(found[0].email.as_deref(), Some("new@example.com"));
        assert_eq!((found[0].created_at, found[0].last_used_at), (t0(), later(9)));
    }

    async fn identities_go_with_the_account(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let (hers, id) = (identity(&ada, "1"), ada.id);
        storage.write(move |tx| tx.identities().insert(&hers)).await.unwrap();
        storage.write(move |tx| tx.accounts().delete(id)).await.unwrap();
        assert_eq!(storage.read(|tx| tx.identities().find("google", "1")).await, Ok(None));
    }

    async fn a_session_holds_the_newest_external_tokens(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let session = session(ada.id);
        let first = ExternalToken {
            session: session.id,
            provider: "google".into(),
            sealed_access: vec![1],
            sealed_refresh: Some(vec![2]),
            expires_at: Some(later(60)),
            updated_at: t0(),
        };
        let second = ExternalToken { sealed_refresh: None, expires_at: None, ..first.clone() };
        let (id, kept) = (session.id, second.clone());
        storage
            .write(move |tx| {
                tx.sessions().insert(&session, None)?;
                tx.external_tokens().put(&first)?;
                tx.external_tokens().put(&second)
            })
            .await
            .unwrap();
        assert_eq!(storage.read(move |tx| tx.external_tokens().find(id)).await, Ok(Some(kept)));
    }
}
