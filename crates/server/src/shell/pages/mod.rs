//! What each page shows: plain values, rendered by the template of the same name.

mod account;
mod admin;
mod api_keys;
mod app;
mod dashboard;
mod diff;
mod door;
mod logs;
mod mailed;
mod notice;
mod people;
mod security;
mod versions;
mod view;

pub use account::{
    Account, AccountTab, ConnectionRow, Connections, IdentityRow, Password, Profile, SessionRow,
    Sessions, StolenRow,
};
pub use admin::{
    AccountRow, Admin, AdminAccount, AdminAccounts, AdminApiKey, AdminKeys, AdminProviders,
    AdminService, AdminServices, AdminSession, AdminTab, KeyRow, ProviderRow, ServiceRow,
};
pub use api_keys::{ApiKeyRow, ApiKeys, FreshApiKey, KeyService, NewApiKey};
pub use app::{AppHead, Overview, Tab};
pub use dashboard::{AppCard, Dashboard};
pub use diff::{DiffLine, FileDiff, LineKind, parse_unified};
pub use door::{
    CliLogin, Invite, InviteNote, InvitedAs, Link, NewAccount, ProviderButton, Setup, SignIn,
    SignOut, SignUp,
};
pub use logs::{LogKind, LogLine, Logs};
pub use mailed::{EmailAddress, Mail, Mailed, ShownLink, WaitingLink};
pub use notice::{Confirm, ErrorPage, Notice, NoticeLink};
pub use people::{Invitation, Member, Outcome, People, ShareResult};
pub use security::{
    Authenticator, ConfirmIdentity, NoticeRow, PasskeyName, PasskeyRow, QrPicture, RecoveryCodes,
    SecondFactor, Security, code_form,
};
pub use versions::{Finding, Stage, StageState, Version, VersionRow, Versions};
pub use view::{View, ViewState, Waiting};
