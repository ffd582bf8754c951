//! Everything at once: callers that give up, keys that change, an issuer that stumbles. Nothing may be wedged afterwards.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::*;
use serde_json::json;
use tokio::{runtime::Handle, task::JoinSet};
use vestibule_client::{CheckError, Client, Config, Refusal};

const CALLERS: usize = 400;
const ROUNDS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_callers_that_give_up_wedges_nothing() {
    let (issuer, old, new) = (Issuer::start().await, key(), key());
    issuer.publishes(&[&old]);
    let number = Arc::new(AtomicUsize::new(0));
    let active =
        json!({ "schema_version": "2", "active": true, "user_id": ADA, "auth_generation": 1 });
    let stumbling = {
        let (number, active) = (number.clone(), active.clone());
        Reply::Ask(Arc::new(move |_| {
            match number.fetch_add(1, Ordering::Relaxed) % 7 {
                0 => Reply::HangUp,
                1 => Reply::Answer(503, Vec::new()),
                2 => Reply::BreakOff,
                _ => Reply::Json(active.clone()),
            }
        }))
    };
    issuer.on(STATUS, stumbling);
    let config = Config {
        breaker_failures: 1_000_000,
        introspections_at_once: 4,
        ..issuer.introspecting()
    };
    let client = Client::new(config, &Handle::current()).expect("a good configuration");
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            issuer.publishes(&[&old, &new]);
        }
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            // A few tokens that many share, of a key that is known, one that comes later, and nobody's.
            let jti = format!("token {}", caller % 16);
            let token = match caller % 20 {
                0 => token(&key(), &jti),
                1..=5 => token(&new, &jti),
                _ => token(&old, &jti),
            };
            let (client, patience) = (
                client.clone(),
                Duration::from_micros(100 * (caller as u64 % 40)),
            );
            callers.spawn(async move {
                match caller % 3 {
                    // Gives up.
                    0 => {
                        drop(tokio::time::timeout(patience, client.check_async(&token, None)).await)
                    }
                    // Goes to see whether it is done.
                    1 => drop(client.check(&token, None)),
                    _ => {
                        let known = client.check_async(&token, None).await;
                        assert!(
                            !matches!(known, Err(CheckError::Refused(Refusal::Revoked))),
                            "nobody said so"
                        );
                    }
                }
            });
        }
        while let Some(done) = tokio::time::timeout(PATIENCE, callers.join_next())
            .await
            .expect("wedged")
        {
            done.expect("no panic");
        }
    }
    // All is well again, for old tokens and for new ones.
    issuer.on(STATUS, Reply::Json(active));
    for number in 0..16 {
        for key in [&old, &new] {
            let token = token(key, &format!("token {number}"));
            let known = tokio::time::timeout(PATIENCE, client.check_async(&token, None)).await;
            assert!(known.expect("wedged").is_ok());
        }
    }
    assert!(client.statistics().identities <= CALLERS * ROUNDS);
}
