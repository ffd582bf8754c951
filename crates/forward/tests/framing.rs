//! Heads, lengths and connections: what may pass, what is refused, and what is used again.

mod support;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, extract::Request, routing::any};
use forward::{Error, Limits, Retry, Side};
use http::{Method, StatusCode};
use support::{
    deadline, eventually, failure_of, forwarder, get, proxy, raw, read_head, serve, serve_raw,
    serve_text, text,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn connection_fields_pass_in_neither_direction() {
    let fixture = serve(Router::new().fallback(any(|request: Request| async move {
        let names: Vec<String> = request.headers().keys().map(ToString::to_string).collect();
        (
            [
                ("connection", "x-private"),
                ("x-private", "1"),
                ("keep-alive", "timeout=9"),
                ("x-kept", "1"),
            ],
            names.join(" "),
        )
    })));
    let request = Request::get("/")
        .header("host", "a")
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "1")
        .header("upgrade", "h2c")
        .header("proxy-connection", "x")
        .header("x-kept", "1")
        .body(Body::empty())
        .unwrap();
    let answer = forwarder().send(&fixture.upstream, request).await.unwrap();
    assert!(
        ["connection", "x-private", "keep-alive"]
            .iter()
            .all(|name| !answer.headers().contains_key(*name))
    );
    assert_eq!(answer.headers()["x-kept"], "1");
    assert_eq!(text(answer).await, "host x-kept");
}

