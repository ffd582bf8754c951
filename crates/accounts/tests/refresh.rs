//! Refresh rotation as a state machine: clients race, answers are lost, copies are replayed.

use std::{collections::HashMap, time::Duration};

use accounts::{
    Account, Lifetimes, NewSession, PairedAccess, RefreshToken, Role, Session, SessionOrigin,
    refresh::{Decision, TWIN_GRACE, issue, redeem},
    start,
};
use ids::{AccountId, SessionId};
use jiff::Timestamp;
use proptest::prelude::*;

const IDLE: Duration = Duration::from_hours(24);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

/// A server that stores what the decisions tell it to.
struct Server {
    account: Account,
    session: Session,
    tokens: HashMap<[u8; 32], RefreshToken>,
    now: i64,
    ended_for_reuse: bool,
}

impl Server {
    fn new() -> Self {
        let account = Account {
            id: AccountId::new(1, [1; 10]),
            email: "ada@example.com".into(),
            username: "ada".into(),
            full_name: None,
            avatar: None,
            provider: accounts::PASSWORD_PROVIDER.to_owned(),
            role: Role::User,
            roles: Vec::new(),
            active: true,
            email_verified: false,
            generation: 1,
            password: None,
            created_at: at(0),
            updated_at: at(0),
        };
        let new = NewSession {
            id: SessionId::new(1, [2; 10]),
            account: account.id,
            origin: SessionOrigin::Password,
            amr: accounts::Methods::NONE,
            device: "a test",
        };
        let session = start(new, at(0), Lifetimes::default());
        let mut server = Self {
            account,
            session,
            tokens: HashMap::new(),
            now: 0,
            ended_for_reuse: false,
        };
        server.add(None);
        server
    }

    /// Issues a token; its digest stands for the token itself.
    fn add(&mut self, parent: Option<[u8; 32]>) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&(self.tokens.len() as u64).to_be_bytes());
        let access = PairedAccess {
            jti: uuid::Uuid::from_u128(self.tokens.len() as u128),
            generation: 1,
            expires_at: at(self.now + 1800),
            audience: None,
        };
        let token = issue(digest, parent, &self.session, access, at(self.now), IDLE);
        self.tokens.insert(digest, token);
        digest
    }

    fn first(&self) -> [u8; 32] {
        *self.tokens.keys().next().expect("the first token")
    }

    fn decide(&self, presented: [u8; 32]) -> Decision {
        let token = &self.tokens[&presented];
        let successor_used_at = self
            .tokens
            .values()
            .filter(|token| token.parent == Some(presented))
            .filter_map(|token| token.used.map(|(at, _)| at))
            .min();
        redeem(
            token,
            successor_used_at,
            &self.session,
            &self.account,
            at(self.now),
        )
    }

    /// Commits what the decision asks for, and gives the new token where there is one.
    fn commit(&mut self, presented: [u8; 32]) -> (Decision, Option<[u8; 32]>) {
        let decision = self.decide(presented);
        let issued = match decision {
            Decision::Rotate => {
                let successor = self.add(Some(presented));
                let now = at(self.now);
                let token = self.tokens.get_mut(&presented).expect("presented");
                token.used = Some((now, successor));
                Some(successor)
            }
            Decision::LateTwin => Some(self.add(Some(presented))),
            Decision::Reused => {
                self.ended_for_reuse = true;
                None
            }
            Decision::Expired | Decision::SessionOver(_) => None,
        };
        (decision, issued)
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A client refreshes and gets the answer.
    Refresh(usize),
    /// A client's refresh is committed, but the answer is lost (a crash between commit and answer).
    Lose(usize),
    /// All clients share one store: one takes over what another holds, as tabs of a browser do.
    Share(usize, usize),
    /// Time passes.
    Wait(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..5).prop_map(Step::Refresh),
        2 => (0_usize..5).prop_map(Step::Lose),
        2 => (0_usize..5, 0_usize..5).prop_map(|(from, to)| Step::Share(from, to)),
        2 => (0_i64..20).prop_map(Step::Wait),
    ]
}

#[test]
fn a_fresh_token_is_exchanged_once() {
    let mut server = Server::new();
    let first = server.first();
    let (decision, second) = server.commit(first);
    assert_eq!(decision, Decision::Rotate);
    let (decision, _) = server.commit(second.expect("issued"));
    assert_eq!(decision, Decision::Rotate);
}

