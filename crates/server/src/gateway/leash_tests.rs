//! What was begun ends with the right to it.

use ::forward::Upstream;
use axum::{Router, body::Body, routing::get};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener},
    time::timeout,
};

use super::{
    house::Instance,
    tests::{NOTES, NOTES_ORIGIN, Street},
    *,
};

/// Far longer than anything here takes, so that only a hang fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A street whose app streams at `/stream`, never answers at `/silence`, and echoes what comes over a tunnel at `/socket`.
fn street() -> Street {
    let street = Street::new();
    let socket = street.socket.with_file_name("streams");
    let listener = UnixListener::bind(&socket).unwrap();
    let app = Router::new()
        .route("/stream", get(stream))
        .route("/silence", get(std::future::pending::<()>))
        .route("/socket", get(tunnel));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    *street.world.instance.lock().unwrap() = Instance::Live(Upstream::unix(&socket));
    street
}

async fn stream() -> Body {
    let ticks = futures_util::stream::repeat(()).then(async |()| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<_, std::io::Error>("tick ")
    });
    Body::from_stream(Box::pin(ticks))
}

async fn tunnel(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let mut byte = [0];
        while io.read_exact(&mut byte).await.is_ok() {
            io.write_all(&byte).await.unwrap();
        }
    });
    let fields = [("connection", "upgrade"), ("upgrade", "websocket")];
    (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
}

/// Takes access away as the rest of the server would.
fn revoke(street: &Street) {
    *street.world.standing.lock().unwrap() = Standing::NoAccess;
    announce(street);
}

fn announce(street: &Street) {
    street.world.changes.send_modify(|count| *count += 1);
}

#[tokio::test]
async fn a_stream_ends_when_access_ends_and_not_before() {
    let street = street();
    let cookies = street.hop(NOTES, 1).await;
    let fields = [("cookie", cookies.as_str())];
    let answer = street.send("GET", NOTES, "/stream", &fields).await;
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    announce(&street);
    for _ in 0..20 {
        let frame = timeout(PATIENCE, body.frame()).await.expect("it goes on");
        assert!(frame.expect("it goes on").is_ok());
    }
    revoke(&street);
    let ended = async { while matches!(body.frame().await, Some(Ok(_))) {} };
    timeout(PATIENCE, ended).await.expect("it ends");
}

#[tokio::test]
async fn an_anonymous_stream_ends_when_the_gate_is_closed() {
    let street = street();
    street.change("notes", |app| app.requires_auth = false);
    let mut body = street.send("GET", NOTES, "/stream", &[]).await.into_body();
    assert!(body.frame().await.expect("it begins").is_ok());
    street.change("notes", |app| app.requires_auth = true);
    announce(&street);
    let ended = async { while matches!(body.frame().await, Some(Ok(_))) {} };
    timeout(PATIENCE, ended).await.expect("it ends");
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_ends_too() {
    let street = Arc::new(street());
    let cookies = street.hop(NOTES, 1).await;
    let waiting = tokio::spawn({
        let street = Arc::clone(&street);
        async move {
            let fields = [("cookie", cookies.as_str())];
            street.send("GET", NOTES, "/silence", &fields).await
        }
    });
    // Whether the change comes before or after the request was let in, the answer is the same.
    tokio::task::yield_now().await;
    revoke(&street);
    let answer = timeout(PATIENCE, waiting).await.expect("it ends").unwrap();
    assert!(matches!(answer.status().as_u16(), 401 | 404), "{answer:?}");
}

#[tokio::test]
async fn a_websocket_ends_when_access_ends_and_not_before() {
    let street = street();
    let cookies = street.hop(NOTES, 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = street.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut browser = TcpStream::connect(address).await.unwrap();
    let handshake = format!(
        "GET /socket HTTP/1.1\r\nhost: {NOTES}\r\norigin: {NOTES_ORIGIN}\r\ncookie: {cookies}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    browser.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, browser.read_u8()).await.expect("a head");
        head.push(byte.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", head.escape_ascii());
    announce(&street);
    for byte in 0..20 {
        browser.write_u8(byte).await.unwrap();
        let echo = timeout(PATIENCE, browser.read_u8()).await.expect("an echo");
        assert_eq!(echo.unwrap(), byte);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    revoke(&street);
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, browser.read_to_end(&mut rest)).await;
    drop(ended.expect("it ends"));
}
