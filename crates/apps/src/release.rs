//! The release record: one immutable publish of an app.

use ids::{AccountId, AppId};
use jiff::Timestamp;

/// One publish. Immutable but for its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Which app.
    pub app: AppId,
    /// 1, 2, 3, … within the app.
    pub version: u32,
    /// How far it came.
    pub state: ReleaseState,
    /// SHA-256 of the uploaded tree, in hex: equal trees need no new release.
    pub source_digest: String,
    /// What was found and how it starts, as the JSON document that `server` defines.
    pub plan: String,
    /// The publisher's note; at most 500 characters.
    pub message: Option<String>,
    /// Who published.
    pub created_by: AccountId,
    /// When the publish began.
    pub created_at: Timestamp,
    /// When it was last made live; `None` if never.
    pub activated_at: Option<Timestamp>,
}

/// How far a release came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    /// On its way through the pipeline.
    Publishing,
    /// Built and verified; it can be served.
    Ready,
    /// Stopped at a stage.
    Failed {
        /// The stage's name, for example `build`.
        stage: String,
        /// What the person is told.
        message: String,
    },
    /// Was ready once; its build was removed to make room, so it can no longer be rolled back to.
    Pruned,
}
