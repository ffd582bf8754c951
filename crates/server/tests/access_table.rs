//! Every route with who may call it. A route that is not in the table fails the test.

use testkit::{Answer, TestServer};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Everyone.
    Anyone,
    /// Everyone who proves something in the body or a cookie that only this route takes.
    Proof,
    /// Whoever is signed in.
    Account,
    /// Whoever has a good access token of the issuer.
    Token,
    /// The same with the highest role; others get 403.
    Superuser,
    /// The owner of the app in the path; members get 403, others 404.
    Owner,
    /// The owner and members of the app in the path; others get 404.
    Member,
    /// The app in the path by its key, or its viewers.
    App,
    /// A registered service by a credential of its own; nobody else, however signed in.
    Service,
    /// Whoever reaches the admin listener.
    Admin,
    /// A page; its tests are the pages' own.
    Page,
}

const TABLE: &[(&str, &str, Who)] = &[
    ("GET", "/.well-known/jwks.json", Who::Anyone),
    ("GET", "/livez", Who::Anyone),
    ("GET", "/metrics", Who::Admin),
    ("GET", "/readyz", Who::Anyone),
    ("GET", "/user/.well-known/jwks.json", Who::Anyone),
    ("GET", "/user/dashboard/users/activity/", Who::Token),
    ("GET", "/user/dashboard/users/activity/current/", Who::Token),
    ("GET", "/user/api-keys/by-user/{id}/", Who::Superuser),
    ("POST", "/user/api-keys/revoke/{id}/", Who::Superuser),
    ("GET", "/user/profile/api-keys/", Who::Token),
    ("POST", "/user/profile/api-keys/", Who::Token),
    ("GET", "/user/profile/api-keys/verify", Who::Proof),
    ("DELETE", "/user/profile/api-keys/{id}", Who::Token),
    ("GET", "/user/profile/api-keys/{id}", Who::Token),
    ("POST", "/user/private/v1/api-keys/introspect", Who::Service),
    ("GET", "/user/account/capabilities", Who::Anyone),
    ("POST", "/user/account/email-change/confirm", Who::Proof),
    ("POST", "/user/account/email-change/request", Who::Token),
    ("POST", "/user/account/password-reset/confirm", Who::Proof),
    ("POST", "/user/account/password-reset/request", Who::Anyone),
    ("POST", "/user/account/register", Who::Anyone),
    ("POST", "/user/account/verify-email/confirm", Who::Proof),
    ("POST", "/user/account/verify-email/request", Who::Anyone),
    ("GET", "/user/google-api/login-url/", Who::Anyone),
    ("POST", "/user/google-api/exchange/", Who::Proof),
    ("GET", "/user/google-auth/oauth-callback/", Who::Proof),
    ("POST", "/user/login/access-token", Who::Proof),
    ("POST", "/user/login/logout/", Who::Proof),
    ("POST", "/user/login/refresh-token/", Who::Proof),
    ("POST", "/user/login/test-token/", Who::Token),
    ("GET", "/user/health/", Who::Anyone),
    ("GET", "/user/meta", Who::Anyone),
    ("GET", "/user/openapi.json", Who::Anyone),
    ("GET", "/user/ping", Who::Anyone),
    ("GET", "/user/private/v1/events/stream", Who::Service),
    ("POST", "/user/private/users/", Who::Service),
    ("POST", "/user/private/v1/jti-status", Who::Service),
    ("POST", "/user/private/v1/service-token", Who::Service),
    ("DELETE", "/user/profile/delete/me/", Who::Token),
    ("GET", "/user/profile/get/me/", Who::Token),
    ("PATCH", "/user/profile/me/password/", Who::Token),
    ("PATCH", "/user/profile/update/me/", Who::Token),
    ("GET", "/user/sessions/", Who::Superuser),
    (
        "DELETE",
        "/user/sessions/delete-by-user/{id}/",
        Who::Superuser,
    ),
    ("DELETE", "/user/sessions/delete/{id}/", Who::Superuser),
    ("GET", "/user/sessions/get-by-user/{id}/", Who::Superuser),
    ("GET", "/user/sessions/get-current/", Who::Token),
    ("GET", "/user/sessions/get/{id}/", Who::Superuser),
    ("POST", "/user/sessions/refresh-google-tokens/", Who::Token),
    ("GET", "/user/users/", Who::Superuser),
    ("DELETE", "/user/users/delete/{id}/", Who::Superuser),
    ("GET", "/user/users/get/{id}/", Who::Superuser),
    ("POST", "/user/users/new_user/", Who::Superuser),
    ("POST", "/user/users/signup/", Who::Superuser),
    ("PATCH", "/user/users/update/{id}/", Who::Superuser),
    ("GET", "/v1/apps", Who::Account),
    ("POST", "/v1/apps/publish", Who::Account),
    ("DELETE", "/v1/apps/{slug}", Who::Owner),
    ("GET", "/v1/apps/{slug}", Who::Member),
    ("PATCH", "/v1/apps/{slug}", Who::Owner),
    ("GET", "/v1/apps/{slug}/kv", Who::Owner),
    ("DELETE", "/v1/apps/{slug}/kv/{key}", Who::Owner),
    ("GET", "/v1/apps/{slug}/kv/{key}", Who::Owner),
    ("PUT", "/v1/apps/{slug}/kv/{key}", Who::Owner),
    ("GET", "/v1/apps/{slug}/logs", Who::Owner),
    ("GET", "/v1/apps/{slug}/people", Who::Owner),
    ("POST", "/v1/apps/{slug}/people", Who::Owner),
    (
        "DELETE",
        "/v1/apps/{slug}/people/invites/{invite}",
        Who::Owner,
    ),
    ("DELETE", "/v1/apps/{slug}/people/{account}", Who::Owner),
    ("POST", "/v1/apps/{slug}/restart", Who::Owner),
    ("POST", "/v1/apps/{slug}/rollback", Who::Owner),
    ("GET", "/v1/apps/{slug}/versions", Who::Owner),
    ("GET", "/v1/apps/{slug}/versions/{version}/diff", Who::Owner),
    ("POST", "/v1/cli-login", Who::Anyone),
    ("POST", "/v1/cli-login/poll", Who::Proof),
    ("OPTIONS", "/v1/data/{app}/kv", Who::Anyone),
    ("GET", "/v1/data/{app}/kv", Who::App),
    ("OPTIONS", "/v1/data/{app}/kv/{key}", Who::Anyone),
    ("DELETE", "/v1/data/{app}/kv/{key}", Who::App),
    ("GET", "/v1/data/{app}/kv/{key}", Who::App),
    ("PUT", "/v1/data/{app}/kv/{key}", Who::App),
    ("POST", "/v1/data/{app}/kv/{key}/append", Who::App),
    ("POST", "/v1/data/{app}/kv/{key}/incr", Who::App),
    ("DELETE", "/v1/session", Who::Account),
    ("GET", "/v1/session", Who::Account),
    ("POST", "/v1/session", Who::Proof),
];

