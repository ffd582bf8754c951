//! Hostile input to `/user`: malformed and forged tokens, keys that are not ours, texts that no field holds, everything
//! at once. The answer is a 4xx in the issuer's words, and never a 5xx.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Person, TestServer};

async fn send_form(server: &TestServer, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.request(Method::POST, path);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Answer::to(request.body(body)).await
}

async fn access_token(server: &TestServer, person: &Person) -> String {
    let form = [("username", &person.email), ("password", &person.password)];
    let request = server.request(Method::POST, "/user/login/access-token");
    let answer = Answer::to(request.form(&form)).await.expect(200);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn with_access(server: &TestServer, access: &str) -> Answer {
    let path = "/user/login/test-token/";
    server.call("POST", path, Some(access), None).await
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn hmac_signed(header: &Value, claims: &Value, key: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Every access token here is refused alike.
async fn refuse(server: &TestServer, what: &str, access: &str) {
    let answer = with_access(server, access).await;
    assert_eq!(answer.status, 403, "{what}: {}", answer.text);
    assert_eq!(
        answer.json(),
        json!({"detail": "Could not validate credentials."}),
        "{what}"
    );
}

#[tokio::test]
async fn tokens_with_another_algorithm_are_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let good = access_token(&server, &ada).await;
    with_access(&server, &good).await.expect(200);
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let signature = good.split('.').nth(2).unwrap();
    for name in [
        "none", "None", "NONE", "nOnE", "", "HS256", "ES256", "RS512", "PS256",
    ] {
        let mut changed = header.clone();
        changed["alg"] = name.into();
        let unsigned = format!("{}.{}.", encoded(&changed), encoded(&claims));
        refuse(&server, name, &unsigned).await;
        refuse(&server, name, &format!("{unsigned}{signature}")).await;
    }
    // The public key is known to everybody; as an HMAC secret it must be worth nothing, in any spelling.
    let keys = server.call("GET", "/user/.well-known/jwks.json", None, None);
    let keys = keys.await.expect(200);
    let key = keys.json()["keys"][0].clone();
    let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
    let mut confused = header.clone();
    confused["alg"] = "HS256".into();
    for secret in [
        modulus.as_slice(),
        key["n"].as_str().unwrap().as_bytes(),
        key.to_string().as_bytes(),
        keys.text.as_bytes(),
        b"",
    ] {
        refuse(
            &server,
            "confused",
            &hmac_signed(&confused, &claims, secret),
        )
        .await;
        let mut without_kid = confused.clone();
        without_kid.as_object_mut().unwrap().remove("kid");
        refuse(
            &server,
            "no kid",
            &hmac_signed(&without_kid, &claims, secret),
        )
        .await;
    }
}

#[tokio::test]
async fn tokens_with_a_strange_header_are_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let good = access_token(&server, &ada).await;
    let (header, claims) = (part(&good, 0), good.split('.').nth(1).unwrap());
    let signature = good.split('.').nth(2).unwrap();
    let with = |field: &str, value: Value| {
        let mut changed = header.clone();
        changed[field] = value;
        format!("{}.{claims}.{signature}", encoded(&changed))
    };
    let kids = [
        json!("../../../../etc/passwd"),
        json!("/dev/null"),
        json!("' OR '1'='1"),
        json!("x'; DROP TABLE signing_key; --"),
        json!("\u{0}"),
        json!("k".repeat(100_000)),
        json!(""),
        json!(null),
        json!(7),
        json!(["a"]),
        json!({"a": 1}),
        json!("http://127.0.0.1:1/jwks.json"),
    ];
    for kid in kids {
        let shown: String = kid.to_string().chars().take(40).collect();
        refuse(&server, &shown, &with("kid", kid)).await;
    }
    for (field, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/")),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("b64", json!(false)),
        ("typ", json!("none")),
        ("alg", json!(["RS256"])),
        ("zip", json!("DEF")),
    ] {
        refuse(&server, field, &with(field, value)).await;
    }
}

#[tokio::test]
async fn malformed_tokens_are_refused_wherever_one_is_taken() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let good = access_token(&server, &ada).await;
    let mut changed_claims = part(&good, 1);
    changed_claims["role"] = "superadmin".into();
    changed_claims["is_superuser"] = true.into();
    let pieces: Vec<&str> = good.split('.').collect();
    let malformed = [
        "x".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        format!("{good}."),
        format!("{good}=="),
        format!("{}.{}.{}", pieces[0], encoded(&changed_claims), pieces[2]),
        format!("{}.{}.{}", pieces[1], pieces[0], pieces[2]),
        format!("{}.{}.", pieces[0], pieces[1]),
        good.replace('.', "%2E"),
        "A".repeat(7000),
        format!(
            "{}.{}.{}",
            "e".repeat(2000),
            "y".repeat(2000),
            "J".repeat(2000)
        ),
        format!("{}.{}.x", encoded(&json!([])), encoded(&json!(7))),
        format!("vst_s_{}", "A".repeat(43)),
        ada.token.clone(),
        format!("ak_{}", "0".repeat(32)),
    ];
    for token in &malformed {
        refuse(&server, &token.chars().take(60).collect::<String>(), token).await;
        let request = server.request(Method::POST, "/user/login/refresh-token/");
        let request = request.header("cookie", format!("refresh_token={token}"));
        let answer = Answer::to(request).await.expect(401);
        assert_eq!(answer.json()["detail"], "Invalid refresh token");
        let request = server.request(Method::POST, "/user/login/logout/");
        let request = request
            .bearer_auth(token)
            .header("cookie", format!("refresh_token={token}"));
        Answer::to(request).await.expect(403);
    }
}

