//! Forgotten passwords, proofs of addresses and changes of them, for people; and waiting links for those who run the
//! server.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    errors,
    form::Posted,
    pages::{self, Account, AccountTab, Mailed, NoticeLink, ShownLink, WaitingLink},
    ui::{Copy, Form, Tone},
    visit::Visit,
};
use crate::{
    Error,
    actions::accounts::{self as actions, EmailChange},
    config::EmailVerification,
    extract::{Path, Query},
    routes::Routes,
};

#[derive(Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
}

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/forgot", forgot_page)
        .post("/forgot", forgot)
        .get("/reset", reset_page)
        .post("/reset", reset)
        .get("/verify", verify_page)
        .post("/verify", verify)
        .get("/verify/again", again_page)
        .post("/verify/again", again)
        .get("/email-change", change_page)
        .post("/email-change", change)
        .get("/email-change/undo", undo_page)
        .post("/email-change/undo", undo)
        .get("/account/email", email_page)
        .post("/account/email", change_email)
        .get("/admin/mail", mail_page)
        .post("/admin/mail/{id}", show_link)
}

/// `GET /forgot`.
async fn forgot_page(visit: Visit) -> Result<Response, Error> {
    require(actions::capabilities(&visit.context).password_reset)?;
    Ok(show(&visit, StatusCode::OK, &forgot_form(&visit, "", None)))
}

/// `POST /forgot`. The answer is the same whatever was typed.
async fn forgot(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let email = fields.get("email");
    match actions::request_password_reset(&visit.context, email, visit.peer).await {
        Ok(()) => Ok(check_mail(
            &visit,
            "If the address belongs to an account, a link to set a new password is on its way to it. It works once, within 30 minutes.",
        )),
        Err(error) if is_about_form(&error) => {
            let form = forgot_form(&visit, email, Some(error.message.to_string()));
            Ok(kept(show(&visit, error.status, &form), &error))
        }
        Err(error) => Err(error),
    }
}

fn forgot_form(visit: &Visit, typed: &str, error: Option<String>) -> Mailed {
    Mailed {
        page: visit.page(),
        title: "Forgot your password?".into(),
        text: vec![
            "Type the address of your account. A link to set a new password is sent to it.".into(),
        ],
        action: "/forgot",
        token: None,
        username: None,
        form: Mailed::address("email", "Email", typed, error),
        button: "Send the link",
        after: Some(NoticeLink::new("/signin", "Back to sign-in")),
    }
}

/// `GET /reset?token=`.
async fn reset_page(visit: Visit, Query(query): Query<Token>) -> Result<Response, Error> {
    match actions::is_password_reset_open(&visit.context, &query.token).await? {
        Some(username) => {
            let form = reset_form(&visit, query.token, username, None);
            Ok(show(&visit, StatusCode::OK, &form))
        }
        None => Ok(used_up(
            &visit,
            NoticeLink::new("/forgot", "Ask for another link"),
        )),
    }
}

/// `POST /reset`. Nobody is signed in by it: the account may ask for a second factor.
async fn reset(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let token = fields.get("token");
    let new = fields.secret("new_password");
    match actions::confirm_password_reset(&visit.context, token, new, visit.peer).await {
        Ok(()) => Ok(visit.go_signed_out(
            "/signin",
            "The password is set, and every session was signed out. Sign in with the new one.",
        )),
        Err(error) if error.code == "bad_field" => {
            let username = actions::is_password_reset_open(&visit.context, token).await?;
            let message = Some(error.message.to_string());
            let form = reset_form(
                &visit,
                token.to_owned(),
                username.unwrap_or_default(),
                message,
            );
            Ok(show(&visit, error.status, &form))
        }
        Err(error) if error.code == "challenge_invalid" => Ok(used_up(
            &visit,
            NoticeLink::new("/forgot", "Ask for another link"),
        )),
        Err(error) => Err(error),
    }
}

fn reset_form(visit: &Visit, token: String, username: String, error: Option<String>) -> Mailed {
    Mailed {
        page: visit.page(),
        title: "Set a new password".into(),
        text: vec![format!(
            "For the account {username}. Every session of it is signed out then."
        )],
        action: "/reset",
        token: Some(token),
        username: Some(username),
        form: Mailed::new_password(error),
        button: "Set the password",
        after: None,
    }
}

/// `GET /verify?token=`.
async fn verify_page(visit: Visit, Query(query): Query<Token>) -> Result<Response, Error> {
    match actions::find_verification(&visit.context, &query.token).await? {
        Some(email) => {
            let form = confirm(
                &visit,
                "Is this your address?",
                format!("Confirm that {email} is yours. Go on only if you asked for it."),
                "/verify",
                query.token,
                "Confirm the address",
            );
            Ok(show(&visit, StatusCode::OK, &form))
        }
        None => Ok(used_up(
            &visit,
            NoticeLink::new("/verify/again", "Ask for another link"),
        )),
    }
}

