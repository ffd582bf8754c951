//! A private Redis server for tests: made on the spot, gone with the process that made it.
//!
//! It listens on a Unix socket in a directory of its own and on no port, so it can collide with nothing. It keeps
//! nothing on disk. Only the standard library is used, so that chores can share this.

use std::{os::unix::net::UnixStream, path::PathBuf, time::Duration};

pub use private_server::StartError;
use private_server::{End, Folder, Watch, search_path};

/// How long the server may take to answer; a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The server's program, by the names that packages give it.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

const HOW_TO_INSTALL: &str = "`redis-server` is not on the search path; install it (Debian: `apt-get install \
     redis-server`, Homebrew: `brew install redis`)";

/// A server, running or stopped. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct RedisFixture {
    program: PathBuf,
    // Dropped before the folder: the server ends before its files do.
    watch: Option<Watch>,
    folder: Folder,
}

impl RedisFixture {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When Redis is not installed, or does not start; with what it said.
    pub fn start() -> Result<Self, StartError> {
        let mut server = Self {
            program: find_program().ok_or(StartError::NotInstalled(HOW_TO_INSTALL))?,
            watch: None,
            folder: Folder::make("redis", None)?,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Ends the server at once, as a crash would.
    pub fn stop(&mut self) {
        self.watch = None;
    }

    /// Starts a stopped server at the same address, without what it knew.
    ///
    /// # Errors
    /// When it does not start; with what it said.
    pub fn start_again(&mut self) -> Result<(), StartError> {
        self.stop();
        let socket = self.socket();
        let mut server = vec![self.program.clone().into_os_string()];
        server.extend(["--port", "0", "--save", "", "--appendonly", "no"].map(Into::into));
        server.extend(["--unixsocket".into(), socket.clone().into()]);
        let end = End {
            signal: "KILL",
            remove: &socket,
        };
        let mut watch = Watch::start(&self.folder, end, server)?;
        watch.wait_until(&self.folder, PATIENCE, || {
            UnixStream::connect(self.socket()).is_ok()
        })?;
        self.watch = Some(watch);
        Ok(())
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

fn find_program() -> Option<PathBuf> {
    search_path(["/usr/local/bin", "/opt/homebrew/bin"])
        .into_iter()
        .flat_map(|folder| PROGRAMS.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_comes_back_and_leaves_nothing_behind() {
        let mut server = RedisFixture::start().unwrap();
        let folder = server.folder.path().to_owned();
        assert!(UnixStream::connect(server.socket()).is_ok());
        server.stop();
        assert!(UnixStream::connect(server.socket()).is_err());
        server.start_again().unwrap();
        assert!(UnixStream::connect(server.socket()).is_ok());
        drop(server);
        assert!(!folder.exists());
    }
}
