//! Python environments, one folder for each dependency set, built once and shared.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    Uv, UvError,
    command::{Helper, Outcome},
};

/// Time for one build.
const TIME_LIMIT: Duration = Duration::from_mins(10);

/// What the dropped files and the launcher run on.
const ANY_PYTHON: &str = ">=3.10,<3.15";

/// File in an environment that says it is finished; holds the interpreter's version and, on a second line, its path.
const MARKER: &str = "vestibule-complete";

/// What makes a folder an environment to Python.
const CONFIG: &str = "pyvenv.cfg";

/// What an environment must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentSpec {
    /// Python wanted: a version (`3.12`), a specifier (`>=3.11,<3.13`), or any.
    pub python: Option<String>,
    /// Lines of a requirements file, already flattened: no `-r`, `-c` or `-e`.
    pub requirements: String,
    /// Lines of a constraints file, from a lock: versions for what gets installed anyway. May be empty.
    pub constraints: String,
    /// Hash of all three and the platform; see [`EnvironmentSpec::new`].
    pub key: String,
}

impl EnvironmentSpec {
    /// Makes the specification of an environment; its key is a hash of what is asked for and of the platform.
    pub fn new(python: Option<String>, requirements: String) -> Self {
        Self::constrained(python, requirements, String::new())
    }

    /// The same, with the versions that a lock file gives.
    pub fn constrained(python: Option<String>, requirements: String, constraints: String) -> Self {
        use sha2::Digest as _;
        let text = format!(
            "3\n{}\n{}\n{}\n{}\n{requirements}{constraints}",
            std::env::consts::ARCH,
            std::env::consts::OS,
            python.as_deref().unwrap_or("any"),
            requirements.len(),
        );
        let key = hex::encode(&sha2::Sha256::digest(text.as_bytes())[..16]);
        Self {
            python,
            requirements,
            constraints,
            key,
        }
    }
}

/// A finished environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its key.
    pub key: String,
    /// Its folder.
    pub path: PathBuf,
    /// The interpreter it was made from, outside of it. What runs before the sandbox must be started with this one: started
    /// as `bin/python`, it would read `pyvenv.cfg`, which is among what packages can write.
    pub python: PathBuf,
    /// The interpreter's version, for example `3.12.1`.
    pub python_version: String,
}

/// An environment that could not be built. The text is meant for the publisher.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// No `uv`.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// No installed Python fits (finding `deps.python-version`).
    #[error("no installed Python satisfies {wanted}: {reason}")]
    PythonVersion {
        /// What was asked for.
        wanted: String,
        /// What `uv` said.
        reason: String,
    },
    /// A line that may not stand in a requirements list here.
    #[error("requirements line {line}: {text}: {reason}")]
    Refused {
        /// Line number from 1.
        line: usize,
        /// The line.
        text: String,
        /// Why, and what to write instead.
        reason: &'static str,
    },
    /// The packages could not be resolved or installed.
    #[error("the dependencies could not be installed:\n{output}")]
    Install {
        /// The resolver's own words, trimmed.
        output: String,
    },
    /// It took too long.
    #[error("the dependencies were not installed within {seconds} s")]
    TimedOut {
        /// The time it had.
        seconds: u64,
    },
    /// The disk or a process failed.
    #[error("could not {attempt}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
}

