//! The feed against an issuer that sends whatever a test has it send, and breaks off where it is told to.

mod following;
mod hostile;

use std::sync::atomic::{AtomicUsize, Ordering};

use secret::SecretString;
use serde_json::{Value, json};
use token::event_text;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;
use crate::{Claims, Credential, Judgement, Timeouts, messages::Refused, test_tokens};

/// Far longer than anything here takes, so that only a hang fails.
const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "Event-Signing_Key-0123456789-abcdefXYZ!";
const NOW: i64 = 1_767_603_600;

/// An issuer, a feed that follows it, and the table that the feed fills.
struct World {
    listener: TcpListener,
    standing: Arc<Standing>,
    feed: Feed,
    clock: Clock,
    gaps: Arc<AtomicUsize>,
}

/// A connection of the feed, and what it asked for.
struct Heard {
    stream: TcpStream,
    head: String,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut FeedConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/user/private/v1/events/stream");
        let clock = Clock::starting_at(Timestamp::from_second(NOW).unwrap());
        let gaps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&gaps);
        let mut config = FeedConfig {
            on_gap: Some(Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            })),
            ..FeedConfig::new(url.parse().unwrap(), clock.clone())
        };
        change(&mut config);
        let credential = Credential::Client {
            id: "items".into(),
            secret: SecretString::new("Secret-0123".into()),
        };
        let http = Http::new("test", Timeouts::default(), Some(credential), &clock, false).unwrap();
        let standing = Arc::new(Standing::new(Duration::from_hours(2), 1000));
        let feed = Feed::spawn(config, http, Arc::clone(&standing), &Handle::current());
        Self {
            listener,
            standing,
            feed,
            clock,
            gaps,
        }
    }

    /// The feed's next connection.
    async fn called(&self) -> Heard {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .expect("it comes back")
            .unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(
                timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(),
            ));
        }
        Heard {
            stream,
            head: head.to_lowercase(),
        }
    }

    /// The same, and the stream is answered.
    async fn listens(&self) -> Heard {
        let mut heard = self.called().await;
        heard
            .answer("200 OK", "content-type: text/event-stream\r\n")
            .await;
        heard
    }

    async fn until(&self, holds: impl Fn(&FeedStatus) -> bool) {
        let until = self.feed.shared.until(|shared| holds(&shared.status()));
        let status = || self.feed.status();
        assert!(timeout(PATIENCE, until).await.is_ok(), "{:?}", status());
    }

    async fn until_current(&self) {
        timeout(PATIENCE, self.feed.until_current())
            .await
            .expect("it becomes current");
    }

    async fn until_state(&self, state: FeedState) {
        self.until(|status| status.state == state).await;
    }

    async fn until_applied(&self, count: u64) {
        self.until(|status| status.applied == count).await;
    }

    fn judge(&self, jti: &str) -> Judgement {
        self.standing.judge(&token(jti), None)
    }
}

impl Heard {
    async fn answer(&mut self, status: &str, headers: &str) {
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
        self.send(&head).await;
    }

    async fn send(&mut self, text: &str) {
        // The feed may have gone already.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Waits for the feed to hang up.
    async fn ended(mut self) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest))
            .await
            .expect("it hangs up");
    }
}

/// A token issued a minute ago.
fn token(jti: &str) -> Claims {
    Claims {
        jti: jti.into(),
        iat: Some(NOW - 60),
        ..test_tokens::claims()
    }
}

fn revoked(jti: &str) -> Value {
    let user = test_tokens::claims().sub;
    json!({"event_type": "session.revoked", "version": "v2", "user_id": user, "jti": jti, "sid": null})
}

fn frame(id: &str, payload: &Value) -> String {
    format!("id: {id}\nevent: session-revoked\ndata: {payload}\n\n")
}

/// The beginning of a stream of Vestibule's that tells of the last hour.
fn opened() -> String {
    let payload = json!({"event_type": "stream.opened", "version": "v1", "event_id": "log-1", "complete_from": NOW - 3600});
    format!("id: log-1\nevent: stream-opened\ndata: {payload}\n\n")
}

const PING: &str = ": ping\n\n";
