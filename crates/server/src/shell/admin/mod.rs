//! The pages of those who look after the server: accounts for administrators, everything for superusers. Whoever is
//! neither is told that there is nothing here.

mod accounts;
mod keys;
mod services;

use ::accounts::Role;
use axum::response::Response;
use http::StatusCode;

use super::{
    pages::{Admin, AdminProviders, AdminTab, ProviderRow},
    visit::{Visit, go},
};
use crate::{Error, actions::accounts::require_recent_proof, extract::Caller, routes::Routes};

/// Everything below `/admin`.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/admin", home)
        .get("/admin/providers", providers)
        .merge(accounts::routes())
        .merge(services::routes())
        .merge(keys::routes())
}

/// The viewer, if they look after accounts.
fn administrator(visit: &Visit) -> Result<&Caller, Error> {
    let caller = visit.caller()?;
    if caller.account.role >= Role::Admin {
        Ok(caller)
    } else {
        Err(Error::not_found())
    }
}

/// The viewer, if they have the highest role.
fn superuser(visit: &Visit) -> Result<&Caller, Error> {
    let caller = visit.caller()?;
    if caller.account.role.is_superuser() {
        Ok(caller)
    } else {
        Err(Error::not_found())
    }
}

/// Refuses a viewer who has not proven lately who they are.
fn fresh<'v>(visit: &Visit, caller: &'v Caller) -> Result<&'v Caller, Error> {
    require_recent_proof(caller, visit.context.now())?;
    Ok(caller)
}

fn head(caller: &Caller, tab: AdminTab) -> Admin {
    Admin {
        tab,
        is_superuser: caller.account.role.is_superuser(),
    }
}

/// `GET /admin`.
async fn home(visit: Visit) -> Result<Response, Error> {
    administrator(&visit)?;
    Ok(go("/admin/accounts"))
}

/// `GET /admin/providers`.
async fn providers(visit: Visit) -> Result<Response, Error> {
    let caller = superuser(&visit)?;
    let origin = visit.context.config.shell_origin();
    let row = |provider: &crate::config::Provider| ProviderRow {
        name: provider.name.clone(),
        label: provider.definition.label.clone(),
        callback: format!("{origin}/signin/{}/callback", provider.name),
    };
    let page = AdminProviders {
        page: visit.page(),
        head: head(caller, AdminTab::Providers),
        providers: visit.context.config.providers.iter().map(row).collect(),
    };
    Ok(visit.show(StatusCode::OK, &page))
}
