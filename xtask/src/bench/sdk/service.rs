//! A service of `xtask/bench_sdk` under one uvicorn worker, which trusts the bench's issuer.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::{PROGRAMS, wheel};
use crate::bench::{
    http,
    issuer::{self, PRIVATE_API_SECRET},
    process::{self, Running},
    server::Server,
};
use crate::system;

/// Where the drop-in's modules lie; nothing of them is compiled.
const DROP_IN: &str = "sdk/dropin";

/// What stands in front of the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// A dependency that does nothing.
    Empty,
    /// `CurrentUser` of `vestibule.service`, stateful.
    Ours,
    /// `create_app` of `vestibule.service` with everything on, and `CurrentUser`.
    OursApp,
    /// `PyJWT` in a dependency.
    PyJwt,
    /// `fastapi-m8`, which trusts a token until it expires.
    Stateless,
    /// `fastapi-m8`, which asks the issuer about each token.
    Stateful,
    /// `create_app` of `fastapi-m8`, stateless.
    StatelessApp,
    /// The drop-in's `fastapi_m8`, stateful, asking about each token as the package does.
    DropIn,
    /// The same, reading the event stream.
    DropInFeed,
    /// `create_app` of the drop-in's `fastapi_m8`, reading the event stream.
    DropInApp,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain route",
            Self::Empty => "empty dependency",
            Self::Ours => "CurrentUser",
            Self::OursApp => "create_app",
            Self::PyJwt => "PyJWT",
            Self::Stateless => "fastapi-m8 stateless",
            Self::Stateful => "fastapi-m8 stateful",
            Self::StatelessApp => "fastapi-m8 create_app, stateless",
            Self::DropIn => "drop-in, asking",
            Self::DropInFeed => "drop-in, event stream",
            Self::DropInApp => "drop-in create_app",
        }
    }

    /// The module of `xtask/bench_sdk` that it is.
    pub(super) const fn module(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Empty => "empty",
            Self::Ours => "ours",
            Self::OursApp => "ours_app",
            Self::PyJwt => "pyjwt",
            Self::Stateless | Self::Stateful | Self::DropIn | Self::DropInFeed => "m8",
            Self::StatelessApp | Self::DropInApp => "m8_app",
        }
    }

    const fn is_original(self) -> bool {
        matches!(self, Self::Stateless | Self::Stateful | Self::StatelessApp)
    }

    const fn is_drop_in(self) -> bool {
        matches!(self, Self::DropIn | Self::DropInFeed | Self::DropInApp)
    }

    /// Whether it refuses a revoked token before that expires.
    const fn is_stateful(self) -> bool {
        matches!(self, Self::Ours | Self::OursApp | Self::Stateful) || self.is_drop_in()
    }

    /// How it hears of revoked tokens, as a setting.
    const fn revocation_source(self) -> &'static str {
        match self {
            Self::DropIn => "introspection",
            _ => "feed",
        }
    }
}

/// The interpreter that has what a service imports.
fn interpreter(kind: Kind) -> Result<PathBuf> {
    if kind.is_original() {
        super::interpreter("m8")
    } else {
        wheel::interpreter()
    }
}

/// Where Python finds the services and, for those that want it, the drop-in.
fn modules(kind: Kind) -> Result<OsString> {
    let root = system::root();
    let mut folders = vec![root.join(PROGRAMS)];
    if kind.is_drop_in() {
        folders.push(root.join(DROP_IN));
    }
    Ok(std::env::join_paths(folders)?)
}

