//! The signed-in pages, server-rendered over the same use cases as the APIs.
//!
//! `pages` holds what each page shows, as plain values with their templates; `ui` the components that they are made
//! of; `assets` the style sheet and scripts. The other files are handlers: who visits, one use case, one page.

mod account;
mod admin;
mod api_keys;
mod apps;
pub mod assets;
mod confirm;
mod connections;
pub(crate) mod cookies;
pub(crate) mod device;
mod entry;
mod errors;
mod form;
mod logs;
mod mailed;
mod manage;
mod next;
mod outside;
pub mod page;
pub mod pages;
mod passkeys;
mod people;
mod releases;
mod second_factor;
mod security;
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
        .get("/signin/second-factor", second_factor::page)
        .post("/signin/second-factor", second_factor::by_code)
        .post("/signin/second-factor/passkey/begin", second_factor::begin)
        .post("/signin/second-factor/passkey", second_factor::by_passkey)
        .post("/signin/passkey/begin", second_factor::begin_alone)
        .post("/signin/passkey", second_factor::alone)
        .get("/confirm", confirm::page)
        .post("/confirm", confirm::confirm)
        .post("/confirm/passkey/begin", confirm::begin)
        .post("/confirm/passkey", confirm::by_passkey)
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
        .get("/account/security", security::security)
        .post("/account/security/seen", security::see_notices)
        .post("/account/security/passkeys/begin", security::begin_passkey)
        .post("/account/security/passkeys", security::add_passkey)
        .get(
            "/account/security/passkeys/{passkey}/name",
            security::passkey_name,
        )
        .post(
            "/account/security/passkeys/{passkey}/name",
            security::rename_passkey,
        )
        .get(
            "/account/security/passkeys/{passkey}/remove",
            security::ask_remove_passkey,
        )
        .post(
            "/account/security/passkeys/{passkey}/remove",
            security::remove_passkey,
        )
        .get("/account/security/authenticator", security::authenticator)
        .post(
            "/account/security/authenticator",
            security::confirm_authenticator,
        )
        .get(
            "/account/security/authenticator/remove",
            security::ask_remove_authenticator,
        )
        .post(
            "/account/security/authenticator/remove",
            security::remove_authenticator,
        )
        .get("/account/security/recovery-codes", security::ask_new_codes)
        .post("/account/security/recovery-codes", security::new_codes)
        .get("/account/sessions", account::sessions)
        .post("/account/sessions/{session}/end", account::end_session)
        .get("/account/sessions/end-all", account::ask_end_all)
        .post("/account/sessions/end-all", account::end_all)
        .get("/account/api-keys", api_keys::api_keys)
        .get("/account/api-keys/new", api_keys::ask_new)
        .post("/account/api-keys/new", api_keys::make)
        .get("/account/api-keys/{key}/revoke", api_keys::ask_revoke)
        .post("/account/api-keys/{key}/revoke", api_keys::revoke)
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
        .merge(mailed::routes())
        .merge(admin::routes())
        .get("/cli-login/{request}", account::cli_login)
        .post("/cli-login/{request}", account::decide_cli_login)
        .with(|router| {
            router
                .fallback(errors::unknown)
                .method_not_allowed_fallback(wrong_method)
        })
}
