//! People and apps, made without detours.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use accounts::Role;
use apps::{App, DataMode, Member, Newcomers};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, AppId, GroupId, SessionId};
use secret::SecretString;
use serde_json::{Value, json};
use server::{
    Change, Context, Error, Peer,
    actions::accounts::{self as actions, Credentials, NewAccount, SignedIn},
    extract::Caller,
    random,
};
use storage::{EventKind, Group};
use token::viewer::{LIFETIME, ViewerClaims, ViewerRole, mint};

use crate::{Answer, TestServer};

/// A condition that is waited for holds within this time, or the test fails.
const DEADLINE: Duration = Duration::from_secs(10);

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Account id as text.
    pub id: String,
    /// Address: `<username>@example.com`.
    pub email: String,
    /// Username.
    pub username: String,
    /// Password.
    pub password: String,
    /// Session token, for `Authorization: Bearer` or the cookie.
    pub token: String,
    /// The session of that token.
    pub session: SessionId,
}

/// An app as the tests of data and access need it: nothing is published.
#[derive(Debug, Clone)]
pub struct AppFixture {
    /// App id as text.
    pub id: String,
    /// The app's key for the data API.
    pub key: String,
    /// The record as it was made.
    pub record: App,
}

impl TestServer {
    /// Makes an account of the lowest role and signs it in.
    pub async fn person(&self, username: &str) -> Person {
        self.person_of(username, Role::User).await
    }

    /// Makes an account of a role and signs it in.
    pub async fn person_of(&self, username: &str, role: Role) -> Person {
        let new = new_account(username);
        let (email, password) = (new.email.clone(), new.password.expose().clone());
        let made = actions::create_account(self.context(), new, role).await;
        let account = made.expect("the account is made");
        let signed_in = self.begin_session(&email, &password).await;
        Person {
            id: account.id.to_string(),
            email,
            username: username.to_owned(),
            password,
            token: signed_in.token.expose().clone(),
            session: signed_in.session.id,
        }
    }

    async fn begin_session(&self, email: &str, password: &str) -> SignedIn {
        let (login, password) = (email.to_owned(), SecretString::new(password.to_owned()));
        let credentials = Credentials {
            login,
            password,
            otp: None,
            peer: Peer::Local,
            device: None,
        };
        let signed_in = actions::sign_in_at_once(
            self.context(),
            credentials,
            "test",
            accounts::SessionOrigin::Cli,
        )
        .await;
        signed_in.expect("the person signs in")
    }

    /// Signs a person in once more and gives the new session's token.
    pub async fn sign_in(&self, person: &Person) -> String {
        self.begin_session(&person.email, &person.password)
            .await
            .token
            .expose()
            .clone()
    }

    /// Signs up as the pages do; the address is `<username>@example.com`.
    pub async fn try_sign_up(&self, username: &str, invite: Option<&str>) -> Result<Person, Error> {
        let new = new_account(username);
        let (email, password) = (new.email.clone(), new.password.expose().clone());
        let signed_in = actions::sign_up(self.context(), new, invite, "test").await?;
        Ok(Person {
            id: signed_in.account.id.to_string(),
            email,
            username: username.to_owned(),
            password,
            token: signed_in.token.expose().clone(),
            session: signed_in.session.id,
        })
    }

    /// Signs a person in at the issuer and gives the access token.
    pub async fn access_token(&self, person: &Person) -> String {
        let request = self.request(
            "POST".parse().expect("a method"),
            "/user/login/access-token",
        );
        let form = [
            ("username", person.email.as_str()),
            ("password", person.password.as_str()),
        ];
        let answer = Answer::to(request.form(&form)).await.expect(200).json();
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// The person as a use case sees them.
    pub async fn caller(&self, person: &Person) -> Caller {
        let caller = actions::authenticate(self.context(), &person.token)
            .await
            .expect("no failure");
        caller.expect("the person is signed in")
    }

    /// Disables an account, as another server would: this one learns of it by the event alone.
    pub async fn disable(&self, person: &Person) {
        let (id, now): (AccountId, _) = (parsed(&person.id), self.clock().now());
        let write = self.context().storage.write(move |tx| {
            let mut account = tx.accounts().find(id)?.expect("the account exists");
            account.active = false;
            tx.accounts().update(&account)?;
            tx.events()
                .append(EventKind::AccountDisabled, id, &Value::Null, now)
                .map(drop)
        });
        write.await.expect("the account is disabled");
    }

    /// Makes an app of a person.
    pub async fn app(&self, owner: &Person, slug: &str) -> AppFixture {
        let now = self.clock().now();
        let (milliseconds, bytes) = random::id_parts(now);
        let group = GroupId::new(milliseconds, random::bytes());
        let record = App {
            id: AppId::new(milliseconds, bytes),
            slug: slug.parse().expect("a slug"),
            name: slug.to_owned(),
            owner: parsed(&owner.id),
            is_public: false,
            requires_auth: true,
            newcomers: Newcomers::OwnGroup,
            default_group: group,
            live_version: None,
            created_at: now,
            updated_at: now,
        };
        let app = record.clone();
        let made = self.context().change(move |change: &mut Change<'_>| {
            change.apps().insert(&app)?;
            let label = app.slug.to_string();
            change.groups().insert(&Group {
                id: group,
                app: app.id,
                account: None,
                label,
                created_at: now,
            })?;
            change.event(EventKind::AppCreated, app.id)
        });
        made.await.expect("the app is made");
        let key = self
            .context()
            .master_key
            .app_key(record.id)
            .expose()
            .clone();
        AppFixture {
            id: record.id.to_string(),
            key,
            record,
        }
    }

