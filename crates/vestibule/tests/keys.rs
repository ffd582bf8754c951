//! The signing keys from the command line, beside a running server.

mod common;

use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use common::{PASSWORD, Site, eventually};
use jiff::SignedDuration;
use serde_json::Value;
use server::{
    Config, Context,
    actions::signing_keys,
    clock::Clock,
    config::{RawConfig, Sources},
};

const DATA: [&str; 2] = ["--data-dir", "data"];

fn keys(site: &Site, arguments: &[&str]) -> common::Run {
    site.run(&[&["keys"], arguments, &DATA].concat())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Plans a key as it would have been done some seconds ago.
fn plan_ago(site: &Site, seconds: i64) {
    let data = site.path("data").display().to_string();
    let sources = Sources {
        flags: vec![("server.data_dir".into(), data)],
        environment: Vec::new(),
        file: None,
    };
    let (config, _): (Config, RawConfig) = Config::load(&sources).unwrap();
    let then = Clock::system().now() - SignedDuration::from_secs(seconds);
    block_on(async {
        let context = Context::open(config, Clock::fixed(then)).await.unwrap();
        signing_keys::plan(&context, false).await.unwrap();
        context.storage.close().await;
    });
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn jwks(site: &Site) -> Value {
    let url = format!("{}/.well-known/jwks.json", site.address);
    block_on(async {
        client()
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    })
}

fn kids(set: &Value) -> Vec<String> {
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

async fn login(address: &str) -> reqwest::Response {
    let form = [("username", "ana@example.com"), ("password", PASSWORD)];
    let request = client().post(format!("{address}/user/login/access-token"));
    request.form(&form).send().await.unwrap()
}

/// The key that the server signs with now.
fn signs_with(site: &Site) -> String {
    let body: Value = block_on(async { login(&site.address).await.json().await.unwrap() });
    let token = body["access_token"].as_str().unwrap();
    let header = token.split('.').next().unwrap();
    let header = base64_url(header);
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}

fn serving() -> Site {
    let mut site = Site::bare();
    site.serve();
    site.account("ana");
    site
}

#[test]
fn a_key_is_planned_published_and_rotated_to_while_the_server_runs() {
    let site = serving();
    let first = signs_with(&site);
    let listed = keys(&site, &["list", "--json"]).expect(0).json();
    assert_eq!(
        (listed[0]["kid"].as_str(), listed[0]["state"].as_str()),
        (Some(&*first), Some("current"))
    );
    assert_eq!(listed.as_array().unwrap().len(), 1);

    let none = keys(&site, &["rotate"]).expect(2);
    assert!(none.stderr.contains("No key is planned"), "{}", none.stderr);
    let planned = keys(&site, &["plan", "--json"]).expect(0).json();
    let next = planned["kid"].as_str().unwrap().to_owned();
    assert_eq!(planned["state"], "next");
    let twice = keys(&site, &["plan"]).expect(2);
    assert!(
        twice.stderr.contains("is planned already"),
        "{}",
        twice.stderr
    );
    eventually("the server publishes the planned key", || {
        kids(&jwks(&site)) == [first.clone(), next.clone()]
    });
    let early = keys(&site, &["rotate", "--json"]).expect(2);
    let error: Value = serde_json::from_str(&early.stderr).unwrap();
    assert!(
        error["error"].as_str().unwrap().contains("may sign from"),
        "{error}"
    );
    assert_eq!(signs_with(&site), first);
    keys(&site, &["retire", &next]).expect(0);

    // Planned so long ago that it may sign in two seconds.
    plan_ago(&site, 308);
    let rotated = keys(&site, &["rotate", "--wait", "--json"])
        .expect(0)
        .json();
    let next = rotated["kid"].as_str().unwrap().to_owned();
    eventually("the server signs with it", || signs_with(&site) == next);
    assert_eq!(kids(&jwks(&site)), [next.clone(), first.clone()]);
    let text = keys(&site, &["list"]).expect(0).stdout;
    assert!(text.contains("verifies until"), "{text}");
    let refused = keys(&site, &["retire", &first]).expect(2);
    assert!(
        refused.stderr.contains("are good until"),
        "{}",
        refused.stderr
    );
    let refused = keys(&site, &["retire", &next]).expect(2);
    assert!(refused.stderr.contains("signs now"), "{}", refused.stderr);
    let unknown = keys(&site, &["retire", "0000000000000000"]).expect(2);
    assert!(
        unknown.stderr.contains("There is no key"),
        "{}",
        unknown.stderr
    );

    // Leaked, both of them.
    keys(&site, &["retire", &first, "--emergency"]).expect(0);
    let said = keys(&site, &["rotate", "--emergency"]).expect(0).stdout;
    assert!(
        said.contains("every token that it signed has ended") && said.contains("within 300 s"),
        "{said}"
    );
    eventually("neither is published any more", || {
        let published = kids(&jwks(&site));
        published.len() == 1 && !published.contains(&first) && !published.contains(&next)
    });
    assert_eq!(vec![signs_with(&site)], kids(&jwks(&site)));
}

#[test]
fn keys_of_another_issuer_are_taken_over_from_their_files() {
    let site = serving();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../token/tests/keys");
    let file = |name: &str| format!("{folder}/{name}.pem");
    for (name, reason) in [
        ("rsa1024.pkcs8", "expected RSA of 2048"),
        ("ed25519.pkcs8", "expected RSA of 2048"),
        ("p256.encrypted", "is encrypted"),
        ("p256.public", "not a private key"),
        ("p256.sec1", "issuer.algorithm is RS256"),
        ("none", "could not read"),
    ] {
        let refused = keys(&site, &["import", &file(name)]).expect(2);
        let text = refused.stderr.to_lowercase();
        assert!(text.contains(&reason.to_lowercase()), "{name}: {text}");
    }
    let next = keys(&site, &["import", &file("rsa3072.pkcs8"), "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (next["kid"].as_str(), next["state"].as_str()),
        (Some("423c1e395f7a5e7b"), Some("next"))
    );
    let pem = fs::read_to_string(file("rsa2048.pkcs1")).unwrap();
    let current = site.run_with(
        &["keys", "import", "-", "--current", "--data-dir", "data"],
        &pem,
    );
    assert!(
        current
            .expect(0)
            .stdout
            .contains("3b7a4a4b73f86a80 signs now")
    );
    eventually("the server signs with it", || {
        signs_with(&site) == "3b7a4a4b73f86a80"
    });
    let again = keys(&site, &["import", &file("rsa2048.pkcs8")]).expect(2);
    assert!(
        again.stderr.contains("is there already"),
        "{}",
        again.stderr
    );
}

#[test]
fn commands_beside_a_busy_server_lose_and_refuse_nothing() {
    let site = serving();
    let done = Arc::new(AtomicBool::new(false));
    let signing_in: Vec<_> = (0..4)
        .map(|_| {
            let (address, done) = (site.address.clone(), done.clone());
            std::thread::spawn(move || {
                block_on(async {
                    let mut cookies = Vec::new();
                    while !done.load(Ordering::Acquire) {
                        let answer = login(&address).await;
                        assert_eq!(answer.status(), 200);
                        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
                        cookies.push(cookie.split(';').next().unwrap().to_owned());
                    }
                    cookies
                })
            })
        })
        .collect();
    // Several commands at once, again and again: each makes its change, and no other one gets lost.
    let mut made = 0;
    for _ in 0..5 {
        let mut running: Vec<_> = (0..3)
            .map(|_| {
                made += 1;
                let name = format!("extra{made}");
                let email = format!("{name}@example.com");
                let mut command: Command = site.command(&[
                    "account",
                    "create",
                    "--data-dir",
                    "data",
                    "--email",
                    &email,
                    "--username",
                    &name,
                    "--password-stdin",
                ]);
                std::thread::spawn(move || {
                    common::finish(
                        std::mem::replace(&mut command, Command::new("true")),
                        PASSWORD,
                    )
                })
            })
            .collect();
        keys(&site, &["plan"]).expect(0);
        let next = keys(&site, &["list", "--json"]).expect(0).json()[1]["kid"].clone();
        keys(&site, &["retire", next.as_str().unwrap()]).expect(0);
        for command in running.drain(..) {
            command.join().unwrap().expect(0);
        }
    }
    done.store(true, Ordering::Release);
    let cookies: Vec<String> = signing_in
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert!(!cookies.is_empty());
    // Everything acknowledged is there.
    let refused = block_on(async {
        let mut refused = 0;
        for cookie in &cookies {
            let request = client().post(format!("{}/user/login/refresh-token/", site.address));
            let answer = request.header("cookie", cookie).send().await.unwrap();
            // So many at once may be told to wait, but none may be unknown.
            refused += usize::from(!matches!(answer.status().as_u16(), 200 | 429));
        }
        refused
    });
    assert_eq!(refused, 0);
    assert_eq!(
        keys(&site, &["list", "--json"])
            .expect(0)
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for number in 1..=made {
        let form = [
            ("username", format!("extra{number}")),
            ("password", PASSWORD.to_owned()),
        ];
        let status = block_on(async {
            let request = client().post(format!("{}/user/login/access-token", site.address));
            request.form(&form).send().await.unwrap().status()
        });
        assert_eq!(status, 200, "extra{number}");
    }
}
