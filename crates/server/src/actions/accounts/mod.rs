//! Accounts, sessions and tokens.

mod authenticate;
mod change_password;
mod change_profile;
pub mod cli_login;
mod create_account;
mod finish;
mod invitations;
mod links;
mod new_account;
mod owner;
mod passwords;
mod proof;
mod sessions;
mod sign_in;
mod sign_up;
mod tokens;

pub use authenticate::{authenticate, authenticate_session};
pub use change_password::change_password;
pub use change_profile::change_full_name;
pub use create_account::create_account;
pub use finish::{Finished, FirstFactor, Pending, finish_sign_in};
pub use new_account::NewAccount;
pub use owner::{complete_setup, ensure_owner, is_setup_open, owner, owner_link};
pub use proof::{RECENT_PROOF_REQUIRED, require_recent_proof};
pub use sessions::{SignedIn, end_session, list_sessions, sign_out, sign_out_everywhere};
pub use sign_in::{
    Credentials, create_sign_in_link, is_sign_in_link_open, sign_in, sign_in_at_once,
    sign_in_by_link,
};
pub use sign_up::sign_up;
pub use tokens::{RefreshRefusal, TokenPair, login, refresh, session_of_refresh, verify_access};
