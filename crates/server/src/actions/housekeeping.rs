//! Clearing away what nobody can use any more. Each step can be done twice, by several servers at once, and cut off at
//! any point without harm.

use std::{collections::HashSet, time::Duration};

use ::apps::ReleaseState;
use jiff::{SignedDuration, Timestamp};
use runtime::{EnvironmentError, EnvironmentSpec};
use storage::Tx;

use super::publish::Plan;
use crate::{Context, error::Chain, mail::erase_expired, random};

/// How often the server tidies up, and by how much that varies, so that nodes that started together do not do it
/// together for ever.
const PAUSE: Duration = Duration::from_hours(1);
const JITTER: Duration = Duration::from_mins(10);
/// Rows cleared away in one transaction: others wait for it.
const AT_ONCE: u32 = 500;
/// How long sessions and refresh tokens are kept after their end.
const KEPT_AFTER_END: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a deleted app's data is kept, and its slug held.
const KEPT_AFTER_DELETION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a notice waits for the person it is for.
const NOTICES_KEPT: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long events are kept.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Deleted apps erased in one transaction.
const APPS_AT_ONCE: u32 = 20;

/// What was cleared away, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// One-time links.
    pub links: u64,
    /// Sign-ins and passkey challenges whose second step did not come.
    pub ceremonies: u64,
    /// Notices that nobody looked at for a year.
    pub notices: u64,
    /// Sessions, with their refresh tokens.
    pub sessions: u64,
    /// Refresh tokens of sessions that live.
    pub refresh_tokens: u64,
    /// API keys that expired or were revoked.
    pub api_keys: u64,
    /// Mailed proofs and sign-ups that nobody came back to, and messages that were sent or given up.
    pub mail: u64,
    /// Events.
    pub events: u64,
    /// Deleted apps, with their data and files.
    pub apps: u64,
    /// Environments of no release that could be started.
    pub environments: u64,
}

/// Tidies up each hour for as long as the server runs.
pub(crate) async fn keep_house(context: Context) {
    loop {
        let jitter = f64::from(u16::from_le_bytes(random::bytes())) / f64::from(u16::MAX);
        tokio::select! {
            () = tokio::time::sleep(PAUSE + JITTER.mul_f64(jitter)) => {}
            () = context.stopping.cancelled() => return,
        }
        let tidied = tidy(&context).await;
        if tidied != Tidied::default() {
            tracing::info!(?tidied, "tidied up");
        }
    }
}

/// Clears away what nobody can use any more. A step that fails is logged, and done the next time.
pub async fn tidy(context: &Context) -> Tidied {
    let now = context.now();
    let ended = now - KEPT_AFTER_END;
    let links = in_steps(context, move |tx| tx.links().delete_expired(now, AT_ONCE));
    let sessions = in_steps(context, move |tx| {
        tx.sessions().delete_expired(ended, AT_ONCE)
    });
    let refresh_tokens = in_steps(context, move |tx| {
        tx.refresh_tokens().delete_expired(ended, AT_ONCE)
    });
    let ceremonies = in_steps(context, move |tx| {
        tx.ceremonies().delete_expired(now, AT_ONCE)
    });
    let api_keys = in_steps(context, move |tx| {
        tx.api_keys().delete_ended(ended, AT_ONCE)
    });
    let unseen = now - NOTICES_KEPT;
    let notices = in_steps(context, move |tx| tx.notices().delete_old(unseen, AT_ONCE));
    Tidied {
        ceremonies: done("ceremonies", ceremonies.await),
        notices: done("notices", notices.await),
        links: done("links", links.await),
        sessions: done("sessions", sessions.await),
        refresh_tokens: done("refresh tokens", refresh_tokens.await),
        api_keys: done("API keys", api_keys.await),
        mail: done("mail", clear_mail(context, now).await),
        events: done("events", prune_events(context, now).await),
        apps: done("deleted apps", purge_deleted(context).await),
        environments: done("environments", collect_environments(context).await),
    }
}

fn done<E: std::error::Error + 'static>(what: &str, result: Result<u64, E>) -> u64 {
    result.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), what, "could not be tidied up");
        0
    })
}

/// Why environments could not be collected.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}

/// Repeats a step until it has nothing more to do.
async fn in_steps<F>(context: &Context, step: F) -> Result<u64, storage::Error>
where
    F: FnMut(&mut Tx) -> Result<u64, storage::Error> + Clone + Send + 'static,
{
    let mut all = 0;
    loop {
        let count = context.storage.write(step.clone()).await?;
        all += count;
        if count < u64::from(AT_ONCE) {
            return Ok(all);
        }
    }
}

/// Forgets proofs and sign-ups that expired, and messages some time after their end.
async fn clear_mail(context: &Context, now: Timestamp) -> Result<u64, storage::Error> {
    let proofs = in_steps(context, move |tx| {
        tx.challenges().delete_expired(now, AT_ONCE)
    })
    .await?;
    let sign_ups = in_steps(context, move |tx| {
        tx.sign_ups().delete_expired(now, AT_ONCE)
    })
    .await?;
    let messages = erase_expired(context, now - KEPT_AFTER_END, AT_ONCE).await?;
    Ok(proofs + sign_ups + messages)
}

/// Removes old events that this server has applied. Another one that had not come so far drops all it caches.
async fn prune_events(context: &Context, now: Timestamp) -> Result<u64, storage::Error> {
    let old = now - EVENTS_KEPT;
    let first_kept = context
        .storage
        .scan(move |tx| tx.events().first_since(old))
        .await?;
    let before = first_kept.min(context.caches.applied().saturating_add(1));
    in_steps(context, move |tx| tx.events().prune(before, AT_ONCE)).await
}

/// Erases what is left of apps that were deleted long enough ago.
pub(crate) async fn purge_deleted(context: &Context) -> Result<u64, storage::Error> {
    let before = context.now() - KEPT_AFTER_DELETION;
    let mut all = 0;
    loop {
        let purged = context
            .storage
            .write(move |tx| tx.apps().purge_deleted(before, APPS_AT_ONCE))
            .await?;
        for app in &purged {
            context.hosting().clear_away(*app).await;
        }
        if purged.is_empty() {
            return Ok(all);
        }
        all += purged.len() as u64;
    }
}

/// Removes the environments that no release needs. Not while anything is published or started: what that needs is not
/// on record yet.
async fn collect_environments(context: &Context) -> Result<u64, CollectError> {
    let Some(_quiet) = context.hosting().hold_turns() else {
        return Ok(0);
    };
    let apps = context.storage.scan(|tx| tx.apps().list()).await?;
    let mut used = HashSet::new();
    for app in apps {
        let id = app.id;
        let releases = context
            .storage
            .scan(move |tx| tx.releases().list(id))
            .await?;
        let startable = releases
            .iter()
            .filter(|release| release.state == ReleaseState::Ready);
        let plans = startable.filter_map(|release| Plan::parse(&release.plan));
        used.extend(plans.map(|plan| EnvironmentSpec::new(plan.python, plan.requirements).key));
    }
    let removed = context.hosting().environments.collect_garbage(&used);
    Ok(removed.await? as u64)
}
