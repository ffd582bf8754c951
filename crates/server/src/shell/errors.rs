//! Refusals and failures as pages for people.

use axum::{
    extract::{Request, State},
    middleware::Next as Rest,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode, header};

use super::{
    pages::{ErrorPage, NoticeLink},
    visit::{Visit, go},
};
use crate::{
    Context, Error, actions::accounts, extract::credentials::port_on_this_machine,
    middleware::REQUEST_ID,
};

/// Turns the errors of our own routes into pages where a person would read them; programs keep their JSON. Around all
/// of our own routes, so that unknown addresses and panics are answered alike.
pub(crate) async fn for_people(
    State(context): State<Context>,
    request: Request,
    rest: Rest,
) -> Response {
    if let Some(home) = under_another_name(&context, &request) {
        return home;
    }
    let path = request.uri().path();
    let is_page = !["/v1/", "/user/", "/_static/", "/.well-known/"]
        .iter()
        .any(|area| path.starts_with(area));
    if !is_page || !reads_html(request.headers()) {
        return rest.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let seen = parts.clone();
    let mut response = rest.run(Request::from_parts(parts, body)).await;
    let Some(error) = response.extensions_mut().remove::<Error>() else {
        return response;
    };
    let is_navigation = matches!(seen.method, Method::GET | Method::HEAD);
    if error.status == StatusCode::UNAUTHORIZED && error.code == "unauthorized" {
        let target = if is_navigation {
            seen.uri.path_and_query().map_or("/", |path| path.as_str())
        } else {
            "/"
        };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", target)
            .finish();
        return go(&format!("/signin?{query}"));
    }
    if error.code == accounts::RECENT_PROOF_REQUIRED {
        let back = if is_navigation {
            seen.uri
                .path_and_query()
                .map(|path| path.as_str().to_owned())
        } else {
            // What was typed is lost; the page it was typed into is asked for again.
            came_from(&context, &seen.headers)
        };
        return go(&super::confirm::address(
            back.as_deref().unwrap_or("/account/security"),
        ));
    }
    let caller = match super::cookies::cookie(&seen.headers, super::cookies::SESSION_COOKIE) {
        Some(token) => accounts::authenticate(&context, token)
            .await
            .unwrap_or_default(),
        None => None,
    };
    let visit = Visit::new(&context, &seen, caller);
    page(&visit, &seen.headers, &error)
}

/// Sends a person who typed another name of this machine to the one in the configuration: cookies, frames and sign-in
/// hops know only that. Programs are left alone, and so are servers that other machines reach.
fn under_another_name(context: &Context, request: &Request) -> Option<Response> {
    let public = &context.config.public_url;
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let port = port_on_this_machine;
    let own = context.config.shell_origin();
    let own = own.strip_prefix("http://")?;
    let elsewhere = host != own && port(host).is_some() && port(host) == port(own);
    let navigates =
        matches!(*request.method(), Method::GET | Method::HEAD) && reads_html(request.headers());
    if !elsewhere || !navigates {
        return None;
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    // Joined as text: the path stays what it was, and cannot become a host.
    Some(go(&format!(
        "{}{target}",
        public.origin().ascii_serialization()
    )))
}

/// The page of ours that a request came from.
fn came_from(context: &Context, headers: &HeaderMap) -> Option<String> {
    let from = headers.get(header::REFERER)?.to_str().ok()?;
    let path = from.strip_prefix(&context.config.shell_origin())?;
    path.starts_with('/').then(|| path.to_owned())
}

/// The page of an error.
pub(super) fn page(visit: &Visit, headers: &HeaderMap, error: &Error) -> Response {
    let status = error.status;
    let text = match status {
        StatusCode::NOT_FOUND => {
            "What you look for does not exist, or it was not shared with you.".to_owned()
        }
        _ => error.message.to_string(),
    };
    let home = if visit.find_caller().is_some() {
        NoticeLink::new("/", "All my apps")
    } else {
        NoticeLink::new("/signin", "Sign in")
    };
    let mut page = visit.page();
    page.flash = None;
    let page = ErrorPage {
        page,
        status: status.as_u16(),
        title: ErrorPage::title_for(status.as_u16()).to_owned(),
        text,
        request_id: headers
            .get(&REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned),
        links: vec![home],
    };
    let mut response = visit.show(status, &page);
    for (name, value) in &error.headers {
        if name != header::WWW_AUTHENTICATE {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// Whether a person reads the answer: browsers say so when they open a page.
fn reads_html(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.trim_start().starts_with("text/html"))
}

/// What is wrong with one field of a form, when the error is about that.
pub(super) fn field(error: &Error, name: &str) -> Option<String> {
    let about = error.extra.get("field").and_then(|field| field.as_str());
    (about == Some(name)).then(|| error.message.to_string())
}

/// Whether a form can be shown again with the error beside it. Failures of ours are no matter of the form.
pub(super) fn belongs_to_form(error: &Error) -> bool {
    error.status.is_client_error()
}

/// Answers an unknown address.
pub(super) async fn unknown() -> Response {
    Error::not_found().into_response()
}