/// `POST /verify`.
async fn verify(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    match actions::confirm_email(&visit.context, fields.get("token"), visit.peer).await {
        Ok(proven) if proven.is_new => Ok(visit.go_saying(
            "/signin",
            Tone::Good,
            &format!(
                "The account {} is yours. Sign in with the password you chose.",
                proven.username
            ),
        )),
        Ok(proven) => {
            let to = if visit.find_caller().is_some() {
                "/account"
            } else {
                "/signin"
            };
            Ok(visit.go_saying(to, Tone::Good, &format!("{} is confirmed.", proven.email)))
        }
        Err(error) if error.code == "challenge_invalid" => Ok(used_up(
            &visit,
            NoticeLink::new("/verify/again", "Ask for another link"),
        )),
        Err(error) => Err(error),
    }
}

/// `GET /verify/again`.
async fn again_page(visit: Visit) -> Result<Response, Error> {
    let offered = actions::capabilities(&visit.context).email_verification;
    require(offered != EmailVerification::Off)?;
    let typed = visit
        .find_caller()
        .map_or("", |caller| caller.account.email.as_str());
    Ok(show(
        &visit,
        StatusCode::OK,
        &again_form(&visit, typed, None),
    ))
}

/// `POST /verify/again`. The answer is the same whatever was typed.
async fn again(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let email = fields.get("email");
    match actions::request_verification(&visit.context, email, visit.peer).await {
        Ok(()) => Ok(check_mail(
            &visit,
            "If the address waits to be confirmed, a link is on its way to it. It works once, within 24 hours.",
        )),
        Err(error) if is_about_form(&error) => {
            let form = again_form(&visit, email, Some(error.message.to_string()));
            Ok(kept(show(&visit, error.status, &form), &error))
        }
        Err(error) => Err(error),
    }
}

fn again_form(visit: &Visit, typed: &str, error: Option<String>) -> Mailed {
    Mailed {
        page: visit.page(),
        title: "Confirm your address".into(),
        text: vec![
            "Type the address you signed up with. A link to confirm it is sent to it.".into(),
        ],
        action: "/verify/again",
        token: None,
        username: None,
        form: Mailed::address("email", "Email", typed, error),
        button: "Send the link",
        after: Some(NoticeLink::new("/signin", "Back to sign-in")),
    }
}

/// `GET /email-change?token=`.
async fn change_page(visit: Visit, Query(query): Query<Token>) -> Result<Response, Error> {
    match actions::find_email_change(&visit.context, &query.token).await? {
        Some((email, username)) => {
            let form = confirm(
                &visit,
                "Use this address?",
                format!("The account {username} will have the address {email}."),
                "/email-change",
                query.token,
                "Use this address",
            );
            Ok(show(&visit, StatusCode::OK, &form))
        }
        None => Ok(used_up(
            &visit,
            NoticeLink::new("/account/email", "Change the address"),
        )),
    }
}

/// `POST /email-change`.
async fn change(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    match actions::confirm_email_change(&visit.context, fields.get("token"), visit.peer).await {
        Ok(account) => {
            let to = if visit.find_caller().is_some() {
                "/account"
            } else {
                "/signin"
            };
            Ok(visit.go_saying(
                to,
                Tone::Good,
                &format!(
                    "The address of {} is {} now.",
                    account.username, account.email
                ),
            ))
        }
        Err(error) if error.code == "challenge_invalid" => Ok(used_up(
            &visit,
            NoticeLink::new("/account/email", "Change the address"),
        )),
        Err(error) => Err(error),
    }
}

/// `GET /email-change/undo?token=`.
async fn undo_page(visit: Visit, Query(query): Query<Token>) -> Result<Response, Error> {
    match actions::find_undo(&visit.context, &query.token).await? {
        Some((email, username)) => {
            let form = confirm(
                &visit,
                "Take it back?",
                format!(
                    "The account {username} gets the address {email} again. Everybody is signed out of it, its password works no more, and you set a new one."
                ),
                "/email-change/undo",
                query.token,
                "Take it back",
            );
            Ok(show(&visit, StatusCode::OK, &form))
        }
        None => Ok(used_up(&visit, NoticeLink::new("/signin", "Sign in"))),
    }
}

/// `POST /email-change/undo`.
async fn undo(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    match actions::undo_email_change(&visit.context, fields.get("token"), visit.peer).await {
        Ok(token) => Ok(super::visit::go(&format!("/reset?token={token}"))),
        Err(error) if error.code == "challenge_invalid" => {
            Ok(used_up(&visit, NoticeLink::new("/signin", "Sign in")))
        }
        Err(error) => Err(error),
    }
}

