//! What a look at a token costs: `cargo run --profile bench-fast -p vestibule-client --example costs`.
//!
//! Each figure is the fastest of many rounds in one thread, which is what the machine can do when it is left alone.

#![expect(clippy::print_stdout, reason = "the figures are for whoever runs this")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use serde_json::json;
use token::SigningKey;
use vestibule_client::{
    Algorithm, Check, Client, Clock, Config, Expectations, KeySet, KeySource, RevocationSource,
    verify,
};

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "item-service";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let clock = Clock::system();
    let now = clock.now();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256] {
        let key = SigningKey::generate(algorithm)?;
        let keys = KeySet::new([key.verifying_key()]);
        let expected = Expectations::strict(algorithm, ISSUER, AUDIENCE);
        let token = sign(&key, now.as_second(), 0)?;
        report(
            &format!("{algorithm}: verify, {} bytes", token.len()),
            200,
            || {
                let claims = verify(black_box(&token), &keys, &expected, now);
                assert!(claims.is_ok());
            },
        );
    }
    let key = SigningKey::generate(Algorithm::Rs256)?;
    let keys = KeySet::new([key.verifying_key()]);
    let tokens: Vec<_> = (0..1000)
        .map(|number| sign(&key, now.as_second(), number))
        .collect::<Result<_, _>>()?;
    for (name, revocation) in [
        ("stateless", RevocationSource::Off),
        ("with a standing table", RevocationSource::ByHand),
    ] {
        let config = Config {
            revocation,
            credential: Some(vestibule_client::Credential::Secret(
                "unused".to_owned().into(),
            )),
            ..Config::new(
                KeySource::Fixed(keys.clone()),
                Expectations::strict(Algorithm::Rs256, ISSUER, AUDIENCE),
            )
        };
        let client = Client::new(config, runtime.handle())?;
        let known = |token: &str| {
            assert!(matches!(
                client.check(black_box(token), None),
                Check::Known(_)
            ))
        };
        for token in &tokens {
            known(token);
        }
        report(&format!("{name}: check of a known token"), 10_000, || {
            known(&tokens[0])
        });
        let mut next = tokens.iter().cycle();
        report(
            &format!("{name}: check of one of 1000 known tokens"),
            10_000,
            || {
                known(next.next().expect("endless"));
            },
        );
        report(&format!("{name}: peek at a known token"), 10_000, || {
            assert!(client.peek(black_box(&tokens[0]), None).is_some());
        });
        report(&format!("{name}: nonsense"), 10_000, || {
            assert!(matches!(
                client.check(black_box("nonsense"), None),
                Check::Refused(_)
            ));
        });
    }
    Ok(())
}

fn sign(key: &SigningKey, now: i64, number: usize) -> Result<String, token::KeyError> {
    let claims = json!({
        "sub": "550e8400-e29b-41d4-a716-446655440000", "type": "access", "email": "ada@example.com",
        "full_name": "Ada Lovelace", "avatar": null, "is_active": true, "email_verified": true, "is_superuser": false,
        "role": "writer", "exp": now + 1800, "iat": now, "nbf": now, "jti": format!("{number:036}"), "iss": ISSUER,
        "aud": AUDIENCE, "sid": "0197c9a5-0000-7000-8000-000000000000", "gen": 1, "amr": ["pwd"],
        "acr": "urn:vestibule:acr:1", "auth_time": now,
    });
    Ok(key.sign(&claims)?.expose().clone())
}

fn report(what: &str, times: u32, mut work: impl FnMut()) {
    let mut fastest = Duration::MAX;
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        let began = Instant::now();
        for _ in 0..times {
            work();
        }
        fastest = fastest.min(began.elapsed() / times);
    }
    println!("{:>9.2} us  {what}", fastest.as_secs_f64() * 1e6);
}
