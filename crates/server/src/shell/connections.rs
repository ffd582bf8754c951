//! The outside identities of the viewer's account: a list, connecting one, letting one go.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::{
    cookies::{self, JOINING_COOKIE, Kept},
    form::Posted,
    outside::{Came, send},
    pages::{self, Account, AccountTab, NoticeLink},
    ui::Tone,
    visit::{Visit, add_cookie},
};
use crate::{
    Error,
    actions::accounts::{outside, outside::Journey, require_recent_proof},
    extract::{Path, Query},
};

const LIST: &str = "/account/connections";

#[derive(Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    subject: String,
}

/// `GET /account/connections`.
pub(super) async fn connections(visit: Visit) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let page = visit.page();
    let connections = outside::connections(&visit.context, caller).await?;
    let row = |connection: outside::Connection| pages::ConnectionRow {
        provider: connection.provider,
        label: connection.label,
        is_offered: connection.is_offered,
        identity: connection.identity.map(|identity| pages::IdentityRow {
            email: identity.email.unwrap_or_default(),
            since: page.moment(identity.created_at),
            last_used: page.moment(identity.last_used_at),
            subject: identity.subject,
        }),
    };
    let page = pages::Connections {
        connections: connections.into_iter().map(row).collect(),
        head: Account {
            tab: AccountTab::Connections,
        },
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `GET /account/connections/{provider}/connect`. What comes back is confirmed before it is joined, so that a link to
/// here does nothing by itself.
pub(super) async fn connect(
    visit: Visit,
    came: Came,
    Path(provider): Path<String>,
) -> Result<Response, Error> {
    let caller = visit.caller()?;
    require_recent_proof(caller, visit.context.now())?;
    let journey = Journey::Join {
        account: caller.account.id,
        session: caller.session.id,
    };
    send(&visit, &came, &provider, journey).await
}

/// `GET /account/connections/finish`.
pub(super) async fn ask_finish(visit: Visit, came: Came) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let token = came.joining().unwrap_or_default();
    let Some(waiting) = outside::waiting(&visit.context, caller, token).await? else {
        return Ok(nothing_waits(&visit));
    };
    if !waiting.is_callers {
        let page = pages::Notice {
            page: visit.page(),
            title: format!("{} belongs to another account", waiting.label),
            text: vec![format!(
                "The account here with the address {} is not the one you are signed in to. Sign out, then sign in to that one.",
                waiting.email
            )],
            links: vec![
                NoticeLink::new("/signout", "Sign out"),
                NoticeLink::new(LIST, "Leave it"),
            ],
        };
        return Ok(visit.show(StatusCode::FORBIDDEN, &page));
    }
    require_recent_proof(caller, visit.context.now())?;
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Connect {}?", waiting.label),
        text: vec![format!(
            "Whoever signs in to {} as {} comes into this account from then on.",
            waiting.label, waiting.email
        )],
        action: "/account/connections/finish".into(),
        hidden: vec![],
        field: None,
        button: format!("Connect {}", waiting.label),
        destroys: false,
        back: LIST.into(),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/connections/finish`.
pub(super) async fn finish(came: Came, Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let token = came.joining().unwrap_or_default();
    outside::join(&visit.context, visit.caller()?, token).await?;
    let mut response =
        visit.go_saying(LIST, Tone::Good, "Connected. You can sign in that way now.");
    add_cookie(
        &mut response,
        cookies::set(&visit.context.config, JOINING_COOKIE, "", Kept::Not),
    );
    Ok(response)
}

/// `GET /account/connections/{provider}/disconnect?subject=`.
pub(super) async fn ask_disconnect(
    visit: Visit,
    Path(provider): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Result<Response, Error> {
    let caller = visit.caller()?;
    require_recent_proof(caller, visit.context.now())?;
    let connections = outside::connections(&visit.context, caller).await?;
    let connection = connections.into_iter().find(|connection| {
        let subject = connection
            .identity
            .as_ref()
            .map(|identity| &identity.subject);
        connection.provider == provider && subject == Some(&chosen.subject)
    });
    let label = connection.ok_or_else(Error::not_found)?.label;
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Disconnect {label}?"),
        text: vec![format!(
            "You will not be able to sign in by {label} any more. Where you are signed in, you stay signed in."
        )],
        action: format!("{LIST}/{provider}/disconnect"),
        hidden: vec![("subject", chosen.subject)],
        field: None,
        button: format!("Disconnect {label}"),
        destroys: true,
        back: LIST.into(),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/connections/{provider}/disconnect`.
pub(super) async fn disconnect(
    Path(provider): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let caller = visit.caller()?;
    outside::unlink(&visit.context, caller, &provider, fields.get("subject")).await?;
    Ok(visit.go_saying(LIST, Tone::Good, "Disconnected."))
}

fn nothing_waits(visit: &Visit) -> Response {
    let page = pages::Notice {
        page: visit.page(),
        title: "Nothing waits to be connected".into(),
        text: vec!["It may have been connected already, or taken too long.".into()],
        links: vec![NoticeLink::new(LIST, "My connections")],
    };
    visit.show(StatusCode::GONE, &page)
}
