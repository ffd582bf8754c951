//! Services from the command line, beside a running server.

mod common;

use common::{Run, Site, eventually};
use serde_json::Value;

fn services(site: &Site, arguments: &[&str], input: &str) -> Run {
    let arguments = [&["services"], arguments, &["--data-dir", "data"]].concat();
    site.run_with(&arguments, input)
}

/// What the server answers a service with this credential.
fn status(site: &Site, id: &str, secret: &str) -> u16 {
    let request = async {
        reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{}/user/private/v1/jti-status", site.address))
            .header("x-internal-client", id)
            .header("x-internal-token", secret)
            .body(r#"{"jti":"x"}"#)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(request)
}

#[test]
fn a_service_is_added_given_another_secret_and_removed_while_the_server_runs() {
    let mut site = Site::bare();
    site.serve();
    let added = services(&site, &["add", "items", "--audience", "shop", "--json"], "");
    let added = added.expect(0).json();
    let first = added["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        (&added["id"], &added["audience"]),
        (&"items".into(), &"shop".into())
    );
    assert_eq!(
        added["scopes"],
        serde_json::json!(["event-stream", "introspection"])
    );
    eventually("the server knows it", || {
        status(&site, "items", &first) == 200
    });

    let rotated = services(&site, &["rotate-secret", "items", "--json"], "")
        .expect(0)
        .json();
    let second = rotated["secret"].as_str().unwrap().to_owned();
    eventually("the old secret is refused", || {
        status(&site, "items", &first) == 401
    });
    assert_eq!(status(&site, "items", &second), 200);

    services(&site, &["remove", "items"], "").expect(0);
    eventually("it is refused", || status(&site, "items", &second) == 401);
}

#[test]
fn a_secret_is_shown_once_or_taken_over_and_never_kept() {
    let site = Site::bare();
    let shown = services(&site, &["add", "items"], "").expect(0);
    let secret = shown.stdout.lines().next().unwrap().to_owned();
    assert!(secret.starts_with("vst_x_"), "{shown:?}");
    let brought = services(
        &site,
        &[
            "add",
            "carts",
            "--secret-stdin",
            "--scopes",
            "introspection,custom:one",
        ],
        "Brought-Along_Secret-0123\n",
    );
    let brought = brought.expect(0);
    assert!(!brought.stdout.contains("Brought-Along"), "{brought:?}");
    let listed = services(&site, &["list", "--json"], "").expect(0);
    let ids: Vec<Value> = listed
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    assert_eq!(ids, ["carts", "items"]);
    let table = services(&site, &["list"], "").expect(0).stdout;
    assert!(
        table.contains("custom:one introspection") && table.contains("(default)"),
        "{table}"
    );
    let one = services(&site, &["show", "carts"], "").expect(0).stdout;
    assert!(one.contains("standing  active"), "{one}");
    for text in [&listed.stdout, &table, &one] {
        assert!(
            !text.contains(&secret) && !text.contains("Brought-Along"),
            "{text}"
        );
    }
    let database = std::fs::read(site.path("data/vestibule.db")).unwrap();
    let wal = std::fs::read(site.path("data/vestibule.db-wal")).unwrap_or_default();
    for file in [database, wal] {
        let text = String::from_utf8_lossy(&file);
        assert!(!text.contains(&secret) && !text.contains("Brought-Along"));
    }
}

#[test]
fn mistakes_are_usage_errors_that_say_what_to_do() {
    let site = Site::bare();
    services(&site, &["add", "items"], "").expect(0);
    for (arguments, input, said) in [
        (
            &["add", "items"][..],
            "",
            "there is a service items already",
        ),
        (&["add", "no spaces"], "", "is no service id"),
        (&["add", "a", "--scope", "no spaces"], "", "is no scope"),
        (
            &["add", "a", "--secret-stdin"],
            "short",
            "at least 16 characters",
        ),
        (
            &["rotate-secret", "nobody"],
            "",
            "there is no service nobody",
        ),
        (&["remove", "nobody"], "", "there is no service nobody"),
        (&["show", "nobody"], "", "services list"),
        (&["show", "a b"], "", "is no service id"),
    ] {
        let run = services(&site, arguments, input).expect(2);
        assert!(
            run.stderr.to_lowercase().contains(said),
            "{arguments:?}: {}",
            run.stderr
        );
    }
}