#[tokio::test]
async fn credentials_that_nobody_can_have_are_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let long = "p".repeat(10_000);
    let email = &ada.email;
    let cases: &[(&str, &str, &[u16])] = &[
        (email, &long, &[400, 413, 422]),
        (&long, "a password", &[400, 413, 422]),
        ("ada@example.com\0", "a password", &[422]),
        ("ada@example.com", "pass\0word", &[422]),
        (
            "ada@example.com\r\nBcc: x@example.com",
            "a password",
            &[400, 422],
        ),
        ("ada@example.com\n", "a password", &[400, 422]),
        ("' OR 1=1 --", "' OR 1=1 --", &[400]),
        ("%", "%", &[400]),
        ("{{7*7}}", "${7*7}", &[400]),
        ("\u{202e}ada@example.com", "a password", &[400]),
        ("ADA@EXAMPLE.COM", "wrong", &[400, 429]),
        ("", "", &[422]),
        (" ", " ", &[400, 422]),
        ("💩@example.com", "💩", &[400]),
    ];
    for (name, password, statuses) in cases {
        let form = [("username", name), ("password", password)];
        let request = server.request(Method::POST, "/user/login/access-token");
        let answer = Answer::to(request.form(&form)).await;
        let shown: String = name.chars().take(30).collect();
        assert!(
            statuses.contains(&answer.status),
            "{shown:?}: {} {}",
            answer.status,
            answer.text
        );
        assert!(!answer.json()["detail"].is_null());
        assert!(!answer.text.contains(&long), "nothing is echoed");
    }
}

#[tokio::test]
async fn forms_of_every_shape_are_refused() {
    let server = TestServer::start().await;
    let path = "/user/login/access-token";
    let many = "a=b&".repeat(50_000);
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"username".to_vec(),
        b"username=a".to_vec(),
        b"username=%ff%fe&password=%c0%80".to_vec(),
        b"username=%zz&password=%".to_vec(),
        b"username=a&username=b&password=c".to_vec(),
        b"username[]=a&password[x]=b".to_vec(),
        b"{\"username\":\"a\",\"password\":\"b\"}".to_vec(),
        vec![0xff; 5000],
        many.into_bytes(),
        [
            b"username=a&password=".to_vec(),
            vec![b'x'; 3 * 1024 * 1024],
        ]
        .concat(),
    ];
    for body in bodies {
        let length = body.len();
        let request = server.request(Method::POST, path);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let Ok(response) = request.body(body).send().await else {
            assert!(length > 1_000_000, "the server hung up");
            continue;
        };
        let status = response.status().as_u16();
        assert!(
            [400, 413, 422].contains(&status),
            "{length} bytes: {status}"
        );
    }
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
    ] {
        let request = server.request(Method::POST, path);
        let request = request.header("content-type", content_type);
        let answer = Answer::to(request.body("username=a&password=b")).await;
        assert_eq!(answer.status, 422, "{content_type}");
        assert!(answer.json()["detail"].is_array());
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = Answer::to(server.request(method, path)).await.expect(405);
        assert_eq!(answer.json(), json!({"detail": "Method Not Allowed"}));
    }
    send_form(&server, "/user/login/nothing", "a=b")
        .await
        .expect(404);
}

#[tokio::test]
async fn everything_at_once_gives_no_server_error() {
    let server = Arc::new(TestServer::start().await);
    let ada = server.person("ada").await;
    let access = access_token(&server, &ada).await;
    let tasks = (0..120_usize).map(|number| {
        let (server, ada, access) = (server.clone(), ada.clone(), access.clone());
        tokio::spawn(async move {
            let request = |path: &str| server.request(Method::POST, path);
            let request = match number % 6 {
                0 => request("/user/login/access-token")
                    .form(&[("username", &ada.email), ("password", &ada.password)]),
                1 => request("/user/login/access-token").form(&[
                    ("username", ada.email.as_str()),
                    ("password", "a wrong guess"),
                ]),
                2 => request("/user/login/refresh-token/")
                    .header("cookie", format!("refresh_token=vst_r_{}", "A".repeat(43))),
                3 => request("/user/login/logout/").bearer_auth(&access),
                4 => request("/user/login/test-token/").bearer_auth(&access),
                _ => request("/user/login/access-token").body(vec![b'x'; number * 100]),
            };
            Answer::to(request).await.status
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        let status = task.await.unwrap();
        assert!(status < 500, "{status}");
    }
}
