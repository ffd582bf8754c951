//! Signing keys: which there are, and the next one.

use axum::response::Response;
use http::StatusCode;
use token::rotation::KeyState;

use super::{fresh, head, superuser};
use crate::{
    Error,
    actions::signing_keys::{self, Listed},
    routes::Routes,
    shell::{
        form::Posted,
        page::Page,
        pages::{AdminKeys, AdminTab, KeyRow},
        ui::Tone,
        visit::Visit,
    },
};

const HOME: &str = "/admin/keys";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/admin/keys", list)
        .post("/admin/keys/plan", plan)
        .post("/admin/keys/rotate", rotate)
}

/// `GET /admin/keys`.
async fn list(visit: Visit) -> Result<Response, Error> {
    let caller = superuser(&visit)?;
    let mut keys = signing_keys::list(&visit.context).await?;
    keys.sort_by_key(|key| match key.life.state {
        KeyState::Current => 0,
        KeyState::Next => 1,
        KeyState::Retired => 2,
    });
    let now = visit.context.now();
    let next = keys.iter().find(|key| key.life.state == KeyState::Next);
    let (has_next, may_rotate) = (
        next.is_some(),
        next.is_some_and(|key| key.may_sign_from.is_some_and(|from| from <= now)),
    );
    let page = visit.page();
    let page = AdminKeys {
        head: head(caller, AdminTab::Keys),
        keys: keys.iter().map(|key| row(&page, key)).collect(),
        has_next,
        may_rotate,
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

fn row(page: &Page, key: &Listed) -> KeyRow {
    KeyRow {
        kid: key.life.kid.clone(),
        algorithm: key.life.algorithm.as_str().to_owned(),
        state: key.life.state.as_str(),
        made: page.moment(key.life.created_at),
        current: key.life.current_at.map(|at| page.moment(at)),
        may_sign: key.may_sign_from.map(|at| page.moment(at)),
        gone: key.gone_from.map(|at| page.moment(at)),
    }
}

/// `POST /admin/keys/plan`.
async fn plan(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let done = signing_keys::plan(&visit.context, true).await;
    say(
        &visit,
        done,
        "A key is published. It signs by itself as soon as every service can know it.",
    )
}

/// `POST /admin/keys/rotate`.
async fn rotate(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let done = signing_keys::rotate(&visit.context).await;
    say(
        &visit,
        done,
        "The next key signs from now on. The one before verifies until its last token has expired.",
    )
}

fn say(visit: &Visit, done: Result<Listed, Error>, text: &str) -> Result<Response, Error> {
    match done {
        Ok(_) => Ok(visit.go_saying(HOME, Tone::Good, text)),
        Err(error) if error.status == StatusCode::CONFLICT => {
            Ok(visit.go_saying(HOME, Tone::Bad, &error.message))
        }
        Err(error) => Err(error),
    }
}
