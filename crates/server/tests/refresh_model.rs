//! Refresh rotation, checked against a model: a browser with several tabs, two servers on one database, answers that
//! are lost in crashes, and a thief. The steps are random, the servers are real.

use std::collections::{HashMap, HashSet};

use accounts::EndReason;
use jiff::SignedDuration;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use secret::SecretString;
use server::{
    Context, Peer,
    actions::accounts::{self as actions, Credentials, RefreshRefusal},
};
use testkit::{Person, TestServer};

const TABS: usize = 4;
/// Requests do not stay under way for longer, in seconds.
const PATIENCE: i64 = 25;

#[derive(Debug, Clone)]
enum Step {
    /// A tab sends the token that the browser holds.
    Send(usize),
    /// A server answers a tab.
    Answer(usize, usize),
    /// A server commits, and dies before it answers a tab; it is started again.
    Crash(usize, usize),
    /// A server is started again.
    Restart(usize),
    /// Seconds pass.
    Wait(i64),
    /// Somebody copies the token that the browser holds, unless they did before.
    Steal,
    /// The thief exchanges what they hold.
    Misuse(usize),
}

fn any_step(with_thief: bool) -> impl Strategy<Value = Step> {
    let thief = u32::from(with_thief);
    prop_oneof![
        6 => (0..TABS).prop_map(Step::Send),
        6 => (0..TABS, 0..2_usize).prop_map(|(tab, node)| Step::Answer(tab, node)),
        2 => (0..TABS, 0..2_usize).prop_map(|(tab, node)| Step::Crash(tab, node)),
        1 => (0..2_usize).prop_map(Step::Restart),
        2 => (1_i64..20).prop_map(Step::Wait),
        thief => Just(Step::Steal),
        thief * 2 => (0..2_usize).prop_map(Step::Misuse),
    ]
}

/// Two servers on one database.
struct Nodes<'s> {
    server: &'s TestServer,
    contexts: [Context; 2],
    /// Each exchanged token with the successors that it was seen to have.
    successors: HashMap<String, HashSet<String>>,
    /// An exchange that was answered although it was to be lost, with its answer.
    early: Option<(String, String)>,
}

impl Nodes<'_> {
    async fn refresh(&mut self, node: usize, token: &str) -> Result<String, RefreshRefusal> {
        let next = match self.early.take() {
            Some((early, next)) if early == token => next,
            _ => {
                let answer = actions::refresh(&self.contexts[node], token).await;
                let pair = answer.expect("the server does not fail")?;
                pair.refresh.expose().clone()
            }
        };
        self.wait_until_noted(node, token).await;
        let known = self.successors.entry(token.to_owned()).or_default();
        known.insert(next.clone());
        assert_eq!(known.len(), 1, "a token worked twice");
        Ok(next)
    }

    /// Exchanges a token on a server that dies between the commit and the answer. `false` when the answer was quicker
    /// than death; it is kept for the one who asks next.
    async fn commit_and_die(&mut self, node: usize, token: &str) -> bool {
        let (digest, context) = (digest(token), self.contexts[node].clone());
        let committed = async {
            loop {
                let found = context
                    .storage
                    .read(move |tx| tx.refresh_tokens().find(digest));
                let found: Result<_, storage::Error> = found.await;
                if found.unwrap().is_some_and(|token| token.used.is_some()) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let dies = tokio::select! {
            biased;
            answer = actions::refresh(&context, token) => {
                if let Ok(Ok(pair)) = answer {
                    self.early = Some((token.to_owned(), pair.refresh.expose().clone()));
                }
                false
            }
            () = committed => true,
        };
        self.restart(node).await;
        dies
    }

    /// A moment after an answer every server knows of it.
    async fn wait_until_noted(&self, node: usize, token: &str) {
        let digest = digest(token);
        let storage = &self.contexts[node].storage;
        self.server
            .eventually("the answer is noted", async || {
                let found = storage.read(move |tx| tx.refresh_tokens().find(digest));
                let found: Result<_, storage::Error> = found.await;
                found.unwrap().unwrap().answered
            })
            .await;
    }

    async fn restart(&mut self, node: usize) {
        self.contexts[node] = self.server.offline_context().await;
    }
}

/// A browser whose tabs share one cookie.
struct Browser {
    cookie: String,
    /// What each tab has sent and was not answered, and when.
    sent: [Option<(String, i64)>; TABS],
}

struct World<'s> {
    nodes: Nodes<'s>,
    browser: Browser,
    seconds: i64,
    /// What the thief holds, and whether it was ever exchanged by them.
    stolen: Option<String>,
    misused: bool,
    /// The session was ended because a copy was noticed.
    is_noticed: bool,
}

