//! Services, and readers of the event log.

use ::accounts::Service;
use storage::{Error, Storage};

use crate::fixtures::{later, t0};

fn service(id: &str) -> Service {
    Service {
        id: id.parse().unwrap(),
        name: "Items, Ünïcode".into(),
        audience: Some("items".into()),
        secret: Some([7; 32]),
        scopes: "event-stream introspection".parse().unwrap(),
        disabled: false,
        created_at: t0(),
        updated_at: t0(),
    }
}

async fn add(storage: &Storage, service: &Service) -> Result<(), Error> {
    let service = service.clone();
    storage
        .write(move |tx| tx.services().insert(&service))
        .await
}

async fn hold(storage: &Storage, holder: &'static str, at: i64) -> Option<u64> {
    let held = storage.write(move |tx| {
        tx.event_readers()
            .hold("bus", holder, 5, later(at), later(at + 10))
    });
    held.await.unwrap()
}

async fn advance(storage: &Storage, holder: &'static str, seq: u64, at: i64) -> bool {
    let advanced = storage.write(move |tx| {
        tx.event_readers()
            .advance("bus", holder, seq, later(at + 10))
    });
    advanced.await.unwrap()
}

on_both_engines! {
    async fn a_service_reads_back_as_it_was_written(db) {
        let storage = db.open().await;
        let bare = Service { audience: None, secret: None, scopes: "".parse().unwrap(), disabled: true, ..service("Bare_1") };
        for service in [&service("items"), &bare] {
            add(&storage, service).await.unwrap();
        }
        let listed = storage.read(|tx| tx.services().list()).await;
        assert_eq!(listed, Ok::<_, Error>(vec![bare, service("items")]));
        let changed = Service { name: "Other".into(), updated_at: later(1), ..service("items") };
        let written = changed.clone();
        storage.write(move |tx| tx.services().update(&written)).await.unwrap();
        let id = changed.id.clone();
        let found = storage.read(move |tx| tx.services().find(&id)).await;
        assert_eq!(found, Ok::<_, Error>(Some(changed)));
    }

    async fn an_id_is_taken_once_and_free_again_after_removal(db) {
        let storage = db.open().await;
        add(&storage, &service("items")).await.unwrap();
        assert_eq!(add(&storage, &service("items")).await, Err(Error::Conflict { what: "service" }));
        let remove = async || {
            let id = service("items").id;
            storage.write(move |tx| tx.services().delete(&id)).await
        };
        remove().await.unwrap();
        assert_eq!(remove().await, Err(Error::NotFound { what: "service" }));
        add(&storage, &service("items")).await.unwrap();
    }

    async fn an_event_log_keeps_the_name_it_was_given_first(db) {
        let storage = db.open().await;
        for fresh in ["first", "second"] {
            let epoch = storage.write(move |tx| tx.event_readers().epoch(fresh)).await;
            assert_eq!(epoch, Ok::<_, Error>("first".to_owned()));
        }
    }

    async fn one_node_at_a_time_reads_and_the_next_goes_on_where_it_was(db) {
        let (one, two) = (db.open().await, db.open().await);
        assert_eq!(hold(&one, "one", 0).await, Some(5));
        assert_eq!(hold(&two, "two", 1).await, None);
        assert!(advance(&one, "one", 8, 2).await);
        assert_eq!(hold(&two, "two", 11).await, None, "held until 12");
        assert_eq!(hold(&two, "two", 12).await, Some(8));
        assert!(!advance(&one, "one", 9, 13).await, "it was taken over");
        assert_eq!(hold(&one, "one", 13).await, None);
        two.write(|tx| tx.event_readers().release("bus", "two")).await.unwrap();
        assert_eq!(hold(&one, "one", 13).await, Some(8), "no need to wait");
    }
}
