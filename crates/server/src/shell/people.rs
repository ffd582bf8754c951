//! Sharing an app, and the page of an invitation.

use apps::DataMode;
use axum::response::Response;
use http::StatusCode;
use ids::{AccountId, InviteId};

use super::{
    apps::head,
    errors,
    form::Posted,
    pages::{self, Invitation, InvitedAs, Member, Outcome, ShareResult, Tab},
    ui::{Person, Tone},
    visit::{Visit, go},
};
use crate::{
    Error,
    actions::apps as actions,
    extract::{OwnedApp, Path},
};

/// `GET /apps/{slug}/people`.
pub(super) async fn people(visit: Visit, owned: OwnedApp) -> Result<Response, Error> {
    let page = people_page(&visit, &owned, "", DataMode::Join, Vec::new(), None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /apps/{slug}/people`. The links of new invitations are shown in the answer and never again, so this answers
/// with the page itself: repeating it shares with the same people, which makes nothing double.
pub(super) async fn share(
    owned: OwnedApp,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let addresses = fields.get("addresses");
    let mode = actions::data_mode(fields.filled("mode").unwrap_or("join"))?;
    if addresses.trim().is_empty() {
        let error = Some("Write at least one address.".to_owned());
        let page = people_page(&visit, &owned, "", mode, Vec::new(), error).await?;
        return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let shared = match actions::share(&visit.context, &owned, addresses, mode).await {
        Ok(shared) => shared,
        Err(error) if errors::belongs_to_form(&error) => {
            let message = Some(error.message.to_string());
            let page = people_page(&visit, &owned, addresses, mode, Vec::new(), message).await?;
            return Ok(visit.show(error.status, &page));
        }
        Err(error) => return Err(error),
    };
    // What was no address stays in the box, to be mended.
    let wrong: Vec<&str> = shared
        .iter()
        .filter(|shared| matches!(shared.outcome, actions::Outcome::Invalid { .. }))
        .map(|shared| shared.address.as_str())
        .collect();
    let wrong = wrong.join("\n");
    let results = shared.iter().map(result).collect();
    let page = people_page(&visit, &owned, &wrong, mode, results, None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

fn result(shared: &actions::Shared) -> ShareResult {
    ShareResult {
        address: shared.address.clone(),
        outcome: match &shared.outcome {
            actions::Outcome::Added => Outcome::Added,
            actions::Outcome::Already => Outcome::Already,
            actions::Outcome::Invited { link } => Outcome::Invited { link: link.clone() },
            actions::Outcome::Invalid { reason } => Outcome::Invalid {
                reason: reason.clone(),
            },
        },
    }
}

async fn people_page(
    visit: &Visit,
    owned: &OwnedApp,
    typed: &str,
    mode: DataMode,
    results: Vec<ShareResult>,
    error: Option<String>,
) -> Result<pages::People, Error> {
    let people = actions::people(&visit.context, owned).await?;
    let page = visit.page();
    let members = people.members.into_iter().map(|person| Member {
        id: person.account.id.to_string(),
        person: Person {
            username: person.account.username,
            email: person.account.email,
            full_name: person.account.full_name,
        },
        mode: person.member.mode,
        invited: person.member.invited,
        last_seen: person.member.last_seen_at.map(|at| page.moment(at)),
    });
    let invites = people.invites.into_iter().map(|invite| Invitation {
        id: invite.id.to_string(),
        mode: invite.mode,
        expires: page.moment(invite.expires_at),
        email: invite.email,
    });
    Ok(pages::People {
        app: head(&visit.context, &owned.app, Tab::People),
        addresses: pages::People::address_box(typed, error),
        mode,
        results,
        members: members.collect(),
        invites: invites.collect(),
        page,
    })
}

/// `GET /apps/{slug}/people/{account}/remove`.
pub(super) async fn ask_remove(
    visit: Visit,
    owned: OwnedApp,
    Path((slug, account)): Path<(String, String)>,
) -> Result<Response, Error> {
    let account: AccountId = account.parse().map_err(|_| Error::not_found())?;
    let people = actions::people(&visit.context, &owned).await?;
    let person = people
        .members
        .iter()
        .find(|person| person.account.id == account)
        .ok_or_else(Error::not_found)?;
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Take away {}'s access?", person.account.username),
        text: vec![format!(
            "{} can no longer open {}, at once. What they stored stays until you delete it.",
            person.account.email, owned.app.name
        )],
        action: format!("/apps/{slug}/people/{account}/remove"),
        hidden: vec![],
        field: None,
        button: "Take away access".into(),
        destroys: true,
        back: format!("/apps/{slug}/people"),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /apps/{slug}/people/{account}/remove`.
pub(super) async fn remove(
    owned: OwnedApp,
    Path((slug, account)): Path<(String, String)>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let account: AccountId = account.parse().map_err(|_| Error::not_found())?;
    actions::unshare(&visit.context, &owned, account).await?;
    Ok(visit.go_saying(
        &format!("/apps/{slug}/people"),
        Tone::Good,
        "The access is taken away.",
    ))
}

/// `GET /apps/{slug}/people/invites/{invite}/revoke`.
pub(super) async fn ask_revoke(
    visit: Visit,
    owned: OwnedApp,
    Path((slug, invite)): Path<(String, String)>,
) -> Result<Response, Error> {
    let found = find_invite(&visit, &owned, &invite).await?;
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Take back the invitation of {}?", found.email),
        text: vec!["The link that was passed on works no more.".into()],
        action: format!("/apps/{slug}/people/invites/{invite}/revoke"),
        hidden: vec![],
        field: None,
        button: "Take it back".into(),
        destroys: true,
        back: format!("/apps/{slug}/people"),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /apps/{slug}/people/invites/{invite}/revoke`.
pub(super) async fn revoke(
    owned: OwnedApp,
    Path((slug, invite)): Path<(String, String)>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let invite: InviteId = invite.parse().map_err(|_| Error::not_found())?;
    actions::revoke_invite(&visit.context, &owned, invite).await?;
    Ok(visit.go_saying(
        &format!("/apps/{slug}/people"),
        Tone::Good,
        "The invitation is taken back.",
    ))
}

/// `POST /apps/{slug}/people/invites/{invite}/renew`: a new link, since the old one is not known any more.
pub(super) async fn renew(
    owned: OwnedApp,
    Path((_, invite)): Path<(String, String)>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let found = find_invite(&visit, &owned, &invite).await?;
    let shared = actions::share(&visit.context, &owned, &found.email, found.mode).await?;
    let results = shared.iter().map(result).collect();
    let page = people_page(&visit, &owned, "", found.mode, results, None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

async fn find_invite(visit: &Visit, owned: &OwnedApp, invite: &str) -> Result<apps::Invite, Error> {
    let id: InviteId = invite.parse().map_err(|_| Error::not_found())?;
    let people = actions::people(&visit.context, owned).await?;
    people
        .invites
        .into_iter()
        .find(|invite| invite.id == id)
        .ok_or_else(Error::not_found)
}

/// `GET /invite/{token}`. The invited person has the app from here on.
pub(super) async fn invitation(visit: Visit, Path(token): Path<String>) -> Result<Response, Error> {
    let found = actions::find_invite(&visit.context, &token).await?;
    let inviter = visit.context.account(found.invite.created_by).await?;
    let seen_by = match visit.find_caller() {
        None => InvitedAs::Anonymous,
        Some(caller) if caller.account.email == found.invite.email => InvitedAs::Invited,
        Some(_) => InvitedAs::SomebodyElse,
    };
    let page = pages::Invite {
        page: visit.page(),
        token,
        app: found.app.name,
        inviter: inviter.map_or_else(|| "Somebody".to_owned(), |account| account.username.clone()),
        email: found.invite.email,
        seen_by,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /invite/{token}`: takes the invitation up and opens the app.
pub(super) async fn accept(
    Path(token): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let app = actions::accept_invite(&visit.context, visit.caller()?, &token).await?;
    Ok(go(&format!("/view/{}/", app.slug)))
}
