//! The master key: read, or made at first start.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use secret::SecretString;
use token::MasterKey;

use crate::{config::Config, random};

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not 64 hexadecimal digits.
    #[error("{place} does not hold 64 hexadecimal digits")]
    Malformed {
        /// Where the text came from.
        place: String,
    },
    /// The file may be read by others.
    #[error("{path} may be read by others; set its mode to 0600")]
    Exposed {
        /// The file.
        path: String,
    },
    /// The file could not be read or made.
    #[error("could not read or make {path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Takes the configured key, else the one in the data directory, which is made when there is none.
pub(crate) fn load(config: &Config) -> Result<MasterKey, KeyError> {
    match &config.keys.master_key {
        Some(text) => MasterKey::from_hex(text.expose()).map_err(|_| KeyError::Malformed {
            place: "master_key".into(),
        }),
        None => read_or_create(&config.server.data_dir.join("master.key")),
    }
}

fn read_or_create(path: &Path) -> Result<MasterKey, KeyError> {
    let shown = || path.display().to_string();
    let io = |cause| KeyError::Io {
        path: shown(),
        cause,
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            Err(KeyError::Exposed { path: shown() })
        }
        Ok(_) => {
            let text = SecretString::new(fs::read_to_string(path).map_err(io)?);
            MasterKey::from_hex(text.expose()).map_err(|_| KeyError::Malformed { place: shown() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path).map_err(io)?;
            read_or_create(path)
        }
        Err(error) => Err(io(error)),
    }
}

/// Writes a new key beside its place and links it there: the file appears whole or not at all, and when two
/// processes start at once the first one's key stays.
fn create(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary = directory.join(format!(".master.key.{}", hex::encode(random::bytes::<8>())));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let text = MasterKey::from_bytes(random::bytes()).to_hex();
    let written = file
        .write_all(text.expose().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        })
        .and_then(|()| fs::File::open(directory)?.sync_all());
    fs::remove_file(&temporary)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_then_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let first = read_or_create(&path).unwrap();
        let second = read_or_create(&path).unwrap();
        assert_eq!(first.to_hex().expose(), second.to_hex().expose());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn concurrent_starts_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| read_or_create(&path).unwrap()))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap().to_hex().expose().clone())
                .collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        read_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            read_or_create(&path),
            Err(KeyError::Exposed { .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(matches!(
            read_or_create(&path),
            Err(KeyError::Malformed { .. })
        ));
    }
}
