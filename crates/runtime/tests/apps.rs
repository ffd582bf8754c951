//! Real apps in real environments: started, asked over their socket, attacked from inside, crashed and stopped.
//!
//! The environment comes from the package index once and stays in `target/tmp`.

use std::{
    fmt::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use ids::AppId;
use runtime::{
    AppLimits, AppRuntime as _, Entry, Environment, EnvironmentSpec, Environments, Exit, Instance,
    InstanceSpec, LocalRuntime, SandboxKind, SandboxPolicy, Settings, StartError, State, Stream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// An app that runs the expression it is asked.
const EVAL: &str = r#"
import os, sys, urllib.parse, json, socket, subprocess, threading, signal, ctypes, time
print("imported", flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    code = urllib.parse.unquote(scope["query_string"].decode())
    try:
        answer = str(eval(code))
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer.encode()})
"#;

struct Bench {
    dir: tempfile::TempDir,
    runtime: LocalRuntime,
    environment: Environment,
}

async fn environment() -> Environment {
    environment_with(None).await
}

async fn environment_with(python: Option<&str>) -> Environment {
    static ENVIRONMENTS: LazyLock<Environments> = LazyLock::new(|| {
        Environments::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime"))
    });
    let spec = EnvironmentSpec::new(
        python.map(str::to_owned),
        "fastapi>=0.110\nuvicorn>=0.27\n".to_owned(),
    );
    ENVIRONMENTS
        .prepare(&spec, &|_| {})
        .await
        .expect("the test environment can be built")
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("master.key"), "the key of keys").unwrap();
        let mut settings = Settings::new(dir.path().to_owned(), dir.path().join("run"));
        change(&mut settings);
        Self {
            runtime: LocalRuntime::new(settings).unwrap(),
            dir,
            environment: environment().await,
        }
    }

    /// A specification of an app with this source as `main.py`.
    fn spec(&self, name: &str, source: &str) -> InstanceSpec {
        let root = self.dir.path().join(name);
        std::fs::create_dir_all(root.join("tree")).unwrap();
        std::fs::write(root.join("tree/main.py"), source).unwrap();
        InstanceSpec {
            app: AppId::new(1, [u8::try_from(name.len()).unwrap(); 10]),
            version: 1,
            tree: root.join("tree"),
            environment: self.environment.clone(),
            entry: Entry {
                module: "main".into(),
                attribute: "app".into(),
                factory: false,
                app_dir: PathBuf::new(),
            },
            env: vec![("GREETING".into(), "hello".to_owned().into())],
            limits: AppLimits::default(),
            home: root.join("home"),
            data_socket: None,
            log: root.join("run.log"),
            redact: Vec::new(),
        }
    }

    async fn start(&self, name: &str, source: &str) -> Arc<Instance> {
        self.runtime.start(self.spec(name, source)).await.unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Files of an app may belong to another user; a test as root can remove them, one as anybody made them itself.
        let _ = std::fs::remove_dir_all(self.dir.path().join("run"));
    }
}

/// Asks the app for the value of a Python expression.
async fn ask(instance: &Instance, code: &str) -> String {
    try_ask(instance.socket_path(), code)
        .await
        .expect("the app answers")
}

