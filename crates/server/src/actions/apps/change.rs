//! Changing an app's name and flags.

use std::sync::Arc;

use apps::{App, AppName, Newcomers};
use storage::EventKind;

use crate::{Context, Error, extract::OwnedApp};

/// What is to change; `None` stays as it is. The two flags are never derived from each other.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Display name.
    pub name: Option<String>,
    /// Listed on discovery pages.
    pub is_public: Option<bool>,
    /// A viewer is needed to open it.
    pub requires_auth: Option<bool>,
    /// What uninvited viewers get.
    pub newcomers: Option<Newcomers>,
}

/// Changes an app. The gate acts on it within a second, without another publish.
pub async fn change(
    context: &Context,
    owned: &OwnedApp,
    changes: Changes,
) -> Result<Arc<App>, Error> {
    let name = changes.name.as_deref().map(AppName::parse).transpose()?;
    let (id, now) = (owned.app.id, context.now());
    let changed = context.change(move |change| {
        let old = change.apps().find(id)?.ok_or_else(Error::not_found)?;
        let new = App {
            name: name
                .as_ref()
                .map_or_else(|| old.name.clone(), |name| name.as_str().to_owned()),
            is_public: changes.is_public.unwrap_or(old.is_public),
            requires_auth: changes.requires_auth.unwrap_or(old.requires_auth),
            newcomers: changes.newcomers.unwrap_or(old.newcomers),
            ..old.clone()
        };
        if new == old {
            return Ok(old);
        }
        let new = App {
            updated_at: now,
            ..new
        };
        change.apps().update(&new)?;
        if new.name != old.name {
            change.event(EventKind::AppRenamed, id)?;
        }
        let access = |app: &App| (app.is_public, app.requires_auth, app.newcomers);
        if access(&new) != access(&old) {
            change.event(EventKind::AppAccessChanged, id)?;
        }
        Ok(new)
    });
    changed.await.map(Arc::new)
}

/// Reads what newcomers get from its name on the wire.
pub fn newcomers(name: &str) -> Result<Newcomers, Error> {
    Newcomers::from_name(name)
        .ok_or_else(|| Error::bad_request("bad_newcomers", "Newcomers get `own_group` or `join`."))
}
