//! Upgraded connections: accepted, refused, spliced and closed.

mod support;

use forward::Limits;
use support::{Fixture, deadline, proxy, raw, read_head, serve_raw, serve_text};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\
     sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Accepts the upgrade and sends the first bytes at once, then echoes until the end and says good-bye.
fn echo() -> Fixture {
    serve_raw(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        assert!(
            head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"),
            "{head}"
        );
        assert!(
            head.contains("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="),
            "{head}"
        );
        stream
            .write_all(format!("{ACCEPTED}hello").as_bytes())
            .await
            .unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.write_all(b"bye").await.unwrap();
    })
}

#[tokio::test]
async fn bytes_pass_both_ways_and_each_side_may_end_first() {
    let fixture = echo();
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let head = deadline(read_head(&mut client)).await;
    assert!(
        head.starts_with("HTTP/1.1 101") && head.contains("upgrade: websocket"),
        "{head}"
    );
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    let mut word = [0; 5];
    deadline(client.read_exact(&mut word)).await.unwrap();
    assert_eq!(&word, b"hello");
    for text in [b"first", b"again"] {
        client.write_all(text).await.unwrap();
        deadline(client.read_exact(&mut word)).await.unwrap();
        assert_eq!(&word, text);
    }
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    deadline(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "bye");
}

#[tokio::test]
async fn a_silent_tunnel_is_closed() {
    let fixture = echo();
    let limits = Limits {
        tunnel_idle: std::time::Duration::from_millis(50),
        ..Limits::default()
    };
    let address = proxy(&fixture.upstream, limits).await;
    assert!(raw(address, HANDSHAKE).await.ends_with("hello"));
}

#[tokio::test]
async fn a_refused_handshake_is_an_ordinary_answer() {
    let fixture = serve_text("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let head = deadline(read_head(&mut client)).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_the_upstreams_failure() {
    let fixture = serve_text(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    );
    let address = proxy(&fixture.upstream, Limits::default()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let head = deadline(read_head(&mut client)).await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
}
