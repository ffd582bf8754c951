//! Somebody who signs in at the pages and opens the app, as a browser does.

use anyhow::{Context, Result, ensure};

use super::{http::Browser, server::Server};

/// What their browser sends to the app.
pub(super) struct Visitor {
    /// The `Cookie` field.
    pub(super) cookies: String,
    /// The viewer token among the cookies.
    pub(super) token: String,
}

/// Signs the owner in and opens the app.
pub(super) fn visit(server: &Server) -> Result<Visitor> {
    let (shell, app) = (server.shell_host(), server.app_host());
    let mut browser = Browser::default();
    let page = browser.open(server.port, &shell, "/signin", None)?;
    let proof = form_field(&page.body).context("the sign-in page has no form token")?;
    let form = format!(
        "{}={}&email={}&password={}",
        proof.0,
        proof.1,
        server.owner.email.replace('@', "%40"),
        server.owner.password
    );
    let answer = browser.open(server.port, &shell, "/signin", Some(&form))?;
    ensure!(
        browser.cookie(&shell, "vestibule_session").is_some(),
        "signing in at the page was answered {}",
        answer.status
    );
    let answer = browser.open(server.port, &app, "/.vestibule/start?next=/plain/", None)?;
    ensure!(
        answer.status == 200 && answer.body.len() == 256,
        "the app answered {} after signing in",
        answer.status
    );
    Ok(Visitor {
        cookies: browser.cookies(&app),
        token: browser
            .cookie(&app, "vestibule_viewer_token")
            .context("the app's host gave no viewer token")?
            .to_owned(),
    })
}

/// Name and value of the first hidden field with a proof that the form is ours.
fn form_field(page: &str) -> Option<(String, String)> {
    let tag = page
        .split('<')
        .find(|tag| tag.starts_with("input") && tag.contains("hidden") && tag.contains("csrf"))?;
    let attribute = |name: &str| {
        let from = tag.find(&format!("{name}=\""))? + name.len() + 2;
        tag[from..].split('"').next().map(str::to_owned)
    };
    Some((attribute("name")?, attribute("value")?))
}
