//! Bodies, paths and queries with our own refusals.

use axum::extract::{FromRequest, FromRequestParts};

use crate::Error;

/// A JSON body. Needs `Content-Type: application/json` (415), text that is JSON (400) of the right shape (422).
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Error))]
pub struct Json<T>(pub T);

/// A form body. Needs `Content-Type: application/x-www-form-urlencoded` (415) and the right fields (422).
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Form), rejection(Error))]
pub struct Form<T>(pub T);

/// The variables of the path. What cannot be read names nothing: 404.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Error))]
pub struct Path<T>(pub T);

/// The query. Unreadable ones are refused with 400.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Error))]
pub struct Query<T>(pub T);
