//! What those who look after the server see.

use askama::Template;

use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Copy, Form, Icon, Moment, Person},
};

/// The tabs of the administration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminTab {
    /// People.
    Accounts,
    /// Programs that call the issuer.
    Services,
    /// What signs access tokens.
    Keys,
    /// Outside providers of identities.
    Providers,
}

/// What every tab shows above its content.
#[derive(Debug, Clone, Copy, Template)]
#[template(path = "admin_head.html")]
pub struct Admin {
    /// The open tab.
    pub tab: AdminTab,
    /// Whether the viewer has the highest role; others look after accounts only.
    pub is_superuser: bool,
}

impl askama::filters::HtmlSafe for Admin {}

/// `GET /admin/accounts`.
#[derive(Debug, Template)]
#[template(path = "admin_accounts.html")]
pub struct AdminAccounts {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Admin,
    /// The text that is searched for.
    pub wanted: String,
    /// This part of the list.
    pub accounts: Vec<AccountRow>,
    /// How many there are in all.
    pub count: u64,
    /// The address of the part before.
    pub before: Option<String>,
    /// The address of the next part.
    pub next: Option<String>,
}

/// One account of the list.
#[derive(Debug, Clone)]
pub struct AccountRow {
    /// A UUID.
    pub id: String,
    /// Who it is.
    pub person: Person,
    /// `superadmin`, …
    pub role: String,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made.
    pub since: Moment,
}

/// `GET /admin/accounts/{account}`.
#[derive(Debug, Template)]
#[template(path = "admin_account.html")]
pub struct AdminAccount {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Admin,
    /// Who it is.
    pub account: AccountRow,
    /// How the account came about.
    pub provider: String,
    /// Whether the address was proven.
    pub email_verified: bool,
    /// Whether the viewer may change it.
    pub is_managed: bool,
    /// The roles the viewer may give.
    pub roles: Vec<&'static str>,
    /// The account's live sessions.
    pub sessions: Vec<AdminSession>,
    /// The account's API keys.
    pub keys: Vec<AdminApiKey>,
}

/// A live session of somebody.
#[derive(Debug, Clone)]
pub struct AdminSession {
    /// A UUID.
    pub id: String,
    /// Such as `Firefox on Linux`.
    pub device: String,
    /// When it began.
    pub since: Moment,
    /// When it was last used.
    pub last_seen: Moment,
}

/// An API key of somebody.
#[derive(Debug, Clone)]
pub struct AdminApiKey {
    /// A UUID.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// `active`, `expired` or `revoked`.
    pub state: &'static str,
    /// When it ends.
    pub expires: Moment,
    /// When it was last used.
    pub last_used: Option<Moment>,
}

/// `GET /admin/services`.
#[derive(Debug, Template)]
#[template(path = "admin_services.html")]
pub struct AdminServices {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Admin,
    /// By id.
    pub services: Vec<ServiceRow>,
    /// To register another one.
    pub form: Form,
    /// A secret that was made just now, and whose it is.
    pub made: Option<(String, String)>,
}

/// One service.
#[derive(Debug, Clone)]
pub struct ServiceRow {
    /// What it gives with each call.
    pub id: String,
    /// The name people see.
    pub name: String,
    /// The audience of its users' tokens; empty for the issuer's default.
    pub audience: String,
    /// What it may ask.
    pub scopes: Vec<String>,
    /// Whether it is refused.
    pub disabled: bool,
    /// When it was registered.
    pub since: Moment,
}

/// `GET /admin/services/{service}`.
#[derive(Debug, Template)]
#[template(path = "admin_service.html")]
pub struct AdminService {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Admin,
    /// Which one.
    pub service: ServiceRow,
    /// Its name, audience and scopes.
    pub form: Form,
}

/// `GET /admin/keys`.
#[derive(Debug, Template)]
#[template(path = "admin_keys.html")]
pub struct AdminKeys {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Admin,
    /// The current one first.
    pub keys: Vec<KeyRow>,
    /// Whether a key is planned already.
    pub has_next: bool,
    /// Whether the planned key may sign now.
    pub may_rotate: bool,
}

/// One signing key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Its id in the key set.
    pub kid: String,
    /// What it signs with.
    pub algorithm: String,
    /// `next`, `current` or `retired`.
    pub state: &'static str,
    /// When it was made.
    pub made: Moment,
    /// Since when it signs.
    pub current: Option<Moment>,
    /// From when on it may sign.
    pub may_sign: Option<Moment>,
    /// When it goes.
    pub gone: Option<Moment>,
}

/// `GET /admin/providers`.
#[derive(Debug, Template)]
#[template(path = "admin_providers.html")]
pub struct AdminProviders {
    /// The layout.
    pub page: Page,
    /// The head.
    pub head: Admin,
    /// By name.
    pub providers: Vec<ProviderRow>,
}

/// One provider of identities.
#[derive(Debug, Clone)]
pub struct ProviderRow {
    /// Its name in settings and addresses.
    pub name: String,
    /// What people read.
    pub label: String,
    /// Where it sends browsers back to; to be written down at the provider.
    pub callback: String,
}