impl<'s> World<'s> {
    async fn new(server: &'s TestServer, person: &Person) -> Self {
        let mut nodes = Nodes {
            server,
            contexts: [
                server.offline_context().await,
                server.offline_context().await,
            ],
            successors: HashMap::new(),
            early: None,
        };
        let credentials = Credentials {
            login: person.email.clone(),
            password: SecretString::new(person.password.clone()),
            otp: None,
            peer: Peer::Local,
            device: None,
        };
        let logged_in = actions::login(&nodes.contexts[0], credentials, "a browser", None).await;
        let cookie = logged_in.expect("the person signs in").pair.refresh;
        nodes.successors.clear();
        Self {
            nodes,
            browser: Browser {
                cookie: cookie.expose().clone(),
                sent: Default::default(),
            },
            seconds: 0,
            stolen: None,
            misused: false,
            is_noticed: false,
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Send(tab) => {
                let request = (self.browser.cookie.clone(), self.seconds);
                self.browser.sent[tab].get_or_insert(request);
            }
            Step::Answer(tab, node) => self.answer(tab, node).await,
            Step::Crash(tab, node) => {
                if let Some((token, _)) = self.browser.sent[tab].clone() {
                    if self.nodes.commit_and_die(node, &token).await {
                        self.browser.sent[tab] = None;
                    } else {
                        self.answer(tab, node).await;
                    }
                }
            }
            Step::Restart(node) => self.nodes.restart(node).await,
            Step::Wait(seconds) => {
                for tab in 0..TABS {
                    let is_due = |(_, at): &(String, i64)| self.seconds + seconds - at > PATIENCE;
                    if self.browser.sent[tab].as_ref().is_some_and(is_due) {
                        self.answer(tab, 0).await;
                    }
                }
                self.pass(seconds);
            }
            Step::Steal => {
                self.stolen.get_or_insert(self.browser.cookie.clone());
            }
            Step::Misuse(node) => {
                if let Some(token) = self.stolen.clone() {
                    match self.nodes.refresh(node, &token).await {
                        Ok(next) => (self.stolen, self.misused) = (Some(next), true),
                        Err(RefreshRefusal::Reused) => self.is_noticed = true,
                        Err(_) => {}
                    }
                }
            }
        }
    }

    async fn answer(&mut self, tab: usize, node: usize) {
        let Some((token, _)) = self.browser.sent[tab].take() else {
            return;
        };
        match self.nodes.refresh(node, &token).await {
            Ok(next) => self.browser.cookie = next,
            Err(refusal) => self.judge(Some(refusal)),
        }
    }

    /// An honest tab may be told that it is late, and nothing worse, unless there is a thief.
    fn judge(&mut self, refusal: Option<RefreshRefusal>) {
        match refusal {
            None | Some(RefreshRefusal::LateTwin) => {}
            Some(refusal) => {
                assert!(
                    self.misused || self.is_noticed,
                    "an honest tab got {refusal:?}"
                );
                self.is_noticed |= refusal == RefreshRefusal::Reused;
            }
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.seconds += seconds;
        let clock = self.nodes.server.clock();
        clock.advance(SignedDuration::from_secs(seconds));
    }

    /// Why the browser's session ended, if it did.
    async fn end(&self) -> Option<EndReason> {
        let digest = digest(&self.browser.cookie);
        let found = self.nodes.contexts[0].storage.read(move |tx| {
            let token = tx.refresh_tokens().find(digest)?.expect("it is kept");
            tx.sessions().find(token.session)
        });
        let found: Result<_, storage::Error> = found.await;
        let session = found.expect("no failure").expect("it is kept");
        session.ended.map(|ended| ended.reason)
    }
}

fn digest(token: &str) -> [u8; 32] {
    let token = token::OpaqueToken::parse(token::OpaqueKind::Refresh, token);
    token.expect("a token of ours").digest()
}

fn check(with_thief: bool, cases: u32, last: &impl AsyncFn(World<'_>)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = [
        ("issuer.refresh_attempts", "1000000"),
        // Slow enough for a server to die while it signs.
        ("issuer.algorithm", "RS256"),
    ];
    let server = runtime.block_on(TestServer::start_with(&settings));
    let person = runtime.block_on(server.person("ada"));
    let config = Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(any_step(with_thief), 1..50);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let mut world = World::new(&server, &person).await;
            for step in &steps {
                world.take(step).await;
            }
            last(world).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn an_honest_browser_is_never_signed_out() {
    check(false, 30, &async |mut world| {
        for tab in 0..TABS {
            world.answer(tab, 1).await;
        }
        assert_eq!(world.end().await, None);
        // Whatever was lost, the browser's next requests get on: at once, and again.
        for node in [1, 0] {
            world.browser.cookie = world
                .nodes
                .refresh(node, &world.browser.cookie.clone())
                .await
                .expect("the browser is signed in");
        }
    });
}

#[test]
fn a_thief_s_use_is_noticed() {
    check(true, 30, &async |mut world| {
        // The thief goes on with what they have, and so does the browser, some time later.
        for node in [0, 1] {
            world.take(&Step::Misuse(node)).await;
            world.pass(31);
        }
        for tab in 0..TABS {
            world.browser.sent[tab] = None;
        }
        for node in [0, 1, 0, 1] {
            world.take(&Step::Send(0)).await;
            world.take(&Step::Answer(0, node)).await;
            world.pass(31);
            world.take(&Step::Misuse(node)).await;
            world.pass(31);
        }
        if world.misused {
            assert_eq!(
                world.end().await,
                Some(EndReason::RefreshReused),
                "the theft went unnoticed"
            );
            let thief = world.stolen.clone().expect("they hold something");
            assert!(world.nodes.refresh(0, &thief).await.is_err());
        }
    });
}
