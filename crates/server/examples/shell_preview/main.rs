//! Serves every page with made-up data, to look at while working on them:
//! `cargo run -p server --example shell_preview [PORT]`, then open `http://127.0.0.1:PORT/`.

mod fixtures;

use std::collections::HashMap;

use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use fixtures::Filling;
use http::{StatusCode, header};
use server::shell::{
    assets,
    page::{Apps, Theme, content_security_policy},
};

async fn index() -> Html<String> {
    let links: Vec<String> = fixtures::all(Filling::Usual, Theme::System)
        .iter()
        .map(|page| {
            let name = page.name;
            format!(
                "<li>{name}: <a href=/_preview/{name}>usual</a> <a href=/_preview/{name}?theme=dark>dark</a> \
                 <a href=/_preview/{name}?filling=empty>empty</a> <a href=/_preview/{name}?filling=hostile>hostile</a>"
            )
        })
        .collect();
    Html(format!(
        "<!doctype html><title>Pages</title><ul>{}</ul>",
        links.concat()
    ))
}

async fn page(Path(name): Path<String>, Query(query): Query<HashMap<String, String>>) -> Response {
    let theme = Theme::from_name(query.get("theme").map_or("", String::as_str));
    let filling = match query.get("filling").map(String::as_str) {
        Some("empty") => Filling::Empty,
        Some("hostile") => Filling::Hostile,
        _ => Filling::Usual,
    };
    if name == "hanging" {
        std::future::pending::<()>().await;
    }
    if name == "framed" {
        return Html("<!doctype html><title>App</title><h1>The app</h1><p>In its frame.")
            .into_response();
    }
    match fixtures::all(filling, theme)
        .into_iter()
        .find(|page| page.name == name)
    {
        Some(page) => {
            let policy = content_security_policy(Apps::Framed("'self'"));
            ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page.html)).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args()
        .nth(1)
        .map_or(Ok(8090), |port| port.parse())?;
    let router = Router::new()
        .route("/", get(index))
        .route("/_preview/{name}", get(page))
        .route("/_static/{hash}/{name}", get(assets::serve));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
