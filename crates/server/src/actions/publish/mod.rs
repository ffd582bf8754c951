//! Publishing: a folder becomes a release that is served.
//!
//! `pipeline` is the whole way of an upload; `activate` is the last part of it, shared with rollback, restart and the
//! start of the server. The old release serves until the new one has been verified, and goes on serving if it fails.

mod activate;
mod boot;
mod examine;
mod history;
mod logs;
mod options;
mod origin;
mod pipeline;
mod plan;
mod report;
mod rollback;
pub mod source;
mod verify;

pub use activate::{ActivateError, activate};
pub use boot::{boot, recover};
pub use examine::{Examined, examine};
pub use history::{plan_of, versions};
pub use logs::{Following, Log, LogError, log};
pub use options::{OptionsError, PublishOptions, PublishQuery};
pub use origin::Origin;
pub use pipeline::{PublishError, Upload, publish};
pub use plan::Plan;
pub use report::{Report, StageFailure};
pub(crate) use rollback::take_turn;
pub use rollback::{Activation, RollbackError, check_rollback, restart, rollback};
