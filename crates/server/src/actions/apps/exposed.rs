//! What opening an app's gate would show to everyone.

use kv::Namespace;

use crate::{Context, Error, extract::OwnedApp};

/// How many `shared:` keys the app's default group has: those are read by visitors without sign-in once the gate is
/// open. Counts to ten thousand at most.
pub async fn count_shared_keys(context: &Context, owned: &OwnedApp) -> Result<usize, Error> {
    let (app, group) = (owned.app.id, owned.app.default_group);
    context
        .storage
        .scan(move |tx| {
            Ok(tx
                .kv()
                .list(app, Namespace::Shared(group), "", 10_000)?
                .len())
        })
        .await
}
