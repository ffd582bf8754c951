//! Second factors: codes, recovery codes, the second step of a sign-in, and confirming that it is still oneself.

use std::{cell::RefCell, collections::BTreeMap};

use accounts::totp;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secret::{SecretBytes, SecretString};
use server::{
    Context, Peer,
    actions::accounts::{
        self as actions, Credentials, Finished, SignedIn,
        factors::{self, WRONG_CODE},
    },
};
use testkit::{Answer, Person, TestServer};

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

/// A person's authenticator app, as the app knows it.
struct App(SecretBytes);

impl App {
    fn code(&self, at: Timestamp) -> SecretString {
        secret(&totp::code(&self.0, at))
    }
}

/// Reads base32 as an app does.
fn read_key(spelled: &str) -> SecretBytes {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for letter in spelled.bytes().filter(|byte| *byte != b' ') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            other => other - b'2' + 26,
        };
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("a byte"));
        }
    }
    SecretBytes::new(bytes)
}

/// Sets an authenticator app up, and waits until its first code is history. Gives the recovery codes too.
async fn set_up(server: &TestServer, person: &Person) -> (App, Vec<SecretString>) {
    let (context, caller) = (server.context(), server.caller(person).await);
    let begun = factors::begin_authenticator(context, &caller)
        .await
        .unwrap();
    let app = App(read_key(begun.spelled.expose()));
    let code = app.code(server.clock().now());
    let codes = factors::confirm_authenticator(context, &caller, code).await;
    let codes = codes.unwrap().expect("the first factor brings its codes").0;
    assert_eq!(codes.len(), 10);
    server.clock().advance(SignedDuration::from_secs(90));
    (app, codes)
}

async fn first_step(context: &Context, person: &Person) -> Finished {
    let credentials = Credentials {
        login: person.email.clone(),
        password: secret(&person.password),
        otp: None,
        peer: Peer::Local,
        device: None,
    };
    let origin = accounts::SessionOrigin::Password;
    actions::sign_in(context, credentials, "Firefox on Linux", origin)
        .await
        .unwrap()
}

/// The token of a sign-in that waits for its second step.
async fn waiting(context: &Context, person: &Person) -> String {
    match first_step(context, person).await {
        Finished::SecondFactor(pending) => pending.token.expose().clone(),
        Finished::SignedIn(_) => panic!("a second factor is asked for"),
    }
}

async fn second_step(
    context: &Context,
    token: &str,
    code: &SecretString,
) -> Result<SignedIn, server::Error> {
    let code = secret(code.expose());
    factors::second_step_by_code(context, token, code, Peer::Local, None).await
}

#[tokio::test]
async fn a_password_alone_signs_nobody_in_who_has_an_authenticator_app() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, _) = set_up(&server, &ada).await;
    let token = waiting(server.context(), &ada).await;
    // What waits is no session.
    assert!(
        actions::authenticate(server.context(), &token)
            .await
            .unwrap()
            .is_none()
    );
    let code = app.code(server.clock().now());
    let signed_in = second_step(server.context(), &token, &code).await.unwrap();
    assert_eq!(signed_in.session.amr.to_string(), "pwd otp mfa");
    assert_eq!(
        signed_in.session.amr.assurance().as_str(),
        "urn:vestibule:acr:2"
    );
    // Nor does it open anything a second time.
    server.clock().advance(SignedDuration::from_secs(60));
    let code = app.code(server.clock().now());
    let again = second_step(server.context(), &token, &code)
        .await
        .unwrap_err();
    assert_eq!(again.code, "step_lapsed");
}

#[tokio::test]
async fn a_code_that_was_used_is_refused_also_in_another_sign_in() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, _) = set_up(&server, &ada).await;
    let context = server.context();
    let code = app.code(server.clock().now());
    let (one, two) = (waiting(context, &ada).await, waiting(context, &ada).await);
    second_step(context, &one, &code).await.unwrap();
    let replayed = second_step(context, &two, &code).await.unwrap_err();
    assert_eq!((replayed.status.as_u16(), replayed.code), (401, WRONG_CODE));
}