#[test]
fn a_used_token_is_a_late_twin_until_thirty_seconds_after_its_successor_was_used() {
    let mut server = Server::new();
    let first = server.first();
    let (_, second) = server.commit(first);
    server.now = 3600;
    assert_eq!(
        server.decide(first),
        Decision::LateTwin,
        "nobody used the successor"
    );
    server.commit(second.expect("issued"));
    server.now = 3630;
    assert_eq!(server.decide(first), Decision::LateTwin);
    server.now = 3631;
    assert_eq!(server.decide(first), Decision::Reused);
}

#[test]
fn a_stolen_token_is_noticed_whichever_twin_went_on() {
    let mut server = Server::new();
    let first = server.first();
    let (_, lost) = server.commit(first);
    let (decision, second) = server.commit(first);
    assert_eq!(decision, Decision::LateTwin);
    assert_ne!(lost, second);
    server.commit(second.expect("issued"));
    server.now = 31;
    assert_eq!(server.decide(first), Decision::Reused);
}

#[test]
fn an_old_token_expires_and_an_ended_session_refuses_all() {
    let mut server = Server::new();
    let first = server.first();
    server.now = 24 * 3600;
    assert_eq!(server.decide(first), Decision::Expired);
    server.account.active = false;
    assert!(matches!(server.decide(first), Decision::SessionOver(_)));
}

proptest! {
    /// Clients that refresh in any order, take over each other's tokens and lose answers, and retry what was lost
    /// before 30 s have passed since anybody used a successor, are never signed out.
    #[test]
    fn parallel_refreshes_never_sign_anybody_out(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut server = Server::new();
        let mut clients = [server.first(); 5];
        for step in steps {
            match step {
                Step::Refresh(client) => {
                    // A client that was away for long finds the token that the others share.
                    if server.decide(clients[client]) == Decision::Reused {
                        prop_assert!(successor_used_long_ago(&server, clients[client]));
                        continue;
                    }
                    let (_, issued) = server.commit(clients[client]);
                    clients[client] = issued.expect("a working token");
                }
                Step::Lose(client) => {
                    if server.decide(clients[client]) != Decision::Reused {
                        server.commit(clients[client]);
                        // The retry finds its token a late twin, or still fresh: never stolen.
                        prop_assert_ne!(server.decide(clients[client]), Decision::Reused);
                    }
                }
                Step::Share(from, to) => clients[to] = clients[from],
                Step::Wait(seconds) => server.now += seconds,
            }
        }
        prop_assert!(!server.ended_for_reuse);
    }

    /// Clients that all race with one token within 30 s each get a working one, in any order of commits.
    #[test]
    fn a_race_of_any_size_leaves_everybody_signed_in(
        pauses in prop::collection::vec(0_i64..=3, 1..9), rounds in 1_usize..5,
    ) {
        let mut server = Server::new();
        let mut shared = server.first();
        for _ in 0..rounds {
            let mut last = None;
            for pause in &pauses {
                server.now += pause;
                let (decision, issued) = server.commit(shared);
                prop_assert!(matches!(decision, Decision::Rotate | Decision::LateTwin));
                let issued = issued.expect("a working token");
                prop_assert_eq!(server.decide(issued), Decision::Rotate);
                last = Some(issued);
            }
            shared = last.expect("at least one client");
        }
    }

    /// A copy that is kept and replayed once its successor has been in use for more than 30 s ends the session.
    #[test]
    fn a_late_replay_ends_the_session(kept in 0_usize..6, length in 2_usize..8, wait in 31_i64..100_000) {
        let mut server = Server::new();
        let mut chain = vec![server.first()];
        for _ in 0..length {
            let (_, next) = server.commit(*chain.last().expect("not empty"));
            chain.push(next.expect("rotated"));
        }
        // The last two have a successor that nobody used yet.
        let kept = chain[kept.min(length - 2)];
        server.now += wait;
        prop_assert_eq!(server.commit(kept).0, Decision::Reused);
        prop_assert!(server.ended_for_reuse);
    }
}

fn successor_used_long_ago(server: &Server, presented: [u8; 32]) -> bool {
    let grace = i64::try_from(TWIN_GRACE.as_secs()).expect("30");
    server
        .tokens
        .values()
        .filter(|token| token.parent == Some(presented))
        .filter_map(|token| token.used)
        .any(|(used_at, _)| used_at < at(server.now - grace))
}
