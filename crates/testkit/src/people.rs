//! People, apps and what they hold, made without detours.

use std::time::{Duration, Instant};

use accounts::Role;
use apps::{App, DataMode, Member, Newcomers};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac_sha256::Hmac;
use ids::{AccountId, AppId, GroupId};
use secret::SecretString;
use serde_json::{Value, json};
use server::{
    Context, Error,
    actions::accounts::{self as actions, NewAccount},
    extract::Caller,
};
use storage::{EventKind, Group};
use token::viewer::{LIFETIME, ViewerClaims, ViewerRole, mint};

use crate::TestServer;

/// A condition that is waited for holds within this time, or the test fails.
const DEADLINE: Duration = Duration::from_secs(10);

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Account id as text.
    pub id: String,
    /// Address: `<username>@example.com`.
    pub email: String,
    /// Username.
    pub username: String,
    /// Password.
    pub password: String,
    /// Session token, for `Authorization: Bearer` or the cookie.
    pub token: String,
}

/// An app as the tests of data and access need it: it is not published.
#[derive(Debug, Clone)]
pub struct AppFixture {
    /// App id as text.
    pub id: String,
    /// Slug.
    pub slug: String,
    /// The app's key for the data API.
    pub key: String,
    /// The record.
    pub record: App,
}
