//! Mail to be sent, mailed proofs and sign-ups.

use ::accounts::{Challenge, ChallengePurpose};
use storage::{Error, Mail, MailState, SignUp};
use uuid::Uuid;

use crate::fixtures::{account, later, store, t0};

fn mail(number: u8) -> Mail {
    Mail {
        id: Uuid::from_bytes([number; 16]),
        state: MailState::Ready,
        kind: "reset_password".into(),
        email: "ada@example.com".into(),
        sealed: Some(vec![number, 0, 255]),
        attempts: 0,
        due_at: Some(t0()),
        created_at: t0(),
        expires_at: later(1_800),
        finished_at: None,
        problem: None,
    }
}

fn sign_up(email: &str, digest: Option<[u8; 32]>) -> SignUp {
    SignUp {
        email: email.into(),
        digest,
        sealed: vec![1, 2, 3],
        created_at: t0(),
        asked_at: t0(),
        expires_at: later(60),
    }
}

on_both_engines! {
    async fn a_message_reads_back_and_is_leased_by_one_only(db) {
        let storage = db.open().await;
        let (first, second) = (mail(1), mail(2));
        let stored = [first.clone(), second.clone()];
        storage.write(move |tx| stored.iter().try_for_each(|mail| tx.outbox().insert(mail))).await.unwrap();
        let found = storage.read(move |tx| tx.outbox().find(first.id)).await.unwrap();
        assert_eq!(found, Some(mail(1)));

        let lease = |limit| storage.write(move |tx| tx.outbox().lease(&[MailState::Ready], t0(), later(120), limit));
        let (one, other) = tokio::join!(lease(1), lease(1));
        let mut ids: Vec<_> = [one.unwrap(), other.unwrap()].concat().into_iter().map(|mail| mail.id).collect();
        ids.sort();
        assert_eq!(ids, [mail(1).id, mail(2).id]);
        assert_eq!(lease(10).await.unwrap(), []);
        // Whoever had them died: they come back.
        let again = storage.write(|tx| tx.outbox().lease(&[MailState::Ready], later(120), later(240), 10)).await.unwrap();
        assert_eq!(again.len(), 2);
        assert_eq!(again[0].due_at, Some(later(240)));
        assert!(storage.read(|tx| tx.outbox().is_due(&[MailState::Ready], later(240))).await.unwrap());
        assert!(!storage.read(|tx| tx.outbox().is_due(&[MailState::Ready], later(121))).await.unwrap());
        assert_eq!(storage.write(|tx| tx.outbox().release(later(121))).await, Ok(2));
        assert!(storage.read(|tx| tx.outbox().is_due(&[MailState::Ready], later(121))).await.unwrap());
        assert!(!storage.read(|tx| tx.outbox().is_due(&[MailState::Asked], later(240))).await.unwrap());
    }

    async fn leases_of_many_at_once_never_overlap(db) {
        let storage = db.open().await;
        storage.write(|tx| (0..40).try_for_each(|number| tx.outbox().insert(&mail(number)))).await.unwrap();
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let storage = storage.clone();
            tasks.push(tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let leased = storage.write(|tx| tx.outbox().lease(&[MailState::Ready], t0(), later(120), 3)).await.unwrap();
                    if leased.is_empty() {
                        return mine;
                    }
                    mine.extend(leased.into_iter().map(|mail| mail.id));
                }
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all.sort();
        assert_eq!(all, (0..40).map(|number| mail(number).id).collect::<Vec<_>>());
    }

    async fn what_a_message_says_is_erased_when_its_time_has_passed(db) {
        let storage = db.open().await;
        let sent = Mail { state: MailState::Sent, sealed: None, due_at: None, finished_at: Some(t0()), ..mail(2) };
        storage.write(move |tx| {
            tx.outbox().insert(&mail(1))?;
            tx.outbox().insert(&sent)
        }).await.unwrap();
        assert_eq!(storage.read(|tx| tx.outbox().count_open()).await, Ok(1));
        assert_eq!(storage.read(|tx| tx.outbox().list_ready(t0(), 10)).await.unwrap().len(), 1);
        assert_eq!(storage.read(|tx| tx.outbox().list_ready(later(1_800), 10)).await.unwrap(), []);
        assert_eq!(storage.write(|tx| tx.outbox().expire(later(1_799), 10)).await, Ok(0));
        assert_eq!(storage.write(|tx| tx.outbox().expire(later(1_800), 10)).await, Ok(1));
        let erased = storage.read(|tx| tx.outbox().find(mail(1).id)).await.unwrap().unwrap();
        assert_eq!((erased.sealed, erased.state, erased.due_at), (None, MailState::Dropped, None));
        assert_eq!(storage.write(|tx| tx.outbox().delete_finished(later(1), 10)).await, Ok(1));
        assert_eq!(storage.write(|tx| tx.outbox().delete_finished(later(9_000), 10)).await, Ok(1));
        assert_eq!(storage.write(|tx| tx.outbox().update(&mail(1))).await, Err(Error::NotFound { what: "mail" }));
    }

    async fn an_account_has_one_challenge_for_each_purpose(db) {
        let storage = db.open().await;
        let ada = account("ada");
        store(&storage, &[&ada]).await;
        let id = ada.id;
        let new = |purpose, digest| Challenge::new(&ada, purpose, "ada@example.com", digest, t0());
        let (old, newer) = (new(ChallengePurpose::ResetPassword, [1; 32]), new(ChallengePurpose::ResetPassword, [2; 32]));
        let other = new(ChallengePurpose::VerifyEmail, [3; 32]);
        let all = [old, newer.clone(), other.clone()];
        storage.write(move |tx| all.iter().try_for_each(|one| tx.challenges().replace(one))).await.unwrap();
        assert_eq!(storage.read(|tx| tx.challenges().find([1; 32])).await, Ok(None));
        assert_eq!(storage.read(move |tx| tx.challenges().find_live(id, ChallengePurpose::ResetPassword)).await, Ok(Some(newer)));
        let take = || storage.write(|tx| tx.challenges().take([2; 32]));
        let (one, another) = tokio::join!(take(), take());
        assert_eq!([one, another].into_iter().filter(|taken| matches!(taken, Ok(Some(_)))).count(), 1);
        storage.write(move |tx| tx.challenges().clear(id, Some(ChallengePurpose::VerifyEmail))).await.unwrap();
        assert_eq!(storage.read(|tx| tx.challenges().find([3; 32])).await, Ok(Some(other)));
        storage.write(move |tx| tx.challenges().clear(id, None)).await.unwrap();
        assert_eq!(storage.read(|tx| tx.challenges().find([3; 32])).await, Ok(None));
        // They go with the account.
        let last = new(ChallengePurpose::VerifyEmail, [4; 32]);
        storage.write(move |tx| { tx.challenges().replace(&last)?; tx.accounts().delete(id) }).await.unwrap();
        assert_eq!(storage.read(|tx| tx.challenges().find([4; 32])).await, Ok(None));
    }

    async fn a_later_sign_up_of_an_address_takes_the_place_of_the_earlier(db) {
        let storage = db.open().await;
        storage.write(|tx| {
            tx.sign_ups().upsert(&sign_up("ada@example.com", Some([1; 32])))?;
            tx.sign_ups().upsert(&sign_up("ada@example.com", Some([2; 32])))?;
            // Several without a token are no conflict.
            tx.sign_ups().upsert(&sign_up("bob@example.com", None))?;
            tx.sign_ups().upsert(&sign_up("eve@example.com", None))
        }).await.unwrap();
        assert_eq!(storage.read(|tx| tx.sign_ups().find_by_digest([1; 32])).await, Ok(None));
        let found = storage.read(|tx| tx.sign_ups().find("ada@example.com")).await.unwrap();
        assert_eq!(found, Some(sign_up("ada@example.com", Some([2; 32]))));
        assert!(storage.write(|tx| tx.sign_ups().take([2; 32])).await.unwrap().is_some());
        assert_eq!(storage.write(|tx| tx.sign_ups().take([2; 32])).await, Ok(None));
        storage.write(|tx| tx.sign_ups().delete("bob@example.com")).await.unwrap();
        assert_eq!(storage.write(|tx| tx.sign_ups().delete_expired(later(61), 10)).await, Ok(1));
    }
}
