//! Records to store.

use std::sync::atomic::{AtomicU64, Ordering};

use ::accounts::{Account, Role, Session, SessionOrigin};
use apps::{App, Newcomers};
use ids::{AccountId, AppId, GroupId, SessionId};
use jiff::{SignedDuration, Timestamp};
use storage::{Error, Storage};

/// The moment most things happen at.
pub(crate) fn t0() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    t0() + SignedDuration::from_secs(seconds)
}

/// Ten bytes that no other call gets, growing so that ids sort in order of creation.
pub(crate) fn unique() -> [u8; 10] {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&(COUNT.fetch_add(1, Ordering::Relaxed) << 8).to_be_bytes());
    bytes
}

pub(crate) fn milliseconds() -> u64 {
    t0().as_millisecond().try_into().unwrap()
}

pub(crate) fn account(name: &str) -> Account {
    Account {
        id: AccountId::new(milliseconds(), unique()),
        email: format!("{name}@example.com"),
        username: name.into(),
        full_name: Some(format!("{name} Ünïcode 🚪")),
        avatar: Some(format!("https://pictures.example.com/{name}.png")),
        provider: "google".to_owned(),
        role: Role::User,
        roles: vec!["editor".into(), "quo\"ted".into()],
        active: true,
        email_verified: false,
        generation: 1,
        password: Some("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".to_owned().into()),
        created_at: t0(),
        updated_at: t0(),
    }
}

pub(crate) fn session(account: AccountId) -> Session {
    Session {
        id: SessionId::new(milliseconds(), unique()),
        account,
        created_by: SessionOrigin::Password,
        device: "Firefox on Linux".into(),
        amr: accounts::Methods::passkey(true, true),
        authenticated_at: later(60),
        active_workspace: None,
        created_at: t0(),
        last_seen_at: t0(),
        idle_expires_at: later(3_600),
        expires_at: later(36_000),
        ended: None,
    }
}

pub(crate) fn app(owner: AccountId, slug: &str) -> App {
    App {
        id: AppId::new(milliseconds(), unique()),
        slug: slug.parse().unwrap(),
        name: slug.to_uppercase(),
        owner,
        is_public: false,
        requires_auth: true,
        newcomers: Newcomers::OwnGroup,
        default_group: GroupId::new(milliseconds(), unique()),
        live_version: None,
        created_at: t0(),
        updated_at: t0(),
    }
}

/// Stores an account and an app of theirs.
pub(crate) async fn owner_and_app(storage: &Storage) -> (Account, App) {
    let owner = account("owner");
    let app = app(owner.id, "notes");
    let (o, a) = (owner.clone(), app.clone());
    storage
        .write(move |tx| {
            tx.accounts().insert(&o)?;
            tx.apps().insert(&a)
        })
        .await
        .unwrap();
    (owner, app)
}

/// Stores some accounts.
pub(crate) async fn store(storage: &Storage, accounts: &[&Account]) {
    let accounts: Vec<Account> = accounts.iter().map(|account| (*account).clone()).collect();
    let stored = storage.write(move |tx| {
        accounts
            .iter()
            .try_for_each(|account| tx.accounts().insert(account))
    });
    stored
        .await
        .unwrap_or_else(|error: Error| panic!("{error}"));
}
