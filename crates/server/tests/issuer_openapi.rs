//! What the issuer tells of itself: the `OpenAPI` document, health, the interface's version; endings of paths and headers.

use accounts::Role;
use serde_json::{Value, json};
use testkit::{Answer, TestServer};

/// What only services, operators and readers of the document call.
const NOT_PUBLIC: [&str; 3] = ["/user/private/", "/user/health/", "/user/openapi.json"];

async fn document(server: &TestServer) -> Value {
    let answer = server.call("GET", "/user/openapi.json", None, None).await;
    answer.expect(200).json()
}

#[tokio::test]
async fn the_document_has_every_public_call_and_no_other() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    let paths = document["paths"].as_object().unwrap();
    let mut told: Vec<(String, String)> = Vec::new();
    for (path, methods) in paths {
        let methods = methods.as_object().unwrap().keys();
        told.extend(methods.map(|method| (path.clone(), method.to_uppercase())));
    }
    let mut public: Vec<(String, String)> = server::routes::list()
        .into_iter()
        .filter(|route| route.path.starts_with("/user/") && route.method != "OPTIONS")
        .filter(|route| !NOT_PUBLIC.iter().any(|area| route.path.starts_with(area)))
        .map(|route| (route.path, route.method))
        .collect();
    told.sort();
    public.sort();
    let missing: Vec<_> = public.iter().filter(|call| !told.contains(call)).collect();
    assert!(
        missing.is_empty(),
        "describe these calls in api/issuer/openapi/operations.rs: {missing:#?}"
    );
    let invented: Vec<_> = told.iter().filter(|call| !public.contains(call)).collect();
    assert!(
        invented.is_empty(),
        "the document tells of what is not served: {invented:#?}"
    );
    let text = document.to_string();
    for hidden in [
        "/user/private",
        "/metrics",
        "/health",
        "hashed_password",
        "X-Internal",
    ] {
        assert!(!text.contains(hidden), "the document tells of {hidden}");
    }
}

#[tokio::test]
async fn the_document_refers_only_to_what_it_has_and_names_each_call_once() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    let mut names: Vec<&Value> = Vec::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for call in methods.as_object().unwrap().values() {
            names.push(&call["operationId"]);
            assert!(
                call["summary"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            assert!(!call["responses"].as_object().unwrap().is_empty());
        }
    }
    let distinct: std::collections::BTreeSet<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), names.len());
    check_references(&document, &document);
}

fn check_references(document: &Value, value: &Value) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        assert!(
            document.pointer(&reference[1..]).is_some(),
            "{reference} leads nowhere"
        );
    }
    match value {
        Value::Object(fields) => fields
            .values()
            .for_each(|value| check_references(document, value)),
        Value::Array(items) => items
            .iter()
            .for_each(|value| check_references(document, value)),
        _ => {}
    }
}

