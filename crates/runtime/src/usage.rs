//! What a tree of processes uses.

use std::time::Duration;

/// Resources of an app's processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory in bytes. Pages shared with the pre-imported parent are counted by share where the kernel tells.
    pub memory_bytes: u64,
    /// Processor time used so far.
    pub cpu: Duration,
    /// Processes.
    pub processes: u32,
}
