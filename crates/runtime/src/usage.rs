//! What a tree of processes uses, read from `/proc`.

use std::{fs, time::Duration};

/// Resources of an app's processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory in bytes. Pages shared with the pre-imported parent are counted by share where the kernel tells.
    pub memory_bytes: u64,
    /// Processor time used so far by the processes that are alive.
    pub cpu: Duration,
    /// Processes.
    pub processes: u32,
}

/// Reads the usage of a process and all its descendants, shared memory counted by share.
pub(crate) fn sample(root: i32) -> Usage {
    let processes = tree(root);
    let ticks: u64 = processes
        .iter()
        .filter_map(|process| cpu_ticks(*process))
        .sum();
    Usage {
        memory_bytes: processes
            .iter()
            .map(|process| proportional_bytes(*process))
            .sum(),
        // The kernel reports hundredths of a second to programs on every platform it runs on.
        cpu: Duration::from_millis(ticks.saturating_mul(10)),
        processes: u32::try_from(processes.len()).unwrap_or(u32::MAX),
    }
}

/// Whether the tree uses more than `limit` bytes. Quick as long as it is well below, which is nearly always.
pub(crate) fn exceeds(root: i32, limit: u64) -> bool {
    let processes = tree(root);
    let resident: u64 = processes
        .iter()
        .filter_map(|process| status_bytes(*process, "VmRSS:"))
        .sum();
    resident > limit
        && processes
            .iter()
            .map(|process| proportional_bytes(*process))
            .sum::<u64>()
            > limit
}

fn tree(root: i32) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    // Bounded, should a fork bomb be faster than we are.
    while next < found.len() && found.len() < 10_000 {
        found.extend(children(found[next]));
        next += 1;
    }
    found
}

fn children(process: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|child| child.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn proportional_bytes(process: i32) -> u64 {
    fs::read_to_string(format!("/proc/{process}/smaps_rollup"))
        .ok()
        .and_then(|text| field(&text, "Pss:"))
        // Not ours to read (another user's process): what is resident is the upper bound.
        .or_else(|| status_bytes(process, "VmRSS:"))
        .unwrap_or(0)
}

fn status_bytes(process: i32, name: &str) -> Option<u64> {
    field(
        &fs::read_to_string(format!("/proc/{process}/status")).ok()?,
        name,
    )
}

/// A line such as `VmRSS:   1234 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kilobytes| kilobytes * 1024)
}

fn cpu_ticks(process: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted after its end.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_uses_something() {
        let process = i32::try_from(std::process::id()).unwrap();
        let usage = sample(process);
        assert!(
            usage.processes >= 1 && usage.memory_bytes > 100_000,
            "{usage:?}"
        );
        assert!(exceeds(process, 1000) && !exceeds(process, 1 << 50));
    }

    #[test]
    fn a_process_that_is_gone_uses_nothing() {
        assert_eq!(sample(i32::MAX).memory_bytes, 0);
    }
}