async fn try_ask(socket: &Path, code: &str) -> std::io::Result<String> {
    let query = code.bytes().fold(String::new(), |mut query, byte| {
        let _ = write!(query, "%{byte:02X}");
        query
    });
    let mut stream = tokio::net::UnixStream::connect(socket).await?;
    stream
        .write_all(
            format!("GET /?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    // One chunk at most, as the app sends it.
    Ok(match body.split_once("\r\n") {
        Some((_, rest)) => rest.split("\r\n").next().unwrap_or_default().to_owned(),
        None => body.to_owned(),
    })
}

/// Waits for a condition, at most 30 s.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn exists(pid: i32) -> bool {
    // A process that only waits to be collected does nothing any more.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_starts_answers_and_ends() {
    let bench = Bench::new().await;
    let app = bench.start("hello", EVAL).await;
    assert_eq!(app.status().state, State::Running);
    assert_eq!(ask(&app, "os.environ['GREETING']").await, "hello");
    assert_eq!(
        ask(&app, "os.getcwd(), sys.path[0], os.environ['HOME']").await,
        "('/app', '/app', '/home/app')"
    );
    assert_eq!(ask(&app, "open('/home/app/x', 'w').write('1')").await, "1");
    assert_eq!(ask(&app, "open('/tmp/x', 'w').write('1')").await, "1");
    assert_eq!(ask(&app, "__import__('fastapi').__name__ + subprocess.check_output(['echo', '1']).decode().strip()").await, "fastapi1");
    assert_eq!(ask(&app, "subprocess.check_output([sys.executable, '-c', 'import fastapi, main; print(7)']).decode()[-2:-1]").await, "7");
    assert!(app.usage().memory_bytes > 1_000_000, "{:?}", app.usage());
    assert!(
        app.log()
            .tail(10)
            .iter()
            .any(|line| line.text == "imported" && line.stream == Stream::Stdout)
    );
    let pid = app.status().pid.unwrap();
    app.stop(Duration::from_secs(20)).await;
    assert_eq!(app.status().state, State::Stopped);
    assert!(!exists(pid));
    assert!(try_ask(app.socket_path(), "1").await.is_err());
    assert!(bench.runtime.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_is_a_process_of_its_own_and_two_run_side_by_side() {
    let bench = Bench::new().await;
    let (one, two) = tokio::join!(bench.start("one", EVAL), bench.start("other", EVAL));
    assert_ne!(one.status().pid, two.status().pid);
    assert_ne!(one.socket_path(), two.socket_path());
    let mark = "setattr(sys, 'mark', 1) or getattr(sys, 'mark', 0)";
    assert_eq!(ask(&one, mark).await, "1");
    assert_eq!(ask(&two, "getattr(sys, 'mark', 0)").await, "0");
    assert!(bench.runtime.switch(Arc::clone(&one)).is_none());
    assert!(Arc::ptr_eq(
        &bench.runtime.find_live(one.app()).unwrap(),
        &one
    ));
    assert_eq!(bench.runtime.list().len(), 2);
    bench.runtime.shut_down(Duration::from_secs(5)).await;
    assert_eq!(
        (one.status().state, two.status().state),
        (State::Stopped, State::Stopped)
    );
}

/// Attempts that must fail, tried from inside the sandbox.
async fn attack(bench: &Bench, kind: SandboxKind) {
    assert_eq!(
        bench.runtime.sandbox(&bench.environment).await.unwrap(),
        kind
    );
    let victim = bench.start("victim", EVAL).await;
    let app = bench.start("attacker", EVAL).await;
    ask(
        &victim,
        "open(os.environ['HOME'] + '/diary', 'w').write('dear')",
    )
    .await;
    let data = bench.dir.path().display();
    let server = std::process::id();
    let victim_pid = victim.status().pid.unwrap();
    let mut attempts = vec![
        format!("open('{data}/master.key').read()"),
        format!("os.listdir('{data}')"),
        format!("os.listdir('{data}/run')"),
        format!("open('{data}/victim/home/diary').read()"),
        format!("open('{data}/victim/tree/main.py').read()"),
        format!("open('{data}/attacker/run.log').read()"),
        "open('main.py', 'a')".to_owned(),
        "open(os.getcwd() + '/new.py', 'w')".to_owned(),
        "open(os.__file__, 'a')".to_owned(),
        "open('/etc/shadow').read()".to_owned(),
        "os.listdir('/root/.cargo')".to_owned(),
        "open('/usr/x', 'w')".to_owned(),
        format!("os.kill({server}, 0)"),
        format!("os.kill({victim_pid}, 9)"),
        format!("open('/proc/{server}/environ').read()"),
        format!("open('/proc/{victim_pid}/environ').read()"),
        "open('/dev/mem').read()".to_owned(),
        "os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))".to_owned(),
        "os.chroot('/tmp')".to_owned(),
    ];
    let calls = [
        "mount(b'x', b'/tmp', b'tmpfs', 0, None)".to_owned(),
        format!("ptrace(16, {server}, 0, 0)"),
        "unshare(0x10020000)".to_owned(),
        "setns(3, 0)".to_owned(),
        "syscall(425, 8, 0)".to_owned(),
    ];
    if kind != SandboxKind::Landlock {
        attempts.push("os.setuid(0)".to_owned());
    }
    for attempt in attempts {
        let answer = ask(&app, &attempt).await;
        assert!(answer.contains("Error: "), "{attempt} gave {answer}");
    }
    // Mounts, new namespaces, tracing: `ctypes` answers with -1 instead of raising.
    for call in calls {
        assert_eq!(
            ask(&app, &format!("ctypes.CDLL(None).{call}")).await,
            "-1",
            "{call}"
        );
    }
    let status = ask(
        &app,
        "open('/proc/self/status').read().replace('\\n', ';').replace('\\t', '')",
    )
    .await;
    let mut lines = vec!["CapEff:0000000000000000;", "NoNewPrivs:1;"];
    if kind != SandboxKind::Landlock || is_root() {
        lines.push("CapBnd:0000000000000000;");
    }
    for line in lines {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    assert_eq!(
        ask(&app, "[name for name in os.environ if 'CARGO' in name]").await,
        "[]"
    );
    assert_eq!(
        ask(&victim, "open(os.environ['HOME'] + '/diary').read()").await,
        "dear"
    );
    let (pid, daemon) = (
        app.status().pid.unwrap(),
        "subprocess.Popen(['sleep', '1000'], start_new_session=True).pid > 0",
    );
    assert_eq!(ask(&app, daemon).await, "True");
    app.stop(Duration::from_secs(5)).await;
    victim.stop(Duration::from_secs(5)).await;
    assert!(!exists(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lesser_sandboxes_hold_too() {
    let mut kinds = vec![SandboxKind::Namespaces, SandboxKind::Landlock];
    if is_root() {
        kinds.push(SandboxKind::RootNamespaces);
    }
    for kind in kinds {
        let bench = Bench::with(|settings| settings.sandbox = SandboxPolicy::Fixed(kind)).await;
        attack(&bench, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sandbox_at_all_still_starts_and_stops_whole() {
    let bench = Bench::with(|settings| settings.sandbox = SandboxPolicy::Off).await;
    for grace in [Duration::from_secs(5), Duration::ZERO] {
        let app = bench.start("free", EVAL).await;
        let daemon = "subprocess.Popen(['sleep', '1000'], start_new_session=True).pid";
        let daemon: i32 = ask(&app, daemon).await.parse().unwrap();
        assert!(exists(daemon));
        app.stop(grace).await;
        assert!(!exists(daemon));
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_server_or_of_other_apps_can_be_reached() {
    let bench = Bench::new().await;
    attack(&bench, SandboxKind::Zygote).await;
    let app = bench.start("look", EVAL).await;
    // Its own init and itself, and nobody else.
    assert_eq!(
        ask(
            &app,
            "sorted(int(name) for name in os.listdir('/proc') if name.isdigit())[:1]"
        )
        .await,
        "[1]"
    );
    assert!(
        ask(
            &app,
            "len([name for name in os.listdir('/proc') if name.isdigit()])"
        )
        .await
        .parse::<u32>()
        .unwrap()
            <= 3
    );
    assert!(!ask(&app, "sorted(os.listdir('/'))").await.contains("slots"));
    assert_eq!(ask(&app, "sorted(os.listdir('/home'))").await, "['app']");
    app.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_running_after_a_stop() {
    let bench = Bench::new().await;
    let marker = format!("9{:07}", std::process::id());
    let app = bench.start("daemon", EVAL).await;
    // A process that leaves its session and ignores polite signals.
    let daemon = format!(
        "subprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP; while true; do sleep {marker}; done'], start_new_session=True).pid > 0"
    );
    assert_eq!(ask(&app, &daemon).await, "True");
    let runs = || {
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            std::fs::read_to_string(entry.path().join("cmdline"))
                .is_ok_and(|line| line.contains(&marker))
        })
    };
    until("the daemon runs", runs).await;
    app.stop(Duration::from_secs(20)).await;
    assert!(!runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_claims_to_have_ended_is_ended() {
    let bench = Bench::new().await;
    let app = bench.start("liar", EVAL).await;
    let pid = app.status().pid.unwrap();
    // Whatever it can write to, the pipe to its supervisor among them.
    let flood =
        "exec('for n in range(3, 40):\\n try: os.write(n, b\"x\" * 5000)\\n except OSError: pass')";
    let _ = try_ask(app.socket_path(), flood).await;
    until("it is gone", || !exists(pid)).await;
    until("it is back", || app.status().state == State::Running).await;
    app.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_dies_comes_back_on_the_same_socket() {
    let bench = Bench::new().await;
    let app = bench.start("phoenix", EVAL).await;
    let pid = app.status().pid.unwrap();
    let _ = try_ask(app.socket_path(), "os._exit(7)").await;
    until("it is back", || {
        app.status().state == State::Running && app.status().pid.is_some_and(|new| new != pid)
    })
    .await;
    assert_eq!(
        (app.status().restarts, app.status().last_exit),
        (1, Some(Exit::Code(7)))
    );
    assert_eq!(ask(&app, "1 + 1").await, "2");
    app.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_is_reported_and_can_be_stopped() {
    let bench = Bench::new().await;
    let source = format!(
        "{EVAL}\nthreading.Timer(0.05, lambda: os.kill(os.getpid(), 11) if os.path.exists('/home/app/loop') else None).start()\n"
    );
    let app = bench.start("crash", &source).await;
    ask(&app, "open('/home/app/loop', 'w').close()").await;
    let _ = try_ask(app.socket_path(), "os.kill(os.getpid(), 11)").await;
    until("a crash loop", || app.status().state == State::CrashLooping).await;
    assert_eq!(app.status().last_exit, Some(Exit::Signal(11)));
    assert!(
        app.log()
            .tail(50)
            .iter()
            .any(|line| line.text.starts_with("crash loop: "))
    );
    app.stop(Duration::from_secs(5)).await;
    assert_eq!(app.status().state, State::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_hog_is_killed_and_named() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("hog", EVAL);
    spec.limits.memory_bytes = 150 << 20;
    let app = bench.runtime.start(spec).await.unwrap();
    let _ = try_ask(
        app.socket_path(),
        "setattr(sys, 'hog', bytearray(400 << 20)) or time.sleep(20)",
    )
    .await;
    until("it was killed", || app.status().last_exit.is_some()).await;
    assert_eq!(
        app.status().last_exit,
        Some(Exit::Memory {
            limit_bytes: 150 << 20
        })
    );
    assert!(
        app.log()
            .tail(10)
            .iter()
            .any(|line| line.text == "killed: memory at 150 MB")
    );
    app.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_fills_its_folder_is_killed_and_begins_again_with_an_empty_one() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("filler", EVAL);
    spec.limits.home_bytes = 8 << 20;
    let home = spec.home.clone();
    let app = bench.runtime.start(spec).await.unwrap();
    let fill = "[open(f'/home/app/{i}', 'wb').write(bytes(1 << 20)) for i in range(12)] and time.sleep(20)";
    let _ = try_ask(app.socket_path(), fill).await;
    until("it was killed", || app.status().last_exit.is_some()).await;
    assert_eq!(
        app.status().last_exit,
        Some(Exit::Disk {
            limit_bytes: 8 << 20
        })
    );
    until("it is back", || app.status().state == State::Running).await;
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
    app.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_nobody_counts_is_not_to_be_had() {
    let bench = Bench::new().await;
    let app = bench.start("hidden", EVAL).await;
    let libc = "__import__('ctypes').CDLL(None, use_errno=True)";
    for call in [
        "memfd_create(b'x', 0)",
        "shmget(0, 1 << 20, 0o1600)",
        "syscall(447, 0)",
    ] {
        assert_eq!(ask(&app, &format!("{libc}.{call}")).await, "-1", "{call}");
    }
    app.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_import_tells_its_traceback() {
    let bench = Bench::new().await;
    let error = bench
        .runtime
        .start(bench.spec("broken", "def f():\n    return 1 / 0\nf()\n"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            StartError::Ended {
                exit: Exit::Code(1),
                ..
            }
        ),
        "{error:?}"
    );
    let tail = error.log_tail().join("\n");
    assert!(
        tail.contains("File \"/app/main.py\", line 2, in f") && tail.contains("ZeroDivisionError"),
        "{tail}"
    );
    assert!(!tail.contains("launcher"), "{tail}");
    let error = bench
        .runtime
        .start(bench.spec("empty", "x = 1\n"))
        .await
        .unwrap_err();
    assert!(
        error
            .log_tail()
            .iter()
            .any(|line| line == "ERROR: module main has no attribute app"),
        "{error:?}"
    );
    let mut slow = bench.spec("slow", "import time\ntime.sleep(100)\n");
    slow.limits.start_timeout = Duration::from_millis(500);
    assert!(matches!(
        bench.runtime.start(slow).await,
        Err(StartError::TimedOut { .. })
    ));
    assert!(bench.runtime.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_in_a_source_folder_is_served() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("factory", "x = 1\n");
    let source = "from fastapi import FastAPI\nimport main\ndef make():\n    app = FastAPI()\n    @app.get('/')\n    def root(): return main.x\n    return app\n";
    std::fs::create_dir_all(spec.tree.join("src/pkg")).unwrap();
    std::fs::write(spec.tree.join("src/pkg/web.py"), source).unwrap();
    spec.entry = Entry {
        module: "pkg.web".into(),
        attribute: "make".into(),
        factory: true,
        app_dir: "src".into(),
    };
    let app = bench.runtime.start(spec).await.unwrap();
    assert_eq!(ask(&app, "").await, "1");
    app.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_python_of_this_machine_runs_apps() {
    let is_here = |version: &&str| {
        let probe = Command::new(format!("python{version}"))
            .arg("--version")
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        probe.is_ok_and(|status| status.success())
    };
    let mut bench = Bench::new().await;
    for version in ["3.10", "3.11", "3.12", "3.13", "3.14"]
        .into_iter()
        .filter(is_here)
    {
        bench.environment = environment_with(Some(version)).await;
        let app = bench.start(&format!("python-{version}"), EVAL).await;
        assert!(ask(&app, "sys.version").await.starts_with(version));
        assert_eq!(
            ask(
                &app,
                "sys.prefix == os.environ['VIRTUAL_ENV'] and __import__('pydantic').__name__"
            )
            .await,
            "pydantic"
        );
        assert!(ask(&app, "open('/etc/shadow')").await.contains("Error: "));
        app.stop(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_is_accepted_and_forwarded_headers_are_believed() {
    let source = "from fastapi import FastAPI, WebSocket\napp = FastAPI()\n@app.websocket('/ws')\nasync def talk(socket: WebSocket):\n    \
                  await socket.accept()\n    await socket.send_text(socket.url.scheme + ' ' + socket.client.host)\n    await socket.close()\n";
    let bench = Bench::new().await;
    let app = bench.start("socket", source).await;
    let mut stream = tokio::net::UnixStream::connect(app.socket_path())
        .await
        .unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.windows(11).any(|part| part == b"203.0.113.7") {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 101 ") && answer.contains("wss 203.0.113.7"),
        "{answer}"
    );
    app.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_socket_is_reachable_inside() {
    let bench = Bench::new().await;
    let path = bench.dir.path().join("run/data.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let mut spec = bench.spec("data", EVAL);
    spec.data_socket = Some(path);
    let app = bench.runtime.start(spec).await.unwrap();
    let call = "(lambda s: (s.connect(os.environ['VESTIBULE_DATA_SOCKET']), s.sendall(b'ping'), s.recv(9).decode())[2])(socket.socket(socket.AF_UNIX))";
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4];
        stream.read_exact(&mut buffer).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
        buffer
    };
    let (answer, heard) = tokio::join!(ask(&app, call), serve);
    assert_eq!((answer.as_str(), &heard), ("pong", b"ping"));
    app.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_logged_and_floods_are_bounded() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("chatty", EVAL);
    spec.env.push((
        "VESTIBULE_APP_KEY".into(),
        "very-secret-value".to_owned().into(),
    ));
    let app = bench.runtime.start(spec).await.unwrap();
    ask(&app, "print(os.environ['VESTIBULE_APP_KEY'], 'and more')").await;
    until("the line is there", || {
        app.log()
            .tail(10)
            .iter()
            .any(|line| line.text == "[redacted] and more")
    })
    .await;
    ask(&app, "[os.write(1, os.urandom(60000)) for _ in range(50)] and print('x' * 1000000) or [print(n) for n in range(20000)] and 0").await;
    until("the flood is counted", || {
        app.log()
            .tail(1000)
            .iter()
            .any(|line| line.text.starts_with("dropped "))
    })
    .await;
    assert_eq!(ask(&app, "2 + 2").await, "4");
    app.stop(Duration::from_secs(5)).await;
    let log = std::fs::read_to_string(&app.spec().log).unwrap();
    assert!(!log.contains("very-secret-value"));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_and_files_are_limited() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("limits", EVAL);
    spec.limits.processes = 40;
    spec.limits.file_bytes = 1 << 20;
    spec.limits.open_files = 64;
    let app = bench.runtime.start(spec).await.unwrap();
    assert!(
        ask(
            &app,
            "[subprocess.Popen(['sleep', '60']) for _ in range(100)]"
        )
        .await
        .contains("BlockingIOError")
    );
    assert!(
        ask(&app, "open('/home/app/big', 'wb').write(bytes(2 << 20))")
            .await
            .contains("Error")
    );
    assert!(
        ask(&app, "[open('/dev/null') for _ in range(100)]")
            .await
            .contains("Too many open files")
    );
    app.stop(Duration::ZERO).await;
}

/// Not a test of its own: the server of the next one, which runs this binary again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_the_next_test() {
    let Ok(report) = std::env::var("RUNTIME_TEST_REPORT") else {
        return;
    };
    let bench = Bench::new().await;
    let app = bench.start("orphan", EVAL).await;
    ask(
        &app,
        "subprocess.Popen(['sleep', '1000'], start_new_session=True).pid",
    )
    .await;
    let temporary = format!("{report}.tmp");
    std::fs::write(
        &temporary,
        format!(
            "{}\n{}",
            app.status().pid.unwrap(),
            app.socket_path().display()
        ),
    )
    .unwrap();
    std::fs::rename(temporary, report).unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_die_with_the_server() {
    environment().await;
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report");
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_server_for_the_next_test"])
        .env("RUNTIME_TEST_REPORT", &report)
        .env("TMPDIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the server has started its app", || report.exists()).await;
    let text = std::fs::read_to_string(&report).unwrap();
    let (pid, socket) = text.split_once('\n').unwrap();
    let pid: i32 = pid.parse().unwrap();
    assert!(exists(pid));
    assert_eq!(try_ask(Path::new(socket), "1").await.unwrap(), "1");
    server.kill().unwrap();
    server.wait().unwrap();
    until("the app is gone", || !exists(pid)).await;
    assert!(try_ask(Path::new(socket), "1").await.is_err());
}
