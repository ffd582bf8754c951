//! The releases of one app: which can be gone back to, which make room, and what a crash leaves.

use std::cmp::Reverse;

use crate::{Release, ReleaseState};

/// Why there is nothing to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// No earlier release is ready.
    #[error("there is no earlier version to roll back to")]
    NoEarlier,
    /// There never was such a release.
    #[error("there is no version {0}")]
    Unknown(u32),
    /// It is being served.
    #[error("version {0} is live already")]
    Live(u32),
    /// It did not come through the pipeline.
    #[error("version {0} was never ready, so it cannot be served")]
    NeverReady(u32),
    /// Its build was removed to make room.
    #[error("the build of version {0} was removed to make room; publish its source again")]
    Pruned(u32),
}

/// The release to go back to: the wanted one, or without a wish the newest ready one before the live one.
pub fn rollback_target(
    releases: &[Release],
    live: Option<u32>,
    wanted: Option<u32>,
) -> Result<u32, RollbackError> {
    let Some(wanted) = wanted else {
        return releases
            .iter()
            .filter(|release| release.state == ReleaseState::Ready)
            .map(|release| release.version)
            .filter(|version| live.is_none_or(|live| *version < live))
            .max()
            .ok_or(RollbackError::NoEarlier);
    };
    let release = releases
        .iter()
        .find(|release| release.version == wanted)
        .ok_or(RollbackError::Unknown(wanted))?;
    match &release.state {
        ReleaseState::Ready if live == Some(wanted) => Err(RollbackError::Live(wanted)),
        ReleaseState::Ready => Ok(wanted),
        ReleaseState::Pruned => Err(RollbackError::Pruned(wanted)),
        ReleaseState::Publishing | ReleaseState::Failed { .. } => {
            Err(RollbackError::NeverReady(wanted))
        }
    }
}

/// The releases whose builds are removed to make room: ready ones beyond the `kept` that were live or made last. The
/// live one is never among them.
pub fn outdated(releases: &[Release], live: Option<u32>, kept: usize) -> Vec<u32> {
    let mut ready: Vec<_> = releases
        .iter()
        .filter(|release| release.state == ReleaseState::Ready)
        .collect();
    ready.sort_by_key(|release| {
        let last_used = release.activated_at.max(Some(release.created_at));
        Reverse((live == Some(release.version), last_used, release.version))
    });
    ready
        .into_iter()
        .skip(kept.max(1))
        .map(|release| release.version)
        .collect()
}

/// What becomes of a release that is found when the server starts: one that was on its way when it stopped has failed.
/// `None` for one that stays as it is.
pub fn interrupted(release: &Release) -> Option<ReleaseState> {
    (release.state == ReleaseState::Publishing).then(|| ReleaseState::Failed {
        stage: "interrupted".to_owned(),
        message: "The server stopped while this version was being published; publish it again."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use ids::AppId;
    use proptest::prelude::*;

    use super::*;
    use crate::access::tests::{account, at};

    fn release(version: u32, state: ReleaseState) -> Release {
        Release {
            app: AppId::new(1, [1; 10]),
            version,
            state,
            source_digest: String::new(),
            plan: String::new(),
            message: None,
            created_by: account(0),
            created_at: at(version.into()),
            activated_at: None,
        }
    }

    fn failed() -> ReleaseState {
        ReleaseState::Failed {
            stage: "build".into(),
            message: "it broke".into(),
        }
    }

    fn history() -> Vec<Release> {
        let states = [
            ReleaseState::Pruned,
            ReleaseState::Ready,
            failed(),
            ReleaseState::Ready,
            ReleaseState::Publishing,
        ];
        (1..)
            .zip(states)
            .map(|(version, state)| release(version, state))
            .collect()
    }

    #[test]
    fn without_a_wish_the_newest_ready_release_before_the_live_one_is_served() {
        assert_eq!(rollback_target(&history(), Some(4), None), Ok(2));
        assert_eq!(
            rollback_target(&history(), Some(2), None),
            Err(RollbackError::NoEarlier)
        );
        assert_eq!(rollback_target(&history(), None, None), Ok(4));
        assert_eq!(
            rollback_target(&[], None, None),
            Err(RollbackError::NoEarlier)
        );
    }

    #[test]
    fn a_wish_is_refused_with_its_reason() {
        let to = |version| rollback_target(&history(), Some(4), Some(version));
        assert_eq!(to(1), Err(RollbackError::Pruned(1)));
        assert_eq!(to(2), Ok(2));
        assert_eq!(to(3), Err(RollbackError::NeverReady(3)));
        assert_eq!(to(4), Err(RollbackError::Live(4)));
        assert_eq!(to(5), Err(RollbackError::NeverReady(5)));
        assert_eq!(to(6), Err(RollbackError::Unknown(6)));
        // Forward again, after a rollback.
        assert_eq!(rollback_target(&history(), Some(2), Some(4)), Ok(4));
    }

    #[test]
    fn a_release_that_was_on_its_way_when_the_server_stopped_has_failed() {
        let becomes: Vec<_> = history().iter().map(interrupted).collect();
        assert!(matches!(becomes[4], Some(ReleaseState::Failed { .. })));
        assert!(becomes[..4].iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn at_most_ten_are_kept_and_the_live_one_is_among_them(
            ready in prop::collection::vec(any::<bool>(), 0..40), pick: prop::sample::Index,
        ) {
            let releases: Vec<_> = (1..)
                .zip(&ready)
                .map(|(version, ready)| release(version, if *ready { ReleaseState::Ready } else { failed() }))
                .collect();
            let good: Vec<_> = (1..).zip(&ready).filter(|(_, ready)| **ready).map(|(version, _)| version).collect();
            let live = (!good.is_empty()).then(|| good[pick.index(good.len())]);
            let removed = outdated(&releases, live, 10);
            prop_assert_eq!(removed.len(), good.len().saturating_sub(10));
            prop_assert!(removed.iter().all(|version| good.contains(version) && Some(*version) != live));
        }
    }
}
