//! Accounts, sessions and tokens.

mod access;
mod activity;
mod authenticate;
mod authority;
mod by_mail;
mod change_password;
mod change_profile;
pub mod cli_login;
mod create_account;
mod create_user;
mod delete_account;
mod external_tokens;
pub mod factors;
mod finish;
mod first_password;
mod first_superuser;
mod import;
mod invitations;
mod links;
mod list_users;
mod new_account;
pub mod outside;
mod owner;
mod passwords;
mod proof;
mod refresh;
mod sessions;
mod sign_in;
mod sign_up;
mod stateless;
mod tokens;
mod update_user;
mod user_sessions;

pub use access::{AccessRefusal, AccessStanding, access_standing, is_access_active, verify_access};
pub use activity::{Activity, Whose, count_activity};
pub use authenticate::{authenticate, authenticate_session};
pub(crate) use by_mail::resolve_mail;
pub use by_mail::{
    Capabilities, EmailChange, MailedLink, Proven, Registration, capabilities, change_email,
    confirm_email, confirm_email_change, confirm_password_reset, find_email_change, find_undo,
    find_verification, is_password_reset_open, list_mailed_links, register, request_password_reset,
    request_verification, show_mailed_link, undo_email_change,
};
pub use change_password::change_password;
pub use change_profile::change_full_name;
pub use create_account::create_account;
pub use create_user::{NewAccess, NewUser, create_user};
pub use delete_account::delete_account;
pub use external_tokens::{NewExternalTokens, replace_external_tokens};
pub use finish::{Finished, FirstFactor, Pending, finish_sign_in};
pub use first_password::set_first_password;
pub use import::{Existing, Foreign, ImportProblem, Imported, import_accounts};
pub use list_users::{find_user, list_users};
pub use new_account::NewAccount;
pub use owner::{complete_setup, ensure_owner, is_setup_open, owner, owner_link};
pub use proof::{RECENT_PROOF_REQUIRED, require_recent_proof};
pub use refresh::{RefreshRefusal, refresh, sign_out_by_refresh};
pub use sessions::{
    SignedIn, end_session, list_sessions, list_stolen_sessions, sign_out, sign_out_everywhere,
};
pub use sign_in::{
    Credentials, create_sign_in_link, is_sign_in_link_open, sign_in, sign_in_at_once,
    sign_in_by_link,
};
pub use sign_up::sign_up;
pub use tokens::{LoggedIn, TokenPair, login};
pub use update_user::{DEFAULT_PROVIDER, ProfileChange, UserChange, update_profile, update_user};
pub use user_sessions::{
    TokenSession, end_user_session, end_user_sessions, find_token_session, latest_token_session,
    list_token_sessions, list_user_sessions,
};
