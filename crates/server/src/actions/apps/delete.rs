//! Taking an app away from everybody.

use storage::EventKind;

use crate::{
    Context, Error,
    actions::publish::{PublishError, take_turn},
    extract::OwnedApp,
};

/// Deletes an app. From now on it is not served and cannot be found; its process is stopped and its files are removed
/// in the background. Its stored data is erased, and its slug free again, after 7 days. Refused while it is being
/// published.
pub async fn delete(context: &Context, owned: &OwnedApp) -> Result<(), Error> {
    let (app, now) = (owned.app.id, context.now());
    let hosting = context.hosting.get();
    let turn = match hosting {
        Some(_) => Some(
            take_turn(context, &owned.owner.account, &owned.app.slug)
                .map_err(|busy: PublishError| Error::from(busy))?,
        ),
        // A single deed on a data directory: nothing runs here.
        None => None,
    };
    context
        .change(move |change| {
            change.apps().delete(app, now)?;
            change.event(EventKind::AppDeleted, app)
        })
        .await?;
    if turn.is_some() {
        let context = context.clone();
        tokio::spawn(async move { context.hosting().clear_away(app).await });
    }
    Ok(())
}
