//! Bringing apps back when the server starts, and tidying up after one that was killed.

use apps::interrupted;
use futures_util::{StreamExt as _, stream};
use ids::AppId;
use runtime::AppRuntime as _;
use tokio::sync::mpsc;

use super::{Report, activate};
use crate::{Context, actions::housekeeping::purge_deleted, error::Chain, hosting::Busy};

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
    purge_deleted(context).await.map(drop)
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
