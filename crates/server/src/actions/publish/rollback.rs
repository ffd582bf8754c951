//! Serving an earlier release again, and serving the same one anew.

use std::time::Instant;

use accounts::Account;
use apps::{App, Release, rollback_target};
use ids::Slug;

use super::{ActivateError, PublishError, Report, activate};
use crate::{Context, hosting::Busy};

/// Why a rollback or restart did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// Something else is being done to the app.
    #[error(transparent)]
    Busy(#[from] PublishError),
    /// There is no such release to go to.
    #[error(transparent)]
    Target(#[from] apps::RollbackError),
    /// The app was never published.
    #[error("this app has no live version yet; publish it first")]
    NeverPublished,
    /// It could not be started.
    #[error(transparent)]
    Activate(#[from] ActivateError),
    /// The records could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// What is served now.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// The release served before.
    pub previous: Option<u32>,
    /// The release served now.
    pub version: u32,
    /// How long it took.
    pub seconds: f64,
}

/// Serves an earlier release again: the named one, or the newest good one before the live one. Stored data stays.
pub async fn rollback(
    context: &Context,
    by: &Account,
    app: &App,
    version: Option<u32>,
) -> Result<Activation, RollbackError> {
    activation(context, by, app, |live, releases| {
        Ok(rollback_target(releases, live, version)?)
    })
    .await
}

/// Tells why a rollback could not be made, before it is asked for.
pub async fn check_rollback(
    context: &Context,
    app: &App,
    version: Option<u32>,
) -> Result<(), RollbackError> {
    let (id, live) = (app.id, app.live_version);
    let releases = context
        .storage
        .read(move |tx| tx.releases().list(id))
        .await?;
    Ok(rollback_target(&releases, live, version).map(drop)?)
}

/// Serves the live release with a new process.
pub async fn restart(
    context: &Context,
    by: &Account,
    app: &App,
) -> Result<Activation, RollbackError> {
    activation(context, by, app, |live, _| {
        live.ok_or(RollbackError::NeverPublished)
    })
    .await
}

async fn activation(
    context: &Context,
    by: &Account,
    app: &App,
    version: impl FnOnce(Option<u32>, &[Release]) -> Result<u32, RollbackError>,
) -> Result<Activation, RollbackError> {
    let begun = Instant::now();
    let _turn = take_turn(context, by, &app.slug)?;
    // Read in turn: a publish may have ended since the app was looked up.
    let id = app.id;
    let (app, releases) = context
        .storage
        .read(move |tx| -> Result<_, storage::Error> {
            Ok((tx.apps().find(id)?, tx.releases().list(id)?))
        })
        .await?;
    let app = app.ok_or(RollbackError::NeverPublished)?;
    let version = version(app.live_version, &releases)?;
    let (nobody, _) = tokio::sync::mpsc::unbounded_channel();
    let mut report = Report::new(context.clock.clone(), nobody);
    let previous = activate(context, &app, version, &mut report).await?;
    Ok(Activation {
        previous,
        version,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Takes the turn at an app for somebody who may change it.
pub(crate) fn take_turn(
    context: &Context,
    by: &Account,
    slug: &Slug,
) -> Result<crate::hosting::Turn, PublishError> {
    let busy = Busy {
        by: by.username.clone(),
        since: context.clock.now(),
    };
    context
        .hosting()
        .take_turn(slug, busy)
        .map_err(|Busy { by, since }| PublishError::Busy { by, since })
}
