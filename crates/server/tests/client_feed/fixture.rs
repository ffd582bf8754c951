//! A server, a feed that follows it, and the wire between the two, which can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use secret::SecretString;
use testkit::{HeldTokens, Person, ServiceFixture, TestServer};
use token::EventKey;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::watch,
};
use vestibule_client::{
    Claims, Clock, Credential, Feed, FeedConfig, FeedStatus, Http, Judgement, Role, Standing,
    Timeouts,
};

/// Far longer than anything here takes, so that only a hang fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) service: ServiceFixture,
    pub(crate) ada: Person,
    pub(crate) proxy: Proxy,
    pub(crate) follower: Follower,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[], None).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)], key: Option<&str>) -> Self {
        // A name of its own, since a server that comes back has another port.
        let mut all = vec![("issuer.issuer", "https://issuer.example.com")];
        all.extend(settings);
        Self::on(TestServer::start_with(&all).await, key).await
    }

    pub(crate) async fn on(server: TestServer, key: Option<&str>) -> Self {
        let service = server.service("items", "event-stream introspection").await;
        let ada = server.person("ada").await;
        let proxy = Proxy::start(server.server().public_address()).await;
        let follower = Follower::start_with(&server, &proxy, &service, key);
        follower.until_current().await;
        Self {
            server,
            service,
            ada,
            proxy,
            follower,
        }
    }

    /// Another service, which starts now; it has heard everything.
    pub(crate) async fn follow(&self) -> Follower {
        let follower = Follower::start(&self.server, &self.proxy, &self.service);
        follower.until_current().await;
        follower
    }

    /// Signs ada in.
    pub(crate) async fn issue(&self) -> HeldTokens {
        self.server.issue_tokens(&self.ada).await
    }
}

/// A feed and its table, as a service has them.
pub(crate) struct Follower {
    pub(crate) feed: Feed,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Clock,
}

impl Follower {
    pub(crate) fn start(server: &TestServer, proxy: &Proxy, service: &ServiceFixture) -> Self {
        Self::start_with(server, proxy, service, None)
    }

    pub(crate) fn start_with(
        server: &TestServer,
        proxy: &Proxy,
        service: &ServiceFixture,
        key: Option<&str>,
    ) -> Self {
        let clock = Clock::starting_at(server.clock().now());
        let url = format!("http://{}/user/private/v1/events/stream", proxy.address);
        let mut config = FeedConfig::new(url.parse().expect("an address"), clock.clone());
        let key = key.map(|key| Arc::new(EventKey::new(&SecretString::new(key.to_owned()))));
        config.event_key = key;
        let credential = Credential::Client {
            id: service.id.clone(),
            secret: SecretString::new(service.secret.clone()),
        };
        Self::start_as(config, credential)
    }

    /// A service that exchanges its secret for short-lived tokens and listens with those.
    pub(crate) fn start_with_tokens(
        server: &TestServer,
        proxy: &Proxy,
        service: &ServiceFixture,
    ) -> Self {
        let clock = Clock::starting_at(server.clock().now());
        let private = format!("http://{}/user/private/v1", proxy.address);
        let url = |path: &str| format!("{private}/{path}").parse().expect("an address");
        let credential = Credential::ServiceToken {
            id: service.id.clone(),
            secret: SecretString::new(service.secret.clone()),
            url: url("service-token"),
            scopes: vec!["event-stream".into()],
            renew_early: Duration::from_secs(30),
        };
        Self::start_as(FeedConfig::new(url("events/stream"), clock), credential)
    }

    fn start_as(config: FeedConfig, credential: Credential) -> Self {
        let clock = config.clock.clone();
        let http = Http::new("test", Timeouts::default(), Some(credential), &clock, false);
        let standing = Arc::new(Standing::new(Duration::from_hours(2), 10_000));
        let feed = Feed::spawn(
            config,
            http.expect("a client"),
            standing.clone(),
            &Handle::current(),
        );
        Self {
            feed,
            standing,
            clock,
        }
    }

    pub(crate) fn judge(&self, held: &HeldTokens) -> Judgement {
        self.standing.judge(&claims(held), None)
    }

