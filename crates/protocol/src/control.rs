//! The control API under `/v1`: what the command line and the server say to each other.

use serde::{Deserialize, Serialize};

/// The body of every refused request under `/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A stable code, for programs.
    pub error: String,
    /// What to do next, for people.
    pub message: String,
}

/// `POST /v1/session`: signs in by password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// Email address or username.
    pub login: String,
    /// The password as typed.
    pub password: String,
    /// A code of the second factor; without it an account that asks for one is refused as `second_factor_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otp: Option<String>,
    /// What the person will see in the list of sessions, for example `vestibule on laptop`.
    pub device: String,
}

/// The answer to a sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The session token, sent as `Authorization: Bearer` from now on.
    pub token: String,
    /// Who signed in.
    pub account: AccountInfo,
    /// When the session ends at the latest, RFC 3339.
    pub expires_at: String,
}

/// `GET /v1/session`: who is calling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The caller.
    pub account: AccountInfo,
    /// When the session ends at the latest, RFC 3339.
    pub expires_at: String,
}

/// An account as other people may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// UUID.
    pub id: String,
    /// Lower-case.
    pub email: String,
    /// Lower-case.
    pub username: String,
    /// `user`, `reader`, `writer`, `admin` or `superadmin`.
    pub role: String,
}

/// `POST /v1/cli-login`: begins a sign-in that is confirmed in a browser.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CliLoginRequest {
    /// As in [`SignIn::device`].
    pub device: String,
}

/// The answer: a page for the person, and what to poll with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CliLogin {
    /// Short code, shown on both sides so that the person can compare.
    pub code: String,
    /// The page to open.
    pub url: String,
    /// Proves to the server that the poller is who asked; goes into [`CliLoginPoll`].
    pub poll_secret: String,
    /// Seconds until the request lapses.
    pub expires_in: u64,
    /// Seconds to wait between polls.
    pub interval: u64,
}

/// `POST /v1/cli-login/poll`: asks whether the person has confirmed. Answers 202 while waiting, 200 with [`SignedIn`]
/// once, 403 when denied, 410 when lapsed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CliLoginPoll {
    /// From [`CliLogin::poll_secret`].
    pub poll_secret: String,
}

/// `GET /v1/apps`: the caller's apps and those shared with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppList {
    /// Apps the caller owns.
    pub mine: Vec<AppInfo>,
    /// Apps of others that the caller is a member of.
    pub shared: Vec<AppInfo>,
}

/// One app. `GET /v1/apps/{slug}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppInfo {
    /// UUID.
    pub id: String,
    /// The name in its address.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// Its origin, for example `http://guestbook.localhost:8080`.
    pub url: String,
    /// The owner's username.
    pub owner: String,
    /// Listed on discovery pages.
    pub is_public: bool,
    /// A viewer is needed to open it.
    pub requires_auth: bool,
    /// `live`, `starting`, `backing_off`, `crashed`, `stopped` or `unpublished`.
    pub state: String,
    /// The release being served.
    pub live_version: Option<u32>,
    /// When it was last published, RFC 3339.
    pub published_at: Option<String>,
    /// Memory of its processes in bytes, while it runs.
    pub memory_bytes: Option<u64>,
    /// Restarts since this release was started.
    pub restarts: Option<u32>,
}

/// `PATCH /v1/apps/{slug}`: changes what is present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppChanges {
    /// New display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New value of the flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_public: Option<bool>,
    /// New value of the flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_auth: Option<bool>,
    /// `own_group` or `join`: what uninvited viewers of an app open to all get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newcomers: Option<String>,
}

/// One release. `GET /v1/apps/{slug}/versions` answers a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// 1, 2, 3, …
    pub version: u32,
    /// `publishing`, `ready`, `failed` or `pruned`.
    pub state: String,
    /// Whether it is the one being served.
    pub live: bool,
    /// Whether it can be rolled back to.
    pub can_activate: bool,
    /// Where and why it failed.
    pub failure: Option<String>,
    /// The publisher's note.
    pub message: Option<String>,
    /// The publisher's username.
    pub created_by: String,
    /// RFC 3339.
    pub created_at: String,
    /// When it was last made live, RFC 3339.
    pub activated_at: Option<String>,
}

/// `GET /v1/apps/{slug}/versions/{version}/diff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDiff {
    /// 1, 2, 3, …
    pub version: u32,
    /// What publishing changed in the source, as a unified diff.
    pub diff: String,
}

/// `POST /v1/apps/{slug}/rollback`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The release to serve; the one before the live one when absent.
    #[serde(default)]
    pub version: Option<u32>,
}

/// The answer to a rollback or restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activated {
    /// The release served before.
    pub previous: Option<u32>,
    /// The release served now.
    pub version: u32,
    /// How long it took.
    pub seconds: f64,
}

/// `POST /v1/apps/{slug}/people`: shares the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Addresses, one a string; each may itself hold several, separated by commas, semicolons or white space.
    pub addresses: Vec<String>,
    /// `join` (the default) or `own_copy`.
    #[serde(default)]
    pub mode: Option<String>,
}

/// What became of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareResult {
    /// As given.
    pub address: String,
    /// `added`, `invited`, `already` or `invalid`.
    pub outcome: String,
    /// The invite link to pass on, when invited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Why it was invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `GET /v1/apps/{slug}/people`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Who has access.
    pub members: Vec<PersonInfo>,
    /// Who was invited and has not come yet.
    pub invites: Vec<InviteInfo>,
}

/// A member of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonInfo {
    /// UUID of the account.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their username.
    pub username: String,
    /// `join` or `own_copy`.
    pub mode: String,
    /// RFC 3339; `None` when they have not opened the app yet.
    pub last_seen_at: Option<String>,
}

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteInfo {
    /// UUID.
    pub id: String,
    /// The invited address.
    pub email: String,
    /// `join` or `own_copy`.
    pub mode: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// One line of an app's log, sent as NDJSON by `GET /v1/apps/{slug}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// RFC 3339, UTC.
    pub at: String,
    /// `stdout`, `stderr` or `system`.
    pub stream: String,
    /// A guess: `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// The text, secrets redacted.
    pub text: String,
}

/// A stored value, as the owner reads it. `GET /v1/apps/{slug}/kv/{key}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvValue {
    /// The JSON value.
    pub value: serde_json::Value,
    /// Grows with each write.
    pub version: u64,
    /// RFC 3339.
    pub updated_at: String,
}

/// Keys with a prefix. `GET /v1/apps/{slug}/kv?prefix=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvKeys {
    /// Full key names in byte order.
    pub keys: Vec<String>,
}
