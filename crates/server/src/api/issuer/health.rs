//! Whether the issuer can do its work, and which interface it speaks.

use std::time::Duration;

use axum::{Json, extract::State};
use http::{HeaderMap, header};
use protocol::issuer::{Contract, ServiceMeta, Status};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::{Context, config::TokenMode, routes::Routes};

/// The contract that clients of this interface look for, and the version of its reference that we are compatible with.
const CONTRACT: [&str; 3] = ["fa-auth-m8", "2.0", ">=2.0.0 <3.0.0"];
const REFERENCE_VERSION: &str = "2.2.4";
/// A database that has not answered by then counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/health/", health)
        .get("/meta", meta)
        .get("/ping", ping)
}

/// The public body says one thing only; who shows the configured credential is told more.
async fn health(State(context): State<Context>, headers: HeaderMap) -> Json<Value> {
    if !may_see_detail(&context, &headers) {
        return Json(json!({"status": "ok"}));
    }
    let database = tokio::time::timeout(PATIENCE, context.storage.latest_event_seq()).await;
    let is_up = matches!(database, Ok(Ok(_)));
    let mode = match context.config.issuer.mode {
        TokenMode::Stateful => "stateful",
        TokenMode::Hybrid => "hybrid",
        TokenMode::Stateless => "stateless",
    };
    Json(json!({
        "status": if is_up { "ok" } else { "degraded" },
        "token_mode": mode,
        "effective_mode": mode,
        "database": if is_up { "ok" } else { "unavailable" },
        // Readers know `ok` and `unavailable`, and ask whether what the original keeps there works: sessions, limits and
        // revocation. Here these are in the database.
        "redis": if is_up { "ok" } else { "unavailable" },
        "circuit_breaker": "closed",
        "revocation_available": is_up,
        "rate_limiting_available": true,
        "degraded_since": null,
        "degradation_modes": {
            "refresh_validation": "fail_closed",
            "session_write": "fail_closed",
            "rate_limit": "fail_closed",
            "access_revocation": "fail_closed",
        },
    }))
}

fn may_see_detail(context: &Context, headers: &HeaderMap) -> bool {
    let Some(credential) = &context.config.issuer.health_detail_credential else {
        return false;
    };
    headers.get("x-internal-token").is_some_and(|given| {
        given
            .as_bytes()
            .ct_eq(credential.expose().as_bytes())
            .into()
    })
}

async fn meta() -> ([(header::HeaderName, &'static str); 1], Json<ServiceMeta>) {
    let [name, version, range] = CONTRACT.map(str::to_owned);
    let meta = ServiceMeta {
        service: "vestibule".to_owned(),
        version: REFERENCE_VERSION.to_owned(),
        api_version: "v1".to_owned(),
        contract: Contract {
            name,
            version,
            range,
        },
    };
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(meta))
}

async fn ping() -> Json<Status> {
    Json(Status {
        status: "ok".to_owned(),
    })
}