#[tokio::test]
async fn of_many_sign_ins_at_once_with_one_code_one_gets_through() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, codes) = set_up(&server, &ada).await;
    for code in [app.code(server.clock().now()), secret(codes[0].expose())] {
        let mut racing = Vec::new();
        for _ in 0..8 {
            let context = server.context().clone();
            let token = waiting(&context, &ada).await;
            let code = secret(code.expose());
            racing.push(tokio::spawn(async move {
                factors::second_step_by_code(&context, &token, code, Peer::Local, None)
                    .await
                    .is_ok()
            }));
        }
        let mut through = 0;
        for racer in racing {
            through += u32::from(racer.await.unwrap());
        }
        assert_eq!(through, 1);
    }
}

#[tokio::test]
async fn codes_next_to_the_present_one_are_taken_and_older_ones_are_not() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, _) = set_up(&server, &ada).await;
    let context = server.context();
    for (seconds, taken) in [(-60, false), (60, false), (-30, true), (30, true)] {
        let token = waiting(context, &ada).await;
        let code = app.code(server.clock().now() + SignedDuration::from_secs(seconds));
        let done = second_step(context, &token, &code).await;
        assert_eq!(done.is_ok(), taken, "{seconds}");
    }
}

#[tokio::test]
async fn what_waits_is_void_after_five_wrong_codes_after_five_minutes_and_when_the_password_changes()
 {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (_, codes) = set_up(&server, &ada).await;
    let context = server.context();
    let token = waiting(context, &ada).await;
    for _ in 0..5 {
        let wrong = secret("0000-0000-0000-0000");
        let refused = second_step(context, &token, &wrong).await.unwrap_err();
        assert_eq!(refused.code, WRONG_CODE);
    }
    let late = second_step(context, &token, &codes[0]).await.unwrap_err();
    assert_eq!(late.code, "step_lapsed");

    let token = waiting(context, &ada).await;
    server.clock().advance(SignedDuration::from_mins(5));
    let late = second_step(context, &token, &codes[0]).await.unwrap_err();
    assert_eq!(late.code, "step_lapsed");

    let token = waiting(context, &ada).await;
    let caller = server.caller(&ada).await;
    let new = secret("another correct horse");
    actions::change_password(context, &caller, &secret(&ada.password), new)
        .await
        .unwrap();
    let void = second_step(context, &token, &codes[0]).await.unwrap_err();
    assert_eq!(void.code, "step_lapsed");
}

#[tokio::test]
async fn a_sign_in_by_link_asks_for_the_second_factor_too() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (_, codes) = set_up(&server, &ada).await;
    let context = server.context();
    let link = actions::create_sign_in_link(context, ada.id.parse().unwrap())
        .await
        .unwrap();
    let token = link.split_once("token=").unwrap().1;
    let finished = actions::sign_in_by_link(context, token, "test")
        .await
        .unwrap();
    let Finished::SecondFactor(pending) = finished else {
        panic!("a link alone signs nobody in who has a second factor");
    };
    let done = second_step(context, pending.token.expose(), &codes[0])
        .await
        .unwrap();
    assert_eq!(done.session.amr.to_string(), "otp mfa");
}

#[tokio::test]
async fn the_person_is_told_that_a_recovery_code_was_used() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (_, codes) = set_up(&server, &ada).await;
    let context = server.context();
    let token = waiting(context, &ada).await;
    second_step(context, &token, &codes[3]).await.unwrap();
    let caller = server.caller(&ada).await;
    let told = factors::list_notices(context, &caller).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .1
            .contains("recovery code was used to sign in from Firefox on Linux"),
        "{told:?}"
    );
    assert_eq!(
        factors::factors(context, &caller)
            .await
            .unwrap()
            .recovery_codes,
        9
    );
    factors::see_notices(context, &caller, told[0].0)
        .await
        .unwrap();
    assert!(
        factors::list_notices(context, &caller)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn guessing_codes_is_slowed_down_and_the_owner_still_gets_in() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, codes) = set_up(&server, &ada).await;
    let context = server.context();
    let thief = Peer::Address("203.0.113.7:1".parse().unwrap());
    let mut slowed = false;
    for _ in 0..12 {
        let token = waiting(context, &ada).await;
        let guess = secret("000000");
        let refused = factors::second_step_by_code(context, &token, guess, thief, None)
            .await
            .unwrap_err();
        slowed |= refused.status.as_u16() == 429;
    }
    assert!(
        slowed,
        "somebody who knows the password guesses without end"
    );
    // From where the guesses come a code is not looked at, but a recovery code is: nobody can guess those.
    let token = waiting(context, &ada).await;
    let recovery = secret(codes[0].expose());
    factors::second_step_by_code(context, &token, recovery, thief, None)
        .await
        .unwrap();
    // And the owner comes from elsewhere.
    let token = waiting(context, &ada).await;
    let code = app.code(server.clock().now());
    second_step(context, &token, &code).await.unwrap();
}

