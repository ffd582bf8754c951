//! Services: programs that call the issuer in their own name.

use ::accounts::{Scopes, Service};
use axum::response::Response;
use http::StatusCode;
use ids::ServiceId;

use super::{fresh, head, superuser};
use crate::{
    Context, Error,
    actions::services::{self, NewService, Registered, ServiceChange},
    extract::Path,
    routes::Routes,
    shell::{
        errors,
        form::{Fields, Posted},
        page::Page,
        pages::{AdminService, AdminServices, AdminTab, Confirm, ServiceRow},
        ui::{Field, Form, Kind, Tone},
        visit::Visit,
    },
};

const HOME: &str = "/admin/services";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/admin/services", list)
        .post("/admin/services", add)
        .get("/admin/services/{service}", show)
        .post("/admin/services/{service}", change)
        .get("/admin/services/{service}/rotate", ask_rotate)
        .post("/admin/services/{service}/rotate", rotate)
        .get("/admin/services/{service}/remove", ask_remove)
        .post("/admin/services/{service}/remove", remove)
}

/// `GET /admin/services`.
async fn list(visit: Visit) -> Result<Response, Error> {
    superuser(&visit)?;
    let page = listing(&visit, add_form(None, None), None).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

async fn listing(
    visit: &Visit,
    form: Form,
    made: Option<Registered>,
) -> Result<AdminServices, Error> {
    let caller = superuser(visit)?;
    let services = services::list_services(&visit.context).await?;
    let page = visit.page();
    let made = made.map(|made| (made.service.id.to_string(), made.secret.expose().clone()));
    Ok(AdminServices {
        head: head(caller, AdminTab::Services),
        services: services.iter().map(|service| row(&page, service)).collect(),
        form,
        made,
        page,
    })
}

fn row(page: &Page, service: &Service) -> ServiceRow {
    ServiceRow {
        id: service.id.to_string(),
        name: service.name.clone(),
        audience: service.audience.clone().unwrap_or_default(),
        scopes: service.scopes.iter().map(str::to_owned).collect(),
        disabled: service.disabled,
        since: page.moment(service.created_at),
    }
}

fn add_form(typed: Option<&Fields>, wrong: Option<&(&str, String)>) -> Form {
    let value = |name: &str| typed.map_or("", |typed| typed.get(name)).to_owned();
    let error = |name: &str| {
        let (field, text) = wrong?;
        (*field == name).then(|| text.clone())
    };
    let id = Field::new(Kind::Text, "id", "Id")
        .value(value("id"))
        .hint("What the service gives with each call: small letters, digits and hyphens.")
        .error(error("id"));
    let mut fields = vec![id];
    fields.extend(details(
        &value("name"),
        &value("audience"),
        &value("scopes"),
        &error,
    ));
    Form::new(fields)
}

fn details(
    name: &str,
    audience: &str,
    scopes: &str,
    error: &impl Fn(&str) -> Option<String>,
) -> [Field; 3] {
    [
        Field::new(Kind::Text, "name", "Name")
            .value(name)
            .optional()
            .error(error("name")),
        Field::new(Kind::Text, "audience", "Audience")
            .value(audience)
            .optional()
            .hint("Of its users' access tokens; the issuer's own when empty.")
            .error(error("audience")),
        Field::new(Kind::Text, "scopes", "Scopes")
            .value(scopes)
            .optional()
            .hint("Separated by spaces: introspection, api-key-introspection, event-stream, user-create.")
            .error(error("scopes")),
    ]
}

fn read_scopes(fields: &Fields) -> Result<Scopes, (&'static str, String)> {
    let words = fields.get("scopes").split([' ', ',', '\n']);
    Scopes::from_words(words.map(str::trim).filter(|word| !word.is_empty()))
        .map_err(|error| ("scopes", format!("{error}.")))
}

/// `POST /admin/services`. The secret is shown in the answer and never again.
async fn add(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let read = || {
        let id = fields.get("id").trim().parse::<ServiceId>();
        let id = id.map_err(|_| {
            (
                "id",
                "Use 1 to 64 small letters, digits and inner hyphens.".to_owned(),
            )
        })?;
        let scopes = read_scopes(&fields)?;
        Ok(NewService {
            id,
            name: fields.filled("name").map(str::to_owned),
            audience: fields.filled("audience").map(str::to_owned),
            scopes,
            secret: None,
        })
    };
    let refused = match read() {
        Ok(new) => match services::add(&visit.context, new).await {
            Ok(made) => {
                let page = listing(&visit, add_form(None, None), Some(made)).await?;
                return Ok(visit.show(StatusCode::OK, &page));
            }
            Err(error) => wrong_field(error)?,
        },
        Err(wrong) => wrong,
    };
    let page = listing(&visit, add_form(Some(&fields), Some(&refused)), None).await?;
    Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// The field that a refusal is about.
fn wrong_field(error: Error) -> Result<(&'static str, String), Error> {
    if !errors::belongs_to_form(&error) {
        return Err(error);
    }
    let field = ["name", "audience", "scopes"]
        .into_iter()
        .find(|name| errors::field(&error, name).is_some());
    Ok((field.unwrap_or("id"), error.message.to_string()))
}

async fn find(context: &Context, id: &str) -> Result<Service, Error> {
    let id = id.parse::<ServiceId>().map_err(|_| Error::not_found())?;
    services::find_service(context, &id)
        .await?
        .ok_or_else(Error::not_found)
}

/// `GET /admin/services/{service}`.
async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    superuser(&visit)?;
    let service = find(&visit.context, &id).await?;
    let scopes: Vec<_> = service.scopes.iter().collect();
    let audience = service.audience.clone().unwrap_or_default();
    let fields = details(&service.name, &audience, &scopes.join(" "), &|_| None);
    page(&visit, &service, Form::new(fields.into()), StatusCode::OK)
}

fn page(
    visit: &Visit,
    service: &Service,
    form: Form,
    status: StatusCode,
) -> Result<Response, Error> {
    let page = visit.page();
    let page = AdminService {
        head: head(superuser(visit)?, AdminTab::Services),
        service: row(&page, service),
        form,
        page,
    };
    Ok(visit.show(status, &page))
}

/// `POST /admin/services/{service}`.
async fn change(
    Path(id): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let service = find(&visit.context, &id).await?;
    let refused = match read_scopes(&fields) {
        Ok(scopes) => {
            let wanted = ServiceChange {
                name: Some(fields.filled("name").unwrap_or(&id).to_owned()),
                audience: Some(fields.filled("audience").map(str::to_owned)),
                scopes: Some(scopes),
                disabled: fields.flag("disabled"),
            };
            match services::update(&visit.context, &service.id, wanted).await {
                Ok(_) => {
                    let home = format!("{HOME}/{id}");
                    return Ok(visit.go_saying(&home, Tone::Good, "Saved."));
                }
                Err(error) => wrong_field(error)?,
            }
        }
        Err(wrong) => wrong,
    };
    let error = |name: &str| (refused.0 == name).then(|| refused.1.clone());
    let fields = details(
        fields.get("name"),
        fields.get("audience"),
        fields.get("scopes"),
        &error,
    );
    let form = Form::new(fields.into());
    page(&visit, &service, form, StatusCode::UNPROCESSABLE_ENTITY)
}

/// `GET /admin/services/{service}/rotate`.
async fn ask_rotate(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let service = find(&visit.context, &id).await?;
    let text = "The old secret is refused from the moment the new one is made, and so is what it was exchanged for.";
    Ok(ask(
        &visit,
        &service,
        "Make a new secret for",
        text,
        "rotate",
        "Make a new secret",
    ))
}

/// `POST /admin/services/{service}/rotate`.
async fn rotate(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let service = find(&visit.context, &id).await?;
    let made = services::rotate_secret(&visit.context, &service.id, None).await?;
    let page = listing(&visit, add_form(None, None), Some(made)).await?;
    Ok(visit.show(StatusCode::OK, &page))
}

/// `GET /admin/services/{service}/remove`.
async fn ask_remove(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let service = find(&visit.context, &id).await?;
    let text = "It is answered nothing any longer, at once. Its users stay signed in until their tokens expire.";
    Ok(ask(
        &visit,
        &service,
        "Remove",
        text,
        "remove",
        "Remove the service",
    ))
}

/// `POST /admin/services/{service}/remove`.
async fn remove(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Result<Response, Error> {
    fresh(&visit, superuser(&visit)?)?;
    let service = find(&visit.context, &id).await?;
    services::remove(&visit.context, &service.id).await?;
    Ok(visit.go_saying(HOME, Tone::Good, "The service is removed."))
}

fn ask(
    visit: &Visit,
    service: &Service,
    question: &str,
    text: &str,
    deed: &str,
    button: &str,
) -> Response {
    let back = format!("{HOME}/{}", service.id);
    let page = Confirm {
        page: visit.page(),
        title: format!("{question} {}?", service.name),
        text: vec![text.to_owned()],
        action: format!("{back}/{deed}"),
        hidden: vec![],
        field: None,
        button: button.to_owned(),
        destroys: true,
        back,
    };
    visit.show(StatusCode::OK, &page)
}
