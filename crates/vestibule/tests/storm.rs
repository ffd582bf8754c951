//! The real server, killed a hundred times amid sign-ins, refreshes, sign-outs and key rotations: what it acknowledged
//! holds afterwards, and what ended stays ended.

mod common;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{PASSWORD, Site};
use reqwest::{Client, StatusCode};

const KILLS: usize = 100;
const CLIENTS: usize = 6;
/// The server lives this long at least, plus up to as much again.
const LIFE: Duration = Duration::from_millis(60);

/// What a client knows of its own sign-in.
#[derive(Debug, Default)]
struct Browser {
    /// Whose it is.
    number: usize,
    /// The newest refresh token that was given, and the access token beside it.
    pair: Option<(String, String)>,
    /// A refresh was sent and not answered.
    is_asking: bool,
    /// A sign-out was sent and not answered: either is right.
    is_leaving: bool,
    /// Refresh tokens of sign-ins whose sign-out was acknowledged.
    ended: VecDeque<String>,
    counts: Counts,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    logins: usize,
    refreshes: usize,
    lost: usize,
    sign_outs: usize,
    revived: usize,
}

/// What came of a request.
enum Outcome {
    Answer(StatusCode, Option<String>, String),
    /// The server died before it answered.
    Lost,
}

struct Server<'a> {
    client: &'a Client,
    address: &'a str,
}

impl Server<'_> {
    async fn post(
        &self,
        path: &str,
        pair: Option<&(String, String)>,
        form: Option<&str>,
    ) -> Outcome {
        let mut request = self.client.post(format!("{}{path}", self.address));
        if let Some((refresh, access)) = pair {
            request = request
                .header("cookie", format!("refresh_token={refresh}"))
                .bearer_auth(access);
        }
        if let Some(form) = form {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.to_owned());
        }
        let Ok(response) = request.send().await else {
            return Outcome::Lost;
        };
        let status = response.status();
        let cookie = response.headers().get_all("set-cookie").iter();
        let cookie = cookie
            .filter_map(|value| value.to_str().ok())
            .find_map(|value| value.strip_prefix("refresh_token="))
            .and_then(|value| value.split(';').next())
            .filter(|value| !value.is_empty())
            .map(str::to_owned);
        match response.text().await {
            Ok(text) => Outcome::Answer(status, cookie, text),
            Err(_) => Outcome::Lost,
        }
    }
}

impl Browser {
    /// One step of an honest client. Panics when the server breaks a promise.
    async fn step(&mut self, server: &Server<'_>, number: usize) {
        let Some(pair) = self.pair.clone() else {
            return self.sign_in(server).await;
        };
        if self.is_leaving || number % 7 == 6 {
            return self.sign_out(server, &pair).await;
        }
        if number % 5 == 4
            && let Some(ended) = self.ended.front().cloned()
        {
            return self.try_ended(server, ended).await;
        }
        let asked_before = std::mem::replace(&mut self.is_asking, true);
        match server
            .post("/user/login/refresh-token/", Some(&pair), None)
            .await
        {
            Outcome::Lost => self.counts.lost += 1,
            Outcome::Answer(StatusCode::OK, cookie, text) => {
                self.is_asking = false;
                self.counts.refreshes += 1;
                self.counts.revived += usize::from(asked_before);
                self.pair = Some((cookie.expect("a cookie"), access(&text)));
            }
            Outcome::Answer(status, _, text) => {
                panic!(
                    "an honest client was signed out (asked before: {asked_before}): {status} {text}"
                )
            }
        }
    }

    async fn sign_in(&mut self, server: &Server<'_>) {
        let form = format!(
            "username=person-{}&password={}",
            self.number,
            PASSWORD.replace(' ', "+").replace(',', "%2C")
        );
        match server
            .post("/user/login/access-token", None, Some(&form))
            .await
        {
            Outcome::Lost => self.counts.lost += 1,
            Outcome::Answer(StatusCode::OK, cookie, text) => {
                self.counts.logins += 1;
                self.pair = Some((cookie.expect("a cookie"), access(&text)));
            }
            Outcome::Answer(status, _, text) => panic!("a sign-in failed: {status} {text}"),
        }
    }

