//! Bringing apps back when the server starts, and tidying up after one that was killed.

use std::time::Duration;

use apps::interrupted;
use futures_util::{StreamExt as _, stream};
use ids::AppId;
use jiff::SignedDuration;
use runtime::AppRuntime as _;
use tokio::sync::mpsc;

use super::{Report, activate};
use crate::{Context, error::Chain, hosting::Busy};

/// How long a deleted app's data is kept, and its slug held.
const KEPT_AFTER_DELETION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Deleted apps erased in one transaction.
const PURGED_AT_ONCE: u32 = 20;
/// How often it is looked for apps to erase.
const HOUSEKEEPING: Duration = Duration::from_hours(1);
/// Apps started at a time: more would only make each slower.
const AT_ONCE: usize = 4;

/// Tidies up after a server that was killed: to be called before anybody can publish.
pub async fn recover(context: &Context) -> Result<(), storage::Error> {
    for (app, version) in note_interrupted(context).await? {
        let folder = context.hosting().release(app, version);
        folder.keep_logs_only().await;
    }
    let incoming = context.hosting().incoming();
    drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(incoming)).await);
    purge_deleted(context).await
}

/// Erases what is left of apps that were deleted long enough ago.
async fn purge_deleted(context: &Context) -> Result<(), storage::Error> {
    let before = context.now() - KEPT_AFTER_DELETION;
    loop {
        let purged = context
            .storage
            .write(move |tx| tx.apps().purge_deleted(before, PURGED_AT_ONCE))
            .await?;
        for app in &purged {
            context.hosting().clear_away(*app).await;
        }
        if purged.is_empty() {
            return Ok(());
        }
    }
}

/// Erases deleted apps when their time has come, for as long as the server runs.
pub async fn keep_house(context: Context) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HOUSEKEEPING) => {}
            () = context.stopping.cancelled() => return,
        }
        if let Err(error) = purge_deleted(&context).await {
            tracing::warn!(error = %Chain(&error), "deleted apps could not be erased");
        }
    }
}

/// Starts the live release of every app. One that does not come up is logged and left out; the others go on.
pub async fn boot(context: &Context) {
    let apps = match context.storage.scan(|tx| tx.apps().list()).await {
        Ok(apps) => apps,
        Err(error) => {
            return tracing::error!(error = %Chain(&error), "the apps could not be listed");
        }
    };
    stream::iter(apps)
        .for_each_concurrent(AT_ONCE, |app| async move {
            let Some(version) = app.live_version else { return };
            let busy = Busy { by: Busy::SERVER.to_owned(), since: context.clock.now() };
            let Ok(_turn) = context.hosting().take_turn(&app.slug, busy) else { return };
            if context.hosting().runtime.find_live(app.id).is_some() || context.stopping.is_cancelled() {
                return;
            }
            let (nobody, _) = mpsc::unbounded_channel();
            let mut report = Report::new(context.clock.clone(), nobody);
            match activate(context, &app, version, &mut report).await {
                Ok(_) => tracing::info!(app = %app.slug, version, "app is back"),
                Err(error) => tracing::error!(app = %app.slug, version, error = %Chain(&error), "app did not come back"),
            }
        })
        .await;
}

/// Publishes that were under way when the server ended have failed.
async fn note_interrupted(context: &Context) -> Result<Vec<(AppId, u32)>, storage::Error> {
    context
        .storage
        .write(|tx| -> Result<Vec<_>, storage::Error> {
            let mut failed = Vec::new();
            for release in tx.releases().list_publishing()? {
                if let Some(state) = interrupted(&release) {
                    tx.releases()
                        .update_state(release.app, release.version, &state)?;
                    failed.push((release.app, release.version));
                }
            }
            Ok(failed)
        })
        .await
}
