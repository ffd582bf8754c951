//! Limits of published apps.

use super::{
    Span,
    setting::{Within, section},
};

section! {
    /// Limits of published apps.
    Apps {
        /// Largest upload of a project, packed, in bytes.
        "apps.upload_bytes" upload_bytes: Within<1024, 1_099_511_627_776> = "100000000",
        /// Largest project, unpacked, in bytes.
        "apps.unpacked_bytes" unpacked_bytes: Within<1024, 1_099_511_627_776> = "500000000",
        /// Most files of a project.
        "apps.files" files: Within<1, 1_000_000> = "20000",
        /// Memory of one app, in MiB.
        "apps.memory_mib" memory_mib: Within<32, 1_048_576> = "512",
        /// Processes and threads of one app.
        "apps.processes" processes: Within<8, 65_536> = "128",
        /// Open files of one app.
        "apps.open_files" open_files: Within<64, 1_048_576> = "1024",
        /// What one app may keep in its home folder, in MiB; beyond it the app is restarted with an empty one.
        "apps.home_mib" home_mib: Within<1, 1_048_576> = "1024",
        /// How long an app may take to answer its first request.
        "apps.start_timeout" start_timeout: Span = "30s",
        /// How long building an environment may take.
        "apps.build_timeout" build_timeout: Span = "300s",
        /// Releases kept for rollback, the live one included.
        "apps.kept_releases" kept_releases: Within<1, 1000> = "10",
        /// Apps that one account may own.
        "apps.per_account" per_account: Within<1, 100_000> = "100",
    }
}

impl Apps {
    /// The bounds on an upload.
    pub(crate) fn bundle_limits(&self) -> bundle::Limits {
        let usual = bundle::Limits::default();
        bundle::Limits {
            archive_bytes: self.upload_bytes.get(),
            files: usize::try_from(self.files.get()).unwrap_or(usize::MAX),
            total_bytes: self.unpacked_bytes.get(),
            file_bytes: usual.file_bytes.min(self.unpacked_bytes.get()),
            ..usual
        }
    }
}
