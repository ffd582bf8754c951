//! What every use case is given: settings, clock, keys and the parts that do I/O.

use std::{ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, config::Config, keys::MasterKey};

/// Shared by all requests; cloning is cheap.
#[derive(Clone)]
pub struct Context(Arc<Parts>);

/// The fields of a [`Context`].
pub struct Parts {
    /// Checked settings.
    pub config: Config,
    /// The present time.
    pub clock: Clock,
    /// The key that all other keys come from.
    pub master_key: MasterKey,
    /// Cancelled when the server begins to stop: long answers (logs, events) end then.
    pub stopping: CancellationToken,
}

impl Deref for Context {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Context {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Why the server cannot do its work now; `None` when it can.
    pub(crate) async fn not_ready(&self) -> Option<&'static str> {
        self.stopping.is_cancelled().then_some("stopping")
    }
}
