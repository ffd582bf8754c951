//! Every public call, one after another. A test compares this list with what is served.

use protocol::issuer::{
    AccessToken, AddressOf, ApiKeyCreated, ApiKeyOfAccount, ApiKeyPublic, Capabilities,
    CodeExchange, Done, ExchangedCode, ExternalTokens, FlowStatus, Listed, LoginForm, LoginUrl,
    MailedToken, Message, NewAddress, NewApiKey, NewPassword, NewUser, PasswordUpdate,
    ProfileUpdate, ProfileUpdated, Register, ServiceMeta, SessionPublic, SignUp, Status,
    UserPublic, UserUpdate, UsersActivity,
};
use serde_json::{Value, json};

use super::{
    Guard::{Anyone, ApiKey, RefreshCookie, Superuser, Token},
    Operation,
};

pub(super) fn all() -> Vec<Operation> {
    let mut all = login();
    all.extend(users());
    all.extend(profile());
    all.extend(sessions());
    all.extend(api_keys());
    all.extend(google());
    all.extend(account_flows());
    all.extend(about());
    all
}

/// Which part of a list is wanted.
fn paging() -> Vec<(&'static str, Value)> {
    vec![
        (
            "skip",
            json!({"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0}),
        ),
        (
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 100}),
        ),
    ]
}

fn get(path: &'static str, guard: super::Guard, summary: &'static str) -> Operation {
    Operation::new("get", path, guard, summary)
}

fn post(path: &'static str, guard: super::Guard, summary: &'static str) -> Operation {
    Operation::new("post", path, guard, summary)
}

fn patch(path: &'static str, guard: super::Guard, summary: &'static str) -> Operation {
    Operation::new("patch", path, guard, summary)
}

fn delete(path: &'static str, guard: super::Guard, summary: &'static str) -> Operation {
    Operation::new("delete", path, guard, summary)
}

fn login() -> Vec<Operation> {
    vec![
        post(
            "/login/access-token",
            Anyone,
            "Signs in by password; the refresh token comes as a cookie",
        )
        .sends_form::<LoginForm>()
        .gives::<AccessToken>()
        .refuses(400, "Wrong credentials, or an inactive account")
        .refuses(429, "Too many attempts"),
        post(
            "/login/refresh-token/",
            RefreshCookie,
            "Exchanges the refresh cookie for a new pair of tokens",
        )
        .gives::<AccessToken>()
        .refuses(429, "Too many attempts"),
        post("/login/logout/", Token, "Signs out").gives::<Done>(),
        post(
            "/login/test-token/",
            Token,
            "Reads the account that a token stands for",
        )
        .gives::<UserPublic>(),
        get(
            "/.well-known/jwks.json",
            Anyone,
            "The keys that access tokens are verified with (RFC 7517)",
        ),
    ]
}

fn users() -> Vec<Operation> {
    vec![
        get("/users/", Superuser, "Lists accounts in order of creation")
            .query(paging())
            .gives::<Listed<UserPublic>>(),
        post("/users/new_user/", Superuser, "Makes an account of any role")
            .sends::<NewUser>()
            .gives::<UserPublic>()
            .refuses(400, "The address is taken"),
        post("/users/signup/", Superuser, "Makes an account of the lowest role")
            .sends::<SignUp>()
            .gives::<UserPublic>()
            .refuses(400, "The address is taken"),
        get("/users/get/{id}/", Superuser, "Reads an account")
            .gives::<UserPublic>()
            .refuses(404, "User not found"),
        patch("/users/update/{id}/", Superuser, "Changes an account")
            .sends::<UserUpdate>()
            .gives::<UserPublic>()
            .refuses(404, "The user with this id does not exist in the system")
            .refuses(409, "The address is taken, or this is the last superuser"),
        delete("/users/delete/{id}/", Superuser, "Deletes an account")
            .gives::<Message>()
            .refuses(404, "User not found")
            .refuses(409, "It owns apps, or is the last superuser"),
        get(
            "/dashboard/users/activity/",
            Token,
            "Counts what happened in the current month; to all accounts if a superuser asks, else to one's own",
        )
        .gives::<UsersActivity>(),
        get(
            "/dashboard/users/activity/current/",
            Token,
            "Counts what happened to one's own account in the current month",
        )
        .gives::<UsersActivity>(),
    ]
}

fn profile() -> Vec<Operation> {
    vec![
        get("/profile/get/me/", Token, "Reads one's own account").gives::<UserPublic>(),
        patch("/profile/update/me/", Token, "Changes one's own account")
            .sends::<ProfileUpdate>()
            .gives::<ProfileUpdated>()
            .refuses(409, "The address is taken"),
        patch(
            "/profile/me/password/",
            Token,
            "Changes one's own password; every other session ends",
        )
        .sends::<PasswordUpdate>()
        .gives::<Message>()
        .refuses(400, "The current password is wrong, or is the new one too")
        .refuses(429, "Too many attempts"),
        delete("/profile/delete/me/", Token, "Deletes one's own account")
            .gives::<Message>()
            .refuses(409, "The account owns apps"),
    ]
}