/// The folder of environments.
#[derive(Debug, Clone)]
pub struct Environments {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data_dir: PathBuf,
    uv: tokio::sync::OnceCell<Uv>,
    builds: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Environments {
    /// Environments under `<data_dir>/environments`, with the cache `<data_dir>/uv-cache` beside them (same file system, so packages
    /// are hard links).
    pub fn new(data_dir: &Path) -> Self {
        // Helpers run in other folders, so a relative path would change its meaning.
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        Self {
            inner: Arc::new(Inner {
                data_dir,
                uv: tokio::sync::OnceCell::new(),
                builds: Mutex::default(),
            }),
        }
    }

    fn root(&self) -> PathBuf {
        self.inner.data_dir.join("environments")
    }

    /// The environment if it is built already.
    pub fn find(&self, key: &str) -> Option<Environment> {
        let path = self.root().join(key);
        let marker = std::fs::read_to_string(path.join(MARKER)).ok()?;
        let (python_version, python) = marker.split_once('\n')?;
        let python = PathBuf::from(python.trim_end());
        // An interpreter that was uninstalled makes the environment worthless.
        python.exists().then(|| Environment {
            key: key.to_owned(),
            path,
            python_version: python_version.to_owned(),
            python,
        })
    }

    /// Builds the environment, or returns it at once when it exists. Two calls for one key build once. `progress` hears the
    /// lines of `uv`.
    ///
    /// Only wheels are installed, because building a package from source would run its code outside the sandbox. `uvicorn` is
    /// added when the requirements do not bring it, and so are `httptools`, `uvloop` and `websockets` where they can be had.
    pub async fn prepare(
        &self,
        spec: &EnvironmentSpec,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Environment, EnvironmentError> {
        check_requirements(&spec.requirements)?;
        check_requirements(&spec.constraints)?;
        if let Some(found) = self.find(&spec.key) {
            return Ok(found);
        }
        let build = {
            let mut builds = self
                .inner
                .builds
                .lock()
                .expect("no holder of this lock panics");
            Arc::clone(builds.entry(spec.key.clone()).or_default())
        };
        let guard = build.lock().await;
        let result = match self.find(&spec.key) {
            Some(found) => Ok(found),
            None => match tokio::time::timeout(TIME_LIMIT, self.build(spec, progress)).await {
                Ok(result) => result,
                Err(_) => Err(EnvironmentError::TimedOut {
                    seconds: TIME_LIMIT.as_secs(),
                }),
            },
        };
        drop(guard);
        self.inner
            .builds
            .lock()
            .expect("no holder of this lock panics")
            .remove(&spec.key);
        result
    }

    async fn build(
        &self,
        spec: &EnvironmentSpec,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Environment, EnvironmentError> {
        let uv = self
            .inner
            .uv
            .get_or_try_init(|| Uv::locate(&self.inner.data_dir, progress))
            .await?;
        let root = self.root();
        let path = root.join(&spec.key);
        let io = |attempt: &str| {
            let attempt = attempt.to_owned();
            move |cause| EnvironmentError::Io { attempt, cause }
        };
        tokio::fs::create_dir_all(&root)
            .await
            .map_err(io("make the folder of environments"))?;
        // Without its marker it is unfinished; with one it would have been found.
        remove(&path)
            .await
            .map_err(io("remove an unfinished environment"))?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}.", spec.key))
            .suffix(".tmp")
            .tempdir_in(&root)
            .map_err(io("make the environment's folder"))?;
        let temporary = folder.path().join("environment");
        self.make_venv(uv, spec.python.as_deref(), &temporary, progress)
            .await?;
        let untouched = Untouched::read(&temporary).map_err(io("read the new environment"))?;
        let requirements = temporary.join("requirements.txt");
        tokio::fs::write(&requirements, &spec.requirements)
            .await
            .map_err(io("write the requirements"))?;
        let constraints = temporary.join("constraints.txt");
        tokio::fs::write(&constraints, &spec.constraints)
            .await
            .map_err(io("write the constraints"))?;
        let install = |interpreter: PathBuf, what: &[&std::ffi::OsStr]| {
            self.uv(uv)
                .args(["pip", "install", "--only-binary", ":all:", "--python"])
                .arg(interpreter)
                .arg("--constraints")
                .arg(&constraints)
                .args(what)
                .current_dir(&temporary)
                .run(TIME_LIMIT, progress)
        };
        if !spec.requirements.trim().is_empty() {
            let what = ["-r".as_ref(), requirements.as_os_str()];
            let outcome = install(temporary.join("bin/python"), &what)
                .await
                .map_err(io("run uv"))?;
            installed(&outcome)?;
            untouched.check(&temporary)?;
        }
        let packages = site_packages(&temporary).map_err(io("find the environment's packages"))?;
        // From here on the environment holds code of others, and `uv` asks the interpreter it is given about itself, for which
        // that one would run the environment's `.pth` files.
        let add = |names: &[&'static str]| {
            let mut what = vec!["--target".as_ref(), packages.as_os_str()];
            what.extend(names.iter().map(|name| std::ffi::OsStr::new(*name)));
            install(untouched.python.clone(), &what)
        };
        if !packages.join("uvicorn").exists() {
            progress("adding uvicorn, which serves the app");
            installed(&add(&["uvicorn"]).await.map_err(io("run uv"))?)?;
        }
        let faster: Vec<&'static str> = [
            ("httptools", packages.join("httptools").exists()),
            ("uvloop", packages.join("uvloop").exists()),
            (
                "websockets",
                packages.join("websockets").exists() || packages.join("wsproto").exists(),
            ),
        ]
        .into_iter()
        .filter_map(|(name, present)| (!present).then_some(name))
        .collect();
        if !faster.is_empty() {
            // An app runs without these too, so a Python for which there is no wheel is no failure.
            add(&faster).await.map_err(io("run uv"))?;
        }
        untouched.check(&temporary)?;
        let version =
            python_version(&temporary).map_err(io("read the environment's Python version"))?;
        let marker = format!("{version}\n{}\n", untouched.python.display());
        tokio::fs::write(temporary.join(MARKER), &marker)
            .await
            .map_err(io("finish the environment"))?;
        tokio::fs::rename(&temporary, &path)
            .await
            .map_err(io("move the environment into place"))?;
        let environment = self.find(&spec.key).ok_or_else(|| EnvironmentError::Io {
            attempt: "find the environment just built".into(),
            cause: io::ErrorKind::NotFound.into(),
        })?;
        compile_in_background(&environment);
        Ok(environment)
    }

    fn uv(&self, uv: &Uv) -> Helper {
        let data_dir = &self.inner.data_dir;
        Helper::new(uv.program())
            .env("UV_CACHE_DIR", data_dir.join("uv-cache"))
            .env("UV_PYTHON_INSTALL_DIR", data_dir.join("tools/python"))
            .env("UV_NO_PROGRESS", "1")
            .env("NO_COLOR", "1")
    }

    /// Tries the machine's own Pythons first; fetching one is the last resort, which a closed network does not give.
    async fn make_venv(
        &self,
        uv: &Uv,
        python: Option<&str>,
        path: &Path,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<(), EnvironmentError> {
        let wanted = python.unwrap_or(ANY_PYTHON);
        if wanted.starts_with('-') || wanted.contains('/') || wanted.chars().any(char::is_control) {
            let reason = "it is no version, such as 3.12 or >=3.11,<3.13".into();
            return Err(EnvironmentError::PythonVersion {
                wanted: wanted.to_owned(),
                reason,
            });
        }
        let mut reason = String::new();
        for preference in [
            [
                "--python-preference",
                "only-system",
                "--no-python-downloads",
            ]
            .as_slice(),
            &["--managed-python"],
        ] {
            let outcome = self
                .uv(uv)
                .args([
                    "venv",
                    "--quiet",
                    "--relocatable",
                    "--no-project",
                    "--python",
                    wanted,
                ])
                .args(preference)
                .arg(path)
                .env("UV_HTTP_TIMEOUT", "20")
                .env("UV_HTTP_RETRIES", "1")
                .run(TIME_LIMIT, progress)
                .await
                .map_err(|cause| EnvironmentError::Io {
                    attempt: "run uv".into(),
                    cause,
                })?;
            if outcome.status.success() {
                return Ok(());
            }
            if reason.is_empty() {
                reason = outcome.text();
                let words = reason.to_lowercase();
                if words.contains("failed to create virtual environment") {
                    return Err(EnvironmentError::Install { output: reason });
                }
                // Anything else is a version that does not exist, which no download will change.
                if !words.contains("no interpreter found") {
                    break;
                }
            }
        }
        Err(EnvironmentError::PythonVersion {
            wanted: wanted.to_owned(),
            reason,
        })
    }

    /// Deletes environments whose key is not in `used` and that are not being built; returns how many.
    pub async fn collect_garbage(&self, used: &HashSet<String>) -> Result<usize, EnvironmentError> {
        let io = |cause| EnvironmentError::Io {
            attempt: "tidy the environments".into(),
            cause,
        };
        let building: HashSet<String> = self
            .inner
            .builds
            .lock()
            .expect("no holder of this lock panics")
            .keys()
            .cloned()
            .collect();
        let mut entries = match tokio::fs::read_dir(self.root()).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(io)?,
        };
        let mut removed = 0;
        while let Some(entry) = entries.next_entry().await.map_err(io)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let key = name.split('.').next().unwrap_or_default();
            if building.contains(key) || (used.contains(key) && key == name) {
                continue;
            }
            // The marker goes first, so that a half deleted environment is never taken for a finished one.
            let _ = tokio::fs::remove_file(entry.path().join(MARKER)).await;
            remove(&entry.path()).await.map_err(io)?;
            removed += 1;
        }
        Ok(removed)
    }
}

