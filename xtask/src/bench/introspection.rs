//! What services ask of the issuer: whether a token is still good, in both versions, and the key set.

use anyhow::{Context, Result};

use super::{
    Bench,
    bare::{self, Request},
    issuer::{self, PRIVATE_API_SECRET},
    load,
};

const JTI_STATUS: &str = "/user/private/v1/jti-status";

/// Asks whether a token is still good, as it goes over the wire.
pub(super) fn request(host: &str, body: &str) -> String {
    let length = body.len().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("x-internal-token", PRIVATE_API_SECRET),
        ("content-length", &length),
    ];
    load::message("POST", host, JTI_STATUS, &headers, body)
}

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let server = bench.server()?;
    let pair = issuer::sign_in(server, &server.owner)?;
    let claims = issuer::claims(&pair.access)?;
    let text = |name: &str| claims[name].as_str().context("a claim is a text");
    let (jti, subject) = (text("jti")?, text("sub")?);
    let version_1 = serde_json::json!({ "jti": jti }).to_string();
    let version_2 =
        serde_json::json!({ "jti": jti, "expected_user_id": subject, "schema_version": "2" })
            .to_string();
    for (name, body) in [
        ("jti-status, version 1", version_1),
        ("jti-status, version 2", version_2),
    ] {
        let request = Request {
            name,
            method: "POST",
            path: JTI_STATUS,
            headers: vec![
                ("content-type", "application/json"),
                ("x-internal-token", PRIVATE_API_SECRET),
            ],
            body: &body,
        };
        bare::compare(bench, &request)?;
    }
    let request = Request {
        name: "key set",
        method: "GET",
        path: "/user/.well-known/jwks.json",
        headers: Vec::new(),
        body: "",
    };
    bare::compare(bench, &request)
}
