//! A bare proxy and a bare upstream, to measure the forwarder against other proxies.
//!
//! `proxy upstream SOCKET` serves a short answer on a Unix socket; `proxy front ADDRESS SOCKET` forwards to it.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf};

use bytes::Bytes;
use forward::{Forwarder, Limits, Upstream};
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let workers = std::env::var("WORKERS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["upstream", socket] => runtime.block_on(upstream(socket.into())),
        ["front", address, socket] => {
            runtime.block_on(front(
                address.parse().expect("an address with a port"),
                socket.into(),
            ));
        }
        _ => panic!("usage: proxy upstream SOCKET | proxy front ADDRESS SOCKET"),
    }
}

async fn upstream(socket: PathBuf) {
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(socket).expect("the socket can be bound");
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .expect("connections can be accepted");
        let service = service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(
                Response::builder()
                    .header("content-type", "application/json")
                    .body(Full::new(Bytes::from_static(&[b'x'; 256])))
                    .expect("the head is valid"),
            )
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn front(address: SocketAddr, socket: PathBuf) {
    let forwarder = Forwarder::new(Limits::default());
    let upstream = Upstream::unix(socket);
    let listener = TcpListener::bind(address)
        .await
        .expect("the address can be bound");
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .expect("connections can be accepted");
        stream.set_nodelay(true).expect("the option can be set");
        let (forwarder, upstream) = (forwarder.clone(), upstream.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (forwarder, upstream) = (forwarder.clone(), upstream.clone());
            async move {
                Ok::<_, Infallible>(match forwarder.send(&upstream, request).await {
                    Ok(answer) => answer.map(Either::Left),
                    Err(failure) => Response::builder()
                        .status(502)
                        .body(Either::Right(Full::new(Bytes::from(failure.to_string()))))
                        .expect("the head is valid"),
                })
            }
        });
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades(),
        );
    }
}
