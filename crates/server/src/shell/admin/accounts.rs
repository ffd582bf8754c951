//! Accounts: finding them, and what may be done with one.

use ::accounts::{Account, Actor, Role};
use axum::response::Response;
use http::StatusCode;
use ids::{AccountId, ApiKeyId, SessionId};
use serde::Deserialize;
use storage::Window;

use super::{administrator, fresh, head};
use crate::{
    Context, Error,
    actions::{
        accounts::{self as actions, UserChange},
        api_keys,
    },
    extract::{Caller, Path, Query},
    routes::Routes,
    shell::{
        form::Posted,
        page::Page,
        pages::{
            AccountRow, AdminAccount, AdminAccounts, AdminApiKey, AdminSession, AdminTab, Confirm,
        },
        ui::{Field, Kind, Person, Tone},
        visit::Visit,
    },
};

/// So many accounts are on a page.
const EACH: u32 = 25;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/admin/accounts", list)
        .get("/admin/accounts/{account}", show)
        .post("/admin/accounts/{account}/role", change_role)
        .get("/admin/accounts/{account}/disable", ask_disable)
        .post("/admin/accounts/{account}/disable", disable)
        .post("/admin/accounts/{account}/enable", enable)
        .get("/admin/accounts/{account}/sign-out", ask_sign_out)
        .post("/admin/accounts/{account}/sign-out", sign_out)
        .post(
            "/admin/accounts/{account}/sessions/{session}/end",
            end_session,
        )
        .post("/admin/accounts/{account}/keys/{key}/revoke", revoke_key)
        .get("/admin/accounts/{account}/delete", ask_delete)
        .post("/admin/accounts/{account}/delete", delete)
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

