//! The pages of those who look after the server, over HTTP.

use accounts::Role;
use ids::AccountId;
use jiff::SignedDuration;
use reqwest::Method;
use testkit::{Answer, Person, TestServer};

/// Somebody at a browser, signed in.
struct Browser<'s> {
    server: &'s TestServer,
    token: String,
}

impl<'s> Browser<'s> {
    fn of(server: &'s TestServer, person: &Person) -> Self {
        Self {
            server,
            token: person.token.clone(),
        }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method: Method = method.parse().expect("a method");
        let request = self.server.request(method, path);
        request
            .header("accept", "text/html")
            .header("origin", self.server.origin())
            .header("cookie", format!("vestibule_session={}", self.token))
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request("GET", path)).await
    }

    /// Sends a form with the token that this session's pages carry.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get("/account").await.expect(200);
        let (_, rest) = page
            .text
            .split_once("name=\"_csrf\" value=\"")
            .expect("a form");
        let token = rest.split('"').next().expect("a token");
        let mut all = vec![("_csrf", token)];
        all.extend(fields);
        Answer::to(self.request("POST", path).form(&all)).await
    }
}

async fn world() -> (TestServer, Person, Person, Person) {
    let server = TestServer::start().await;
    let root = server.person_of("rootina", Role::Superadmin).await;
    let admin = server.person_of("administer", Role::Admin).await;
    let ada = server.person("ada").await;
    (server, root, admin, ada)
}

async fn account(server: &TestServer, person: &Person) -> Option<accounts::Account> {
    let id: AccountId = person.id.parse().unwrap();
    let found = server
        .context()
        .storage
        .read(move |tx| tx.accounts().find(id));
    found.await.unwrap()
}

#[tokio::test]
async fn every_admin_page_refuses_whoever_is_no_administrator() {
    let (server, root, admin, ada) = world().await;
    let mut seen = 0;
    for route in server::routes::list() {
        if !route.path.starts_with("/admin") {
            continue;
        }
        seen += 1;
        let path = route
            .path
            .replace("{account}", &root.id)
            .replace("{session}", &root.session.to_string())
            .replace("{key}", &root.id)
            .replace("{service}", "billing");
        let status = async |person: &Person| {
            let browser = Browser::of(&server, person);
            match route.method.as_str() {
                "GET" => browser.get(&path).await.status,
                _ => browser.post(&path, &[("role", "user")]).await.status,
            }
        };
        let name = format!("{} {path}", route.method);
        assert_eq!(status(&ada).await, 404, "{name} by somebody");
        let for_superusers = ["/admin/services", "/admin/keys", "/admin/providers"];
        if for_superusers.iter().any(|area| path.starts_with(area)) {
            assert_eq!(status(&admin).await, 404, "{name} by an administrator");
        }
        let stranger = server.request(route.method.parse().unwrap(), &path);
        let stranger = Answer::to(stranger.header("accept", "text/html")).await;
        assert!(
            [303, 403, 415].contains(&stranger.status),
            "{name} by nobody: {}",
            stranger.status
        );
        assert!(!stranger.text.contains("Administration"), "{name}");
    }
    assert!(seen > 20, "there are {seen} pages");
    // Nothing was done by the attempts.
    assert!(account(&server, &root).await.unwrap().role.is_superuser());
}

#[tokio::test]
async fn the_menu_leads_administrators_to_their_pages_and_nobody_else() {
    let (server, root, admin, ada) = world().await;
    for (person, shown) in [(&root, true), (&admin, true), (&ada, false)] {
        let page = Browser::of(&server, person)
            .get("/account")
            .await
            .expect(200);
        assert_eq!(page.text.contains("href=\"/admin/accounts\""), shown);
    }
    let home = Browser::of(&server, &root).get("/admin").await.expect(303);
    assert_eq!(home.header("location"), "/admin/accounts");
}

