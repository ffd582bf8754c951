//! Proxies of the environment: never for loopback addresses.

mod common;

use std::{env, process::Command};

use common::*;
use tokio::runtime::Handle;
use vestibule_client::Client;

/// Set for the process that has proxies in its environment.
const INSIDE: &str = "VESTIBULE_TEST_BEHIND_PROXY";

#[test]
fn an_issuer_on_this_machine_is_not_looked_for_behind_a_proxy() {
    let program = env::current_exe().expect("this program");
    let mut child = Command::new(program);
    child
        .args(["--exact", "inside_an_environment_with_proxies", "--ignored"])
        .env(INSIDE, "1");
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        // Nobody listens there, so whoever asks it gets no keys.
        child.env(name, "http://127.0.0.1:1");
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn inside_an_environment_with_proxies() {
    assert!(env::var_os(INSIDE).is_some(), "run by the test above");
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = Client::new(issuer.config(), &Handle::current()).expect("a good configuration");
    client
        .check_async(&token(&key, "one"), None)
        .await
        .expect("the keys are there");
}