    pub(crate) async fn until(&self, holds: impl Fn(&FeedStatus) -> bool) {
        let begun = Instant::now();
        while !holds(&self.feed.status()) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.feed.status());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn until_current(&self) {
        self.until(|status| status.is_current).await;
    }

    pub(crate) async fn until_applied(&self, count: u64) {
        self.until(|status| status.applied >= count).await;
    }

    pub(crate) async fn until_revoked(&self, held: &HeldTokens) {
        self.until(|_| self.judge(held) == Judgement::Revoked).await;
    }
}

/// The claims of a token as a service reads them.
pub(crate) fn claims(held: &HeldTokens) -> Claims {
    let text = |name: &str| held.claims[name].as_str().map(str::to_owned);
    let number = |name: &str| held.claims[name].as_i64();
    Claims {
        sub: held.claim("sub"),
        jti: held.claim("jti"),
        exp: number("exp").expect("a number"),
        iat: number("iat"),
        nbf: number("nbf"),
        iss: text("iss"),
        aud: text("aud").into_iter().collect(),
        email: held.claim("email"),
        role: Role::User,
        is_superuser: false,
        is_active: true,
        email_verified: false,
        full_name: None,
        avatar: None,
        tenant_id: None,
        sid: text("sid"),
        generation: held.claims["gen"].as_u64(),
        amr: Vec::new(),
        acr: None,
        auth_time: None,
    }
}

/// A wire that can be aimed at another server, cut, held up, or made to break after so many bytes.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    target: Mutex<Option<SocketAddr>>,
    /// Moves when all connections are to be cut.
    cut: watch::Sender<u64>,
    /// Whether nothing comes through for now, in neither direction.
    is_held: watch::Sender<bool>,
    /// After how many bytes from the server each connection breaks.
    breaks_after: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let wire = Arc::new(Wire {
            target: Mutex::new(Some(target)),
            cut: watch::Sender::new(0),
            is_held: watch::Sender::new(false),
            breaks_after: AtomicUsize::new(usize::MAX),
        });
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *accepting.target.lock().unwrap();
                if let Some(target) = target {
                    tokio::spawn(accepting.clone().carry(client, target));
                }
            }
        });
        Self { address, wire }
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.wire.cut.send_modify(|cut| *cut += 1);
    }

    /// Cuts every connection and makes no more.
    pub(crate) fn refuse(&self) {
        *self.wire.target.lock().unwrap() = None;
        self.cut();
    }

    /// Connects to this server from now on.
    pub(crate) fn aim(&self, target: SocketAddr) {
        *self.wire.target.lock().unwrap() = Some(target);
        self.cut();
    }

    /// Lets nothing through until it is let go.
    pub(crate) fn hold(&self, is_held: bool) {
        self.wire.is_held.send_replace(is_held);
    }

    /// Breaks each connection after so many bytes from the server.
    pub(crate) fn break_after(&self, bytes: usize) {
        self.wire.breaks_after.store(bytes, Ordering::SeqCst);
    }
}

impl Wire {
    async fn carry(self: Arc<Self>, mut client: TcpStream, target: SocketAddr) {
        let mut cut = self.cut.subscribe();
        let Ok(mut server) = TcpStream::connect(target).await else {
            return;
        };
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            tokio::io::copy(&mut from_client, &mut to_server)
                .await
                .map(drop)
        };
        let down = async {
            let mut is_held = self.is_held.subscribe();
            let mut left = self.breaks_after.load(Ordering::SeqCst);
            let mut buffer = [0; 4096];
            loop {
                let read = from_server.read(&mut buffer).await?;
                let _ = is_held.wait_for(|is_held| !is_held).await;
                let passed = read.min(left);
                to_client.write_all(&buffer[..passed]).await?;
                left -= passed;
                if read == 0 || left == 0 {
                    return Ok::<_, std::io::Error>(());
                }
            }
        };
        // Whichever ends first ends both.
        tokio::select! {
            _ = up => {}
            _ = down => {}
            _ = cut.changed() => {}
        }
    }
}