#[tokio::test]
async fn accounts_are_searched_and_paged_through() {
    let (server, root, ..) = world().await;
    for number in 0..30 {
        server.clock().advance(SignedDuration::from_millis(1));
        server.person(&format!("person-{number:02}")).await;
    }
    let root = Browser::of(&server, &root);
    let first = root.get("/admin/accounts").await.expect(200).text;
    assert!(first.contains("person-00@example.com") && !first.contains("person-29@example.com"));
    assert!(
        first.contains("/admin/accounts?q=&#38;page=2") || first.contains("page=2"),
        "{first}"
    );
    let second = root.get("/admin/accounts?q=&page=2").await.expect(200).text;
    assert!(second.contains("person-29@example.com") && !second.contains("person-00@example.com"));
    let found = root
        .get("/admin/accounts?q=PERSON-07")
        .await
        .expect(200)
        .text;
    assert!(found.contains("person-07@example.com") && !found.contains("person-08@example.com"));
    let odd = root
        .get("/admin/accounts?q=%3Cscript%3E%25_%00&page=nonsense")
        .await
        .expect(200)
        .text;
    assert!(
        odd.contains("Nobody has") && !odd.contains("<script>%"),
        "{odd}"
    );
    root.get("/admin/accounts?page=4294967295")
        .await
        .expect(200);
}

#[tokio::test]
async fn an_account_is_given_a_role_disabled_signed_out_and_deleted() {
    let (server, root, _, ada) = world().await;
    let root = Browser::of(&server, &root);
    let home = format!("/admin/accounts/{}", ada.id);
    let page = root.get(&home).await.expect(200).text;
    assert!(page.contains("ada@example.com") && page.contains("Change the role"));
    let done = root
        .post(&format!("{home}/role"), &[("role", "writer")])
        .await
        .expect(303);
    assert_eq!(done.header("location"), home);
    assert_eq!(account(&server, &ada).await.unwrap().role, Role::Writer);
    root.post(&format!("{home}/role"), &[("role", "emperor")])
        .await
        .expect(422);

    let session = server.sign_in(&ada).await;
    root.post(&format!("{home}/sessions/{}/end", ada.session), &[])
        .await
        .expect(303);
    server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(401);
    server
        .call("GET", "/v1/session", Some(&session), None)
        .await
        .expect(200);
    root.get(&format!("{home}/sign-out")).await.expect(200);
    root.post(&format!("{home}/sign-out"), &[])
        .await
        .expect(303);
    server
        .call("GET", "/v1/session", Some(&session), None)
        .await
        .expect(401);

    assert!(
        root.get(&format!("{home}/disable"))
            .await
            .expect(200)
            .text
            .contains("Disable ada?")
    );
    root.post(&format!("{home}/disable"), &[]).await.expect(303);
    assert_eq!(
        server.post_sign_in(&ada.email, &ada.password).await.status,
        401
    );
    root.post(&format!("{home}/enable"), &[]).await.expect(303);
    server
        .post_sign_in(&ada.email, &ada.password)
        .await
        .expect(200);

    root.post(&format!("{home}/delete"), &[("email", "eve@example.com")])
        .await
        .expect(422);
    assert!(account(&server, &ada).await.is_some());
    root.post(&format!("{home}/delete"), &[("email", " ADA@example.com ")])
        .await
        .expect(303);
    assert!(account(&server, &ada).await.is_none());
    root.get(&home).await.expect(404);
}

#[tokio::test]
async fn the_last_superuser_stays_and_administrators_do_not_reach_up() {
    let (server, root, admin, ada) = world().await;
    let of_root = format!("/admin/accounts/{}", root.id);
    for (deed, fields) in [
        ("role", &[("role", "user")][..]),
        ("disable", &[]),
        ("delete", &[("email", root.email.as_str())]),
    ] {
        for person in [&root, &admin] {
            let browser = Browser::of(&server, person);
            browser
                .post(&format!("{of_root}/{deed}"), fields)
                .await
                .expect(303);
            let record = account(&server, &root)
                .await
                .expect("the superuser is there");
            assert!(record.role.is_superuser() && record.active, "{deed}");
        }
    }
    let admin = Browser::of(&server, &admin);
    assert!(
        admin
            .get(&of_root)
            .await
            .expect(200)
            .text
            .contains("Only a superadmin can change")
    );
    let of_ada = format!("/admin/accounts/{}", ada.id);
    admin
        .post(&format!("{of_ada}/role"), &[("role", "admin")])
        .await
        .expect(303);
    assert_eq!(account(&server, &ada).await.unwrap().role, Role::User);
    admin
        .post(&format!("{of_ada}/role"), &[("role", "writer")])
        .await
        .expect(303);
    assert_eq!(account(&server, &ada).await.unwrap().role, Role::Writer);
}