/// Settings of a service that trusts the issuer, as its environment.
fn settings(issuer: &Server, kind: Kind) -> Vec<(&'static str, String)> {
    let base = format!("http://127.0.0.1:{}/user", issuer.port);
    let mode = if kind.is_stateful() {
        "stateful"
    } else {
        "stateless"
    };
    let fixed = [
        ("PROJECT_NAME", "bench"),
        ("STACK_NAME", "bench"),
        ("DOMAIN", "localhost"),
        ("ENVIRONMENT", "local"),
        ("API_PREFIX", "/bench"),
        ("BACKEND_HOST", "http://localhost:9000"),
        ("FRONTEND_HOST", "http://localhost:5173"),
        ("BACKEND_CORS_ORIGINS", "http://localhost:5173"),
        ("ALLOWED_HOSTS", r#"["127.0.0.1", "localhost"]"#),
        ("METRICS_ENABLED", "true"),
        ("AUTH_SERVICE_ROLE", "consumer"),
        ("AUTH_PREFIX", "/user"),
        ("TOKEN_MODE", mode),
        ("REVOCATION_SOURCE", kind.revocation_source()),
        ("ACCESS_TOKEN_ALGORITHM", "RS256"),
        ("TOKEN_AUDIENCE", "vestibule"),
        ("PRIVATE_API_SECRET", PRIVATE_API_SECRET),
        // Asked for by the published package's settings class, used by none of this.
        ("REFRESH_SECRET_KEY", "Never_Used-By-A-Consumer-0123456789"),
        ("EVENT_SIGNING_ENABLED", "false"),
        ("DB_HOST", "localhost"),
        ("DB_PORT", "5432"),
        ("DB_DATABASE", "unused"),
        ("DB_USER", "unused"),
        ("DB_PASSWORD", "Never_Used-1"),
    ];
    let pointed = [
        ("TOKEN_ISSUER", format!("http://localhost:{}", issuer.port)),
        ("JWKS_URI", format!("{base}/.well-known/jwks.json")),
        ("INTROSPECTION_URL", format!("{base}/private/v1/jti-status")),
    ];
    fixed
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .chain(pointed)
        .collect()
}

/// Python with what a service imports and the settings of one that trusts the issuer, in a folder without a `.env`.
pub(super) fn python(kind: Kind, issuer: &Server) -> Result<Command> {
    let mut command = process::clean(&interpreter(kind)?);
    command
        .current_dir(&issuer.home.folder)
        .env("PYTHONPATH", modules(kind)?)
        .envs(settings(issuer, kind));
    Ok(command)
}

pub(super) struct Service {
    pub(super) process: Running,
    pub(super) port: u16,
}

impl Service {
    /// Starts it and waits until it lets the owner of `token` in.
    pub(super) fn start(kind: Kind, issuer: &Server, token: &str) -> Result<Self> {
        let port = process::free_port()?;
        let mut command = python(kind, issuer)?;
        command
            .args(["-m", "uvicorn", &format!("{}:app", kind.module())])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--loop", "uvloop", "--http", "httptools", "--workers", "1"])
            .args(["--no-access-log", "--log-level", "warning"])
            .stdout(Stdio::null());
        let mut service = Self {
            process: Running::start(&mut command)?,
            port,
        };
        let bearer = format!("Bearer {token}");
        let mut last = None;
        process::wait_for(kind.name(), || {
            let ended = service.process.child().try_wait().ok().flatten();
            let answer = http::send(
                port,
                "GET",
                "127.0.0.1",
                "/me",
                &[("authorization", &bearer)],
                "",
            );
            let is_over = ended.is_some() || answer.as_ref().is_ok_and(|a| a.status != 503);
            last = Some((ended, answer));
            is_over
        })?;
        match last {
            Some((None, Ok(answer))) => ensure!(
                answer.status == 200,
                "{}: a good token was answered {}: {}",
                kind.name(),
                answer.status,
                answer.body
            ),
            _ => anyhow::bail!("{} ended at its start", kind.name()),
        }
        Ok(service)
    }

    /// CPU time of all its threads so far, in seconds.
    pub(super) fn cpu(&self) -> Result<f64> {
        self.process.cpu(false)
    }
}

/// Somebody who has signed in, and who they are.
pub(super) struct Caller {
    pub(super) token: String,
    pub(super) id: String,
}

/// Signs a member in.
pub(super) fn sign_in(issuer: &Server, who: &crate::bench::server::Owner) -> Result<Caller> {
    let token = issuer::sign_in(issuer, who)?.access;
    let claims = issuer::claims(&token)?;
    let id = claims["sub"].as_str().unwrap_or_default().to_owned();
    Ok(Caller { token, id })
}
