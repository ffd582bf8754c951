//! Apps but their publishing: listing, flags, people, deletion.

mod change;
mod delete;
mod enter;
mod exposed;
mod find;
mod invites;
mod list;
mod people;
mod share;

pub use change::{Changes, change, newcomers};
pub use delete::delete;
pub use enter::enter;
pub(crate) use enter::find_place;
pub use exposed::count_shared_keys;
pub use find::find_visible;
pub(crate) use invites::take_up_invite;
pub use invites::{InviteView, accept_invite, find_invite};
pub use list::{Listed, Lists, describe, list};
pub use people::{People, Person, people, revoke_invite, unshare};
pub use share::{Outcome, Shared, data_mode, share};
