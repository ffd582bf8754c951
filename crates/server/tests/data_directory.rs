//! What other users of the machine can see of the data directory.

use std::{fs, os::unix::fs::PermissionsExt as _};

use testkit::TestServer;

#[tokio::test]
async fn other_users_of_the_machine_cannot_look_into_the_data_directory() {
    let server = TestServer::start().await;
    let mode = |name: &str| {
        let metadata = fs::metadata(server.data_dir().join(name));
        let metadata = metadata.unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("master.key"), 0o600);
    if server.data_dir().join("vestibule.db").exists() {
        assert_eq!(mode("vestibule.db"), 0o600);
    }
    // The user that apps run as has to pass through to what is mounted for it; the names below are not to be guessed.
    assert_eq!(mode("apps"), 0o711);
    assert_eq!(mode("run"), 0o700);
}
