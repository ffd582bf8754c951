//! Sessions and refresh tokens.

use ::accounts::{EndReason, Ended, PairedAccess, RefreshToken, access::IssuedAccess};
use storage::Error;

use crate::fixtures::{account, later, session, store, t0};

fn ended(seconds: i64) -> Ended {
    Ended {
        at: later(seconds),
        reason: EndReason::SignedOut,
    }
}

fn access(jti: u128) -> PairedAccess {
    PairedAccess {
        jti: uuid::Uuid::from_u128(jti),
        generation: 7,
        expires_at: later(30),
        audience: Some("reports".into()),
    }
}

on_both_engines! {
    async fn a_session_is_found_by_id_and_by_token(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let (one, mut two) = (session(ada.id), session(ada.id));
        two.ended = Some(ended(1));
        let (a, b) = (one.clone(), two.clone());
        storage
            .write(move |tx| {
                tx.sessions().insert(&a, Some([1; 32]))?;
                tx.sessions().insert(&b, None)
            })
            .await
            .unwrap();
        assert_eq!(storage.read(|tx| tx.sessions().find_by_digest([1; 32])).await, Ok(Some(one)));
        assert_eq!(storage.read(|tx| tx.sessions().find_by_digest([2; 32])).await, Ok(None));
        let id = two.id;
        assert_eq!(storage.read(move |tx| tx.sessions().find(id)).await, Ok(Some(two)));
    }

    async fn a_session_of_an_unknown_account_is_refused(db) {
        let storage = db.open().await;
        let lost = session(account("nobody").id);
        let refused = storage.write(move |tx| tx.sessions().insert(&lost, None)).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    }

    async fn an_ended_session_stays_ended_and_is_touched_no_more(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let mut one = session(ada.id);
        let (id, stored) = (one.id, one.clone());
        storage.write(move |tx| tx.sessions().insert(&stored, None)).await.unwrap();
        storage.write(move |tx| tx.sessions().touch(id, later(5), later(7_200))).await.unwrap();
        storage.write(move |tx| tx.sessions().end(id, ended(6))).await.unwrap();
        let gone = Err(Error::NotFound { what: "session" });
        assert_eq!(storage.write(move |tx| tx.sessions().end(id, ended(9))).await, gone);
        assert_eq!(storage.write(move |tx| tx.sessions().touch(id, later(8), later(9_000))).await, gone);
        (one.last_seen_at, one.idle_expires_at, one.ended) = (later(5), later(7_200), Some(ended(6)));
        assert_eq!(storage.read(move |tx| tx.sessions().find(id)).await, Ok(Some(one)));
    }

    async fn all_but_one_session_of_an_account_are_ended(db) {
        let storage = db.open().await;
        let (ada, bob) = (account("ada"), account("bob"));
        store(&storage, &[&ada, &bob]).await;
        let mine: Vec<_> = (0..4).map(|_| session(ada.id)).collect();
        let other = session(bob.id);
        let (insert, theirs) = (mine.clone(), other.clone());
        storage
            .write(move |tx| {
                insert.iter().try_for_each(|one| tx.sessions().insert(one, None))?;
                tx.sessions().insert(&theirs, None)?;
                tx.sessions().end(insert[0].id, ended(0))
            })
            .await
            .unwrap();
        let kept = mine[3].id;
        let mut gone = storage.write(move |tx| tx.sessions().end_all(ada.id, Some(kept), ended(1))).await.unwrap();
        gone.sort();
        assert_eq!(gone, [mine[1].id, mine[2].id]);
        let live = |account| storage.scan(move |tx| tx.sessions().list_live(account, t0()));
        assert_eq!(live(ada.id).await.map(|list| list.iter().map(|s| s.id).collect::<Vec<_>>()), Ok(vec![kept]));
        assert_eq!(live(bob.id).await, Ok(vec![other]));
        assert_eq!(storage.write(move |tx| tx.sessions().end_all(ada.id, None, ended(2))).await, Ok(vec![kept]));
    }

    async fn expired_sessions_are_not_live_and_are_removed_in_portions(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let sessions: Vec<_> = (0..5).map(|_| session(ada.id)).collect();
        let id = sessions[4].id;
        storage
            .write(move |tx| {
                sessions.iter().try_for_each(|one| tx.sessions().insert(one, None))?;
                tx.sessions().touch(id, later(1), later(90_000))
            })
            .await
            .unwrap();
        assert_eq!(storage.scan(move |tx| tx.sessions().list_live(ada.id, later(3_600))).await.map(|l| l.len()), Ok(1));
        assert_eq!(storage.write(|tx| tx.sessions().delete_expired(later(3_600), 10)).await, Ok(0));
        assert_eq!(storage.write(|tx| tx.sessions().delete_expired(later(3_601), 3)).await, Ok(3));
        assert_eq!(storage.write(|tx| tx.sessions().delete_expired(later(3_601), 3)).await, Ok(1));
        assert_eq!(storage.write(|tx| tx.sessions().delete_expired(later(36_001), 3)).await, Ok(1));
    }

    async fn a_refresh_token_is_used_by_exactly_one_of_many(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let session = session(ada.id);
        let token = RefreshToken {
            digest: [3; 32],
            session: session.id,
            parent: None,
            issued_at: t0(),
            expires_at: later(60),
            used: None,
            answered: false,
            access: access(3),
        };
        let stored = token.clone();
        storage
            .write(move |tx| {
                tx.sessions().insert(&session, None)?;
                tx.refresh_tokens().insert(&stored)
            })
            .await
            .unwrap();
        assert_eq!(storage.read(|tx| tx.refresh_tokens().find([3; 32])).await, Ok(Some(token.clone())));
        let tries: Vec<_> = (0..24_u8)
            .map(|n| {
                let storage = storage.clone();
                let mark = move || async move {
                    storage.write(move |tx| tx.refresh_tokens().mark_used([3; 32], later(1), [n; 32])).await
                };
                tokio::spawn(mark())
            })
            .collect();
        let mut winners = Vec::new();
        for (n, attempt) in (0_u8..).zip(tries) {
            if attempt.await.unwrap().unwrap() {
                winners.push(n);
            }
        }
        assert_eq!(winners.len(), 1);
        let found = storage.read(|tx| tx.refresh_tokens().find([3; 32])).await.unwrap().unwrap();
        assert_eq!(found.used, Some((later(1), [winners[0]; 32])));
        assert_eq!(storage.write(|tx| tx.refresh_tokens().mark_used([9; 32], t0(), [0; 32])).await, Ok(false));
    }

    async fn an_access_token_is_known_by_its_id_and_that_it_was_superseded(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let session = session(ada.id);
        let id = session.id;
        let pair = move |digest: u8, jti: u128| RefreshToken {
            digest: [digest; 32],
            session: id,
            parent: None,
            issued_at: t0(),
            expires_at: later(60),
            used: None,
            answered: false,
            access: access(jti),
        };
        storage
            .write(move |tx| {
                tx.sessions().insert(&session, None)?;
                tx.refresh_tokens().insert(&pair(1, 5))
            })
            .await
            .unwrap();
        let whole = storage.read(|tx| tx.refresh_tokens().find_whole([1; 32])).await.unwrap();
        let (token, with, account) = whole.expect("all three are there");
        assert_eq!((token, with.id, account.id, account.email), (pair(1, 5), id, ada.id, ada.email));
        assert_eq!(storage.read(|tx| tx.refresh_tokens().find_whole([2; 32])).await.unwrap().map(|_| ()), None);
        let of = |jti| storage.read(move |tx| tx.refresh_tokens().find_access(uuid::Uuid::from_u128(jti)));
        let mut issued = IssuedAccess { session: id, generation: 7, expires_at: later(30), superseded_at: None };
        assert_eq!(of(5).await, Ok(Some(issued)));
        assert_eq!(of(6).await, Ok(None));
        for (at, live) in [(later(29), vec![uuid::Uuid::from_u128(5)]), (later(30), vec![])] {
            let found = storage.read(move |tx| tx.refresh_tokens().live_access(id, at)).await;
            assert_eq!(found, Ok::<_, Error>(live));
        }
        storage.write(|tx| tx.refresh_tokens().mark_used([1; 32], later(9), [2; 32])).await.unwrap();
        storage.write(|tx| tx.refresh_tokens().mark_answered(&[[1; 32], [9; 32]])).await.unwrap();
        let found = storage.read(|tx| tx.refresh_tokens().find([1; 32])).await.unwrap().unwrap();
        assert!(found.answered && found.used.is_some());
        issued.superseded_at = Some(later(9));
        assert_eq!(of(5).await, Ok(Some(issued)));
        let twice = storage.write(move |tx| tx.refresh_tokens().insert(&pair(4, 5))).await;
        assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    }

    async fn the_first_use_among_twins_is_found_by_their_parent(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let session = session(ada.id);
        let token = move |digest: u8, parent: Option<u8>| RefreshToken {
            digest: [digest; 32],
            session: session.id,
            parent: parent.map(|parent| [parent; 32]),
            issued_at: t0(),
            expires_at: later(60),
            used: None,
            answered: false,
            access: access(digest.into()),
        };
        storage
            .write(move |tx| {
                tx.sessions().insert(&session, None)?;
                [token(1, None), token(2, Some(1)), token(3, Some(1)), token(4, Some(3))]
                    .iter()
                    .try_for_each(|token| tx.refresh_tokens().insert(token))
            })
            .await
            .unwrap();
        let first = || storage.read(|tx| tx.refresh_tokens().first_successor_use([1; 32]));
        assert_eq!(first().await, Ok(None));
        storage.write(|tx| tx.refresh_tokens().mark_used([3; 32], later(9), [4; 32])).await.unwrap();
        assert_eq!(first().await, Ok(Some(later(9))));
        storage.write(|tx| tx.refresh_tokens().mark_used([2; 32], later(5), [5; 32])).await.unwrap();
        assert_eq!(first().await, Ok(Some(later(5))));
    }
}
