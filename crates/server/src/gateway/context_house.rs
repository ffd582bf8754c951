//! The server as the gateway sees it, and the making of handoff codes.

use std::sync::Arc;

use ::forward::Upstream;
use accounts::Session;
use apps::{App, Place};
use ids::{AccountId, AppId, SessionId, Slug};
use jiff::{SignedDuration, Timestamp};
use runtime::{AppRuntime as _, State};
use secret::SecretString;
use serde::{Deserialize, Serialize};
use storage::Link;
use token::{OpaqueKind, OpaqueToken};
use tokio::sync::watch;

use super::house::{Handoff, House, Instance, Person, Standing};
use crate::{
    Config, Context, Error,
    actions::{accounts::authenticate_session, apps::find_place},
    random,
};

/// What handoff codes are kept under.
const PURPOSE: &str = "handoff";
/// How long a code is good.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// What is kept of a code.
#[derive(Serialize, Deserialize)]
struct Kept {
    app: AppId,
    session: SessionId,
    state: String,
}

/// Makes a code that carries a session over to an app's host, once and within a minute. `state` is what the app's host gave the
/// browser along: the code is good only in that browser. The caller has checked that the account may open the app.
pub async fn issue_handoff(
    context: &Context,
    session: &Session,
    app: AppId,
    state: &str,
) -> Result<SecretString, Error> {
    let code = OpaqueToken::generate(OpaqueKind::Handoff, random::bytes());
    let kept = Kept {
        app,
        session: session.id,
        state: state.chars().take(64).collect(),
    };
    let now = context.now();
    let link = Link {
        digest: code.digest(),
        purpose: PURPOSE.to_owned(),
        account: Some(session.account),
        data: serde_json::to_string(&kept).expect("ids and text always become JSON"),
        created_at: now,
        expires_at: now + CODE_LIFETIME,
    };
    context
        .storage
        .write(move |tx| tx.links().insert(&link))
        .await?;
    Ok(code.reveal())
}

impl House for Context {
    fn config(&self) -> &Config {
        &self.config
    }

    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn find_app(&self, slug: &Slug) -> Result<Option<Arc<App>>, Error> {
        self.app_by_slug(slug).await
    }

    async fn find_standing(
        &self,
        app: &App,
        session: SessionId,
        account: AccountId,
    ) -> Result<Standing, Error> {
        // Keeps the session alive, too: who works in an app all day is not idle.
        let caller = authenticate_session(self, session).await?;
        let Some(found) = caller
            .map(|caller| caller.account)
            .filter(|found| found.id == account)
        else {
            return Ok(Standing::SignedOut);
        };
        Ok(match find_place(self, app, &found).await? {
            None => Standing::NoAccess,
            Some(Place { role, group }) => Standing::Viewer(Person {
                email: found.email.clone(),
                username: found.username.clone(),
                verified: found.email_verified,
                group,
                role,
            }),
        })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.caches.changes()
    }

    fn instance(&self, app: &App) -> Instance {
        let hosting = self.hosting();
        match hosting.runtime.find_live(app.id) {
            Some(instance) => match instance.status().state {
                State::Running => Instance::Live(Upstream::unix(instance.socket_path())),
                State::Starting | State::BackingOff => Instance::Starting,
                State::CrashLooping => Instance::Crashed,
                State::Stopped => Instance::Absent,
            },
            // Published, but not back yet after a start of the server.
            None if app.live_version.is_some() && hosting.is_busy(&app.slug) => Instance::Starting,
            None => Instance::Absent,
        }
    }

    async fn redeem(&self, code: &str) -> Result<Option<Handoff>, Error> {
        let Ok(code) = OpaqueToken::parse(OpaqueKind::Handoff, code) else {
            return Ok(None);
        };
        let (digest, now) = (code.digest(), self.now());
        let link = self
            .storage
            .write(move |tx| tx.links().redeem(digest, now))
            .await?;
        Ok(link
            .filter(|link| link.purpose == PURPOSE)
            .and_then(|link| {
                let kept: Kept = serde_json::from_str(&link.data).ok()?;
                Some(Handoff {
                    app: kept.app,
                    session: kept.session,
                    account: link.account?,
                    state: kept.state,
                })
            }))
    }
}
