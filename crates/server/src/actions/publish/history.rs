//! An app's releases, as their owner sees them.

use std::collections::{HashMap, hash_map::Entry};

use apps::{App, Release, ReleaseState};
use protocol::control::VersionInfo;

use super::Plan;
use crate::Context;

/// The releases of an app, newest first.
pub async fn versions(context: &Context, app: &App) -> Result<Vec<VersionInfo>, storage::Error> {
    let id = app.id;
    let (releases, names) = context
        .storage
        .read(move |tx| -> Result<_, storage::Error> {
            let releases = tx.releases().list(id)?;
            let mut names = HashMap::new();
            for release in &releases {
                if let Entry::Vacant(place) = names.entry(release.created_by) {
                    let account = tx.accounts().find(release.created_by)?;
                    let gone = || "somebody who left".to_owned();
                    place.insert(account.map_or_else(gone, |account| account.username));
                }
            }
            Ok((releases, names))
        })
        .await?;
    let live = app.live_version;
    Ok(releases
        .into_iter()
        .map(|release| describe(&release, live, names[&release.created_by].clone()))
        .collect())
}

fn describe(release: &Release, live: Option<u32>, created_by: String) -> VersionInfo {
    let is_live = live == Some(release.version);
    let (state, failure) = match &release.state {
        ReleaseState::Publishing => ("publishing", None),
        ReleaseState::Ready => ("ready", None),
        ReleaseState::Failed { stage, message } => ("failed", Some(format!("{stage}: {message}"))),
        ReleaseState::Pruned => ("pruned", None),
    };
    VersionInfo {
        version: release.version,
        state: state.to_owned(),
        live: is_live,
        can_activate: !is_live && release.state == ReleaseState::Ready,
        failure,
        message: release.message.clone(),
        created_by,
        created_at: format!("{:.0}", release.created_at),
        activated_at: release.activated_at.map(|time| format!("{time:.0}")),
    }
}

/// What was found out about a release; `None` when there is no such release or it failed before that.
pub async fn plan_of(
    context: &Context,
    app: &App,
    version: u32,
) -> Result<Option<Plan>, storage::Error> {
    let id = app.id;
    let release = context
        .storage
        .read(move |tx| tx.releases().find(id, version))
        .await?;
    Ok(release.and_then(|release| Plan::parse(&release.plan)))
}
