//! The signed-in pages, server-rendered over the same use cases as the APIs.
//!
//! `pages` holds what each page shows, as plain values with their templates; `ui` the components that they are made
//! of; `assets` the style sheet and scripts. The other files are handlers: who visits, one use case, one page.

mod account;
mod apps;
pub mod assets;
mod connections;
pub(crate) mod cookies;
pub(crate) mod device;
mod entry;
mod errors;
mod form;
mod logs;
mod manage;
mod next;
mod outside;
pub mod page;
pub mod pages;
mod people;
mod releases;
pub mod ui;
mod visit;

use crate::routes::{Routes, wrong_method};

pub(crate) use errors::for_people;

/// Every page, and the answer to unknown addresses.
pub fn routes() -> Routes {
    Routes::new()
        .get("/_static/{hash}/{name}", assets::serve)
        .get("/setup", entry::setup)
        .post("/setup", entry::complete_setup)
        .get("/signup", entry::sign_up_page)
        .post("/signup", entry::sign_up)
        .get("/signin", entry::sign_in_page)
        .post("/signin", entry::sign_in)
        .get("/signin/{provider}", outside::leave)
        .get("/signin/{provider}/callback", outside::come_back)
        .get("/link", entry::link)
        .post("/link", entry::redeem_link)
        .get("/signout", entry::sign_out_page)
        .post("/signout", entry::sign_out)
        .post("/theme", entry::theme)
        .get("/", apps::dashboard)
        .get("/open/{slug}", apps::open)
        .get("/view/{slug}", apps::view_root)
        .get("/view/{slug}/", apps::view)
        .get("/view/{slug}/{*path}", apps::view)
        .get("/apps/{slug}", manage::overview)
        .post("/apps/{slug}/access", manage::change_access)
        .get("/apps/{slug}/access/open", manage::ask_open)
        .post("/apps/{slug}/name", manage::rename)
        .get("/apps/{slug}/delete", manage::ask_delete)
        .post("/apps/{slug}/delete", manage::delete)
        .get("/apps/{slug}/people", people::people)
        .post("/apps/{slug}/people", people::share)
        .get("/apps/{slug}/people/{account}/remove", people::ask_remove)
        .post("/apps/{slug}/people/{account}/remove", people::remove)
        .get(
            "/apps/{slug}/people/invites/{invite}/revoke",
            people::ask_revoke,
        )
        .post(
            "/apps/{slug}/people/invites/{invite}/revoke",
            people::revoke,
        )
        .post("/apps/{slug}/people/invites/{invite}/renew", people::renew)
        .get("/apps/{slug}/versions", releases::versions)
        .get("/apps/{slug}/versions/{version}", releases::version)
        .get(
            "/apps/{slug}/versions/{version}/rollback",
            releases::ask_rollback,
        )
        .post(
            "/apps/{slug}/versions/{version}/rollback",
            releases::rollback,
        )
        .post("/apps/{slug}/restart", releases::restart)
        .get("/apps/{slug}/logs", logs::logs)
        .get("/apps/{slug}/logs/stream", logs::stream)
        .get("/invite/{token}", people::invitation)
        .post("/invite/{token}", people::accept)
        .get("/account", account::profile)
        .post("/account", account::change_profile)
        .get("/account/password", account::password)
        .post("/account/password", account::change_password)
        .get("/account/sessions", account::sessions)
        .post("/account/sessions/{session}/end", account::end_session)
        .get("/account/sessions/end-all", account::ask_end_all)
        .post("/account/sessions/end-all", account::end_all)
        .get("/account/connections", connections::connections)
        .get("/account/connections/finish", connections::ask_finish)
        .post("/account/connections/finish", connections::finish)
        .get(
            "/account/connections/{provider}/connect",
            connections::connect,
        )
        .get(
            "/account/connections/{provider}/disconnect",
            connections::ask_disconnect,
        )
        .post(
            "/account/connections/{provider}/disconnect",
            connections::disconnect,
        )
        .get("/cli-login/{request}", account::cli_login)
        .post("/cli-login/{request}", account::decide_cli_login)
        .with(|router| {
            router
                .fallback(errors::unknown)
                .method_not_allowed_fallback(wrong_method)
        })
}
