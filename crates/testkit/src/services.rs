//! Services that call the issuer, and what they are told.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use server::actions::services::{self, NewService};

use crate::{Answer, Person, TestServer};

/// What is waited for on a stream comes within this time, or the test fails.
const DEADLINE: Duration = Duration::from_secs(10);

/// A registered service with its secret.
#[derive(Debug, Clone)]
pub struct ServiceFixture {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl ServiceFixture {
    /// Adds its credential to a request.
    pub fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .header("x-internal-client", &self.id)
            .header("x-internal-token", &self.secret)
    }
}

/// What somebody holds who signed in over `/user`.
#[derive(Debug, Clone)]
pub struct HeldTokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The access token's claims.
    pub claims: Value,
}

impl HeldTokens {
    fn of(answer: &Answer) -> Self {
        let access = answer.json()["access_token"]
            .as_str()
            .expect("an access token")
            .to_owned();
        let payload = access.split('.').nth(1).expect("a payload");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        Self {
            claims: serde_json::from_slice(&payload).expect("JSON"),
            refresh: answer
                .cookie("refresh_token")
                .expect("a refresh cookie")
                .to_owned(),
            access,
        }
    }

    /// A claim as text.
    pub fn claim(&self, name: &str) -> String {
        self.claims[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {}", self.claims))
            .to_owned()
    }
}

impl TestServer {
    /// Registers a service with these scopes.
    pub async fn service(&self, id: &str, scopes: &str) -> ServiceFixture {
        let new = NewService {
            id: id.parse().expect("a service id"),
            name: None,
            audience: None,
            scopes: scopes.parse().expect("scopes"),
            secret: None,
        };
        let registered = services::add(self.context(), new).await;
        let registered = registered.expect("the service is registered");
        ServiceFixture {
            id: id.to_owned(),
            secret: registered.secret.expose().clone(),
        }
    }

    /// Signs a person in over `/user`.
    pub async fn issue_tokens(&self, person: &Person) -> HeldTokens {
        let form = [
            ("username", person.email.as_str()),
            ("password", &person.password),
        ];
        let request = self.request(Method::POST, "/user/login/access-token");
        HeldTokens::of(&Answer::to(request.form(&form)).await.expect(200))
    }

    /// Exchanges a refresh token.
    pub async fn refresh_tokens(&self, held: &HeldTokens) -> HeldTokens {
        let request = self.request(Method::POST, "/user/login/refresh-token/");
        let request = request.header("cookie", format!("refresh_token={}", held.refresh));
        HeldTokens::of(&Answer::to(request).await.expect(200))
    }

    /// Signs out over `/user`.
    pub async fn log_out(&self, held: &HeldTokens) {
        let request = self
            .request(Method::POST, "/user/login/logout/")
            .bearer_auth(&held.access)
            .header("cookie", format!("refresh_token={}", held.refresh));
        Answer::to(request).await.expect(200);
    }

    /// Asks whether an access token is still good, by the first version of the question.
    pub async fn is_active(&self, service: &ServiceFixture, held: &HeldTokens) -> bool {
        let request = self
            .request(Method::POST, "/user/private/v1/jti-status")
            .json(&json!({ "jti": held.claim("jti") }));
        let answer = Answer::to(service.sign(request)).await.expect(200).json();
        answer["active"].as_bool().expect("a boolean")
    }

    /// Opens the event stream, from after a place when one is given.
    pub async fn listen(&self, service: &ServiceFixture, after: Option<&str>) -> Listener {
        self.listen_since(service, after, None).await
    }

    /// The same, beginning so many seconds ago where there is no place to go on from.
    pub async fn listen_since(
        &self,
        service: &ServiceFixture,
        after: Option<&str>,
        since: Option<u32>,
    ) -> Listener {
        let since = since.map(|since| format!("&since={since}"));
        let since = since.unwrap_or_default();
        let path = format!("/user/private/v1/events/stream?heartbeat=1{since}");
        let mut request = self.request(Method::GET, &path);
        if let Some(place) = after {
            request = request.header("last-event-id", place);
        }
        let response = service.sign(request).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        Listener {
            response,
            unread: String::new(),
            place: None,
        }
    }
}

/// An open event stream.
#[derive(Debug)]
pub struct Listener {
    response: Response,
    unread: String,
    place: Option<String>,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its name, for example `session-revoked`.
    pub event: String,
    /// Its place, if it names one.
    pub id: Option<String>,
    /// Its data.
    pub data: Value,
}

impl Heard {
    /// A member of the payload as text; empty when it is null.
    pub fn text(&self, member: &str) -> &str {
        self.data[member].as_str().unwrap_or_default()
    }
}

impl Listener {
    /// The headers of the answer.
    pub fn headers(&self) -> &reqwest::header::HeaderMap {
        self.response.headers()
    }

    /// The place that was told last.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The next block as it was sent, comments included; `None` when the stream has ended.
    pub async fn block(&mut self) -> Option<String> {
        let begun = Instant::now();
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let block = self.unread[..end].to_owned();
                self.unread.drain(..end + 2);
                if let Some(id) = field(&block, "id") {
                    self.place = Some(id.to_owned());
                }
                return Some(block);
            }
            let left = DEADLINE.saturating_sub(begun.elapsed());
            let piece = tokio::time::timeout(left, self.response.chunk()).await;
            match piece.expect("something comes in time") {
                Ok(Some(bytes)) => self.unread.push_str(&String::from_utf8_lossy(&bytes)),
                _ => return None,
            }
        }
    }

    /// The next event, heartbeats left out; `None` when the stream has ended.
    pub async fn heard(&mut self) -> Option<Heard> {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < DEADLINE, "no event in time");
            let block = self.block().await?;
            let Some(data) = field(&block, "data") else {
                continue;
            };
            return Some(Heard {
                event: field(&block, "event").unwrap_or("message").to_owned(),
                id: field(&block, "id").map(str::to_owned),
                data: serde_json::from_str(data).expect("JSON"),
            });
        }
    }

    /// Reads until an event that meets a condition.
    pub async fn until(&mut self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        loop {
            let heard = self.heard().await.expect("the stream goes on");
            if wanted(&heard) {
                return heard;
            }
        }
    }

    /// Reads on until the stream ends.
    pub async fn ended(&mut self) {
        let begun = Instant::now();
        while self.block().await.is_some() {
            assert!(begun.elapsed() < DEADLINE, "the stream did not end");
        }
    }
}

fn field<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    block.lines().find_map(|line| {
        line.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(": "))
    })
}
