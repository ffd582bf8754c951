//! Finding an app for somebody who may see it.

use std::sync::Arc;

use apps::App;
use ids::Slug;

use crate::{Context, Error, extract::Caller};

/// The app of this slug, if the caller owns it or is a member. To everybody else it does not exist.
pub async fn find_visible(
    context: &Context,
    caller: &Caller,
    slug: &Slug,
) -> Result<Option<Arc<App>>, Error> {
    let Some(app) = context.app_by_slug(slug).await? else {
        return Ok(None);
    };
    let visible = app.owner == caller.account.id
        || context.member(app.id, caller.account.id).await?.is_some();
    Ok(visible.then_some(app))
}
