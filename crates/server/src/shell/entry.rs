//! Coming in and going out: setup, sign-up, sign-in, one-time links, sign-out.

use accounts::SessionOrigin;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::{
    cookies::{self, Kept, THEME_COOKIE},
    errors,
    form::Posted,
    mailed,
    next::Next,
    page::Theme,
    pages::{self, InviteNote, NoticeLink},
    visit::{Visit, add_cookie, go},
};
use crate::{
    Context, Error,
    actions::{
        accounts as actions,
        accounts::{Credentials, NewAccount, Registration},
        apps::find_invite,
    },
    config::{EmailVerification, SignUp},
    extract::Query,
};

#[derive(Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Coming {
    #[serde(default)]
    next: String,
    #[serde(default)]
    invite: String,
}

/// `GET /setup?token=`.
pub(super) async fn setup(visit: Visit, Query(query): Query<Token>) -> Result<Response, Error> {
    if !actions::is_setup_open(&visit.context, &query.token).await? {
        return Ok(used_up(
            &visit,
            "This setup link is used up",
            "Start the server again for another one, or sign in with the account that was made.",
        ));
    }
    let form = pages::NewAccount::default().form();
    Ok(visit.show(
        StatusCode::OK,
        &pages::Setup {
            page: visit.page(),
            form,
            token: query.token,
        },
    ))
}

/// `POST /setup`.
pub(super) async fn complete_setup(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let token = fields.get("token");
    match actions::complete_setup(&visit.context, token, typed(&fields), &visit.device).await {
        Ok(signed_in) => visit.go_signed_in(&Next::home(), &signed_in).await,
        Err(error) if error.status == StatusCode::GONE => Err(error),
        Err(error) if errors::belongs_to_form(&error) => {
            let form = typed_again(&fields, &error).form();
            let page = pages::Setup {
                page: visit.page(),
                form,
                token: token.to_owned(),
            };
            Ok(again(visit.show(error.status, &page), &error))
        }
        Err(error) => Err(error),
    }
}

/// `GET /signup`.
pub(super) async fn sign_up_page(
    visit: Visit,
    Query(query): Query<Coming>,
) -> Result<Response, Error> {
    let policy = visit.context.config.accounts.sign_up;
    let invite = match query.invite.as_str() {
        "" => None,
        token => Some(invite_note(&visit.context, token).await?),
    };
    if policy == SignUp::Closed || (policy == SignUp::InviteOnly && invite.is_none()) {
        return Ok(sign_up_is_closed(&visit, policy));
    }
    let mut form = pages::NewAccount::default();
    let mut next = Next::parse(&query.next);
    if let Some((_, email, slug)) = &invite {
        form.email.clone_from(email);
        form.email_is_fixed = true;
        next = Next::parse(&format!("/view/{slug}/"));
    }
    let page = pages::SignUp {
        page: visit.page(),
        form: form.form(),
        next: next.to_string(),
        // An invitation's link is good for the address it was sent to; a provider may tell another.
        providers: if invite.is_some() {
            Vec::new()
        } else {
            providers(&visit)
        },
        invite: invite.map(|(note, ..)| note),
    };
    Ok(visit.show_door(StatusCode::OK, &page))
}

