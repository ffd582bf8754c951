//! `GET /v1/session` beside a bare axum handler that returns the same bytes.

use anyhow::Result;

use super::{
    Bench,
    bare::{self, Request},
};

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let bearer = format!("Bearer {}", bench.server()?.token()?);
    let request = Request {
        name: "GET /v1/session",
        method: "GET",
        path: "/v1/session",
        headers: vec![("authorization", bearer.as_str())],
        body: "",
    };
    bare::compare(bench, &request)
}