/// Prefixes of the areas whose routes must be in the table one by one; everything else is a page.
const AREAS: &[&str] = &[
    "/v1/",
    "/user/",
    "/.well-known/",
    "/livez",
    "/readyz",
    "/metrics",
];

fn who(method: &str, path: &str) -> Option<Who> {
    let found = TABLE
        .iter()
        .find(|(m, p, _)| *m == method && *p == path)
        .map(|(_, _, who)| *who);
    let is_page = !AREAS.iter().any(|area| path.starts_with(area));
    found.or(is_page.then_some(Who::Page))
}

#[test]
fn every_route_is_in_the_table() {
    let missing: Vec<String> = server::routes::list()
        .into_iter()
        .filter(|route| who(&route.method, &route.path).is_none())
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert!(
        missing.is_empty(),
        "say in the table who may call {missing:#?}"
    );
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says() {
    let server = TestServer::start().await;
    let (owner, member, stranger) = (
        server.person("owner").await,
        server.person("member").await,
        server.person("stranger").await,
    );
    let access = server.access_token(&stranger).await;
    let app = server.app(&owner, "notes").await;
    server.join(&app, &member).await;
    for route in server::routes::list() {
        let who = who(&route.method, &route.path).expect("the route is in the table");
        let path = route
            .path
            .replace("{slug}", "notes")
            .replace("{app}", &app.id)
            .replace("{key}", "shared:k")
            .replace("{version}", "1")
            .replace("{invite}", &app.id)
            .replace("{account}", &app.id)
            .replace("{id}", &app.id);
        let status = async |token: Option<&str>| {
            let mut request = server.request(route.method.parse().unwrap(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            Answer::to(request).await.status
        };
        let name = format!("{} {}", route.method, route.path);
        match who {
            Who::Account => assert_eq!(status(None).await, 401, "{name} without a token"),
            Who::Token | Who::Superuser => {
                assert_eq!(status(None).await, 401, "{name} without a token");
                assert_eq!(
                    status(Some(&stranger.token)).await,
                    403,
                    "{name} with a session token"
                );
                if who == Who::Superuser {
                    assert_eq!(status(Some(&access)).await, 403, "{name} by a stranger");
                }
            }
            Who::Owner => {
                assert_eq!(status(None).await, 401, "{name} without a token");
                assert_eq!(
                    status(Some(&stranger.token)).await,
                    404,
                    "{name} by a stranger"
                );
                assert_eq!(status(Some(&member.token)).await, 403, "{name} by a member");
            }
            Who::Member => {
                assert_eq!(status(None).await, 401, "{name} without a token");
                assert_eq!(
                    status(Some(&stranger.token)).await,
                    404,
                    "{name} by a stranger"
                );
                assert_eq!(status(Some(&member.token)).await, 200, "{name} by a member");
            }
            Who::App => {
                assert_eq!(status(None).await, 401, "{name} without a key");
                assert_eq!(
                    status(Some(&owner.token)).await,
                    401,
                    "{name} by the owner's session"
                );
            }
            Who::Service => {
                assert_eq!(status(None).await, 401, "{name} without a credential");
                assert_eq!(
                    status(Some(&owner.token)).await,
                    401,
                    "{name} by a person's session"
                );
            }
            Who::Anyone | Who::Proof => assert_ne!(status(None).await, 500, "{name}"),
            Who::Admin => assert_eq!(status(None).await, 404, "{name} on the public listener"),
            Who::Page => {}
        }
    }
}
