//! What a started server does with its settings.

use server::{Config, Server, StartError, config::Sources};
use testkit::{Answer, TestServer};

fn config(settings: &[(&str, String)]) -> Config {
    let flags = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    Config::load(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap()
    .0
}

#[tokio::test]
async fn a_taken_public_port_is_an_error_and_a_taken_default_admin_port_is_not() {
    let first = TestServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let data_dir = ("server.data_dir", directory.path().display().to_string());
    let taken = [
        data_dir.clone(),
        ("server.listen", first.server().public_address().to_string()),
    ];
    assert!(matches!(
        Server::start(config(&taken)).await,
        Err(StartError::Listen { .. })
    ));
    let admin = first.server().admin_address().unwrap().to_string();
    let taken = [
        data_dir.clone(),
        ("server.listen", "127.0.0.1:0".into()),
        ("server.admin_listen", admin),
    ];
    assert!(matches!(
        Server::start(config(&taken)).await,
        Err(StartError::Listen { .. })
    ));
    // Whoever holds the default port now, two servers that did not ask for it get along.
    let second = tempfile::tempdir().unwrap();
    let start = |directory: &tempfile::TempDir| {
        let data_dir = directory.path().display().to_string();
        Server::start(config(&[
            ("server.data_dir", data_dir),
            ("server.listen", "127.0.0.1:0".into()),
        ]))
    };
    let (one, two) = (
        start(&directory).await.unwrap(),
        start(&second).await.unwrap(),
    );
    assert_ne!(one.admin_address(), two.admin_address());
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn probes_are_on_both_listeners_and_metrics_on_the_admin_listener_only() {
    let server = TestServer::start().await;
    let admin = |path: &str| Answer::to(server.client().get(server.admin_url(path)));
    admin("/livez").await.expect(200);
    admin("/readyz").await.expect(200);
    for probe in ["/livez", "/readyz"] {
        server.call("GET", probe, None, None).await.expect(200);
    }
    server
        .call("GET", "/v1/session", None, None)
        .await
        .expect(401);
    let metrics = admin("/metrics").await.expect(200).text;
    assert!(
        metrics
            .contains("http_requests_total{method=\"GET\",route=\"/v1/session\",status=\"401\"}"),
        "{metrics}"
    );
    server.call("GET", "/metrics", None, None).await.expect(404);
    admin("/v1/session").await.expect(404);
}

#[tokio::test]
async fn the_admin_listener_can_be_off() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("server.data_dir", directory.path().display().to_string()),
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("server.admin_listen", "off".to_owned()),
    ];
    let server = Server::start(config(&settings)).await.unwrap();
    assert_eq!(server.admin_address(), None);
    server.stop().await;
}

#[tokio::test]
async fn a_long_data_directory_still_gets_a_data_socket() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("d".repeat(120));
    let settings = [
        ("server.data_dir", long.display().to_string()),
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("server.admin_listen", "off".to_owned()),
    ];
    let server = Server::start(config(&settings)).await.unwrap();
    assert!(server.data_socket().as_os_str().len() < 100);
    tokio::net::UnixStream::connect(server.data_socket())
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_data_socket_serves_the_key_value_store_and_nothing_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = TestServer::start().await;
    let owner = server.person("owner").await;
    let app = server.app(&owner, "notes").await;
    let ask = async |path: &str, bearer: &str| {
        let mut stream = tokio::net::UnixStream::connect(server.server().data_socket())
            .await
            .unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: data\r\nauthorization: Bearer {bearer}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let list = format!("/v1/data/{}/kv", app.id);
    assert_eq!(ask(&list, &app.key).await, "200");
    assert_eq!(ask(&list, "vst_a_wrong").await, "401");
    assert_eq!(ask("/v1/session", &owner.token).await, "404");
    assert_eq!(ask("/metrics", &owner.token).await, "404");
}
