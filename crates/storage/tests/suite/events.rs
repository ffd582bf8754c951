//! The event log and its tail.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use storage::{Error, EventKind, EventTail, Recent, Storage};
use tokio::time::timeout;

use crate::fixtures::{later, t0};

/// Far longer than anything here takes, so that only a hang fails.
const PATIENCE: Duration = Duration::from_mins(1);

async fn append(storage: &Storage, subject: String) -> u64 {
    let append = storage.write(move |tx| {
        tx.events().append(
            EventKind::AccountChanged,
            &subject,
            &json!({"by": subject}),
            t0(),
        )
    });
    append
        .await
        .unwrap_or_else(|error: Error| panic!("{error}"))
}

/// The places of the next `count` events.
async fn places(tail: &mut EventTail, count: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let events = timeout(PATIENCE, tail.next())
            .await
            .expect("the tail goes on");
        assert!(!events.is_empty(), "the tail ended");
        seen.extend(events.iter().map(|event| event.seq));
    }
    seen
}

on_both_engines! {
    async fn an_event_reads_back_as_it_was_appended(db) {
        let storage = db.open().await;
        assert_eq!(storage.latest_event_seq().await, Ok(0));
        assert_eq!(append(&storage, "a".into()).await, 1);
        assert_eq!(append(&storage, "b".into()).await, 2);
        let events = storage.events_after(1, 10).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].seq, events[0].at, events[0].kind), (2, t0(), EventKind::AccountChanged));
        assert_eq!((events[0].subject.as_str(), events[0].payload.as_str()), ("b", r#"{"by":"b"}"#));
        assert_eq!(storage.latest_event_seq().await, Ok(2));
    }

    async fn it_is_known_since_when_events_may_be_missing(db) {
        let storage = db.open().await;
        assert_eq!(append(&storage, "a".into()).await, 1);
        assert_eq!(storage.known_event_seq(), 1);
        let mut oldest = Duration::ZERO;
        timeout(PATIENCE, async {
            // It grows, and each look for events of others makes it small again.
            while storage.event_log_age() >= oldest {
                oldest = storage.event_log_age();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("events of others are looked for");
        storage.close().await;
        timeout(PATIENCE, async {
            while storage.event_log_age() < Duration::from_secs(1) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("nobody looks any more");
    }

    async fn a_rolled_back_event_leaves_no_gap(db) {
        let storage = db.open().await;
        append(&storage, "a".into()).await;
        let refused = storage
            .write(|tx| {
                tx.events().append(EventKind::KeyRotated, "x", &json!(null), t0())?;
                Err::<(), _>(Error::Conflict { what: "a rule" })
            })
            .await;
        assert_eq!(refused, Err(Error::Conflict { what: "a rule" }));
        assert_eq!(append(&storage, "b".into()).await, 2);
    }

    async fn a_tail_gets_everything_once_and_in_order_from_many_writers_and_programs(db) {
        const WRITERS: u64 = 8;
        const EACH: u64 = 25;
        let here = db.open().await;
        let elsewhere = db.open().await;
        let mut tails = [here.tail(), elsewhere.tail(), here.tail_after(0)];
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let storage = if writer % 2 == 0 { here.clone() } else { elsewhere.clone() };
                tokio::spawn(async move {
                    for n in 0..EACH {
                        append(&storage, format!("{writer}/{n}")).await;
                    }
                })
            })
            .collect();
        for tail in &mut tails {
            let seen = places(tail, usize::try_from(WRITERS * EACH).unwrap()).await;
            assert_eq!(seen, (1..=WRITERS * EACH).collect::<Vec<_>>());
        }
        for writer in writers {
            writer.await.unwrap();
        }
    }

    async fn a_tail_notices_another_programs_event_without_one_of_its_own(db) {
        let here = db.open().await;
        let mut tail = here.tail();
        let elsewhere = db.open().await;
        append(&elsewhere, "from elsewhere".into()).await;
        assert_eq!(places(&mut tail, 1).await, [1]);
    }

    async fn the_first_event_since_an_instant_is_found(db) {
        let storage = db.open().await;
        assert_eq!(storage.read(|tx| tx.events().first_since(t0())).await, Ok(1));
        append(&storage, "a".into()).await;
        assert_eq!(storage.read(|tx| tx.events().first_since(t0())).await, Ok(1));
        assert_eq!(storage.read(|tx| tx.events().first_since(later(1))).await, Ok(2));
    }

    async fn where_to_begin_to_read_the_recent_past_is_found_at_any_length_of_the_log(db) {
        const SKEW: SignedDuration = SignedDuration::from_mins(1);
        let storage = db.open().await;
        let recent = async |since: Timestamp| storage.read(move |tx| tx.events().recent(since, SKEW)).await.unwrap();
        let expected = |first, complete_from| Recent { first, complete_from };
        assert_eq!(recent(t0()).await, expected(1, Some(t0())), "nothing ever happened");
        // One event each five minutes, by clocks that are up to a minute wrong.
        let minute = |minutes: i64| t0() + SignedDuration::from_mins(minutes);
        for n in 0..40_i64 {
            let at = minute(n * 5) + SignedDuration::from_secs([0, 60, -60][usize::try_from(n % 3).unwrap()]);
            storage.write(move |tx| tx.events().append(EventKind::AccountChanged, n, &json!(null), at)).await.unwrap();
        }
        for asked in -10..220 {
            let found = recent(minute(asked)).await;
            assert_eq!(found.complete_from, Some(minute(asked)));
            // Whatever happened since then is at this place or after it, and little else.
            let needed = u64::try_from((asked + 4).div_euclid(5).max(0)).unwrap().min(40) + 1;
            assert!(found.first <= needed && found.first + 1 >= needed, "{asked}: {found:?} for {needed}");
        }
        storage.write(|tx| tx.events().prune(20, 100)).await.unwrap();
        let oldest = minute(19 * 5) + SKEW;
        assert_eq!(recent(t0()).await, expected(20, Some(oldest + SKEW)), "the log reaches only so far");
        assert_eq!(recent(minute(100)).await, expected(21, Some(minute(100))));
        assert_eq!(recent(minute(1000)).await, expected(41, Some(minute(1000))));
        storage.write(|tx| tx.events().prune(41, 100)).await.unwrap();
        assert_eq!(recent(t0()).await, expected(41, None), "something happened, nobody knows when");
    }

    async fn a_tail_that_comes_too_late_is_told_to_drop_what_it_caches(db) {
        let storage = db.open().await;
        for n in 0..6 {
            append(&storage, n.to_string()).await;
        }
        assert_eq!(storage.write(|tx| tx.events().prune(5, 3)).await, Ok(3));
        assert_eq!(storage.write(|tx| tx.events().prune(5, 3)).await, Ok(1));
        let mut tail = storage.tail_after(2);
        let events = timeout(PATIENCE, tail.next()).await.unwrap();
        let seen: Vec<_> = events.iter().map(|event| (event.seq, event.kind)).collect();
        let changed = EventKind::AccountChanged;
        assert_eq!(seen, [(4, EventKind::Unknown), (5, changed), (6, changed)]);
        storage.write(|tx| tx.events().prune(7, 9)).await.unwrap();
        let events = timeout(PATIENCE, storage.tail_after(2).next()).await.unwrap();
        assert_eq!(events.iter().map(|e| (e.seq, e.kind)).collect::<Vec<_>>(), [(6, EventKind::Unknown)]);
        assert_eq!(append(&storage, "next".into()).await, 7);
    }

    async fn an_event_of_a_newer_program_is_told_as_unknown(db) {
        let storage = db.open().await;
        append(&storage, "a".into()).await;
        db.execute("UPDATE event SET kind = 'later.invention'").await;
        assert_eq!(storage.events_after(0, 9).await.unwrap()[0].kind, EventKind::Unknown);
    }

    async fn a_tail_ends_when_the_storage_is_closed(db) {
        let storage = db.open().await;
        let mut tail = storage.tail();
        let waiting = tokio::spawn(async move { tail.next().await });
        storage.close().await;
        assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap(), []);
    }
}
