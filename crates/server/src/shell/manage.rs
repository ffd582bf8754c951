//! What the owner of an app sees and changes: flags, name, deletion.

use axum::response::Response;
use http::StatusCode;

use super::{
    apps::head,
    errors,
    form::Posted,
    pages::{self, Tab},
    ui::{Field, Kind, Tone},
    visit::Visit,
};
use crate::{Error, actions::apps as actions, extract::OwnedApp};

/// `GET /apps/{slug}`.
pub(super) async fn overview(visit: Visit, owned: OwnedApp) -> Result<Response, Error> {
    let page = overview_page(&visit, &owned, None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

async fn overview_page(
    visit: &Visit,
    owned: &OwnedApp,
    name: Option<(&str, String)>,
) -> Result<pages::Overview, Error> {
    let app = &owned.app;
    let listed = actions::describe(&visit.context, app).await?;
    let people = actions::people(&visit.context, owned).await?.members.len();
    let state = visit.context.app_state(app.id, app.live_version);
    let page = visit.page();
    let (typed, error) = name.map_or((app.name.as_str(), None), |(typed, error)| {
        (typed, Some(error))
    });
    Ok(pages::Overview {
        app: head(&visit.context, app, Tab::Overview),
        is_public: app.is_public,
        requires_auth: app.requires_auth,
        newcomers: app.newcomers,
        version: app.live_version,
        published: listed.published_at.map(|at| page.moment(at)),
        people,
        memory_bytes: state.memory_bytes,
        restarts: state.restarts,
        name_field: Field::new(Kind::Text, "name", "Name")
            .value(typed)
            .at_most(80)
            .error(error),
        page,
    })
}

/// `POST /apps/{slug}/access`: the two flags and what newcomers get; what the form does not name stays.
pub(super) async fn change_access(
    owned: OwnedApp,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let changes = actions::Changes {
        name: None,
        is_public: fields.flag("is_public"),
        requires_auth: fields.flag("requires_auth"),
        newcomers: fields
            .filled("newcomers")
            .map(actions::newcomers)
            .transpose()?,
    };
    let said = match (changes.is_public, changes.requires_auth) {
        (Some(true), _) => "The app is listed now.",
        (Some(false), _) => "The app is no longer listed.",
        (_, Some(true)) => "A sign-in is required now.",
        (_, Some(false)) => "The app is open without sign-in now.",
        (None, None) => "Saved.",
    };
    actions::change(&visit.context, &owned, changes).await?;
    Ok(visit.go_saying(&format!("/apps/{}", owned.app.slug), Tone::Good, said))
}

/// `GET /apps/{slug}/access/open`: asks before the gate is opened, and says what becomes readable.
pub(super) async fn ask_open(visit: Visit, owned: OwnedApp) -> Result<Response, Error> {
    let app = &owned.app;
    let keys = actions::count_shared_keys(&visit.context, &owned).await?;
    let exposed = match keys {
        0 => "Your group has no shared: keys yet; those that follow will be readable without sign-in.".to_owned(),
        1 => "1 shared: key of your group becomes readable without sign-in.".to_owned(),
        keys => format!("{keys} shared: keys of your group become readable without sign-in."),
    };
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Open {} without sign-in?", app.name),
        text: vec![
            "Anyone who has the address can use the app, and the app no longer knows who they are."
                .into(),
            exposed,
        ],
        action: format!("/apps/{}/access", app.slug),
        hidden: vec![("requires_auth", "false".into())],
        field: None,
        button: "Open without sign-in".into(),
        destroys: false,
        back: format!("/apps/{}", app.slug),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /apps/{slug}/name`.
pub(super) async fn rename(
    owned: OwnedApp,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let name = fields.get("name").to_owned();
    let changes = actions::Changes {
        name: Some(name),
        ..actions::Changes::default()
    };
    match actions::change(&visit.context, &owned, changes).await {
        Ok(_) => Ok(visit.go_saying(
            &format!("/apps/{}", owned.app.slug),
            Tone::Good,
            "The name is saved.",
        )),
        Err(error) if errors::belongs_to_form(&error) => {
            let typed = Some((fields.get("name"), error.message.to_string()));
            let page = overview_page(&visit, &owned, typed).await?;
            Ok(visit.show(error.status, &page))
        }
        Err(error) => Err(error),
    }
}

/// `GET /apps/{slug}/delete`.
pub(super) async fn ask_delete(visit: Visit, owned: OwnedApp) -> Response {
    visit.show(StatusCode::OK, &delete_page(&visit, &owned, None))
}

/// `POST /apps/{slug}/delete`.
pub(super) async fn delete(
    owned: OwnedApp,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    if fields.get("slug").trim() != owned.app.slug.as_str() {
        let error = format!("Write {} to delete the app.", owned.app.slug);
        let page = delete_page(&visit, &owned, Some(error));
        return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    actions::delete(&visit.context, &owned).await?;
    Ok(visit.go_saying("/", Tone::Good, &format!("{} is deleted.", owned.app.name)))
}

fn delete_page(visit: &Visit, owned: &OwnedApp, error: Option<String>) -> pages::Confirm {
    let app = &owned.app;
    pages::Confirm {
        page: visit.page(),
        title: format!("Delete {}?", app.name),
        text: vec![
            "Its address, all its versions and everything people have stored in it are removed for good. \
             There is no way back."
                .into(),
        ],
        action: format!("/apps/{}/delete", app.slug),
        hidden: vec![],
        field: Some(Field::new(Kind::Text, "slug", "Write the app's short name to go on").hint(app.slug.to_string()).error(error)),
        button: "Delete the app".into(),
        destroys: true,
        back: format!("/apps/{}", app.slug),
    }
}