#[tokio::test]
async fn malformed_answers_are_the_upstreams_failure() {
    let many = "x: y\r\n".repeat(200);
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    for answer in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        Box::leak(format!("HTTP/1.1 200 OK\r\n{many}\r\n").into_boxed_str()),
        Box::leak(large.into_boxed_str()),
    ] {
        let error = failure_of(answer).await;
        assert!(
            matches!(error, Error::Answer(_)),
            "{error:?} for {answer:.60}"
        );
        assert_eq!((error.side(), error.retry()), (Side::Upstream, Retry::No));
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_tells_whether_a_repetition_is_harmless() {
    assert_eq!(failure_of("").await.retry(), Retry::Idempotent);
    let fixture = serve_raw(|mut stream, _| async move {
        read_head(&mut stream).await;
    });
    let request = Request::post("/")
        .header("host", "a")
        .body(Body::from("x"))
        .unwrap();
    let error = forwarder()
        .send(&fixture.upstream, request)
        .await
        .unwrap_err()
        .error;
    assert!(
        matches!(
            error,
            Error::ResetBeforeHead {
                repeatable: false,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.retry(), Retry::No);
}

#[tokio::test]
async fn an_upstream_that_does_not_listen_gives_the_request_back() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = forward::Upstream::unix(directory.path().join("nobody"));
    let request = Request::post("/x").body(Body::from("kept")).unwrap();
    let failure = forwarder().send(&upstream, request).await.unwrap_err();
    assert!(
        failure.error.is_refused() && failure.error.retry() == Retry::Safe,
        "{failure:?}"
    );
    let request = failure.request.unwrap();
    assert_eq!(request.uri(), "/x");
    assert_eq!(
        axum::body::to_bytes(request.into_body(), 10).await.unwrap(),
        "kept"
    );
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_dead_one_is_replaced_unnoticed() {
    let (connections, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let close = Arc::new(tokio::sync::Notify::new());
    let (opened, ended, told) = (
        Arc::clone(&connections),
        Arc::clone(&closed),
        Arc::clone(&close),
    );
    let fixture = serve_raw(move |mut stream, number| {
        opened.fetch_add(1, Ordering::SeqCst);
        let (ended, told) = (Arc::clone(&ended), Arc::clone(&told));
        async move {
            // The first connection answers two requests and closes when told; later ones live on.
            for _ in 0..if number == 0 { 2 } else { 100 } {
                if read_head(&mut stream).await.is_empty() {
                    return;
                }
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await
                    .unwrap();
            }
            told.notified().await;
            drop(stream);
            ended.fetch_add(1, Ordering::SeqCst);
        }
    });
    let forwarder = forwarder();
    for expected in [1, 1, 2, 2] {
        if expected == 2 {
            close.notify_one();
            eventually(|| closed.load(Ordering::SeqCst) == 1).await;
        }
        // A method that must not be repeated once it was sent.
        let request = Request::post("/")
            .header("host", "a")
            .body(Body::empty())
            .unwrap();
        let answer = deadline(forwarder.send(&fixture.upstream, request))
            .await
            .unwrap();
        assert_eq!(text(answer).await, "ok");
        assert_eq!(connections.load(Ordering::SeqCst), expected);
        assert_eq!(forwarder.idle_connections(&fixture.upstream), 1);
    }
    forwarder.forget(&fixture.upstream);
    assert_eq!(forwarder.idle_connections(&fixture.upstream), 0);
}

#[tokio::test]
async fn no_request_follows_on_a_connection_on_which_the_upstream_failed() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    // As Python servers do: a whole answer that lets the connection live, and then its end all the same.
    let fixture = serve_raw(move |mut stream, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            read_head(&mut stream).await;
            let failed = b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno";
            stream.write_all(failed).await.unwrap();
            // Later than a hurried second request.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let forwarder = forwarder();
    for _ in 0..3 {
        let answer = forwarder.send(&fixture.upstream, get("/")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(text(answer).await, "no");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn unasked_bytes_after_an_answer_are_never_the_next_answer() {
    let fixture = serve_raw(|mut stream, number| async move {
        read_head(&mut stream).await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        let (body, more) = if number == 0 {
            ("ok", format!("{text}!!"))
        } else {
            ("ok", String::new())
        };
        stream
            .write_all(format!("{text}{body}{more}").as_bytes())
            .await
            .unwrap();
        let _ = stream.read_u8().await;
    });
    let forwarder = forwarder();
    for _ in 0..2 {
        assert_eq!(
            text(
                deadline(forwarder.send(&fixture.upstream, get("/")))
                    .await
                    .unwrap()
            )
            .await,
            "ok"
        );
    }
}

#[tokio::test]
async fn answers_without_a_body_keep_their_length_field_and_free_the_connection() {
    let fixture = serve_raw(|mut stream, _| async move {
        for _ in 0..10 {
            let head = read_head(&mut stream).await;
            let answer: &[u8] = match head.split(' ').nth(1) {
                Some("/304") => b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n",
                Some("/204") => b"HTTP/1.1 204 No Content\r\n\r\n",
                Some(_) => b"HTTP/1.1 200 OK\r\ncontent-length: 42\r\n\r\n",
                None => return,
            };
            stream.write_all(answer).await.unwrap();
        }
    });
    let forwarder = forwarder();
    for (method, path, status) in [
        (Method::GET, "/304", 304),
        (Method::GET, "/204", 204),
        (Method::HEAD, "/", 200),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "a")
            .body(Body::empty())
            .unwrap();
        let answer = deadline(forwarder.send(&fixture.upstream, request))
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(forwarder.idle_connections(&fixture.upstream), 1);
        if status == 200 {
            assert_eq!(answer.headers()["content-length"], "42");
        }
        assert_eq!(deadline(text(answer)).await, "");
    }
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let head = raw(
        address,
        "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        head.contains("content-length: 42") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

/// Records what reaches the upstream, byte for byte.
fn recorder() -> (support::Fixture, Arc<Mutex<String>>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let record = Arc::clone(&seen);
    let fixture = serve_raw(move |mut stream, _| {
        let record = Arc::clone(&record);
        async move {
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                if read == 0 {
                    return;
                }
                let all = {
                    let mut all = record.lock().unwrap();
                    all.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                    all.clone()
                };
                if all.contains("content-length")
                    || all.contains("0\r\n\r\n")
                    || all.starts_with("GET")
                {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                }
            }
        }
    });
    (fixture, seen)
}

#[tokio::test]
async fn a_request_with_two_lengths_reaches_the_upstream_with_one_or_not_at_all() {
    for (hostile, passes) in [
        (
            "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n",
            true,
        ),
        ("content-length: 4\r\ncontent-length: 5\r\n\r\nabcde", false),
        (
            "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            false,
        ),
        ("transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            false,
        ),
        ("content-length: +4\r\n\r\nabcd", false),
    ] {
        let (fixture, seen) = recorder();
        let address = proxy(&fixture.upstream, Limits::default()).await;
        let answer = raw(
            address,
            &format!("POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{hostile}"),
        )
        .await;
        let seen = seen.lock().unwrap().clone();
        assert!(!seen.contains("smuggled"), "{seen}");
        if passes {
            assert!(
                !seen.contains("content-length") && seen.ends_with("\r\n\r\n0\r\n\r\n"),
                "{seen}"
            );
        } else {
            assert!(
                answer.starts_with("HTTP/1.1 400") && seen.is_empty(),
                "{hostile:?}: {answer} {seen}"
            );
        }
    }
}

#[tokio::test]
async fn ambiguous_requests_are_refused_before_a_connection_is_opened() {
    let fixture = serve_text("");
    for (name, value) in [
        ("content-length", "2"),
        ("host", "b"),
        ("transfer-encoding", "chunked"),
    ] {
        let request = Request::get("/")
            .header("host", "a")
            .header("content-length", "2")
            .header(name, value)
            .body(Body::empty())
            .unwrap();
        let error = forwarder()
            .send(&fixture.upstream, request)
            .await
            .unwrap_err()
            .error;
        assert!(matches!(error, Error::Request(_)), "{error:?}");
    }
    for method in [Method::CONNECT, Method::TRACE] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(Body::empty())
            .unwrap();
        assert!(matches!(
            forwarder()
                .send(&fixture.upstream, request)
                .await
                .unwrap_err()
                .error,
            Error::Request(_)
        ));
    }
    let mut request = get("/");
    for number in 0..200 {
        request.headers_mut().append("x-many", number.into());
    }
    assert!(matches!(
        forwarder()
            .send(&fixture.upstream, request)
            .await
            .unwrap_err()
            .error,
        Error::RequestHead
    ));
}

#[tokio::test]
async fn request_trailers_are_dropped_and_answer_trailers_pass() {
    let (fixture, seen) = recorder();
    let address = proxy(&fixture.upstream, Limits::default()).await;
    raw(
        address,
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntrailer: x-admin\r\ntransfer-encoding: chunked\r\n\r\n\
         1\r\nx\r\n0\r\nx-admin: yes\r\n\r\n",
    )
    .await;
    assert!(!seen.lock().unwrap().contains("x-admin: yes"), "{seen:?}");

    let fixture = serve_text(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\nx-sum: 7\r\nset-cookie: a=b\r\n\r\n",
    );
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let answer = raw(
        address,
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\n\r\n",
    )
    .await;
    assert!(
        answer.contains("x-sum: 7") && !answer.contains("a=b"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_expected_body_is_sent_only_after_the_upstream_asked_for_it() {
    let fixture = serve_raw(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        assert!(head.contains("expect: 100-continue"), "{head}");
        if head.starts_with("POST /yes") {
            stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .unwrap();
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.unwrap();
            assert_eq!(&body, b"body");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        } else {
            stream
                .write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        }
    });
    // Were the body sent without being asked for, the wait would fail the test.
    let limits = Limits {
        expect: std::time::Duration::from_mins(10),
        ..Limits::default()
    };
    let address = proxy(&fixture.upstream, limits).await;
    for (path, sees) in [("/yes", "HTTP/1.1 100 Continue"), ("/no", "HTTP/1.1 413")] {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let first = deadline(read_head(&mut client)).await;
        assert!(first.starts_with(sees), "{first}");
        if path == "/yes" {
            client.write_all(b"body").await.unwrap();
            let second = deadline(read_head(&mut client)).await;
            assert!(second.starts_with("HTTP/1.1 200"), "{second}");
        }
    }
}

#[tokio::test]
async fn an_absolute_target_is_sent_in_origin_form() {
    let fixture =
        serve(Router::new().fallback(any(
            |request: Request| async move { request.uri().to_string() },
        )));
    for (target, seen) in [
        ("http://evil.example/a?b=c", "/a?b=c"),
        ("http://evil.example", "/"),
        ("/%2e%2e/x", "/%2e%2e/x"),
    ] {
        let request = Request::get(target)
            .header("host", "a")
            .body(Body::empty())
            .unwrap();
        let answer = forwarder().send(&fixture.upstream, request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(text(answer).await, seen);
    }
}