    /// Makes a person a member of an app's default group.
    pub async fn join(&self, app: &AppFixture, person: &Person) {
        let member = Member {
            app: app.record.id,
            account: parsed(&person.id),
            group: app.record.default_group,
            mode: DataMode::Join,
            invited: true,
            created_at: self.clock().now(),
            last_seen_at: None,
        };
        let made = self.context().change(move |change: &mut Change<'_>| {
            change.members().upsert(&member)?;
            change.event(EventKind::MembershipChanged, member.app)
        });
        made.await.expect("the person joins");
    }

    /// The group whose shared data a person sees in an app.
    pub async fn group(&self, app: &AppFixture, person: &Person) -> GroupId {
        if app.record.owner.to_string() == person.id {
            return app.record.default_group;
        }
        let member = self
            .context()
            .member(app.record.id, parsed(&person.id))
            .await
            .expect("no failure");
        member.expect("the person is a member").group
    }

    /// A viewer token as the gateway gives it to somebody of the default group.
    pub fn viewer_token(&self, app: &AppFixture, person: &Person) -> String {
        let account: AccountId = parsed(&person.id);
        let is_owner = app.record.owner == account;
        let (master, now) = (&self.context().master_key, self.clock().now());
        let claims = ViewerClaims {
            issuer: self.origin(),
            app: app.record.id,
            account,
            email: person.email.clone(),
            username: person.username.clone(),
            verified: false,
            group: app.record.default_group,
            role: if is_owner {
                ViewerRole::Owner
            } else {
                ViewerRole::Member
            },
            session: person.session,
            issued_at: now,
            expires_at: now + LIFETIME,
            jti: uuid::Uuid::from_bytes(random::bytes()),
        };
        mint(
            &claims,
            &master.viewer_key(app.record.id),
            &master.viewer_cap_key(),
        )
        .expose()
        .clone()
    }

    /// A viewer token with one claim changed, signed anew under the app's own key: what a hostile app can do.
    pub fn resign(&self, app: &AppFixture, token: &str, claim: &str, value: &Value) -> String {
        let mut parts = token.split('.');
        let (header, payload) = (
            parts.next().expect("a header"),
            parts.next().expect("a payload"),
        );
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        let mut claims: Value = serde_json::from_slice(&payload).expect("JSON");
        claims[claim] = value.clone();
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = self.context().master_key.viewer_key(app.record.id).to_hex();
        let key = hmac::Key::new(
            hmac::HMAC_SHA256,
            &hex::decode(key.expose()).expect("hexadecimal"),
        );
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
        )
    }

    /// A second context on the same data, as the command line has beside a running server.
    pub async fn offline_context(&self) -> Context {
        let opened = Context::open(self.context().config.clone(), self.clock().clone()).await;
        opened.expect("the data opens a second time")
    }

    /// Waits until a condition holds.
    pub async fn eventually(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !condition().await {
            assert!(
                begun.elapsed() < DEADLINE,
                "{what}: not within {DEADLINE:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Signs in over HTTP.
    pub async fn post_sign_in(&self, login: &str, password: &str) -> Answer {
        let body = json!({"login": login, "password": password, "device": "test"});
        self.call("POST", "/v1/session", None, Some(body)).await
    }
}

fn new_account(username: &str) -> NewAccount {
    NewAccount {
        email: format!("{username}@example.com"),
        username: username.to_owned(),
        full_name: None,
        password: SecretString::new(format!("the passphrase of {username}, quite long")),
    }
}

fn parsed<T: std::str::FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}
