//! Signing keys.

use std::time::Duration;

use storage::{Error, SigningKey};
use token::{
    Algorithm,
    rotation::{KeyLife, KeyState},
};

use crate::fixtures::later;

on_both_engines! {
    async fn signing_keys_are_kept_in_order_of_age(db) {
        let storage = db.open().await;
        let key = |kid: &str, age| SigningKey {
            life: KeyLife::next(kid.into(), Algorithm::Es256, true, later(age)),
            sealed_private: vec![0, 1, 255],
            public_jwk: r#"{"kty":"EC"}"#.into(),
        };
        let (newer, mut older) = (key("a", 5), key("b", 1));
        let (n, o) = (newer.clone(), older.clone());
        storage.write(move |tx| tx.keys().insert(&n).and_then(|()| tx.keys().insert(&o))).await.unwrap();
        assert_eq!(storage.read(|tx| tx.keys().list()).await, Ok(vec![older.clone(), newer.clone()]));
        older.life = KeyLife {
            state: KeyState::Retired,
            current_at: Some(later(7)),
            retired_at: Some(later(9)),
            token_life: Duration::from_mins(30),
            switches_itself: false,
            ..older.life
        };
        let changed = older.life.clone();
        storage.write(move |tx| tx.keys().update(&changed)).await.unwrap();
        assert_eq!(storage.read(|tx| tx.keys().list()).await, Ok(vec![older, newer.clone()]));
        storage.write(|tx| tx.keys().delete("b")).await.unwrap();
        assert_eq!(storage.read(|tx| tx.keys().list()).await, Ok(vec![newer]));
        let gone = storage.write(|tx| tx.keys().delete("b")).await;
        assert_eq!(gone, Err(Error::NotFound { what: "signing key" }));
    }

    async fn the_key_of_an_older_schema_has_signed_from_its_beginning(db) {
        db.make_schema(1).await;
        let bytes = db.bytes_literal(&[1; 32]);
        db.execute(&format!(
            "INSERT INTO signing_key (kid, algorithm, sealed_private, public_jwk, state, created_at, published_at)
             VALUES ('k', 'RS256', {bytes}, '{{}}', 'current', 1000, 1000)"
        ))
        .await;
        let keys = db.open().await.read(|tx| tx.keys().list()).await.unwrap();
        let life = &keys[0].life;
        assert_eq!((life.current_at, life.token_life), (Some(life.created_at), Duration::ZERO));
    }
}
