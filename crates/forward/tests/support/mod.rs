//! Real upstreams on Unix sockets, and a proxy in front of them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::Request, response::IntoResponse};
use forward::{Error, Failure, Forwarder, Limits, Side, Upstream};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
};

/// An upstream that lives as long as this value.
pub struct Fixture {
    pub upstream: Upstream,
    task: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn socket() -> (UnixListener, Upstream, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    (
        UnixListener::bind(&path).unwrap(),
        Upstream::unix(&path),
        directory,
    )
}

/// Serves a router.
pub fn serve(router: Router) -> Fixture {
    let (listener, upstream, directory) = socket();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Fixture {
        upstream,
        task,
        _directory: directory,
    }
}

/// Answers each connection by a function over the plain stream; it gets the number of the connection, from 0.
pub fn serve_raw<F, R>(answer: F) -> Fixture
where
    F: Fn(UnixStream, usize) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let (listener, upstream, directory) = socket();
    let task = tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, number));
        }
    });
    Fixture {
        upstream,
        task,
        _directory: directory,
    }
}

/// Reads to the end of a head without a body, writes `answer`, and closes.
pub fn serve_text(answer: &'static str) -> Fixture {
    serve_raw(move |mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
}

/// Reads up to and including the empty line.
pub async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A proxy on a TCP port in front of `upstream`.
pub async fn proxy(upstream: &Upstream, limits: Limits) -> SocketAddr {
    let forwarder = Forwarder::<Body>::new(limits);
    let upstream = upstream.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = move |request: Request| {
        let (forwarder, upstream) = (forwarder.clone(), upstream.clone());
        async move {
            match forwarder.send(&upstream, request).await {
                Ok(answer) => answer.map(Body::new),
                Err(failure) => refuse(&failure),
            }
        }
    };
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(handler))
            .await
            .unwrap();
    });
    address
}

fn refuse(failure: &Failure<Body>) -> Response<Body> {
    let status = match failure.error.side() {
        Side::Downstream => StatusCode::BAD_REQUEST,
        Side::Upstream if failure.error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
        Side::Upstream => StatusCode::BAD_GATEWAY,
    };
    (status, failure.error.to_string()).into_response()
}

pub fn forwarder() -> Forwarder<Body> {
    Forwarder::new(Limits::default())
}

pub fn get(path: &str) -> Request {
    Request::get(path)
        .header("host", "app.localhost")
        .body(Body::empty())
        .unwrap()
}

pub async fn text<B>(answer: Response<B>) -> String
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The failure of a plain request to an upstream that answers with `answer`.
pub async fn failure_of(answer: &'static str) -> Error {
    let fixture = serve_text(answer);
    forwarder()
        .send(&fixture.upstream, get("/"))
        .await
        .expect_err(answer)
        .error
}

/// Sends text to a proxy and returns everything it answers until it closes.
pub async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    deadline(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Fails the test instead of hanging.
pub async fn deadline<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("did not happen within 30 s")
}

/// Waits until a condition holds.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    deadline(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
