//! Sign-in of one's own: libraries, password flows, home-made sessions. The platform signs people in.

use std::collections::BTreeSet;

use super::Context;
use super::facts::{Call, Facts};
use crate::finding::{Finding, Severity};

const WHY_SIGNED_IN: &str = "People are signed in before a request reaches the app, so a second sign-in would be shown to them.";

/// Import names of sign-in libraries; a dotted entry stands for that part of a library.
const AUTH_LIBRARIES: &[&str] = &[
    "fastapi_users",
    "fastapi_users_db_sqlalchemy",
    "fastapi_login",
    "fastapi_sso",
    "fastapi_azure_auth",
    "fastapi_cloudauth",
    "fastapi_keycloak",
    "fastapi_jwt_auth",
    "fastapi_auth0",
    "authlib.integrations",
    "flask_login",
    "flask_security",
    "clerk_backend_api",
    "auth0",
    "firebase_admin.auth",
    "supabase_auth",
    "gotrue",
];

const PASSWORD_FLOWS: &[&str] = &[
    "OAuth2PasswordBearer",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordRequestForm",
    "OAuth2PasswordRequestFormStrict",
    "HTTPBasic",
];

pub(super) fn check(context: &Context<'_>, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    libraries(context, found);
    let signing = signing_functions(facts);
    for call in &facts.calls {
        password_flow(context, call, found);
        session_middleware(context, call, found);
        if call.last == "set_cookie" && signing.contains(&call.function) {
            found.push(context.at(
                call.node,
                "identity.session-jwt",
                Severity::Error,
                "This cookie carries a session that the app signs itself.",
                WHY_SIGNED_IN,
                "Drop the cookie and ask who is calling: `vestibule.viewer()`.",
            ));
        }
    }
    for function in &facts.functions {
        for parameter in &function.def.parameters {
            let Some(annotation) = parameter.annotation() else {
                continue;
            };
            if let Some(name) = context.outside_name(annotation)
                && name.starts_with("fastapi.security")
                && name.ends_with("OAuth2PasswordRequestForm")
            {
                found.push(flow(context, annotation, "OAuth2PasswordRequestForm"));
            }
        }
    }
}

fn libraries(context: &Context<'_>, found: &mut Vec<Finding>) {
    let module = context.module;
    let root = context.resolver.root_of(&module.file);
    let mut reported = BTreeSet::new();
    for import in module.imports().iter().filter(|import| !import.typing_only) {
        let Some(from) = module.absolute(root, import) else {
            continue;
        };
        if import.level > 0 || context.source.is_local(&context.graph.roots, &from) {
            continue;
        }
        let full = match &import.name {
            Some(name) => format!("{from}.{name}"),
            None => from.clone(),
        };
        let library = AUTH_LIBRARIES
            .iter()
            .find(|library| full == **library || full.starts_with(&format!("{library}.")));
        if let Some(library) = library
            && reported.insert((import.range.start(), *library))
        {
            found.push(context.at(
                import.range,
                "identity.auth-library",
                Severity::Error,
                format!("`{library}` brings a sign-in of its own."),
                WHY_SIGNED_IN,
                "Remove it and use `vestibule.viewer()`, which returns who is calling.",
            ));
        }
    }
}

fn password_flow(context: &Context<'_>, call: &Call<'_>, found: &mut Vec<Finding>) {
    let Some(dotted) = &call.dotted else { return };
    let Some(flow_name) = PASSWORD_FLOWS.iter().find(|name| call.last == **name) else {
        return;
    };
    if dotted.starts_with("fastapi.security") {
        found.push(flow(context, call.node, flow_name));
    }
}

fn flow(context: &Context<'_>, node: impl ruff_text_size::Ranged, name: &str) -> Finding {
    context.at(
        node,
        "identity.oauth2-flow",
        Severity::Warning,
        format!("`{name}` asks for a password or token of the app's own."),
        WHY_SIGNED_IN,
        "Depend on a function that returns `vestibule.viewer()` instead.",
    )
}

fn session_middleware(context: &Context<'_>, call: &Call<'_>, found: &mut Vec<Finding>) {
    if !matches!(call.last, "add_middleware" | "Middleware") {
        return;
    }
    let is_session = call.node.arguments.args.first().is_some_and(|argument| {
        context
            .outside_name(argument)
            .is_some_and(|name| name.ends_with("sessions.SessionMiddleware"))
    });
    if is_session {
        found.push(context.at(
            call.node,
            "identity.session-jwt",
            Severity::Warning,
            "`SessionMiddleware` keeps a session in a cookie of the app's own.",
            "The platform already has a session for each viewer, and ends it when access is withdrawn.",
            "Keep what belongs to a viewer under a personal key: `kv.set(\"personal:…\", value)`.",
        ));
    }
}

/// The functions that sign a value, themselves or through another function of their module; `None`
/// stands for the top level.
fn signing_functions(facts: &Facts<'_>) -> BTreeSet<Option<usize>> {
    let signs = |call: &Call<'_>| {
        call.dotted.as_deref().is_some_and(|name| {
            matches!(
                name,
                "jwt.encode" | "jose.jwt.encode" | "jose.jws.sign" | "authlib.jose.jwt.encode"
            ) || name.starts_with("itsdangerous.") && matches!(call.last, "dumps" | "sign")
        })
    };
    let direct: BTreeSet<Option<usize>> = facts
        .calls
        .iter()
        .filter(|call| signs(call))
        .map(|call| call.function)
        .collect();
    let names: BTreeSet<&str> = direct
        .iter()
        .flatten()
        .map(|index| facts.functions[*index].def.name.as_str())
        .collect();
    let through = facts
        .calls
        .iter()
        .filter(|call| call.dotted.is_none() && names.contains(call.last))
        .map(|call| call.function);
    through.chain(direct.iter().copied()).collect()
}