    async fn sign_out(&mut self, server: &Server<'_>, pair: &(String, String)) {
        let asked_before = std::mem::replace(&mut self.is_leaving, true);
        match server.post("/user/login/logout/", Some(pair), None).await {
            Outcome::Lost => {
                self.counts.lost += 1;
                return;
            }
            Outcome::Answer(StatusCode::OK, ..) => {}
            // The first request was carried out, or a refresh that was not answered came between.
            Outcome::Answer(StatusCode::UNAUTHORIZED, ..) if asked_before || self.is_asking => {}
            Outcome::Answer(status, _, text) => panic!("a sign-out failed: {status} {text}"),
        }
        self.counts.sign_outs += 1;
        self.ended.push_back(pair.0.clone());
        self.ended.truncate(20);
        (self.pair, self.is_asking, self.is_leaving) = (None, false, false);
    }

    async fn try_ended(&self, server: &Server<'_>, ended: String) {
        let pair = (ended, String::new());
        if let Outcome::Answer(status, _, text) = server
            .post("/user/login/refresh-token/", Some(&pair), None)
            .await
        {
            assert_eq!(
                status,
                StatusCode::UNAUTHORIZED,
                "an ended session was revived: {text}"
            );
        }
    }
}

fn access(text: &str) -> String {
    let from = text.find("\"access_token\":\"").expect("an access token") + 16;
    text[from..].split('"').next().unwrap().to_owned()
}

#[test]
fn a_hundred_kills_amid_refreshes_rotations_and_sign_outs_lose_and_revive_nothing() {
    let mut site = Site::bare();
    site.set("VESTIBULE_ISSUER__REFRESH_ATTEMPTS", "1000000");
    site.set("VESTIBULE_ISSUER__ALGORITHM", "ES256");
    // Each start has another port, and the issuer's name is part of each token.
    site.set("VESTIBULE_ISSUER__ISSUER", "https://auth.example.com");
    site.serve();
    for number in 0..CLIENTS {
        site.account(&format!("person-{number}"));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let http = Client::builder().no_proxy().build().unwrap();
    let mut browsers: Vec<Browser> = (0..CLIENTS)
        .map(|number| Browser {
            number,
            ..Browser::default()
        })
        .collect();
    for kill in 0..KILLS {
        let is_over = Arc::new(AtomicBool::new(false));
        let address = site.address.clone();
        let storm = browsers.drain(..).enumerate().map(|(client, mut browser)| {
            let (is_over, address, http) = (is_over.clone(), address.clone(), http.clone());
            runtime.spawn(async move {
                let server = Server {
                    client: &http,
                    address: &address,
                };
                let mut number = kill + client;
                while !is_over.load(Ordering::Relaxed) {
                    browser.step(&server, number).await;
                    number += 1;
                }
                browser
            })
        });
        let storm: Vec<_> = storm.collect();
        let extra = LIFE * u32::try_from(kill * 37 % 100).expect("below 100") / 100;
        // The kill, and that of this very command, fall into the rotation or near it.
        let rotation =
            (kill % 5 == 3).then(|| site.start(&["keys", "rotate", "--data-dir", "data"]));
        std::thread::sleep(LIFE + extra);
        let server = site.server();
        server.signal("KILL");
        server.end();
        drop(rotation);
        is_over.store(true, Ordering::Relaxed);
        for one in storm {
            browsers.push(runtime.block_on(one).unwrap());
        }
        site.serve();
    }
    // After the last start, every acknowledged sign-in goes on and every acknowledged sign-out holds.
    let address = site.address.clone();
    let server = Server {
        client: &http,
        address: &address,
    };
    let mut sum = Counts::default();
    for browser in &mut browsers {
        runtime.block_on(async {
            for ended in browser.ended.clone() {
                browser.try_ended(&server, ended).await;
            }
            if !browser.is_leaving {
                browser.step(&server, 0).await;
            }
        });
        sum.logins += browser.counts.logins;
        sum.refreshes += browser.counts.refreshes;
        sum.lost += browser.counts.lost;
        sum.sign_outs += browser.counts.sign_outs;
        sum.revived += browser.counts.revived;
    }
    assert!(
        sum.refreshes > KILLS && sum.sign_outs > CLIENTS && sum.lost >= KILLS / 2,
        "too calm to show anything: {sum:?}"
    );
}