/// `POST /signup`.
pub(super) async fn sign_up(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let invite = fields.filled("invite");
    let next = Next::parse(fields.get("next"));
    let verification = visit.context.config.accounts.email_verification;
    let signed_up = if invite.is_none() && verification != EmailVerification::Off {
        let registered = actions::register(&visit.context, registration(&fields), visit.peer).await;
        registered.map(|()| None)
    } else {
        actions::sign_up(&visit.context, typed(&fields), invite, &visit.device)
            .await
            .map(Some)
    };
    match signed_up {
        Ok(Some(signed_in)) => visit.go_signed_in(&next, &signed_in).await,
        // The same for an address that has an account.
        Ok(None) => Ok(mailed::check_mail(
            &visit,
            "A link to confirm the address is on its way to it. It works once, within 24 hours.",
        )),
        Err(error) if error.status == StatusCode::FORBIDDEN => Err(error),
        Err(error) if errors::belongs_to_form(&error) => {
            let note = match invite {
                Some(token) => invite_note(&visit.context, token).await.ok(),
                None => None,
            };
            let mut form = typed_again(&fields, &error);
            form.email_is_fixed = note.is_some();
            let page = pages::SignUp {
                page: visit.page(),
                form: form.form(),
                next: next.to_string(),
                providers: if note.is_some() {
                    Vec::new()
                } else {
                    providers(&visit)
                },
                invite: note.map(|(note, ..)| note),
            };
            Ok(again(visit.show_door(error.status, &page), &error))
        }
        Err(error) => Err(error),
    }
}

/// `GET /signin`.
pub(super) async fn sign_in_page(visit: Visit, Query(query): Query<Coming>) -> Response {
    let next = Next::parse(&query.next);
    if visit.find_caller().is_some() {
        return go(next.as_str());
    }
    visit.show_door(StatusCode::OK, &sign_in_form(&visit, &next, "", None))
}

/// `POST /signin`. Unknown, wrong and inactive look the same.
pub(super) async fn sign_in(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let next = Next::parse(fields.get("next"));
    let login = fields.get("email").trim();
    let credentials = Credentials {
        login: login.to_owned(),
        password: fields.secret("password"),
        otp: None,
        peer: visit.peer,
        device: visit.known_device.clone(),
    };
    match actions::sign_in(
        &visit.context,
        credentials,
        &visit.device,
        SessionOrigin::Password,
    )
    .await
    {
        Ok(finished) => visit.go_on(&next, finished).await,
        Err(error) if errors::belongs_to_form(&error) => {
            let mut page = sign_in_form(&visit, &next, login, Some(error.message.to_string()));
            page.can_confirm = error.code == "email_unverified";
            Ok(again(visit.show_door(error.status, &page), &error))
        }
        Err(error) => Err(error),
    }
}

/// `GET /link?token=`.
pub(super) async fn link(visit: Visit, Query(query): Query<Token>) -> Result<Response, Error> {
    if !actions::is_sign_in_link_open(&visit.context, &query.token).await? {
        return Ok(used_up(
            &visit,
            "This link is used up",
            "It works once and for an hour. Ask for another one, or sign in with your password.",
        ));
    }
    let next = Next::parse(&query.next).to_string();
    Ok(visit.show_door(
        StatusCode::OK,
        &pages::Link {
            page: visit.page(),
            token: query.token,
            next,
        },
    ))
}

/// `POST /link`.
pub(super) async fn redeem_link(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let finished =
        actions::sign_in_by_link(&visit.context, fields.get("token"), &visit.device).await?;
    visit
        .go_on(&Next::parse(fields.get("next")), finished)
        .await
}

/// `GET /signout`.
pub(super) async fn sign_out_page(visit: Visit) -> Response {
    if visit.find_caller().is_none() {
        return go("/signin");
    }
    visit.show(StatusCode::OK, &pages::SignOut { page: visit.page() })
}

/// `POST /signout`. Signed out is signed out: somebody who is not signed in is told the same.
pub(super) async fn sign_out(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    if let Some(caller) = visit.find_caller() {
        actions::sign_out(&visit.context, caller).await?;
    }
    let next = Next::parse(fields.get("next"));
    let to = if next == Next::home() {
        "/signin"
    } else {
        next.as_str()
    };
    Ok(visit.go_signed_out(to, "You are signed out."))
}

/// `POST /theme`: the way without a script.
pub(super) async fn theme(Posted { visit, fields }: Posted) -> Response {
    let theme = Theme::from_name(fields.get("theme"));
    let mut response = go(Next::parse(fields.get("next")).as_str());
    let config = &visit.context.config;
    add_cookie(
        &mut response,
        cookies::set(
            config,
            THEME_COOKIE,
            theme.as_str(),
            Kept::Seconds(31_536_000),
        ),
    );
    response
}