#[tokio::test]
async fn dangerous_deeds_ask_for_a_fresh_proof() {
    let (server, root, _, ada) = world().await;
    let root = Browser::of(&server, &root);
    server.clock().advance(SignedDuration::from_mins(11));
    let home = format!("/admin/accounts/{}", ada.id);
    root.get(&home).await.expect(200);
    for deed in ["disable", "sign-out", "delete"] {
        let asked = root.get(&format!("{home}/{deed}")).await.expect(303);
        assert!(asked.header("location").starts_with("/confirm"), "{deed}");
        let asked = root
            .post(&format!("{home}/{deed}"), &[("email", &ada.email)])
            .await
            .expect(303);
        assert!(asked.header("location").starts_with("/confirm"), "{deed}");
    }
    for path in ["/admin/services", "/admin/keys/plan", "/admin/keys/rotate"] {
        let asked = root.post(path, &[("id", "billing")]).await.expect(303);
        assert!(asked.header("location").starts_with("/confirm"), "{path}");
    }
    assert!(account(&server, &ada).await.unwrap().active);
}

#[tokio::test]
async fn a_service_is_registered_with_a_secret_shown_once_changed_and_removed() {
    let (server, root, ..) = world().await;
    let root = Browser::of(&server, &root);
    let fields = [
        ("id", "billing"),
        ("name", "Billing"),
        ("audience", "billing-api"),
        ("scopes", "introspection event-stream"),
    ];
    let made = root.post("/admin/services", &fields).await.expect(200).text;
    assert!(made.contains("The secret of billing") && made.contains("event-stream"));
    let listed = root.get("/admin/services").await.expect(200).text;
    assert!(listed.contains("Billing") && !listed.contains("The secret of"));
    let taken = root.post("/admin/services", &fields).await.expect(422).text;
    assert!(taken.contains("taken"), "{taken}");
    for wrong in [("id", "Not An Id"), ("scopes", "a\"b")] {
        let mut fields = fields;
        fields[0].1 = "other";
        let at = fields.iter().position(|field| field.0 == wrong.0).unwrap();
        fields[at] = wrong;
        root.post("/admin/services", &fields).await.expect(422);
    }
    let home = "/admin/services/billing";
    let changed = [
        ("name", "Bills"),
        ("audience", ""),
        ("scopes", "introspection"),
        ("disabled", "true"),
    ];
    root.post(home, &changed).await.expect(303);
    let page = root.get(home).await.expect(200).text;
    assert!(page.contains("Bills") && page.contains("Refused"), "{page}");
    root.get(&format!("{home}/rotate")).await.expect(200);
    let rotated = root
        .post(&format!("{home}/rotate"), &[])
        .await
        .expect(200)
        .text;
    assert!(rotated.contains("The secret of billing"));
    root.get(&format!("{home}/remove")).await.expect(200);
    root.post(&format!("{home}/remove"), &[]).await.expect(303);
    root.get(home).await.expect(404);
}

#[tokio::test]
async fn signing_keys_are_listed_planned_and_rotated() {
    let (server, root, ..) = world().await;
    server.access_token(&root).await;
    let root = Browser::of(&server, &root);
    let page = root.get("/admin/keys").await.expect(200).text;
    assert!(
        page.contains("current") && page.contains("Publish a new key"),
        "{page}"
    );
    root.post("/admin/keys/plan", &[]).await.expect(303);
    let page = root.get("/admin/keys").await.expect(200).text;
    assert!(
        page.contains("next") && page.contains("disabled>Let the next key sign now"),
        "{page}"
    );
    root.post("/admin/keys/rotate", &[]).await.expect(303);
    let early = root.get("/admin/keys").await.expect(200).text;
    assert!(
        early.contains("disabled>Let the next key sign now"),
        "nothing signs before services can know it"
    );
    server.clock().advance(SignedDuration::from_mins(7));
    let page = root.get("/admin/keys").await.expect(200).text;
    if page.contains("Let the next key sign now") {
        root.post("/admin/keys/rotate", &[]).await.expect(303);
    }
    let page = root.get("/admin/keys").await.expect(200).text;
    assert!(page.contains("retired"), "{page}");
}

#[tokio::test]
async fn providers_are_listed_with_the_address_they_send_browsers_back_to() {
    let settings = [
        ("provider.google.client_id", "id"),
        ("provider.google.client_secret", "secret-of-ours"),
    ];
    let server = TestServer::start_with(&settings).await;
    let root = server.person_of("rootina", Role::Superadmin).await;
    let page = Browser::of(&server, &root)
        .get("/admin/providers")
        .await
        .expect(200)
        .text;
    assert!(
        page.contains("/signin/google/callback") && !page.contains("secret-of-ours"),
        "{page}"
    );
}