#[tokio::test]
async fn programs_send_the_code_with_the_password() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, codes) = set_up(&server, &ada).await;
    let form = |otp: &str| {
        let fields = [
            ("username", ada.email.as_str()),
            ("password", &ada.password),
            ("otp", otp),
        ];
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish()
    };
    let client = reqwest::Client::new();
    let log_in = async |otp: &str| {
        let answer = client
            .post(format!("{}/user/login/access-token", server.origin()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(otp))
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<serde_json::Value>().await.unwrap())
    };
    let (status, body) = log_in("").await;
    assert_eq!(
        (status, &body["detail"]),
        (400, &"Second factor required".into())
    );
    let (status, body) = log_in("0000-0000-0000-0000").await;
    assert_eq!(
        (status, &body["detail"]),
        (400, &"Invalid second factor".into())
    );
    let code = app.code(server.clock().now());
    let (status, body) = log_in(code.expose()).await;
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: serde_json::Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
    assert_eq!(claims["acr"], "urn:vestibule:acr:2");
    assert_eq!(claims["auth_time"], server.clock().now().as_second());
    let (status, body) = log_in(code.expose()).await;
    assert_eq!(
        (status, &body["detail"]),
        (400, &"Invalid second factor".into())
    );

    let sign_in = async |otp: Option<&str>| {
        let body = serde_json::json!({"login": ada.email, "password": ada.password, "device": "test", "otp": otp});
        let answer = client
            .post(format!("{}/v1/session", server.origin()))
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<serde_json::Value>().await.unwrap())
    };
    let (status, body) = sign_in(None).await;
    assert_eq!(
        (status, &body["error"]),
        (401, &"second_factor_required".into())
    );
    let (status, body) = sign_in(Some("123")).await;
    assert_eq!((status, &body["error"]), (401, &"wrong_code".into()));
    let (status, body) = sign_in(Some(codes[1].expose())).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn an_old_proof_changes_nothing_that_protects_the_account() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, _) = set_up(&server, &ada).await;
    let context = server.context();
    server.clock().advance(SignedDuration::from_mins(10));
    let caller = server.caller(&ada).await;
    let refusals = [
        factors::remove_authenticator(context, &caller)
            .await
            .unwrap_err(),
        factors::new_recovery_codes(context, &caller)
            .await
            .unwrap_err(),
        factors::begin_passkey(context, &caller).await.unwrap_err(),
        factors::begin_authenticator(context, &caller)
            .await
            .unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(
            (refusal.status.as_u16(), refusal.code),
            (403, "recent_proof_required")
        );
    }
    let wrong = factors::confirm_by_password(context, &caller, secret("not the password")).await;
    assert!(wrong.is_err());
    let code = app.code(server.clock().now());
    factors::confirm_by_code(context, &caller, code)
        .await
        .unwrap();
    let caller = server.caller(&ada).await;
    factors::new_recovery_codes(context, &caller).await.unwrap();
    factors::remove_authenticator(context, &caller)
        .await
        .unwrap();
    // With the last factor go the codes that stand in for it, and the password is enough again.
    assert_eq!(
        factors::factors(context, &caller)
            .await
            .unwrap()
            .recovery_codes,
        0
    );
    assert!(matches!(
        first_step(context, &ada).await,
        Finished::SignedIn(_)
    ));
}

#[tokio::test]
async fn the_code_that_confirmed_an_app_signs_nobody_in() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (context, caller) = (server.context(), server.caller(&ada).await);
    let begun = factors::begin_authenticator(context, &caller)
        .await
        .unwrap();
    // Until it is confirmed nothing is asked of it.
    assert!(matches!(
        first_step(context, &ada).await,
        Finished::SignedIn(_)
    ));
    let app = App(read_key(begun.spelled.expose()));
    let code = app.code(server.clock().now());
    let confirmed = factors::confirm_authenticator(context, &caller, secret(code.expose())).await;
    confirmed.unwrap();
    let token = waiting(context, &ada).await;
    let replayed = second_step(context, &token, &code).await.unwrap_err();
    assert_eq!(replayed.code, WRONG_CODE);
}

