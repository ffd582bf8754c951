//! The viewer's own account: name, password, sessions, and letting a command line in.

use accounts::SessionOrigin;
use axum::response::Response;
use http::StatusCode;
use ids::SessionId;

use super::{
    errors,
    form::Posted,
    pages::{self, Account, AccountTab, NoticeLink},
    ui::{Person, Tone},
    visit::Visit,
};
use crate::{
    Error,
    actions::{accounts as actions, accounts::cli_login},
    config::EmailVerification,
    extract::Path,
};

/// `GET /account`.
pub(super) async fn profile(visit: Visit) -> Result<Response, Error> {
    let page = profile_page(&visit, None)?;
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account`.
pub(super) async fn change_profile(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let name = fields.filled("full_name").map(str::to_owned);
    match actions::change_full_name(&visit.context, caller, name).await {
        Ok(()) => Ok(visit.go_saying("/account", Tone::Good, "Saved.")),
        Err(error) if errors::belongs_to_form(&error) => {
            let page = profile_page(
                &visit,
                Some((fields.get("full_name"), error.message.to_string())),
            )?;
            Ok(visit.show(error.status, &page))
        }
        Err(error) => Err(error),
    }
}

fn profile_page(visit: &Visit, failed: Option<(&str, String)>) -> Result<pages::Profile, Error> {
    let account = &visit.caller()?.account;
    let page = visit.page();
    let form = match failed {
        Some((typed, error)) => pages::Profile::form(typed, Some(error)),
        None => pages::Profile::form(account.full_name.as_deref().unwrap_or_default(), None),
    };
    Ok(pages::Profile {
        head: Account {
            tab: AccountTab::Profile,
        },
        form,
        email: account.email.clone(),
        email_verified: account.email_verified,
        can_confirm: !account.email_verified
            && visit.context.config.accounts.email_verification != EmailVerification::Off,
        username: account.username.clone(),
        role: account.role.to_string(),
        since: page.moment(account.created_at),
        page,
    })
}

/// `GET /account/password`.
pub(super) async fn password(visit: Visit) -> Result<Response, Error> {
    let page = password_page(&visit, None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/password`.
pub(super) async fn change_password(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let (current, new) = (
        fields.secret("current_password"),
        fields.secret("new_password"),
    );
    let changed = if has_password(&visit).await? {
        actions::change_password(&visit.context, caller, &current, new).await
    } else {
        actions::set_first_password(&visit.context, caller, new).await
    };
    match changed {
        Ok(()) => Ok(visit.go_saying(
            "/account/password",
            Tone::Good,
            "The password is changed. Your other sessions are signed out.",
        )),
        Err(error)
            if errors::belongs_to_form(&error)
                && error.status != StatusCode::TOO_MANY_REQUESTS
                && error.code != actions::RECENT_PROOF_REQUIRED =>
        {
            let page = password_page(&visit, Some(&error)).await?;
            Ok(visit.show(error.status, &page))
        }
        Err(error) => Err(error),
    }
}

/// Whether the viewer's account has a password; one that came by an outside provider may have none.
async fn has_password(visit: &Visit) -> Result<bool, Error> {
    let factors = actions::factors::factors(&visit.context, visit.caller()?).await?;
    Ok(factors.password)
}

async fn password_page(visit: &Visit, error: Option<&Error>) -> Result<pages::Password, Error> {
    let has_password = has_password(visit).await?;
    let username = visit.caller()?.account.username.clone();
    let current = error.and_then(|error| errors::field(error, "current_password"));
    let new = error
        .filter(|_| current.is_none())
        .map(|error| error.message.to_string());
    Ok(pages::Password {
        page: visit.page(),
        head: Account {
            tab: AccountTab::Security,
        },
        form: pages::Password::form(has_password, current, new),
        username,
    })
}

/// `GET /account/sessions`.
pub(super) async fn sessions(visit: Visit) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let page = visit.page();
    let mut sessions: Vec<_> = actions::list_sessions(&visit.context, caller)
        .await?
        .into_iter()
        .map(|session| pages::SessionRow {
            id: session.id.to_string(),
            is_cli: session.created_by == SessionOrigin::Cli,
            since: page.moment(session.created_at),
            last_seen: page.moment(session.last_seen_at),
            current: session.id == caller.session.id,
            device: session.device,
        })
        .collect();
    sessions.sort_by_key(|session| !session.current);
    let stolen = actions::list_stolen_sessions(&visit.context, caller).await?;
    let stolen = stolen.into_iter().map(|session| pages::StolenRow {
        ended: page.moment(session.ended.map_or(session.last_seen_at, |ended| ended.at)),
        device: session.device,
    });
    let page = pages::Sessions {
        stolen: stolen.collect(),
        page,
        head: Account {
            tab: AccountTab::Sessions,
        },
        sessions,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/sessions/{session}/end`.
pub(super) async fn end_session(
    Path(session): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let session: SessionId = session.parse().map_err(|_| Error::not_found())?;
    actions::end_session(&visit.context, visit.caller()?, session).await?;
    Ok(visit.go_saying(
        "/account/sessions",
        Tone::Good,
        "That session is signed out.",
    ))
}

/// `GET /account/sessions/end-all`.
pub(super) async fn ask_end_all(visit: Visit) -> Result<Response, Error> {
    visit.caller()?;
    let page = pages::Confirm {
        page: visit.page(),
        title: "Sign out everywhere?".into(),
        text: vec!["Every browser and command line that is signed in as you has to sign in again, this one too.".into()],
        action: "/account/sessions/end-all".into(),
        hidden: vec![],
        field: None,
        button: "Sign out everywhere".into(),
        destroys: true,
        back: "/account/sessions".into(),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/sessions/end-all`.
pub(super) async fn end_all(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    actions::sign_out_everywhere(&visit.context, visit.caller()?).await?;
    Ok(visit.go_signed_out("/signin", "You are signed out everywhere."))
}

/// `GET /cli-login/{request}`.
pub(super) async fn cli_login(
    visit: Visit,
    Path(request): Path<String>,
) -> Result<Response, Error> {
    let account = &visit.caller()?.account;
    let asked = cli_login::find(&visit.context, &request)?;
    let page = visit.page();
    let page = pages::CliLogin {
        request,
        code: asked.code,
        device: asked.device,
        asked: page.moment(asked.expires_at - cli_login::LIFETIME),
        account: Person {
            username: account.username.clone(),
            email: account.email.clone(),
            full_name: account.full_name.clone(),
        },
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /cli-login/{request}`.
pub(super) async fn decide_cli_login(
    Path(request): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let caller = visit.caller()?;
    let (title, text) = if fields.get("decision") == "approve" {
        cli_login::approve(&visit.context, caller, &request).await?;
        (
            "It is in",
            "Go back to the terminal; it goes on by itself. You find it among your sessions.",
        )
    } else {
        cli_login::deny(&visit.context, caller, &request).await?;
        (
            "Turned away",
            "The command line was not signed in. If you did not start it, nothing more is to be done.",
        )
    };
    let page = pages::Notice {
        page: visit.page(),
        title: title.into(),
        text: vec![text.into()],
        links: vec![
            NoticeLink::new("/", "All my apps"),
            NoticeLink::new("/account/sessions", "My sessions"),
        ],
    };
    Ok(visit.show(StatusCode::OK, &page))
}
