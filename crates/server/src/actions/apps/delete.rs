//! Taking an app away from everybody.

use storage::EventKind;

use crate::{Context, Error, extract::OwnedApp};

/// Deletes an app. It is refused from now on; its process and its data are cleared away in the background.
pub async fn delete(context: &Context, owned: &OwnedApp) -> Result<(), Error> {
    let (app, now) = (owned.app.id, context.now());
    context
        .change(move |change| {
            change.apps().delete(app, now)?;
            change.event(EventKind::AppDeleted, app)
        })
        .await
}
