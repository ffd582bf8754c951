//! Guessing passwords is slowed down, and nobody who guesses can shut the owner of an account out.

use reqwest::Method;
use secret::SecretString;
use serde_json::json;
use server::actions::accounts::change_password;
use testkit::{Answer, Person, TestServer};

const BEHIND_A_PROXY: &[(&str, &str)] = &[("server.trusted_proxies", "127.0.0.1/32, ::1")];

/// A sign-in that a proxy forwarded.
async fn sign_in(
    server: &TestServer,
    from: &str,
    device: &str,
    login: &str,
    password: &str,
) -> Answer {
    let body = json!({"login": login, "password": password, "device": "test"});
    let request = server.request(Method::POST, "/v1/session").json(&body);
    let request = request
        .header("x-forwarded-for", from)
        .header("cookie", format!("vestibule_device={device}"));
    Answer::to(request).await
}

/// Signs in on the pages and gives the browser's device cookie.
async fn known_device(server: &TestServer, person: &Person) -> String {
    let form = Answer::to(server.request(Method::GET, "/signin")).await;
    let token = form.text.split_once("name=\"_csrf\" value=\"").unwrap().1;
    let token = token.split('"').next().unwrap();
    let cookie = format!("vestibule_form={}", form.cookie("vestibule_form").unwrap());
    let fields = [
        ("_csrf", token),
        ("email", &person.email),
        ("password", &person.password),
    ];
    let request = server.request(Method::POST, "/signin").form(&fields);
    let request = request
        .header("origin", server.origin())
        .header("x-forwarded-for", "192.0.2.1")
        .header("cookie", cookie);
    let answer = Answer::to(request).await.expect(303);
    let set = answer.headers.get_all("set-cookie");
    let set = set.iter().map(|value| value.to_str().unwrap());
    let set = set.filter(|value| value.starts_with("vestibule_device="));
    let set: Vec<_> = set.collect();
    assert!(set[0].contains("HttpOnly") && set[0].contains("SameSite=Lax"));
    answer.cookie("vestibule_device").unwrap().to_owned()
}

/// Guesses from many networks until a network that is new to the server has to wait.
async fn hammer(server: &TestServer, login: &str) {
    for number in 0..120 {
        let from = format!("198.51.100.{number}");
        if sign_in(server, &from, "", login, "a wrong guess")
            .await
            .status
            == 429
        {
            return;
        }
    }
    panic!("guessing from many networks is not slowed down");
}

#[tokio::test]
async fn hammering_from_elsewhere_never_locks_a_known_device_out() {
    let server = TestServer::start_with(BEHIND_A_PROXY).await;
    let ada = server.person("ada").await;
    let device = known_device(&server, &ada).await;
    hammer(&server, &ada.email).await;
    let new_network = "203.0.113.9";
    sign_in(&server, new_network, "", &ada.email, &ada.password)
        .await
        .expect(429);
    sign_in(&server, new_network, &device, &ada.email, &ada.password)
        .await
        .expect(200);
    // It is known to Ada's account alone.
    let ben = server.person("ben").await;
    hammer(&server, &ben.email).await;
    sign_in(&server, new_network, &device, &ben.email, &ben.password)
        .await
        .expect(429);
}

#[tokio::test]
async fn a_known_device_guesses_no_faster_than_others() {
    let server = TestServer::start_with(BEHIND_A_PROXY).await;
    let ada = server.person("ada").await;
    let device = known_device(&server, &ada).await;
    let mut statuses = Vec::new();
    for number in 0..10 {
        let from = format!("198.51.100.{number}");
        let answer = sign_in(&server, &from, &device, &ada.email, "a wrong guess").await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_tells_where_a_request_comes_from() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut statuses = Vec::new();
    for number in 0..10 {
        let from = format!("198.51.100.{number}");
        let answer = sign_in(&server, &from, "", &ada.email, "a wrong guess").await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn guessing_the_current_password_of_an_open_session_is_slowed_down() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let second = server.sign_in(&ada).await;
    let caller = server.caller(&ada).await;
    let secret = |text: &str| SecretString::new(text.to_owned());
    let try_with = async |current: &str| {
        let new = secret("another passphrase, quite long");
        change_password(server.context(), &caller, &secret(current), new)
            .await
            .map_err(|error| error.code)
    };
    let mut outcomes = Vec::new();
    for _ in 0..10 {
        outcomes.push(try_with("a wrong guess").await);
    }
    assert_eq!(outcomes.last(), Some(&Err("too_many_attempts")));
    assert_eq!(try_with(&ada.password).await, Err("too_many_attempts"));
    // Her other session does not wait, and neither does a sign-in.
    let second = Person {
        token: second,
        ..ada.clone()
    };
    let caller = server.caller(&second).await;
    let new = secret("another passphrase, quite long");
    change_password(
        server.context(),
        &caller,
        &secret(&ada.password),
        new.clone(),
    )
    .await
    .expect("no waiting");
    sign_in(&server, "", "", &ada.email, new.expose())
        .await
        .expect(200);
}
