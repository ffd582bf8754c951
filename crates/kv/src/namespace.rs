//! Where a key lives within one app, once the caller's lane has been resolved.

use ids::{AccountId, GroupId};

/// The resolved home of a key within one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// Keys of one viewer, hidden from everybody else, the owner included.
    Personal(AccountId),
    /// Keys of one share group.
    Shared(GroupId),
    /// Keys that everyone who may open the app can read.
    Public,
    /// Keys of the app's own code when no viewer is present.
    Server,
}