/// Whether a value is what a schema says, as far as the schemas of this document go; fields beyond it are refused.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return fits(document, document.pointer(&reference[1..]).unwrap(), value);
    }
    if let Some(any) = schema
        .get("oneOf")
        .or(schema.get("anyOf"))
        .and_then(Value::as_array)
    {
        let is_one = any
            .iter()
            .any(|schema| fits(document, schema, value).is_ok());
        return is_one
            .then_some(())
            .ok_or(format!("{value} is none of {any:?}"));
    }
    let of = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    let is_right = match &schema["type"] {
        Value::String(name) => of(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(of),
        _ => true,
    };
    if !is_right {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    if let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    {
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap();
            if !fields.contains_key(name) {
                return Err(format!("{name} is missing"));
            }
        }
        for (name, value) in fields {
            let schema = properties
                .get(name)
                .ok_or(format!("{name} is not described"))?;
            fits(document, schema, value).map_err(|problem| format!("{name}: {problem}"))?;
        }
    }
    for item in value.as_array().into_iter().flatten() {
        if let Some(schema) = schema.get("items") {
            fits(document, schema, item)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn answers_are_what_the_document_says() {
    let server = TestServer::start().await;
    let root = server.person_of("rootina", Role::Superadmin).await;
    let ada = server.person("ada").await;
    let token = server.access_token(&root).await;
    let document = document(&server).await;
    let user = json!({"email": "new@example.com", "password": "a fine long passphrase"});
    let other = json!({"email": "other@example.com", "password": "a fine long passphrase"});
    for (method, template, id, body) in [
        ("get", "/users/", "", None),
        ("get", "/users/", "?limit=0", None),
        ("post", "/users/new_user/", "", Some(user.clone())),
        ("post", "/users/new_user/", "", Some(user)),
        ("post", "/users/signup/", "", Some(other)),
        ("post", "/users/signup/", "", Some(json!({}))),
        ("get", "/users/get/{id}/", &ada.id, None),
        ("get", "/users/get/{id}/", "7", None),
        (
            "get",
            "/users/get/{id}/",
            "0190a1b2-0000-7000-8000-000000000000",
            None,
        ),
        (
            "patch",
            "/users/update/{id}/",
            &ada.id,
            Some(json!({"full_name": "Ada", "avatar": "https://example.com/a"})),
        ),
        (
            "patch",
            "/users/update/{id}/",
            &root.id,
            Some(json!({"role": "user"})),
        ),
        ("get", "/dashboard/users/activity/", "", None),
        ("get", "/dashboard/users/activity/current/", "", None),
        ("get", "/profile/get/me/", "", None),
        (
            "patch",
            "/profile/update/me/",
            "",
            Some(json!({"full_name": null})),
        ),
        (
            "patch",
            "/profile/me/password/",
            "",
            Some(json!({"current_password": "x", "new_password": "xxxxxxxxx yyyyyy"})),
        ),
        ("delete", "/users/delete/{id}/", &ada.id, None),
        ("get", "/meta", "", None),
        ("get", "/ping", "", None),
    ] {
        let path = if template.contains("{id}") {
            format!("/user{}", template.replace("{id}", id))
        } else {
            format!("/user{template}{id}")
        };
        let answer = server
            .call(&method.to_uppercase(), &path, Some(&token), body)
            .await;
        let described = &document["paths"][format!("/user{template}")][method]["responses"]
            [answer.status.to_string()];
        assert!(
            !described.is_null(),
            "{method} {path}: {} is not described: {}",
            answer.status,
            answer.text
        );
        let schema = &described["content"]["application/json"]["schema"];
        fits(&document, schema, &answer.json())
            .unwrap_or_else(|problem| panic!("{method} {path}: {problem} in {}", answer.text));
    }
}

#[tokio::test]
async fn a_slash_too_many_or_too_few_leads_to_the_right_form() {
    let server = TestServer::start().await;
    let id = "0190a1b2-0000-7000-8000-000000000000";
    for (method, given, wanted) in [
        (
            "GET",
            "/user/users?skip=1&limit=2".to_owned(),
            "/user/users/?skip=1&limit=2".to_owned(),
        ),
        (
            "POST",
            "/user/login/access-token/".to_owned(),
            "/user/login/access-token".to_owned(),
        ),
        (
            "POST",
            "/user/login/refresh-token".to_owned(),
            "/user/login/refresh-token/".to_owned(),
        ),
        (
            "PATCH",
            format!("/user/users/update/{id}"),
            format!("/user/users/update/{id}/"),
        ),
        ("GET", "/user/health".to_owned(), "/user/health/".to_owned()),
        ("GET", "/user/meta/".to_owned(), "/user/meta".to_owned()),
        (
            "GET",
            "/user/.well-known/jwks.json/".to_owned(),
            "/user/.well-known/jwks.json".to_owned(),
        ),
        // As far as the path goes; the method is looked at afterwards.
        (
            "DELETE",
            "/user/users".to_owned(),
            "/user/users/".to_owned(),
        ),
    ] {
        let answer = server.call(method, &given, None, None).await.expect(307);
        assert_eq!(answer.header("location"), wanted);
    }
    for unknown in [
        "/user/nothing",
        "/user/nothing/",
        "/user/users//",
        "/user/users/get/",
        "/user//evil.example.com",
    ] {
        let answer = server.call("GET", unknown, None, None).await.expect(404);
        assert_eq!(answer.json(), json!({"detail": "Not Found"}), "{unknown}");
    }
    let answer = server
        .call("PUT", "/user/users/", None, None)
        .await
        .expect(405);
    assert_eq!(answer.json(), json!({"detail": "Method Not Allowed"}));
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_browsers_and_names_no_server() {
    let server = TestServer::start().await;
    for (method, path, status) in [
        ("GET", "/user/ping", 200),
        ("GET", "/user/openapi.json", 200),
        ("GET", "/user/.well-known/jwks.json", 200),
        ("GET", "/user/users/", 401),
        ("GET", "/user/users", 307),
        ("GET", "/user/nothing", 404),
        ("PUT", "/user/ping", 405),
        ("POST", "/user/login/access-token", 422),
    ] {
        let answer = server.call(method, path, None, None).await.expect(status);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(answer.headers.get("server").is_none(), "{path}");
        assert!(answer.headers.get("x-powered-by").is_none(), "{path}");
    }
    let bad = server
        .request("GET".parse().unwrap(), "/user/profile/get/me/")
        .bearer_auth("nonsense");
    let bad = Answer::to(bad).await.expect(403);
    assert_eq!(bad.header("x-content-type-options"), "nosniff");
    assert!(bad.headers.get("www-authenticate").is_none());
}

#[tokio::test]
async fn health_says_one_thing_to_everybody_and_more_to_whoever_shows_the_credential() {
    let credential = "Health-Detail_Credential-0123456789";
    let server = TestServer::start_with(&[("issuer.health_detail_credential", credential)]).await;
    let health = async |shown: Option<&str>| {
        let mut request = server.request("GET".parse().unwrap(), "/user/health/");
        if let Some(shown) = shown {
            request = request.header("x-internal-token", shown);
        }
        Answer::to(request).await.expect(200).json()
    };
    for shown in [None, Some("wrong"), Some(""), Some(&credential[1..])] {
        assert_eq!(health(shown).await, json!({"status": "ok"}), "{shown:?}");
    }
    let detail = health(Some(credential)).await;
    assert_eq!(
        (
            &detail["status"],
            &detail["token_mode"],
            &detail["database"],
            &detail["revocation_available"]
        ),
        (&json!("ok"), &json!("stateful"), &json!("ok"), &json!(true))
    );
    let plain = TestServer::start().await;
    let answer = plain
        .call("GET", "/user/health/", None, None)
        .await
        .expect(200);
    assert_eq!(answer.json(), json!({"status": "ok"}));
}

#[tokio::test]
async fn meta_names_the_contract_that_clients_look_for() {
    let server = TestServer::start().await;
    let meta = server
        .call("GET", "/user/meta", None, None)
        .await
        .expect(200);
    assert_eq!(meta.header("cache-control"), "public, max-age=300");
    let meta = meta.json();
    assert_eq!(
        (&meta["contract"]["name"], &meta["contract"]["version"]),
        (&json!("fa-auth-m8"), &json!("2.0"))
    );
    assert!(meta["version"].as_str().unwrap().starts_with("2."));
    let ping = server
        .call("GET", "/user/ping", None, None)
        .await
        .expect(200);
    assert_eq!(ping.json(), json!({"status": "ok"}));
}
