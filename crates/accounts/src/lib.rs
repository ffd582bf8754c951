//! Accounts, sign-in and sessions: the rules, as pure functions of values, time and randomness.
//!
//! No I/O and no clock here. What is loaded and saved is in `storage`, what happens over HTTP in `server`.

pub mod access;
mod account;
pub mod allowance;
pub mod api_key;
pub mod attempts;
mod authority;
mod avatar;
mod challenge;
mod email;
mod factors;
mod hash;
mod identity;
mod lifetime;
pub mod passkey;
mod password;
pub mod proof;
pub mod quota;
pub mod recovery;
pub mod refresh;
pub mod service;
mod session;
mod sign_out;
mod sign_up;
pub mod throttle;
pub mod totp;
mod username;

pub use account::{Account, PASSWORD_PROVIDER, PENDING_PREFIX, Role, UnknownRole};
pub use authority::{Actor, AuthorityRefusal, Consequence, Standing, change_standing};
pub use avatar::{Avatar, AvatarError};
pub use challenge::{Challenge, ChallengeInvalid, ChallengePurpose};
pub use email::{Email, EmailError};
pub use factors::{Factors, TypedCode};
pub use hash::{Block, HashError, HashParameters, Scheme, Verdict, hash, rehash, scheme, verify};
pub use identity::{
    Identity, LinkRefusal, OutsideProfile, SocialDecision, SocialRefusal, SubjectError, Told,
    WaitingLink, WaysIn, decide as decide_social, may_link,
};
pub use lifetime::{Lifetimes, NewSession, SessionRefusal, Touch, check, start, touch};
pub use passkey::Passkey;
pub use password::{Password, PasswordError};
pub use proof::{Assurance, Method, Methods};
pub use service::{Scopes, Service};
pub use session::{EndReason, Ended, PairedAccess, RefreshToken, Session, SessionOrigin};
pub use sign_out::{Sessions, SignOut};
pub use sign_up::{PresentedInvite, SignUpDecision, SignUpPolicy};
pub use username::{Username, UsernameError};
