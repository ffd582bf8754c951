//! Environments built for real from the package index.

use std::{path::Path, sync::Mutex};

use runtime::{EnvironmentError, EnvironmentSpec, Environments};

fn environments(dir: &Path) -> Environments {
    Environments::new(dir)
}

fn spec(python: Option<&str>, requirements: &str) -> EnvironmentSpec {
    EnvironmentSpec::new(python.map(str::to_owned), requirements.to_owned())
}

/// Shares the package cache of the other tests, so that only the first run is slow.
fn data_dir() -> tempfile::TempDir {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime");
    std::fs::create_dir_all(shared.join("uv-cache")).unwrap();
    let dir = tempfile::tempdir_in(&shared).unwrap();
    std::os::unix::fs::symlink(shared.join("uv-cache"), dir.path().join("uv-cache")).unwrap();
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn two_builds_of_one_environment_at_once_build_it_once() {
    let dir = data_dir();
    let environments = environments(dir.path());
    let wanted = spec(None, "six==1.16.0\n");
    let lines = Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let (one, two) = tokio::join!(
        environments.prepare(&wanted, &progress),
        environments.prepare(&wanted, &progress)
    );
    assert_eq!(one.unwrap(), two.unwrap());
    let lines = lines.into_inner().unwrap();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("six==1.16.0"))
            .count(),
        1,
        "{lines:?}"
    );
    let found = environments.find(&wanted.key).unwrap();
    assert!(found.python_version.starts_with("3."));
    let packages = std::fs::read_dir(found.path.join("lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for name in ["six.py", "uvicorn", "websockets"] {
        assert!(packages.join("site-packages").join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn the_resolver_is_quoted_when_it_fails() {
    let dir = data_dir();
    let environments = environments(dir.path());
    let error = environments
        .prepare(&spec(None, "six==0.0.999\n"), &|_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EnvironmentError::Install { output } if output.contains("six==0.0.999")),
        "{error}"
    );
    let error = environments
        .prepare(&spec(None, "not a requirement !\n"), &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, EnvironmentError::Install { .. }), "{error}");
    // A failure leaves nothing that looks like an environment.
    assert_eq!(
        std::fs::read_dir(dir.path().join("environments"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_python_that_is_not_to_be_had_is_named() {
    let dir = data_dir();
    let environments = environments(dir.path());
    for wanted in [">=3.99", "--help", "/bin/sh", "2.0"] {
        let error = environments
            .prepare(&spec(Some(wanted), "six\n"), &|_| {})
            .await
            .unwrap_err();
        assert!(
            matches!(&error, EnvironmentError::PythonVersion { wanted: named, .. } if named == wanted),
            "{error}"
        );
    }
}

#[tokio::test]
async fn constraints_choose_versions_and_install_nothing_by_themselves() {
    let dir = data_dir();
    let environments = environments(dir.path());
    let wanted = EnvironmentSpec::constrained(
        None,
        "six\n".to_owned(),
        "six==1.15.0\nrequests==2.32.0\n".to_owned(),
    );
    assert_ne!(wanted.key, spec(None, "six\n").key);
    let made = environments.prepare(&wanted, &|_| {}).await.unwrap();
    let python = std::fs::read_dir(made.path.join("lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let packages = python.path().join("site-packages");
    assert!(packages.join("six-1.15.0.dist-info").exists());
    assert!(!packages.join("requests").exists());
}