#[tokio::test]
async fn whoever_runs_the_server_takes_factors_away_and_the_person_is_told() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let ben = server.person("ben").await;
    set_up(&server, &ada).await;
    let context = server.context();
    let caller = server.caller(&ben).await;
    let refused = factors::reset_factors_of(context, &caller, ada.id.parse().unwrap()).await;
    assert!(refused.is_err());
    let unknown = factors::reset_by_operator(context, "nobody")
        .await
        .unwrap_err();
    assert_eq!(unknown.code, "not_found");
    factors::reset_by_operator(context, "ADA@example.com ")
        .await
        .unwrap();
    assert!(matches!(
        first_step(context, &ada).await,
        Finished::SignedIn(_)
    ));
    let caller = server.caller(&ada).await;
    let told = factors::list_notices(context, &caller).await.unwrap();
    assert!(
        told[0].1.contains("An administrator removed your passkeys"),
        "{told:?}"
    );
}

/// A browser with its cookies, that follows nothing.
struct Browser<'s> {
    server: &'s TestServer,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'s> Browser<'s> {
    fn new(server: &'s TestServer) -> Self {
        let cookies = RefCell::default();
        Self { server, cookies }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let jar = self.cookies.borrow().clone();
        let jar: Vec<_> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header("accept", "text/html")
            .header("cookie", jar.join("; "));
        let answer = Answer::to(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.borrow_mut().insert(name.into(), value.into());
        }
        answer
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.server.request(Method::GET, path)).await
    }

    /// Sends a form with the token of the page it stands on.
    async fn post(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(from).await;
        let csrf = page.text.split_once("name=\"_csrf\" value=\"").unwrap().1;
        let csrf = csrf.split_once('"').unwrap().0;
        let mut fields = fields.to_vec();
        fields.push(("_csrf", csrf));
        let request = self.server.request(Method::POST, path);
        let request = request.header("origin", self.server.origin());
        self.send(request.form(&fields)).await
    }
}

#[tokio::test]
async fn the_pages_ask_for_the_code_and_another_browser_gets_nothing() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (app, _) = set_up(&server, &ada).await;
    let (own, other) = (Browser::new(&server), Browser::new(&server));
    let credentials = [
        ("email", "ada"),
        ("password", ada.password.as_str()),
        ("next", "/account"),
    ];
    let answer = own.post("/signin", "/signin", &credentials).await;
    assert_eq!(
        answer.header("location"),
        "/signin/second-factor?next=%2Faccount"
    );
    // Skipping the step gives nothing.
    let door = "/signin?next=%2Faccount";
    assert_eq!(own.get("/account").await.header("location"), door);
    // Another browser has nothing that waits.
    let step = "/signin/second-factor";
    assert_eq!(other.get(step).await.header("location"), "/signin");
    let code = app.code(server.clock().now());
    let right = [("code", code.expose().as_str()), ("next", "/account")];
    let answer = other.post("/signin", step, &right).await;
    assert_eq!(answer.header("location"), "/signin");
    assert_eq!(other.get("/account").await.header("location"), door);

    let form = "/signin/second-factor?next=%2Faccount";
    let wrong = [("code", "0000-0000-0000-0000"), ("next", "/account")];
    let answer = own.post(form, step, &wrong).await.expect(401);
    assert!(answer.text.contains("The code is wrong"));
    let answer = own.post(form, step, &right).await;
    assert_eq!(answer.header("location"), "/account");
    own.get("/account").await.expect(200);

    // Later the pages ask once more who it is, and come back.
    server.clock().advance(SignedDuration::from_mins(11));
    let codes = "/account/security/recovery-codes";
    let confirm = "/confirm?next=%2Faccount%2Fsecurity%2Frecovery-codes";
    assert_eq!(own.get(codes).await.header("location"), confirm);
    let password = [("password", ada.password.as_str()), ("next", codes)];
    let answer = own.post(confirm, "/confirm", &password).await;
    assert_eq!(answer.header("location"), codes);
    own.get(codes).await.expect(200);
}
