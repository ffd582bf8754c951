//! The viewer's API keys: a list, making one, revoking one.

use accounts::api_key::{AccessMode, Standing, Wish};
use axum::response::Response;
use http::StatusCode;
use ids::ApiKeyId;

use super::{
    errors,
    form::{Fields, Posted},
    pages::{self, Account, AccountTab},
    ui::Tone,
    visit::Visit,
};
use crate::{
    Error,
    actions::{
        accounts::require_recent_proof,
        api_keys::{self as actions, Created},
    },
    extract::Path,
};

const LIST: &str = "/account/api-keys";
/// How long a key is good unless the person chooses otherwise.
const HOURS: i64 = 30 * 24;

/// `GET /account/api-keys`.
pub(super) async fn api_keys(visit: Visit) -> Result<Response, Error> {
    let page = list_page(&visit, None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

async fn list_page(visit: &Visit, fresh: Option<Created>) -> Result<pages::ApiKeys, Error> {
    let (page, now) = (visit.page(), visit.context.now());
    let keys = actions::list_mine(&visit.context, visit.caller()?).await?;
    let mut rows: Vec<_> = keys
        .into_iter()
        .map(|key| pages::ApiKeyRow {
            id: key.id.to_string(),
            standing: key.standing(now),
            may_write: key.access_mode == AccessMode::ReadWrite,
            since: page.moment(key.created_at),
            expires: page.moment(key.expires_at),
            last_used: key.last_used_at.map(|at| page.moment(at)),
            audiences: key.audiences,
            name: key.name,
        })
        .collect();
    rows.sort_by_key(|row| row.standing != Standing::Active);
    Ok(pages::ApiKeys {
        head: Account {
            tab: AccountTab::ApiKeys,
        },
        fresh: fresh.map(|made| pages::FreshApiKey {
            name: made.key.name,
            text: made.text.expose().clone(),
        }),
        keys: rows,
        page,
    })
}

/// `GET /account/api-keys/new`.
pub(super) async fn ask_new(visit: Visit) -> Result<Response, Error> {
    require_recent_proof(visit.caller()?, visit.context.now())?;
    let page = new_page(&visit, &Fields::default(), None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

async fn new_page(
    visit: &Visit,
    typed: &Fields,
    error: Option<&Error>,
) -> Result<pages::NewApiKey, Error> {
    let services = actions::services_for_keys(&visit.context).await?;
    let name = error.and_then(|error| errors::field(error, "name"));
    let message = error
        .filter(|_| name.is_none())
        .map(|error| error.message.to_string());
    Ok(pages::NewApiKey {
        page: visit.page(),
        head: Account {
            tab: AccountTab::ApiKeys,
        },
        form: pages::NewApiKey::form(typed.get("name"), name, message),
        hours: hours(typed),
        may_write: typed.get("access_mode") == AccessMode::ReadWrite.as_str(),
        services: services
            .into_iter()
            .map(|service| pages::KeyService {
                is_chosen: is_chosen(typed, &service.id),
                id: service.id,
                name: service.name,
            })
            .collect(),
    })
}

/// `POST /account/api-keys/new`.
pub(super) async fn make(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let caller = visit.caller()?;
    require_recent_proof(caller, visit.context.now())?;
    let services = actions::services_for_keys(&visit.context).await?;
    let wish = Wish {
        name: fields.filled("name").map(str::to_owned),
        hours: hours(&fields),
        access_mode: AccessMode::from_name(fields.get("access_mode")).unwrap_or_default(),
        audiences: services
            .into_iter()
            .map(|service| service.id)
            .filter(|id| is_chosen(&fields, id))
            .collect(),
    };
    match actions::create(&visit.context, caller, wish).await {
        Ok(made) => {
            let page = list_page(&visit, Some(made)).await?;
            Ok(visit.show(StatusCode::CREATED, &page))
        }
        Err(error) if errors::belongs_to_form(&error) || error.code == actions::TOO_MANY => {
            let page = new_page(&visit, &fields, Some(&error)).await?;
            Ok(visit.show(error.status, &page))
        }
        Err(error) => Err(error),
    }
}

fn hours(fields: &Fields) -> i64 {
    fields.get("hours").parse().unwrap_or(HOURS)
}

fn is_chosen(fields: &Fields, service: &str) -> bool {
    !fields.get(&format!("service:{service}")).is_empty()
}

/// `GET /account/api-keys/{key}/revoke`.
pub(super) async fn ask_revoke(visit: Visit, Path(key): Path<String>) -> Result<Response, Error> {
    let id: ApiKeyId = key.parse().map_err(|_| Error::not_found())?;
    let key = actions::find_mine(&visit.context, visit.caller()?, id).await?;
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Revoke {}?", key.name),
        text: vec![
            "Programs that use this key are refused from now on. This cannot be undone.".into(),
        ],
        action: format!("{LIST}/{id}/revoke"),
        hidden: vec![],
        field: None,
        button: "Revoke".into(),
        destroys: true,
        back: LIST.into(),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/api-keys/{key}/revoke`.
pub(super) async fn revoke(
    Path(key): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let id: ApiKeyId = key.parse().map_err(|_| Error::not_found())?;
    match actions::revoke_mine(&visit.context, visit.caller()?, id).await {
        Ok(()) => Ok(visit.go_saying(LIST, Tone::Good, "The key is revoked.")),
        // In another tab, say.
        Err(error) if error.code == actions::REVOKED => {
            Ok(visit.go_saying(LIST, Tone::Good, "The key was revoked before."))
        }
        Err(error) => Err(error),
    }
}
