//! Published apps: who may open one, releases, invitations and viewers. The rules, as pure functions.

mod access;
mod addresses;
mod app;
mod invitation;
mod invite;
mod next_path;
mod publish;
mod release;
mod releases;

pub use access::{Access, NewcomerGroup, Place, access, is_listed, join, may_visit, newcomer};
pub use addresses::{Address, MOST_ADDRESSES, TooManyAddresses, parse_addresses};
pub use app::{App, DataMode, Member, Newcomers};
pub use invitation::{
    INVITE_LIFETIME, InviteRefusal, InviteState, InviteVisitor, NewInvite, accept, invite_state,
    invite_visitor, new_invite,
};
pub use invite::Invite;
pub use next_path::NextPath;
pub use publish::{AppName, ReleaseMessage, TextError};
pub use release::{Release, ReleaseState};
pub use releases::{RollbackError, interrupted, outdated, rollback_target};
pub use token::viewer::ViewerRole;
