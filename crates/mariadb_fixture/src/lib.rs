//! A private MariaDB server for tests: made on the spot, gone with the process that made it.
//!
//! It listens on a Unix socket in a directory of its own and on a free port of this machine, since the settings of a
//! service name a host and a port; hence its user has a password. It gives up durability for speed. Only the standard
//! library is used, so that chores can share this.

use std::{
    fs,
    io::Read as _,
    net::{Ipv4Addr, TcpListener},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

pub use private_server::StartError;
use private_server::{End, Folder, Watch, search_path, unprivileged_user};

/// How long the server may take to answer; a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often another port is tried when somebody took the one that was free.
const ATTEMPTS: u32 = 5;

/// Who may do everything on the server.
const USER: &str = "vestibule";
const SOCKET: &str = "mariadb.sock";

/// Little memory, UTF-8, host names never asked for, and speed at the price of durability.
const SETTINGS: [&str; 10] = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--max-connections=400",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
];

const HOW_TO_INSTALL: &str = "MariaDB's `mariadbd` and `mariadb-install-db` were found neither on the search path nor in \
     the usual places; install the server (Debian: `apt-get install mariadb-server`, Homebrew: `brew install mariadb`)";

/// A running server. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct MariadbFixture {
    // Dropped first: the server ends before its files do.
    _watch: Watch,
    folder: Folder,
    port: u16,
    password: String,
}

impl MariadbFixture {
    /// Makes and starts a server, and waits until it answers.
    ///
    /// # Errors
    /// When MariaDB is not installed, or does not start; with what it said.
    pub fn start() -> Result<Self, StartError> {
        let server = find("mariadbd").or_else(|| find("mysqld"));
        let install = find("mariadb-install-db").or_else(|| find("mysql_install_db"));
        let (Some(server), Some(install)) = (server, install) else {
            return Err(StartError::NotInstalled(HOW_TO_INSTALL));
        };
        // MariaDB refuses to run as root unless it is told a user.
        let folder = Folder::make("mariadb", unprivileged_user(&["mysql", "nobody"])?)?;
        let made = folder
            .command(install)
            .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!(
                "--datadir={}",
                folder.path().join("data").display()
            ))
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(StartError::Failed(format!(
                "mariadb-install-db: {}",
                said.trim()
            )));
        }
        let password = random_password()?;
        fs::write(folder.path().join("init.sql"), first_statements(&password))?;
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match run(&folder, &server, port) {
                Ok(watch) => {
                    return Ok(Self {
                        _watch: watch,
                        folder,
                        port,
                        password,
                    });
                }
                Err(_) if attempt < ATTEMPTS && folder.log().contains("TCP/IP port") => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The address of a database on this server, by its port. The database `test` exists; the user may create others.
    pub fn url(&self, database: &str) -> String {
        let (password, port) = (&self.password, self.port);
        format!("mysql://{USER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The server's Unix socket, where the same user and password are good.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }
}

/// Starts the server on a port and waits until it answers.
fn run(folder: &Folder, program: &Path, port: u16) -> Result<Watch, StartError> {
    let own =
        |option: &str, name: &str| format!("--{option}={}", folder.path().join(name).display());
    let mut server = vec![program.as_os_str().to_owned(), "--no-defaults".into()];
    server.extend(SETTINGS.map(Into::into));
    server.push(own("datadir", "data").into());
    server.push(own("socket", SOCKET).into());
    server.push(own("pid-file", "pid").into());
    server.push(own("init-file", "init.sql").into());
    server.push(format!("--tmpdir={}", folder.path().display()).into());
    server.push(format!("--port={port}").into());
    let end = End {
        // What it keeps is thrown away, so it need not be written down.
        signal: "KILL",
        remove: folder.path(),
    };
    let mut watch = Watch::start(folder, end, server)?;
    // It begins to listen after the statements of the first start are done.
    watch.wait_until(folder, PATIENCE, || {
        UnixStream::connect(socket(folder)).is_ok()
    })?;
    Ok(watch)
}

fn socket(folder: &Folder) -> PathBuf {
    folder.path().join(SOCKET)
}

/// What a fresh server is told, a statement a line. It comes with users without a name, of whom `''@'localhost'` is
/// taken for anybody who signs in from this machine and is known only as `'name'@'%'`: they go, and our user is made
/// under both hosts.
fn first_statements(password: &str) -> String {
    let user = |host: &str| {
        format!(
            "CREATE USER '{USER}'@'{host}' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'{host}' WITH GRANT OPTION;\n"
        )
    };
    let (by_socket, by_port) = (user("localhost"), user("%"));
    format!(
        "DELETE FROM mysql.global_priv WHERE User = '';\nFLUSH PRIVILEGES;\n{by_socket}{by_port}CREATE DATABASE test;\n"
    )
}

/// 32 hexadecimal digits that nobody can guess.
fn random_password() -> Result<String, StartError> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, StartError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn find(program: &str) -> Option<PathBuf> {
    search_path([
        "/usr/sbin",
        "/usr/local/sbin",
        "/opt/homebrew/bin",
        "/usr/local/bin",
        "/usr/libexec",
    ])
    .into_iter()
    .map(|folder| folder.join(program))
    .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Asks as the user, by the client program of the server's package.
    fn ask(server: &MariadbFixture, how: &[String], statement: &str) -> String {
        let client = find("mariadb").or_else(|| find("mysql")).unwrap();
        let answer = Command::new(client)
            .args([
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--user",
                USER,
            ])
            .arg(format!("--password={}", server.password))
            .args(how)
            .args(["--execute", statement])
            .output()
            .unwrap();
        assert!(answer.status.success(), "{answer:?}");
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn its_user_gets_in_by_both_ways_and_it_leaves_nothing_behind() {
        let server = MariadbFixture::start().unwrap();
        let by_port = [
            "--protocol=tcp".to_owned(),
            "--host=127.0.0.1".to_owned(),
            format!("--port={}", server.port),
        ];
        let by_socket = [format!("--socket={}", server.socket().display())];
        let who = "SELECT CURRENT_USER()";
        assert_eq!(ask(&server, &by_port, who), "vestibule@%");
        assert_eq!(ask(&server, &by_socket, who), "vestibule@localhost");
        ask(
            &server,
            &by_port,
            "CREATE DATABASE mine; CREATE TABLE mine.t (a INT); INSERT INTO mine.t VALUES (7)",
        );
        assert_eq!(ask(&server, &by_socket, "SELECT a FROM mine.t"), "7");
        assert!(server.url("mine").ends_with("/mine"));
        let folder = server.folder.path().to_owned();
        let port = server.port;
        drop(server);
        assert!(!folder.exists());
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn two_servers_do_not_meet() {
        let (one, other) = (
            MariadbFixture::start().unwrap(),
            MariadbFixture::start().unwrap(),
        );
        assert_ne!(one.url("test"), other.url("test"));
    }
}
