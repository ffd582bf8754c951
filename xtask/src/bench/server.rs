//! A server on a data directory of its own, with the bench's app.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{http, issuer, process, process::Running, programs::Programs};
use crate::system;

/// The app that is published.
pub(super) const APP: &str = "xtask/bench_app";
const SLUG: &str = "bench";

/// Settings of the issuer: a secret of services, and limits that the bench's one address does not reach.
const ISSUER: [(&str, &str); 2] = [
    (
        "VESTIBULE_ISSUER__PRIVATE_API_SECRET",
        issuer::PRIVATE_API_SECRET,
    ),
    ("VESTIBULE_ISSUER__REFRESH_ATTEMPTS", "1000000"),
];

/// Whose apps they are.
pub(super) struct Owner {
    pub(super) email: String,
    pub(super) password: String,
}

pub(super) struct Server {
    pub(super) process: Running,
    pub(super) port: u16,
    pub(super) owner: Owner,
    pub(super) home: Home,
}

/// A data directory and a folder of credentials, removed at the end.
pub(super) struct Home {
    pub(super) folder: PathBuf,
    vestibule: PathBuf,
}

/// The folder for what the bench makes, on the disk of the target folder.
pub(super) fn folder() -> Result<PathBuf> {
    let folder = system::cache("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Home {
    pub(super) fn make(programs: &Programs, name: &str) -> Result<Self> {
        let folder = folder()?.join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            vestibule: programs.vestibule.clone(),
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The program, keeping its credentials here.
    pub(super) fn command(&self) -> Command {
        let mut command = process::clean(&self.vestibule);
        command.env("XDG_CONFIG_HOME", &self.folder);
        command
    }

    /// Runs the program to its end, with a line of input; its standard output.
    pub(super) fn run(&self, arguments: &[&str], input: &str) -> Result<String> {
        let file = self.folder.join("input");
        std::fs::write(&file, input)?;
        let output = self
            .command()
            .args(arguments)
            .stdin(std::fs::File::open(&file)?)
            .output()?;
        ensure!(
            output.status.success(),
            "vestibule {} failed: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes an account, as an operator does.
    pub(super) fn account(&self, name: &str, role: &str) -> Result<Owner> {
        let (email, password) = (
            format!("{name}@example.com"),
            format!("{name} likes ratios"),
        );
        let data = self.data().display().to_string();
        let who = ["account", "create", "--email", &email, "--username", name];
        let how = ["--role", role, "--password-stdin", "--data-dir", &data];
        self.run(&[&who[..], &how].concat(), &password)?;
        Ok(Owner { email, password })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// `vestibule up` with the app; waits until it says that it is ready.
    pub(super) fn with_app(programs: &Programs) -> Result<Self> {
        println!("starting a server with the app …");
        let home = Home::make(programs, "server")?;
        std::fs::create_dir_all(home.data())?;
        let owner = home.account("owner", "superadmin")?;
        let port = process::free_port()?;
        let mut command = home.command();
        command
            .args(["up", APP, "--slug", SLUG, "--json", "--admin-listen", "off"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(home.data())
            // The bound on a single app's writes is not what is measured.
            .env("VESTIBULE_KV__WRITES_PER_SECOND", "1000000")
            .envs(ISSUER)
            .stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        wait_until_ready(&mut process)?;
        Ok(Self {
            process,
            port,
            owner,
            home,
        })
    }

    /// `vestibule serve` without an app; waits until it answers.
    pub(super) fn bare(programs: &Programs, name: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let home = Home::make(programs, name)?;
        let port = process::free_port()?;
        let mut command = home.command();
        command
            .args(["serve", "--admin-listen", "off"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(home.data())
            .envs(ISSUER)
            .envs(settings.iter().copied())
            .env("VESTIBULE_LOG__LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Running::start(&mut command)?;
        process::wait_for("a server", || {
            http::send(port, "GET", "localhost", "/signin", &[], "")
                .is_ok_and(|answer| answer.status == 200)
        })?;
        let owner = home.account("owner", "superadmin")?;
        Ok(Self {
            process,
            port,
            owner,
            home,
        })
    }

    pub(super) fn shell_host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(super) fn app_host(&self) -> String {
        format!("{SLUG}.localhost:{}", self.port)
    }

    /// Signs the owner in as the command line does; the bearer token.
    pub(super) fn token(&self) -> Result<String> {
        let body = sign_in_body(&self.owner);
        let headers = [("content-type", "application/json")];
        let answer = http::send(
            self.port,
            "POST",
            &self.shell_host(),
            "/v1/session",
            &headers,
            &body,
        )?;
        let body: Value = serde_json::from_str(&answer.body)?;
        body["token"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("signing in was answered {}: {body}", answer.status))
    }
}

/// What `POST /v1/session` takes.
pub(super) fn sign_in_body(owner: &Owner) -> String {
    serde_json::json!({"login": owner.email, "password": owner.password, "device": "bench"})
        .to_string()
}

fn wait_until_ready(process: &mut Running) -> Result<()> {
    let output = process
        .child()
        .stdout
        .take()
        .context("the output is piped")?;
    let mut lines = BufReader::new(output).lines();
    for line in lines.by_ref() {
        if serde_json::from_str::<Value>(&line?).is_ok_and(|event| event["ready"].is_object()) {
            // Whatever it still says must not fill the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(());
        }
    }
    bail!("the server ended before it was ready")
}

/// Copies the app's folder, so that it can be changed.
pub(super) fn copy_app(to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for name in ["main.py", "requirements.txt"] {
        std::fs::copy(Path::new(APP).join(name), to.join(name))?;
    }
    Ok(())
}
