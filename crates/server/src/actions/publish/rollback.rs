//! Serving an earlier release again, and serving the same one anew.

use std::time::Instant;

use accounts::Account;
use apps::{App, Release, ReleaseState};
use ids::Slug;

use super::{ActivateError, PublishError, Report, activate};
use crate::{Context, hosting::Busy};

/// Why a rollback or restart did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// Something else is being done to the app.
    #[error(transparent)]
    Busy(#[from] PublishError),
    /// There is no earlier release to go to.
    #[error("there is no earlier version to roll back to")]
    NoEarlier,
    /// The named release cannot be served.
    #[error("v{0} cannot be rolled back to: it does not exist, failed, or its build was removed")]
    NotReady(u32),
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
        choose(releases, live, version)
    })
    .await
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

/// Chooses the release; the list has the newest first.
fn choose(
    releases: &[Release],
    live: Option<u32>,
    wanted: Option<u32>,
) -> Result<u32, RollbackError> {
    let mut ready = releases
        .iter()
        .filter(|release| release.state == ReleaseState::Ready)
        .map(|release| release.version);
    match wanted {
        Some(version) => ready
            .find(|ready| *ready == version)
            .ok_or(RollbackError::NotReady(version)),
        None => ready
            .find(|version| live.is_none_or(|live| *version < live))
            .ok_or(RollbackError::NoEarlier),
    }
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

#[cfg(test)]
mod tests {
    use ids::{AccountId, AppId};
    use jiff::Timestamp;

    use super::*;

    fn release(version: u32, state: ReleaseState) -> Release {
        Release {
            app: AppId::new(0, [0; 10]),
            version,
            state,
            source_digest: String::new(),
            plan: String::new(),
            message: None,
            created_by: AccountId::new(0, [0; 10]),
            created_at: Timestamp::UNIX_EPOCH,
            activated_at: None,
        }
    }

    fn history() -> Vec<Release> {
        let failed = ReleaseState::Failed {
            stage: "build".into(),
            message: String::new(),
        };
        vec![
            release(5, ReleaseState::Ready),
            release(4, failed),
            release(3, ReleaseState::Ready),
            release(2, ReleaseState::Ready),
            release(1, ReleaseState::Pruned),
        ]
    }

    #[test]
    fn without_a_number_it_goes_to_the_newest_good_release_before_the_live_one() {
        assert_eq!(choose(&history(), Some(5), None).unwrap(), 3);
        assert_eq!(choose(&history(), Some(3), None).unwrap(), 2);
        assert!(matches!(
            choose(&history(), Some(2), None),
            Err(RollbackError::NoEarlier)
        ));
    }

    #[test]
    fn a_named_release_must_be_good() {
        assert_eq!(choose(&history(), Some(3), Some(5)).unwrap(), 5);
        for version in [4, 1, 9] {
            assert!(
                matches!(choose(&history(), Some(5), Some(version)), Err(RollbackError::NotReady(v)) if v == version)
            );
        }
    }
}
