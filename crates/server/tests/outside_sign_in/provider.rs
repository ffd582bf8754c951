//! A provider of identities that does as it is told: it can lie in every way that a real one cannot be made to.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Form, Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use server::clock::Clock;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use token::{Algorithm, KeySet, SigningKey};
use url::Url;

pub(crate) const CLIENT: &str = "vestibule";
pub(crate) const SECRET: &str = "hush: & really";

/// How an ID token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Good,
    /// With `alg: none` and no signature.
    Unsigned,
    /// HMAC, under the text of the public key.
    PublicKeyAsSecret,
    /// By a key that is not published.
    Stranger,
}

/// How the provider answers at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Down,
    Slow,
    Huge,
    Garbled,
    /// Sends its callers elsewhere.
    Redirecting,
}

pub(crate) type Tamper = Box<dyn Fn(&mut Value) + Send>;

pub(crate) struct Behavior {
    pub(crate) signing: Signing,
    pub(crate) mood: Mood,
    /// Changes the claims of the next ID tokens.
    pub(crate) tamper: Option<Tamper>,
    /// Whether the person is told at the user information endpoint instead of in the ID token.
    pub(crate) userinfo: bool,
    /// Changes the discovery document.
    pub(crate) announces_issuer: bool,
    pub(crate) issuer_in_discovery: Option<String>,
    /// What its list of addresses says, for the kind that speaks OAuth 2.0 alone.
    pub(crate) emails: Value,
    key: SigningKey,
    clock: Clock,
    codes: BTreeMap<String, Grant>,
    given: u32,
    /// How often the key set was fetched.
    pub(crate) key_fetches: u32,
}

struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    person: Value,
}

#[derive(Clone)]
struct Shared {
    issuer: String,
    behavior: Arc<Mutex<Behavior>>,
}

/// A running provider, and a folder with the files that describe it: `own` by OpenID Connect, `other` the same under
/// another name, `plain` by OAuth 2.0.
pub(crate) struct Provider {
    shared: Shared,
    files: TempDir,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let behavior = Behavior {
            signing: Signing::Good,
            mood: Mood::Well,
            tamper: None,
            userinfo: false,
            announces_issuer: false,
            issuer_in_discovery: None,
            emails: json!([]),
            key: SigningKey::generate(Algorithm::Es256).unwrap(),
            clock: Clock::system(),
            codes: BTreeMap::new(),
            given: 0,
            key_fetches: 0,
        };
        let shared = Shared {
            issuer: issuer.clone(),
            behavior: Arc::new(Mutex::new(behavior)),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(tokens))
            .route("/me", get(me))
            .route("/person", get(person))
            .route("/emails", get(emails))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let files = tempfile::tempdir().unwrap();
        let oidc = format!(
            "label = \"Own\"\nkind = \"oidc\"\nissuer = \"{issuer}\"\nscopes = [\"openid\", \"email\"]\n\
             client_auth = \"basic\"\nallow_private_addresses = true\n\
             [authorize_offline]\naccess_type = \"offline\"\nprompt = \"consent\"\n"
        );
        let plain = format!(
            "label = \"Plain\"\nkind = \"oauth2\"\nauthorize_url = \"{issuer}/authorize\"\ntoken_url = \"{issuer}/token\"\n\
             client_auth = \"post\"\nallow_private_addresses = true\n\
             [user]\nurl = \"{issuer}/person\"\nsubject = \"id\"\nname = \"name\"\nusername = \"login\"\n\
             [emails]\nurl = \"{issuer}/emails\"\naddress = \"email\"\nverified = \"verified\"\nprimary = \"primary\"\n"
        );
        for (name, text) in [("own", &oidc), ("google", &oidc), ("plain", &plain)] {
            std::fs::write(files.path().join(format!("{name}.toml")), text).unwrap();
        }
        Self { shared, files }
    }

    /// The settings of a server that offers it.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            (
                "issuer.providers_dir".to_owned(),
                self.files.path().display().to_string(),
            ),
            ("issuer.provider_timeout".to_owned(), "1s".to_owned()),
        ];
        for name in ["own", "google", "plain"] {
            settings.push((format!("provider.{name}.client_id"), CLIENT.to_owned()));
            settings.push((format!("provider.{name}.client_secret"), SECRET.to_owned()));
        }
        settings
    }

    /// Lives by a server's clock from now on.
    pub(crate) fn live_by(&self, clock: &Clock) {
        self.behavior().clock = clock.clone();
    }

    pub(crate) fn behavior(&self) -> MutexGuard<'_, Behavior> {
        self.shared.behavior.lock().unwrap()
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Signs with another key from now on; the former is not published any more.
    pub(crate) fn rotate(&self) {
        self.behavior().key = SigningKey::generate(Algorithm::Rs256).unwrap();
    }

    /// A person signs in here and allows what they were asked for; gives the code and the state they go back with.
    pub(crate) fn approve(&self, url: &str, person: &Value) -> (String, String) {
        let url = Url::parse(url).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        let mut behavior = self.behavior();
        behavior.given += 1;
        let code = format!("code-{}", behavior.given);
        let grant = Grant {
            nonce: query.get("nonce").cloned().unwrap_or_default(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            person: person.clone(),
        };
        behavior.codes.insert(code.clone(), grant);
        (code, query["state"].clone())
    }
}

