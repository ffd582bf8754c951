//! Finding an app for somebody who may see it.

use std::sync::Arc;

use apps::{Access, App};
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
    let account = caller.account.id;
    let member = context.member(app.id, account).await?;
    let access = apps::access(&app, Some((account, member.as_deref())));
    Ok(matches!(access, Access::Open(_)).then_some(app))
}
