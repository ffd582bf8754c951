//! The tokens of the servers a person signed in to, in one file that only they can read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure};

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// The server used when none is named.
    pub(crate) current: Option<String>,
    /// Tokens by server origin.
    #[serde(default)]
    pub(crate) tokens: BTreeMap<String, String>,
}

/// A server and the token to speak to it with.
pub(crate) struct Target {
    pub(crate) server: String,
    pub(crate) token: Option<String>,
}

const DEFAULT_SERVER: &str = "http://localhost:8080";

impl Credentials {
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = path()?;
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::internal(format!(
                    "{} is damaged ({error}); delete it and sign in again",
                    path.display()
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::internal(format!(
                "could not read {}: {error}",
                path.display()
            ))),
        }
    }

    /// Replaces the file in one step, so that an interrupted write loses nothing.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let path = path()?;
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(temporary, &path)
        };
        write().map_err(|error| {
            Failure::internal(format!("could not write {}: {error}", path.display()))
        })
    }

    /// The server to talk to: the one named, else the one signed in to last, else the default address. A token from
    /// the environment wins over a kept one.
    pub(crate) fn target(&self, named: Option<&str>) -> Result<Target, Failure> {
        let server = origin(named.or(self.current.as_deref()).unwrap_or(DEFAULT_SERVER))?;
        let from_environment = std::env::var("VESTIBULE_TOKEN")
            .ok()
            .filter(|token| !token.trim().is_empty());
        let token = from_environment
            .map(|token| token.trim().to_owned())
            .or_else(|| self.tokens.get(&server).cloned());
        Ok(Target { server, token })
    }
}

/// The origin of an address as typed: scheme, host and port.
pub(crate) fn origin(address: &str) -> Result<String, Failure> {
    let with_scheme = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let refuse = || {
        Failure::new(
            Code::Usage,
            format!("{address:?} is no server address; write it like {DEFAULT_SERVER}"),
        )
    };
    let url = url::Url::parse(&with_scheme).map_err(|_| refuse())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse());
    }
    Ok(url.origin().ascii_serialization())
}

fn path() -> Result<PathBuf, Failure> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|folder| Path::new(folder).is_absolute())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
        .ok_or_else(|| {
            Failure::new(
                Code::Configuration,
                "neither HOME nor XDG_CONFIG_HOME is set; use VESTIBULE_TOKEN",
            )
        })?;
    Ok(folder.join("vestibule/credentials.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_to_its_origin() {
        for (typed, expected) in [
            ("localhost:8080", "http://localhost:8080"),
            (
                "https://Vestibule.Example.com/apps?x=1",
                "https://vestibule.example.com",
            ),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ] {
            assert_eq!(origin(typed).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_web_address_is_a_usage_error() {
        for typed in ["", "ftp://x", "http://", "http://[", "javascript:alert(1)"] {
            assert!(origin(typed).is_err(), "{typed:?}");
        }
    }
}
