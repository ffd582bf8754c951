//! Bodies stream in both directions, with back-pressure and without being collected.

mod support;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, routing::any};
use bytes::Bytes;
use forward::{Error, Limits, Retry, Side};
use futures_util::{StreamExt, stream};
use http::Response;
use http_body_util::BodyExt;
use support::{deadline, eventually, forwarder, get, proxy, serve, serve_raw, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 1600;

/// A body of 100 MiB that counts the chunks it was asked for.
fn counted(produced: &Arc<AtomicUsize>) -> Body {
    let produced = Arc::clone(produced);
    let chunk = Bytes::from(vec![7; CHUNK]);
    Body::from_stream(stream::iter(0..CHUNKS).map(move |_| {
        produced.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(chunk.clone())
    }))
}

#[tokio::test]
async fn a_large_download_runs_ahead_of_its_reader_by_a_bounded_amount() {
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&produced);
    let fixture = serve(Router::new().fallback(any(move || async move { counted(&counter) })));
    let answer = forwarder().send(&fixture.upstream, get("/")).await.unwrap();
    let mut body = answer.into_body();
    let mut read = 0;
    let mut ahead = 0;
    while let Some(frame) = deadline(body.frame()).await {
        read += frame.unwrap().into_data().unwrap().len();
        ahead = ahead.max(produced.load(Ordering::SeqCst) * CHUNK - read.min(CHUNK * CHUNKS));
    }
    assert_eq!(read, CHUNK * CHUNKS);
    assert!(
        ahead < 4 * 1024 * 1024,
        "{ahead} bytes were somewhere between"
    );
}

#[tokio::test]
async fn a_large_upload_runs_ahead_of_its_reader_by_a_bounded_amount() {
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&produced);
    let fixture = serve(
        Router::new().fallback(any(move |request: Request| async move {
            let mut body = request.into_body();
            let (mut read, mut ahead) = (0, 0);
            while let Some(frame) = body.frame().await {
                read += frame.unwrap().into_data().unwrap().len();
                ahead =
                    ahead.max(counter.load(Ordering::SeqCst) * CHUNK - read.min(CHUNK * CHUNKS));
            }
            format!("{read} {ahead}")
        })),
    );
    let request = Request::post("/")
        .header("host", "a")
        .body(counted(&produced))
        .unwrap();
    let answer = deadline(forwarder().send(&fixture.upstream, request))
        .await
        .unwrap();
    let answer = text(answer).await;
    let (read, ahead) = answer.split_once(' ').unwrap();
    assert_eq!(read.parse::<usize>().unwrap(), CHUNK * CHUNKS);
    assert!(
        ahead.parse::<usize>().unwrap() < 4 * 1024 * 1024,
        "{ahead} bytes were somewhere between"
    );
}

#[tokio::test]
async fn an_echo_streams_both_ways_at_once() {
    let fixture = serve(Router::new().fallback(any(|request: Request| async {
        Body::new(request.into_body())
    })));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let receiver = stream::unfold(receiver, |mut receiver| async {
        receiver
            .recv()
            .await
            .map(|bytes| (Ok::<_, Infallible>(bytes), receiver))
    });
    let request = Request::post("/")
        .header("host", "a")
        .body(Body::from_stream(receiver))
        .unwrap();
    let answer = deadline(forwarder().send(&fixture.upstream, request))
        .await
        .unwrap();
    let mut body = answer.into_body();
    for word in ["one", "two"] {
        sender.send(word.into()).await.unwrap();
        assert_eq!(
            deadline(body.frame())
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap(),
            word
        );
    }
    drop(sender);
    assert!(deadline(body.frame()).await.is_none());
}

#[tokio::test]
async fn an_event_passes_before_the_stream_ends() {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let fixture = serve(Router::new().fallback(any(move || async move {
        let receiver = receiver.lock().await.take().unwrap();
        let events = stream::unfold(receiver, |mut receiver| async {
            receiver
                .recv()
                .await
                .map(|bytes| (Ok::<_, Infallible>(bytes), receiver))
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::from_stream(events))
            .unwrap()
    })));
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        sender.send(event.into()).await.unwrap();
        let mut seen = String::new();
        let mut buffer = [0; 1024];
        while !seen.contains(event) {
            let read = deadline(client.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }
}

#[tokio::test]
async fn a_downstream_that_leaves_closes_the_upstream() {
    let closed = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicBool::new(false));
    let (seen, begun) = (Arc::clone(&closed), Arc::clone(&started));
    let fixture = serve_raw(move |mut stream, _| {
        let (seen, begun) = (Arc::clone(&seen), Arc::clone(&begun));
        async move {
            support::read_head(&mut stream).await;
            begun.store(true, Ordering::SeqCst);
            // No answer: only the end of the connection ends this read.
            let _ = stream.read_u8().await;
            seen.store(true, Ordering::SeqCst);
        }
    });
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    eventually(|| started.load(Ordering::SeqCst)).await;
    assert!(!closed.load(Ordering::SeqCst));
    drop(client);
    eventually(|| closed.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_broken_upload_is_the_downstreams_failure() {
    let fixture = serve(Router::new().fallback(any(|request: Request| async {
        let _ = request.into_body().collect().await;
    })));
    let broken = stream::iter([Ok(Bytes::from("x")), Err(std::io::Error::other("gone"))]);
    let request = Request::post("/")
        .header("host", "a")
        .body(Body::from_stream(broken))
        .unwrap();
    let failure = deadline(forwarder().send(&fixture.upstream, request))
        .await
        .unwrap_err();
    assert!(matches!(failure.error, Error::Downstream(_)), "{failure:?}");
    assert_eq!(
        (failure.error.side(), failure.error.retry()),
        (Side::Downstream, Retry::No)
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_the_body() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let fixture = support::serve_text(answer);
        let mut body = forwarder()
            .send(&fixture.upstream, get("/"))
            .await
            .unwrap()
            .into_body();
        assert_eq!(
            deadline(body.frame())
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap(),
            "half"
        );
        let error = deadline(body.frame()).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::ResetInBody(_)), "{error:?}");
        assert!(deadline(body.frame()).await.is_none());
    }
}

#[tokio::test]
async fn the_downstream_of_a_broken_answer_does_not_see_a_clean_end() {
    let fixture =
        support::serve_text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let answer = support::raw(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn silence_of_head_and_body_is_a_timeout() {
    let limits = Limits {
        head: Duration::from_millis(50),
        body_idle: Duration::from_millis(50),
        ..Limits::default()
    };
    let forwarder = forward::Forwarder::<Body>::new(limits);
    let silent = serve_raw(|mut stream, _| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let failure = deadline(forwarder.send(&silent.upstream, get("/")))
        .await
        .unwrap_err();
    assert!(
        matches!(failure.error, Error::HeadTimeout) && failure.error.is_timeout(),
        "{failure:?}"
    );
    let stuck = serve_raw(|mut stream, _| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
            .await
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let mut body = deadline(forwarder.send(&stuck.upstream, get("/")))
        .await
        .unwrap()
        .into_body();
    assert!(deadline(body.frame()).await.unwrap().is_ok());
    assert!(matches!(
        deadline(body.frame()).await.unwrap(),
        Err(Error::BodyIdle)
    ));
}