fn sessions() -> Vec<Operation> {
    vec![
        get(
            "/sessions/",
            Superuser,
            "Lists sessions with token pairs, the newest first",
        )
        .query(paging())
        .gives::<Listed<SessionPublic>>(),
        get("/sessions/get/{id}/", Superuser, "Reads a session")
            .gives::<SessionPublic>()
            .refuses(404, "Session not found"),
        get(
            "/sessions/get-by-user/{id}/",
            Superuser,
            "Reads an account's live session that got its tokens last",
        )
        .gives::<SessionPublic>()
        .refuses(404, "Session not found"),
        get("/sessions/get-current/", Token, "Reads one's own session")
            .gives::<SessionPublic>()
            .refuses(400, "There is no session"),
        post(
            "/sessions/refresh-google-tokens/",
            Token,
            "Keeps the outside provider's new tokens with one's own session",
        )
        .sends::<ExternalTokens>()
        .gives::<SessionPublic>()
        .refuses(400, "The session is not one of that provider"),
        delete(
            "/sessions/delete-by-user/{id}/",
            Superuser,
            "Ends all sessions of an account",
        )
        .gives::<Message>()
        .refuses(404, "User not found"),
        delete("/sessions/delete/{id}/", Superuser, "Ends a session")
            .gives::<Message>()
            .refuses(404, "Session not found"),
    ]
}

fn api_keys() -> Vec<Operation> {
    const GONE: &str = "API key not found";
    const DONE_BEFORE: &str = "The key is revoked already";
    vec![
        get("/profile/api-keys/", Token, "Lists one's own API keys").gives_list::<ApiKeyPublic>(),
        post(
            "/profile/api-keys/",
            Token,
            "Makes an API key; its text is told this once",
        )
        .sends::<NewApiKey>()
        .gives_with::<ApiKeyCreated>(201)
        .refuses(409, "There are as many keys as there may be"),
        get(
            "/profile/api-keys/verify",
            ApiKey,
            "Reads the API key that is sent",
        )
        .gives::<ApiKeyPublic>()
        .refuses(422, "No API key is sent")
        .refuses(429, "The key's quota is used up"),
        get(
            "/profile/api-keys/{id}",
            Token,
            "Reads one of one's own API keys",
        )
        .gives::<ApiKeyPublic>()
        .refuses(404, GONE),
        delete(
            "/profile/api-keys/{id}",
            Token,
            "Revokes one of one's own API keys",
        )
        .gives::<Message>()
        .refuses(404, GONE)
        .refuses(409, DONE_BEFORE),
        get(
            "/api-keys/by-user/{id}/",
            Superuser,
            "Lists an account's API keys",
        )
        .gives::<Listed<ApiKeyOfAccount>>(),
        post("/api-keys/revoke/{id}/", Superuser, "Revokes an API key")
            .gives::<Message>()
            .refuses(404, GONE)
            .refuses(409, DONE_BEFORE),
    ]
}

fn google() -> Vec<Operation> {
    const NO_PROVIDER: &str = "Google OAuth is not configured.";
    let text = || json!({"type": "string"});
    vec![
        get(
            "/google-api/login-url/",
            Anyone,
            "Begins a sign-in at Google: the address to send the browser to",
        )
        .query(vec![
            ("redirect_target", text()),
            ("code_challenge", text()),
        ])
        .gives::<LoginUrl>()
        .refuses(400, "The target or the challenge is not accepted")
        .refuses(503, NO_PROVIDER),
        get(
            "/google-auth/oauth-callback/",
            Anyone,
            "Where Google sends the browser back to; leads on to the target with a one-time code",
        )
        .query(vec![("code", text()), ("state", text())])
        .redirects()
        .refuses(400, "Invalid or expired state parameter")
        .refuses(503, NO_PROVIDER),
        post(
            "/google-api/exchange/",
            Anyone,
            "Exchanges the one-time code for an access token",
        )
        .sends::<CodeExchange>()
        .gives::<ExchangedCode>()
        .refuses(400, "Invalid or expired auth code.")
        .refuses(429, "Too many requests."),
    ]
}

fn account_flows() -> Vec<Operation> {
    const OFF: &str = "feature_unavailable";
    const MANY: &str = "rate_limited";
    let asks = |path, summary| {
        post(path, Anyone, summary)
            .gives_with::<FlowStatus>(202)
            .refuses(404, OFF)
            .refuses(429, MANY)
    };
    let proves = |path, summary| {
        post(path, Anyone, summary)
            .gives::<FlowStatus>()
            .refuses(400, "challenge_invalid")
            .refuses(404, OFF)
            .refuses(429, MANY)
    };
    vec![
        get("/account/capabilities", Anyone, "What is offered here").gives::<Capabilities>(),
        asks(
            "/account/register",
            "Signs up; the answer is the same for every address",
        )
        .sends::<Register>(),
        asks(
            "/account/verify-email/request",
            "Asks for another mail that proves an address",
        )
        .sends::<AddressOf>(),
        proves(
            "/account/verify-email/confirm",
            "Proves an address by the token that was mailed to it",
        )
        .sends::<MailedToken>(),
        asks(
            "/account/password-reset/request",
            "Asks for a mail that lets one choose a new password",
        )
        .sends::<AddressOf>(),
        proves(
            "/account/password-reset/confirm",
            "Chooses a new password by the token that was mailed",
        )
        .sends::<NewPassword>(),
        post(
            "/account/email-change/request",
            Token,
            "Asks for a mail to another address, which becomes one's own once it is confirmed",
        )
        .sends::<NewAddress>()
        .gives_with::<FlowStatus>(202)
        .refuses(404, OFF)
        .refuses(429, MANY),
        proves(
            "/account/email-change/confirm",
            "Confirms another address by the token that was mailed to it",
        )
        .sends::<MailedToken>(),
    ]
}

fn about() -> Vec<Operation> {
    vec![
        get("/meta", Anyone, "Which interface this is").gives::<ServiceMeta>(),
        get("/ping", Anyone, "Whether something answers").gives::<Status>(),
    ]
}