/// `GET /admin/accounts?q=&page=`.
async fn list(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    let caller = administrator(&visit)?;
    let text: String = wanted
        .q
        .trim()
        .chars()
        .filter(|c| *c != '\0')
        .take(200)
        .collect();
    let number = wanted.page.parse::<u32>().unwrap_or(1).clamp(1, 40_000);
    let skip = (number - 1) * EACH;
    let window = Window { skip, limit: EACH };
    let (people, count) = actions::list_users(&visit.context, &text, window).await?;
    let part = |number: u32| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", &text)
            .append_pair("page", &number.to_string())
            .finish();
        format!("/admin/accounts?{query}")
    };
    let has_more = u64::from(skip) + u64::from(EACH) < count;
    let page = visit.page();
    let page = AdminAccounts {
        head: head(caller, AdminTab::Accounts),
        accounts: people.iter().map(|account| row(&page, account)).collect(),
        before: (number > 1).then(|| part(number - 1)),
        next: has_more.then(|| part(number + 1)),
        wanted: text,
        count,
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

fn row(page: &Page, account: &Account) -> AccountRow {
    AccountRow {
        id: account.id.to_string(),
        person: Person {
            username: account.username.clone(),
            email: account.email.clone(),
            full_name: account.full_name.clone(),
        },
        role: account.role.to_string(),
        active: account.active,
        since: page.moment(account.created_at),
    }
}

/// The account that the path names.
async fn find(context: &Context, id: &str) -> Result<Account, Error> {
    let id = parse::<AccountId>(id)?;
    actions::find_user(context, id)
        .await?
        .ok_or_else(Error::not_found)
}

fn parse<T: std::str::FromStr>(id: &str) -> Result<T, Error> {
    id.parse().map_err(|_| Error::not_found())
}

/// `GET /admin/accounts/{account}`.
async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let caller = administrator(&visit)?;
    let (context, account) = (&visit.context, find(&visit.context, &id).await?);
    let actor = Actor::of(&caller.account);
    let is_managed = actor.manages(account.role);
    let page = visit.page();
    let sessions = if is_managed {
        actions::list_user_sessions(context, account.id).await?
    } else {
        Vec::new()
    };
    let sessions = sessions.into_iter().map(|session| AdminSession {
        id: session.id.to_string(),
        since: page.moment(session.created_at),
        last_seen: page.moment(session.last_seen_at),
        device: session.device,
    });
    let keys = if is_managed {
        api_keys::list_of(context, account.id).await?
    } else {
        Vec::new()
    };
    let now = context.now();
    let keys = keys.into_iter().map(|key| AdminApiKey {
        id: key.id.to_string(),
        state: if key.revoked_at.is_some() {
            "revoked"
        } else if key.expires_at <= now {
            "expired"
        } else {
            "active"
        },
        expires: page.moment(key.expires_at),
        last_used: key.last_used_at.map(|at| page.moment(at)),
        name: key.name,
    });
    let roles = Role::ALL.into_iter().filter(|role| actor.manages(*role));
    let page = AdminAccount {
        head: head(caller, AdminTab::Accounts),
        provider: account.provider.clone(),
        email_verified: account.email_verified,
        is_managed,
        roles: roles.map(Role::as_str).collect(),
        sessions: sessions.collect(),
        keys: keys.collect(),
        account: row(&page, &account),
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

fn home(id: &str) -> String {
    format!("/admin/accounts/{id}")
}

/// Does a deed and says so on the account's page; a refusal of the rules is said there too.
fn say(visit: &Visit, id: &str, done: Result<(), Error>, text: &str) -> Result<Response, Error> {
    match done {
        Ok(()) => Ok(visit.go_saying(&home(id), Tone::Good, text)),
        Err(error)
            if [
                "last_superuser_required",
                "owns_apps",
                "out_of_reach",
                "raises_own_role",
            ]
            .contains(&error.code) =>
        {
            Ok(visit.go_saying(&home(id), Tone::Bad, &error.message))
        }
        Err(error) => Err(error),
    }
}

/// `POST /admin/accounts/{account}/role`.
async fn change_role(
    Path(id): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let actor = acting(&visit)?;
    let role = fields
        .get("role")
        .parse()
        .map_err(|error| Error::field("role", error))?;
    let wanted = UserChange {
        role: Some(role),
        ..UserChange::default()
    };
    let done = actions::update_user(&visit.context, actor, parse(&id)?, wanted).await;
    let text = format!("The role is {role} now. Older access tokens are refused.");
    say(&visit, &id, done.map(drop), &text)
}

/// Somebody who looks after accounts and has proven lately who they are.
fn acting(visit: &Visit) -> Result<Actor, Error> {
    let caller: &Caller = fresh(visit, administrator(visit)?)?;
    Ok(Actor::of(&caller.account))
}

async fn set_active(visit: &Visit, id: &str, active: bool) -> Result<(), Error> {
    let actor = acting(visit)?;
    let wanted = UserChange {
        active: Some(active),
        ..UserChange::default()
    };
    let done = actions::update_user(&visit.context, actor, parse(id)?, wanted).await;
    done.map(drop)
}

/// `GET /admin/accounts/{account}/disable`.
async fn ask_disable(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    acting(&visit)?;
    let account = find(&visit.context, &id).await?;
    let text = "They are signed out everywhere at once and cannot sign in again until you enable the account.";
    Ok(ask(&visit, &account, "Disable", text, "disable", None))
}

/// `POST /admin/accounts/{account}/disable`.
async fn disable(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let done = set_active(&visit, &id, false).await;
    say(&visit, &id, done, "The account is disabled.")
}

/// `POST /admin/accounts/{account}/enable`.
async fn enable(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let done = set_active(&visit, &id, true).await;
    say(&visit, &id, done, "The account may be used again.")
}

/// `GET /admin/accounts/{account}/sign-out`.
async fn ask_sign_out(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    acting(&visit)?;
    let account = find(&visit.context, &id).await?;
    let text = "Every browser, app and command line of theirs has to sign in again.";
    Ok(ask(&visit, &account, "Sign out", text, "sign-out", None))
}

/// `POST /admin/accounts/{account}/sign-out`.
async fn sign_out(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let actor = acting(&visit)?;
    let done = actions::end_user_sessions(&visit.context, actor, parse(&id)?).await;
    say(&visit, &id, done, "They are signed out everywhere.")
}

/// `POST /admin/accounts/{account}/sessions/{session}/end`.
async fn end_session(
    Path((id, session)): Path<(String, String)>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let actor = acting(&visit)?;
    let session: SessionId = parse(&session)?;
    let done = actions::end_user_session(&visit.context, actor, session).await;
    say(&visit, &id, done, "The session is ended.")
}

/// `POST /admin/accounts/{account}/keys/{key}/revoke`.
async fn revoke_key(
    Path((id, key)): Path<(String, String)>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let actor = acting(&visit)?;
    let (account, key) = (find(&visit.context, &id).await?, parse::<ApiKeyId>(&key)?);
    let keys = api_keys::list_of(&visit.context, account.id).await?;
    if !actor.manages(account.role) || !keys.iter().any(|known| known.id == key) {
        return Err(Error::not_found());
    }
    let done = api_keys::revoke_any(&visit.context, key).await;
    say(&visit, &id, done, "The API key is revoked.")
}

/// `GET /admin/accounts/{account}/delete`.
async fn ask_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    acting(&visit)?;
    let account = find(&visit.context, &id).await?;
    let text = "Their sessions, API keys and places in apps go with the account. This cannot be taken back.";
    Ok(ask(
        &visit,
        &account,
        "Delete",
        text,
        "delete",
        Some(email_box(None)),
    ))
}

fn email_box(error: Option<String>) -> Field {
    Field::new(Kind::Text, "email", "Their email address")
        .hint("To be sure that it is this account.")
        .error(error)
}

/// `POST /admin/accounts/{account}/delete`.
async fn delete(
    Path(id): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let actor = acting(&visit)?;
    let account = find(&visit.context, &id).await?;
    if fields.get("email").trim().to_lowercase() != account.email {
        let text = "Their sessions, API keys and places in apps go with the account. This cannot be taken back.";
        let field = email_box(Some(format!("Write {}.", account.email)));
        let mut answer = ask(&visit, &account, "Delete", text, "delete", Some(field));
        *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(answer);
    }
    match actions::delete_account(&visit.context, actor, account.id).await {
        Ok(()) => {
            let text = format!("The account of {} is deleted.", account.email);
            Ok(visit.go_saying("/admin/accounts", Tone::Good, &text))
        }
        refused => say(&visit, &id, refused, ""),
    }
}

fn ask(
    visit: &Visit,
    account: &Account,
    verb: &str,
    text: &str,
    deed: &str,
    field: Option<Field>,
) -> Response {
    let back = home(&account.id.to_string());
    let page = Confirm {
        page: visit.page(),
        title: format!("{verb} {}?", account.username),
        text: vec![account.email.clone(), text.to_owned()],
        action: format!("{back}/{deed}"),
        hidden: vec![],
        field,
        button: format!("{verb} the account"),
        destroys: true,
        back,
    };
    visit.show(StatusCode::OK, &page)
}
