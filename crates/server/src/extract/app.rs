//! The app that the path's `{slug}` names, for callers who may see it: the signature tells who may call.

use std::sync::Arc;

use apps::App;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::Caller;
use crate::{Context, Error, actions};

/// An app of the caller's own. Members get 403, everybody else 404.
#[derive(Debug, Clone)]
pub struct OwnedApp {
    /// The app.
    pub app: Arc<App>,
    /// Its owner.
    pub owner: Caller,
}

/// An app that the caller owns or is a member of. Everybody else gets 404.
#[derive(Debug, Clone)]
pub struct VisibleApp {
    /// The app.
    pub app: Arc<App>,
    /// Who sees it.
    pub caller: Caller,
}

impl FromRequestParts<Context> for OwnedApp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        let VisibleApp { app, caller } = VisibleApp::from_request_parts(parts, context).await?;
        if app.owner == caller.account.id {
            Ok(Self { app, owner: caller })
        } else {
            Err(Error::forbidden("Only the owner of the app may do that."))
        }
    }
}

impl FromRequestParts<Context> for VisibleApp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, context).await?;
        let variables = RawPathParams::from_request_parts(parts, context)
            .await
            .map_err(|_| Error::not_found())?;
        let slug = variables
            .iter()
            .find_map(|(name, value)| (name == "slug").then_some(value));
        let slug = slug
            .and_then(|slug| slug.parse().ok())
            .ok_or_else(Error::not_found)?;
        let app = actions::apps::find_visible(context, &caller, &slug)
            .await?
            .ok_or_else(Error::not_found)?;
        Ok(Self { app, caller })
    }
}
