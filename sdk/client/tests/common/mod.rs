//! An issuer for tests that can be slow, wrong, huge, redirecting, or gone.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use token::{Algorithm, KeySet, SigningKey};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use url::Url;
use vestibule_client::{Clock, Config, Credential, Expectations, KeySource, RevocationSource};

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "item-service";
pub(crate) const ADA: &str = "550e8400-e29b-41d4-a716-446655440000";
pub(crate) const SECRET: &str = "Private-Api_Secret-0123456789-abcdefXYZ!";

pub(crate) const KEYS: &str = "/jwks.json";
pub(crate) const STATUS: &str = "/private/v1/jti-status";
pub(crate) const EVENTS: &str = "/private/v1/events/stream";
pub(crate) const EXCHANGE: &str = "/private/v1/service-token";

/// What the issuer does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers.
    Answer(u16, Vec<u8>),
    /// Answers JSON.
    Json(Value),
    /// Sends the client elsewhere.
    Redirect(String),
    /// Answers after it was told to.
    Held(Arc<Notify>, Box<Reply>),
    /// Breaks the connection off before it answers.
    HangUp,
    /// Breaks it off in the middle of the answer.
    BreakOff,
    /// Never stops talking.
    Endless,
    /// Never answers.
    Silent,
    /// A stream of what is sent into the channel.
    Stream(watch::Sender<Option<mpsc::UnboundedSender<String>>>),
    /// Decides by the request.
    Ask(Arc<dyn Fn(&Seen) -> Reply + Send + Sync>),
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

type Replies = Vec<(&'static str, Reply)>;

#[derive(Default)]
struct State {
    replies: Mutex<Replies>,
    seen: watch::Sender<Vec<Seen>>,
}

pub(crate) struct Issuer {
    state: Arc<State>,
    address: SocketAddr,
    serving: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Issuer {
    /// An issuer that answers 404 to everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let issuer = Self {
            state: Arc::default(),
            address,
            serving: Mutex::default(),
        };
        issuer.serve(listener);
        issuer
    }

    fn serve(&self, listener: TcpListener) {
        let state = self.state.clone();
        let serving = tokio::spawn(async move {
            // Dropped with the task, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                connections.spawn(connection(stream, state.clone()));
            }
        });
        *self.serving.lock().unwrap() = Some(serving);
    }

    /// Stops listening and breaks off every connection.
    pub(crate) async fn go_down(&self) {
        let serving = self.serving.lock().unwrap().take();
        if let Some(serving) = serving {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Listens again, where it was.
    pub(crate) async fn come_up(&self) {
        // The system may need a moment to give the port back.
        loop {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.serve(listener);
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address)
            .parse()
            .expect("an address")
    }

    pub(crate) fn on(&self, path: &'static str, reply: Reply) -> &Self {
        let mut replies = self.state.replies.lock().unwrap();
        replies.retain(|(known, _)| *known != path);
        replies.push((path, reply));
        self
    }

    pub(crate) fn publishes(&self, keys: &[&SigningKey]) -> &Self {
        let set: KeySet = keys.iter().map(|key| key.verifying_key()).collect();
        self.on(KEYS, Reply::Json(set.to_jwks()))
    }

    /// The requests for `path` so far.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.state.seen.borrow();
        seen.iter()
            .filter(|seen| seen.path == path)
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }

    /// Waits until there were so many requests for `path`.
    pub(crate) async fn until(&self, path: &str, count: usize) {
        let mut seen = self.state.seen.subscribe();
        let enough =
            |seen: &Vec<Seen>| seen.iter().filter(|seen| seen.path == path).count() >= count;
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(enough)).await;
        waited
            .expect("the request did not come")
            .expect("the issuer is there");
    }

    /// A configuration that fetches keys here, and nothing else.
    pub(crate) fn config(&self) -> Config {
        let expected = Expectations::strict(Algorithm::Es256, ISSUER, AUDIENCE);
        Config::new(KeySource::Fetched(self.url(KEYS)), expected)
    }

    /// One that asks here whether tokens are active.
    pub(crate) fn introspecting(&self) -> Config {
        Config {
            revocation: RevocationSource::Introspection,
            introspection_url: Some(self.url(STATUS)),
            credential: Some(Credential::Secret(SECRET.to_owned().into())),
            ..self.config()
        }
    }
}

/// How long tests wait for something that does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it did not become so");
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| answer(request, state.clone()));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Body>, std::io::Error> {
    let (head, body) = request.into_parts();
    let seen = Seen {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body
            .collect()
            .await
            .map_or_else(|_| Vec::new(), |body| body.to_bytes().to_vec()),
    };
    state.seen.send_modify(|all| all.push(seen.clone()));
    let known = |replies: &Replies| {
        replies
            .iter()
            .find(|(path, _)| *path == seen.path)
            .map(|(_, reply)| reply.clone())
    };
    let mut reply = known(&lock(&state.replies)).unwrap_or(Reply::Answer(404, Vec::new()));
    loop {
        reply = match reply {
            Reply::Ask(decide) => decide(&seen),
            Reply::Held(until, then) => {
                until.notified().await;
                *then
            }
            Reply::Silent => std::future::pending().await,
            Reply::HangUp => return Err(std::io::Error::other("hung up")),
            Reply::Answer(status, body) => {
                return Ok(response(status, stream::iter([Ok(body.into())])));
            }
            Reply::Json(value) => Reply::Answer(200, value.to_string().into_bytes()),
            Reply::Redirect(to) => {
                let mut response = response(307, stream::empty());
                response
                    .headers_mut()
                    .insert("location", to.parse().expect("an address"));
                return Ok(response);
            }
            Reply::BreakOff => {
                let pieces = [
                    Ok(Bytes::from("{\"keys\"")),
                    Err(std::io::Error::other("broken off")),
                ];
                return Ok(response(200, stream::iter(pieces)));
            }
            Reply::Endless => {
                return Ok(response(
                    200,
                    stream::repeat_with(|| Ok(Bytes::from(vec![b' '; 65536]))),
                ));
            }
            Reply::Stream(slot) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let frames = stream::unfold(receiver, |mut receiver| async {
                    let text: String = receiver.recv().await?;
                    Some((Ok(Bytes::from(text)), receiver))
                });
                slot.send_replace(Some(sender));
                let mut response = response(200, frames);
                response
                    .headers_mut()
                    .insert("content-type", "text/event-stream".parse().expect("a type"));
                return Ok(response);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn response(
    status: u16,
    pieces: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync + 'static,
) -> Response<Body> {
    let body = BodyExt::boxed(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))));
    Response::builder()
        .status(status)
        .body(body)
        .expect("well formed")
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).expect("system random source")
}

/// The claims of an ordinary token that is good for half an hour, issued just now by the system's clock.
pub(crate) fn claims(jti: &str) -> Value {
    let now = Clock::system().now().as_second();
    json!({
        "sub": ADA, "type": "access", "email": "ada@example.com", "full_name": "Ada Lovelace", "avatar": null,
        "is_active": true, "email_verified": true, "is_superuser": false, "role": "writer",
        "exp": now + 1800, "iat": now, "nbf": now, "jti": jti, "iss": ISSUER, "aud": AUDIENCE,
    })
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    key.sign(claims).expect("signs").expose().clone()
}

/// An ordinary token.
pub(crate) fn token(key: &SigningKey, jti: &str) -> String {
    sign(key, &claims(jti))
}

/// The claims with one changed.
pub(crate) fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}
