//! A server that offers the provider, and browsers that keep cookies and follow nothing by themselves.

use std::{cell::RefCell, collections::BTreeMap};

use reqwest::Method;
use serde_json::Value;
use testkit::{Answer, TestServer};
use url::Url;

use super::provider::Provider;

pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) provider: Provider,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let provider = Provider::start().await;
        let own = provider.settings();
        let mut all: Vec<(&str, &str)> = own
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        all.extend(settings);
        let server = TestServer::start_with(&all).await;
        provider.live_by(server.clock());
        Self { server, provider }
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: RefCell::default(),
        }
    }
}

pub(crate) struct Browser<'w> {
    world: &'w World,
    pub(crate) cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser<'_> {
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let jar: Vec<String> = self
            .cookies
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header("accept", "text/html")
            .header("cookie", jar.join("; "));
        let answer = Answer::to(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.into(), value.into());
            }
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.world.server.request(Method::GET, path))
            .await
    }

    /// Sends a form with the token of a page.
    pub(crate) async fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.get(page).await;
        let (_, rest) = form
            .text
            .split_once("name=\"_csrf\" value=\"")
            .unwrap_or_else(|| panic!("no form on {page}: {} {}", form.status, form.text));
        let mut all = vec![("_csrf", rest.split('"').next().unwrap())];
        all.extend(fields);
        let request = self.world.server.request(Method::POST, action);
        let request = request
            .header("origin", self.world.server.origin())
            .form(&all);
        self.send(request).await
    }

    /// Begins a sign-in and gives the address at the provider.
    pub(crate) async fn leave(&self, path: &str) -> String {
        let answer = self.get(path).await.expect(303);
        let to = answer.header("location").to_owned();
        assert!(to.starts_with(self.world.provider.issuer()), "{to}");
        to
    }

    /// Comes back from a provider.
    pub(crate) async fn come_back(&self, provider: &str, query: &[(&str, &str)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        self.get(&format!("/signin/{provider}/callback?{query}"))
            .await
    }

    /// Goes the whole way as a person of the provider.
    pub(crate) async fn sign_in(&self, provider: &str, person: &Value) -> Answer {
        let url = self.leave(&format!("/signin/{provider}")).await;
        let (code, state) = self.world.provider.approve(&url, person);
        self.come_back(provider, &[("code", &code), ("state", &state)])
            .await
    }

    /// Signs in by password, and goes where the page says.
    pub(crate) async fn sign_in_by_password(
        &self,
        login: &str,
        password: &str,
        next: &str,
    ) -> Answer {
        let fields = [("email", login), ("password", password), ("next", next)];
        self.submit("/signin", "/signin", &fields).await
    }

    /// The username that the pages know this browser by; empty when nobody is signed in.
    pub(crate) async fn username(&self) -> String {
        let session = self.cookies.borrow().get("vestibule_session").cloned();
        let Some(session) = session else {
            return String::new();
        };
        let caller =
            server::actions::accounts::authenticate(self.world.server.context(), &session).await;
        caller
            .unwrap()
            .map_or_else(String::new, |caller| caller.account.username.clone())
    }
}

/// The query of an address.
pub(crate) fn query(url: &str) -> BTreeMap<String, String> {
    Url::parse(url)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}