fn installed(outcome: &Outcome) -> Result<(), EnvironmentError> {
    if outcome.status.success() {
        return Ok(());
    }
    let mut output = outcome.text();
    if output.is_empty() {
        output = outcome.status.to_string();
    }
    Err(EnvironmentError::Install { output })
}

async fn remove(path: &Path) -> io::Result<()> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// `lib/python3.x/site-packages` of an environment.
fn site_packages(environment: &Path) -> io::Result<PathBuf> {
    for entry in std::fs::read_dir(environment.join("lib"))? {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(packages);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// What makes an environment one, before any package is in it. Packages may bring files for any place in it.
struct Untouched {
    /// The interpreter that `bin/python` leads to.
    python: PathBuf,
    /// `pyvenv.cfg`, which tells an interpreter where its standard library is.
    config: Vec<u8>,
}

impl Untouched {
    fn read(environment: &Path) -> io::Result<Self> {
        Ok(Self {
            python: environment.join("bin/python").canonicalize()?,
            config: std::fs::read(environment.join(CONFIG))?,
        })
    }

    /// Refuses the packages that replaced something of it: the interpreter would run their code.
    fn check(&self, environment: &Path) -> Result<(), EnvironmentError> {
        match Self::read(environment) {
            Ok(now) if now.python == self.python && now.config == self.config => Ok(()),
            _ => Err(EnvironmentError::Install {
                output: "a package replaces files of the environment itself (its interpreter or pyvenv.cfg); depend on \
                         another one"
                    .to_owned(),
            }),
        }
    }
}

fn python_version(environment: &Path) -> io::Result<String> {
    let config = std::fs::read_to_string(environment.join(CONFIG))?;
    config
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| matches!(name.trim(), "version_info" | "version"))
        .map(|(_, version)| version.trim().to_owned())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Without compiled files each start of the app costs a second more. Compiling runs none of the code.
fn compile_in_background(environment: &Environment) {
    const PROGRAM: &str = "import compileall, os, sys; os.nice(10); compileall.compile_dir(sys.argv[1], quiet=2, workers=1)";
    let Ok(packages) = site_packages(&environment.path) else {
        return;
    };
    let helper = Helper::new(&environment.python)
        .args(["-I", "-S", "-c", PROGRAM])
        .arg(packages);
    tokio::spawn(async move {
        if let Err(error) = helper.run(TIME_LIMIT, &|_| {}).await {
            tracing::warn!(%error, "an environment could not be compiled; its apps start more slowly");
        }
    });
}

/// Refuses lines that would make `uv` read the server's files or variables, or run code of a package outside the sandbox.
fn check_requirements(requirements: &str) -> Result<(), EnvironmentError> {
    const OPTIONS: &[&str] = &[
        "-i",
        "--index-url",
        "--extra-index-url",
        "--hash",
        "--only-binary",
        "--prefer-binary",
        "--pre",
    ];
    for (index, line) in requirements.lines().enumerate() {
        let text = line.trim();
        let refused = |reason| {
            Err(EnvironmentError::Refused {
                line: index + 1,
                text: text.to_owned(),
                reason,
            })
        };
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let first = text.split(['=', ' ', '\t']).next().unwrap_or_default();
        if text.starts_with('-') && !OPTIONS.contains(&first) {
            return refused("this option is not accepted; list the packages themselves");
        }
        if text.contains("${") {
            return refused("variables are not accepted");
        }
        let target = text
            .split_once('@')
            .map_or(text, |(_, target)| target)
            .trim()
            .to_lowercase();
        let lower = text.to_lowercase();
        let is_local = |text: &str| text.starts_with(['.', '/', '~']) || text.contains("file:");
        if !text.starts_with('-') && (is_local(&lower) || is_local(&target))
            || lower.contains("file:")
        {
            return refused(
                "local paths are not accepted; put the package's modules into the project",
            );
        }
        if ["git+", "hg+", "svn+", "bzr+"]
            .iter()
            .any(|scheme| lower.contains(scheme))
        {
            return refused(
                "a repository would have to be built here; depend on a release with a wheel",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_requirements_pass_and_those_that_reach_out_are_refused() {
        for good in [
            "fastapi>=0.110\nuvicorn[standard]~=0.30 ; python_version >= '3.10'\n# comment\n",
            "--index-url https://pypi.example/simple\nx==1 \\\n    --hash=sha256:00",
            "pkg @ https://example.com/pkg-1-py3-none-any.whl",
        ] {
            check_requirements(good).unwrap();
        }
        for bad in [
            "-r /etc/passwd",
            "-c x.txt",
            "-e .",
            "--editable=./x",
            "./local",
            "/abs/x.whl",
            "pkg @ file:///etc/x.whl",
            "pkg @ ./x",
            "FILE:///x",
            "x @ git+https://example.com/x",
            "x @ https://e/${HOME}",
            "--find-links /root",
            "--no-binary :all:",
            "~/x",
        ] {
            assert!(
                matches!(
                    check_requirements(bad),
                    Err(EnvironmentError::Refused { line: 1, .. })
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_key_depends_on_everything_asked_for() {
        let key = |python: Option<&str>, requirements: &str| {
            EnvironmentSpec::new(python.map(str::to_owned), requirements.to_owned()).key
        };
        assert_eq!(key(None, "a"), key(None, "a"));
        assert_ne!(key(None, "a"), key(Some("3.12"), "a"));
        assert_ne!(key(None, "a"), key(None, "b"));
    }

    #[tokio::test]
    async fn garbage_is_what_nobody_uses() {
        let dir = tempfile::tempdir().unwrap();
        for key in ["used", "unused", "used.tmp"] {
            std::fs::create_dir_all(dir.path().join("environments").join(key).join("bin")).unwrap();
        }
        let environments = Environments::new(dir.path());
        assert_eq!(
            environments
                .collect_garbage(&HashSet::from(["used".to_owned()]))
                .await
                .unwrap(),
            2
        );
        assert!(dir.path().join("environments/used").exists());
    }

    proptest! {
        #[test]
        fn any_requirements_text_is_judged_without_a_panic(text: String) {
            let _ = check_requirements(&text);
        }
    }
}