/// An answer in the provider's present mood; `None` when it is well.
async fn moody(shared: &Shared) -> Option<Response> {
    let mood = shared.behavior.lock().unwrap().mood;
    match mood {
        Mood::Well => None,
        Mood::Down => Some(StatusCode::BAD_GATEWAY.into_response()),
        Mood::Garbled => Some("{\"issuer\": 7".into_response()),
        Mood::Redirecting => Some(Redirect::temporary("/elsewhere").into_response()),
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Some(StatusCode::OK.into_response())
        }
        Mood::Huge => {
            let mut text = String::new();
            while text.len() < 3_000_000 {
                write!(text, "{:64}", "").unwrap();
            }
            Some(Body::from(text).into_response())
        }
    }
}

async fn discovery(State(shared): State<Shared>) -> Response {
    if let Some(answer) = moody(&shared).await {
        return answer;
    }
    let behavior = shared.behavior.lock().unwrap();
    let issuer = &shared.issuer;
    Json(json!({
        "issuer": behavior.issuer_in_discovery.as_ref().unwrap_or(issuer),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "jwks_uri": format!("{issuer}/keys"),
        "authorization_response_iss_parameter_supported": behavior.announces_issuer,
    }))
    .into_response()
}

async fn keys(State(shared): State<Shared>) -> Json<Value> {
    let mut behavior = shared.behavior.lock().unwrap();
    behavior.key_fetches += 1;
    Json(KeySet::new([behavior.key.verifying_key()]).to_jwks())
}

async fn tokens(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    if let Some(answer) = moody(&shared).await {
        return answer;
    }
    let refuse =
        |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = {
        use base64::engine::general_purpose::STANDARD;
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET)))
        )
    };
    let by_header = headers
        .get("authorization")
        .is_some_and(|value| *value == *basic);
    let by_form = form.get("client_id").is_some_and(|id| id == CLIENT)
        && form
            .get("client_secret")
            .is_some_and(|secret| secret == SECRET);
    if !by_header && !by_form {
        return refuse("invalid_client");
    }
    let mut behavior = shared.behavior.lock().unwrap();
    let Some(grant) = form
        .get("code")
        .and_then(|code| behavior.codes.remove(code))
    else {
        return refuse("invalid_grant");
    };
    let verifier = form.get("code_verifier").cloned().unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    if challenge != grant.challenge || form.get("redirect_uri") != Some(&grant.redirect_uri) {
        return refuse("invalid_grant");
    }
    let access = format!(
        "access-{}",
        URL_SAFE_NO_PAD.encode(grant.person.to_string())
    );
    let now = behavior.clock.now().as_second();
    let mut claims = json!({
        "iss": shared.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": grant.nonce,
        "at_hash": URL_SAFE_NO_PAD.encode(&Sha256::digest(&access)[..16]),
    });
    for (name, value) in grant.person.as_object().unwrap() {
        if name == "sub" || !behavior.userinfo {
            claims[name] = value.clone();
        }
    }
    if let Some(tamper) = &behavior.tamper {
        tamper(&mut claims);
    }
    let id_token = behavior.sign(&claims);
    Json(json!({
        "access_token": access, "token_type": "Bearer", "expires_in": 3599, "refresh_token": "refresh-1",
        "id_token": id_token,
    }))
    .into_response()
}

impl Behavior {
    fn sign(&self, claims: &Value) -> String {
        let sign = |key: &SigningKey| key.sign(claims).unwrap().expose().clone();
        match self.signing {
            Signing::Good => sign(&self.key),
            Signing::Stranger => sign(&SigningKey::generate(Algorithm::Es256).unwrap()),
            Signing::Unsigned => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims))
            }
            Signing::PublicKeyAsSecret => {
                let public = KeySet::new([self.key.verifying_key()])
                    .to_jwks()
                    .to_string();
                let bytes = secret::Secret::new(public.into_bytes());
                sign(&SigningKey::from_bytes(Algorithm::Hs256, &bytes).unwrap())
            }
        }
    }
}

/// Whom an access token stands for.
fn bearer(headers: &HeaderMap) -> Option<Value> {
    let text = headers.get("authorization")?.to_str().ok()?;
    let text = text.strip_prefix("Bearer access-")?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

async fn me(headers: HeaderMap) -> Response {
    match bearer(&headers) {
        Some(person) => Json(person).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn person(headers: HeaderMap) -> Response {
    me(headers).await
}

async fn emails(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if bearer(&headers).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(shared.behavior.lock().unwrap().emails.clone()).into_response()
}
