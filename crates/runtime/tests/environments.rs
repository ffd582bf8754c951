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

/// Makes a wheel `evil-1.0-py3-none-any.whl` that brings `pyvenv.cfg` (and a `.pth` file) and gives its address, which is
/// served for as long as the test runs.
fn wheel_that_moves_the_standard_library(dir: &Path, witness: &Path) -> String {
    const PROGRAM: &str = r#"
import sys, zipfile
path, witness = sys.argv[1:]
files = {
    "evil.pth": f"import os; open({witness!r}, 'w').close()",
    "evil-1.0.data/data/pyvenv.cfg": "home = /nonexistent/bin\nversion_info = 3.12.0\n",
    "evil-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
    "evil-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
files["evil-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
with zipfile.ZipFile(path, "w") as wheel:
    for name, content in files.items():
        wheel.writestr(name, content)
"#;
    let path = dir.join("evil-1.0-py3-none-any.whl");
    let made = std::process::Command::new("python3")
        .args(["-c", PROGRAM])
        .args([&path, witness])
        .status()
        .unwrap();
    assert!(made.success());
    let content = std::fs::read(path).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{BufRead as _, Write as _};
            let mut stream = std::io::BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                content.len()
            );
            // A client that asked only for the head hangs up.
            let _ = stream.get_mut().write_all(head.as_bytes());
            let _ = stream.get_mut().write_all(&content);
        }
    });
    format!("http://127.0.0.1:{port}/evil-1.0-py3-none-any.whl")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_cannot_put_itself_in_the_place_of_the_environments_interpreter() {
    let dir = data_dir();
    let environments = environments(dir.path());
    let witness = dir.path().join("ran-outside-the-sandbox");
    let address = wheel_that_moves_the_standard_library(dir.path(), &witness);
    let error = environments
        .prepare(&spec(None, &format!("evil @ {address}\n")), &|_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EnvironmentError::Install { output } if output.contains("pyvenv.cfg")),
        "{error}"
    );
    assert!(!witness.exists());
}

#[tokio::test]
async fn what_is_run_outside_the_sandbox_is_not_in_the_environment() {
    let dir = data_dir();
    let environments = environments(dir.path());
    let wanted = spec(None, "six==1.16.0\n");
    let built = environments.prepare(&wanted, &|_| {}).await.unwrap();
    assert!(!built.python.starts_with(built.path.canonicalize().unwrap()));
    assert!(!built.python.starts_with(&built.path));
    assert_eq!(environments.find(&built.key), Some(built));
}