/// `GET /account/email`.
async fn email_page(visit: Visit) -> Result<Response, Error> {
    actions::require_recent_proof(visit.caller()?, visit.context.now())?;
    let page = email_form(&visit, "", None)?;
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/email`.
async fn change_email(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let caller = visit.caller()?;
    actions::require_recent_proof(caller, visit.context.now())?;
    let new = fields.get("new_email");
    match actions::change_email(&visit.context, &caller.account, new, visit.peer).await {
        Ok(EmailChange::Same) => {
            Ok(visit.go_saying("/account", Tone::Good, "That is your address already."))
        }
        Ok(EmailChange::Mailed) => Ok(visit.go_saying(
            "/account",
            Tone::Good,
            "A link was sent to the new address. It counts once you open that, within an hour.",
        )),
        Ok(EmailChange::Changed(_)) => {
            Ok(visit.go_saying("/account", Tone::Good, "The address is changed."))
        }
        Err(error) if errors::belongs_to_form(&error) => {
            let page = email_form(&visit, new, Some(error.message.to_string()))?;
            Ok(kept(visit.show(error.status, &page), &error))
        }
        Err(error) => Err(error),
    }
}

fn email_form(
    visit: &Visit,
    typed: &str,
    error: Option<String>,
) -> Result<pages::EmailAddress, Error> {
    Ok(pages::EmailAddress {
        page: visit.page(),
        head: Account {
            tab: AccountTab::Profile,
        },
        email: visit.caller()?.account.email.clone(),
        confirms: actions::capabilities(&visit.context).email_change_confirmation,
        form: Mailed::address("new_email", "New email address", typed, error),
    })
}

/// `GET /admin/mail`, for superadmins; for others it does not exist.
async fn mail_page(visit: Visit) -> Result<Response, Error> {
    require_superadmin(&visit)?;
    waiting_links(&visit, None).await
}

/// `POST /admin/mail/{id}`: shows a link.
async fn show_link(
    Path(id): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    require_superadmin(&visit)?;
    let id: Uuid = id.parse().map_err(|_| Error::not_found())?;
    let caller = visit.caller()?.account.id.to_string();
    let waiting = actions::list_mailed_links(&visit.context).await?;
    let waiting = waiting.into_iter().find(|link| link.id == id);
    let email = waiting.ok_or_else(Error::not_found)?.email;
    let link = actions::show_mailed_link(&visit.context, id, &caller).await?;
    let shown = ShownLink {
        email,
        link: Copy::new(link, "link"),
    };
    waiting_links(&visit, Some(shown)).await
}

async fn waiting_links(visit: &Visit, shown: Option<ShownLink>) -> Result<Response, Error> {
    let page = visit.page();
    let links = actions::list_mailed_links(&visit.context).await?;
    let links = links.into_iter().map(|link| WaitingLink {
        id: link.id.to_string(),
        email: link.email,
        what: match link.kind.as_str() {
            "sign_up" => "New account",
            "verify_email" => "Address to confirm",
            "reset_password" => "New password",
            "change_email" => "Change of address",
            _ => "Change of address, to take it back",
        },
        asked: page.moment(link.created_at),
        until: page.moment(link.expires_at),
        attempts: link.attempts,
        problem: link.problem,
    });
    let mail = &visit.context.config.mail;
    let page = pages::Mail {
        host: mail.host.clone(),
        from: mail
            .from
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        shown,
        links: links.collect(),
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

fn require_superadmin(visit: &Visit) -> Result<(), Error> {
    require(visit.caller()?.account.role.is_superuser())
}

fn require(is_offered: bool) -> Result<(), Error> {
    if is_offered {
        Ok(())
    } else {
        Err(Error::not_found())
    }
}

/// A page whose button redeems a token.
fn confirm(
    visit: &Visit,
    title: &str,
    text: String,
    action: &'static str,
    token: String,
    button: &'static str,
) -> Mailed {
    Mailed {
        page: visit.page(),
        title: title.to_owned(),
        text: vec![text],
        action,
        token: Some(token),
        username: None,
        form: Form::new(Vec::new()),
        button,
        after: None,
    }
}

/// What everybody sees who asked for a mail.
pub(super) fn check_mail(visit: &Visit, text: &str) -> Response {
    let mut text = vec![text.to_owned()];
    if visit.context.config.mail.is_configured() {
        text.push("Nothing there after some minutes? Look among the unwanted mail.".to_owned());
    } else {
        text.push(
            "No mail server is set up here: ask the person who runs the server for the link."
                .to_owned(),
        );
    }
    let page = pages::Notice {
        page: visit.page(),
        title: "Check your mail".to_owned(),
        text,
        links: vec![NoticeLink::new("/signin", "Sign in")],
    };
    visit.show(StatusCode::OK, &page)
}

fn used_up(visit: &Visit, way_on: NoticeLink) -> Response {
    let page = pages::Notice {
        page: visit.page(),
        title: "This link is used up".to_owned(),
        text: vec!["It works once and for a while, and only the newest one does.".to_owned()],
        links: vec![way_on],
    };
    without_address(visit.show(StatusCode::GONE, &page))
}

fn show(visit: &Visit, status: StatusCode, page: &Mailed) -> Response {
    without_address(visit.show(status, page))
}

/// The page's address may hold a token, so no request that it leads to tells it. Not `no-referrer`: browsers then send
/// forms without their origin, too, and we take no form whose origin is not told.
fn without_address(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin"),
    );
    response
}

fn is_about_form(error: &Error) -> bool {
    matches!(error.code, "bad_field" | "rate_limited")
}

/// A form shown again keeps the headers of its error.
fn kept(mut response: Response, error: &Error) -> Response {
    if let Some(wait) = error.header(&header::RETRY_AFTER) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, wait.clone());
    }
    response
}
