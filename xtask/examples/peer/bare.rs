//! A bare axum handler that gives one answer, byte for byte.

use axum::{Router, http::HeaderName, http::HeaderValue, response::IntoResponse, routing::any};

/// Serves the answer in a file: header lines, an empty line, the body.
pub(crate) fn run(address: &str, answer: &str) {
    let text = std::fs::read_to_string(answer).expect("the file of the answer can be read");
    let (head, body) = text
        .split_once("\n\n")
        .expect("an empty line ends the head");
    let headers: Vec<(HeaderName, HeaderValue)> = head
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a header line has a colon");
            (
                name.trim().parse().expect("a header name"),
                value.trim().parse().expect("a header value"),
            )
        })
        .collect();
    let body = body.to_owned();
    let handler = move || {
        let (headers, body) = (headers.clone(), body.clone());
        async move {
            let mut response = body.into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value);
            }
            response
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be started");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .expect("the address can be bound");
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            stream.set_nodelay(true).expect("the option can be set");
        });
        axum::serve(listener, Router::new().route("/{*path}", any(handler)))
            .await
            .expect("it serves until it is stopped");
    });
}