fn sign_in_form(visit: &Visit, next: &Next, login: &str, message: Option<String>) -> pages::SignIn {
    pages::SignIn {
        page: visit.page(),
        form: pages::SignIn::form(login, message),
        next: next.to_string(),
        can_sign_up: visit.context.config.accounts.sign_up == SignUp::Open,
        can_reset: actions::capabilities(&visit.context).password_reset,
        can_confirm: false,
        // The name in the address is what the person typed or followed: it tells nothing about what exists.
        reason: next.opens_app().map(|slug| format!("Then {slug} opens.")),
        passkeys: actions::factors::passkeys_work(&visit.context),
        providers: providers(visit),
    }
}

/// The ways in by outside providers.
fn providers(visit: &Visit) -> Vec<pages::ProviderButton> {
    let labels = actions::outside::labels(&visit.context).into_iter();
    labels
        .map(|(name, label)| pages::ProviderButton { name, label })
        .collect()
}

fn typed(fields: &super::form::Fields) -> NewAccount {
    NewAccount {
        email: fields.get("email").to_owned(),
        username: fields.get("username").to_owned(),
        full_name: fields.filled("full_name").map(str::to_owned),
        password: fields.secret("password"),
    }
}

fn registration(fields: &super::form::Fields) -> Registration {
    let new = typed(fields);
    Registration {
        email: new.email,
        username: Some(new.username),
        full_name: new.full_name,
        password: new.password,
    }
}

fn typed_again(fields: &super::form::Fields, error: &Error) -> pages::NewAccount {
    let about = |name| errors::field(error, name);
    let known = ["email", "username", "full_name", "password"]
        .iter()
        .any(|name| about(name).is_some());
    pages::NewAccount {
        email: fields.get("email").to_owned(),
        username: fields.get("username").to_owned(),
        full_name: fields.get("full_name").to_owned(),
        email_error: about("email"),
        username_error: about("username"),
        full_name_error: about("full_name"),
        password_error: about("password"),
        message: (!known).then(|| error.message.to_string()),
        email_is_fixed: false,
    }
}

/// A form shown again keeps the headers of its error: `Retry-After` above all.
fn again(mut response: Response, error: &Error) -> Response {
    if let Some(wait) = error.header(&http::header::RETRY_AFTER) {
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, wait.clone());
    }
    response
}

fn used_up(visit: &Visit, title: &str, text: &str) -> Response {
    let page = pages::Notice {
        page: visit.page(),
        title: title.to_owned(),
        text: vec![text.to_owned()],
        links: vec![NoticeLink::new("/signin", "Sign in")],
    };
    visit.show(StatusCode::GONE, &page)
}

fn sign_up_is_closed(visit: &Visit, policy: SignUp) -> Response {
    let (title, text) = match policy {
        SignUp::Closed => (
            "No new accounts here",
            "The person who runs this server makes accounts. Ask them for one.",
        ),
        _ => (
            "Accounts are by invitation",
            "Ask the owner of the app you want to open to share it with your email address; the link they get for you leads in.",
        ),
    };
    let page = pages::Notice {
        page: visit.page(),
        title: title.to_owned(),
        text: vec![text.to_owned()],
        links: vec![NoticeLink::new("/signin", "Sign in")],
    };
    visit.show(StatusCode::FORBIDDEN, &page)
}

/// What a sign-up page says of an invitation, the invited address, and the app's slug.
async fn invite_note(
    context: &Context,
    token: &str,
) -> Result<(InviteNote, String, String), Error> {
    let found = find_invite(context, token).await?;
    let inviter = context.account(found.invite.created_by).await?;
    let note = InviteNote {
        token: token.to_owned(),
        app: found.app.name,
        inviter: inviter.map_or_else(|| "Somebody".to_owned(), |account| account.username.clone()),
    };
    Ok((note, found.invite.email, found.app.slug.to_string()))
}
