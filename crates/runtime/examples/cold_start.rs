//! Measures the time from the start of an app to its first answer: `cargo run -p runtime --example cold_start -- DATA_DIR [ROUNDS]`.
//!
//! Prints one JSON line with medians in milliseconds: forked from the pre-imported parent, and started afresh.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ids::AppId;
use runtime::{
    AppLimits, AppRuntime as _, Entry, EnvironmentSpec, Environments, InstanceSpec, LocalRuntime,
    SandboxKind, SandboxPolicy, Settings,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SOURCE: &str =
    "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef root(): return 'hello'\n";

#[tokio::main]
async fn main() {
    let data_dir: PathBuf = std::env::args().nth(1).expect("a data directory").into();
    let rounds: usize = std::env::args()
        .nth(2)
        .map_or(9, |text| text.parse().expect("a number of rounds"));
    let environments = Environments::new(&data_dir);
    let wanted = EnvironmentSpec::new(None, "fastapi>=0.110\nuvicorn>=0.27\n".to_owned());
    let environment = environments
        .prepare(&wanted, &|line| eprintln!("{line}"))
        .await
        .expect("an environment");
    let work = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(work.path().join("tree")).expect("a folder for the app");
    std::fs::write(work.path().join("tree/main.py"), SOURCE).expect("the app's file");
    let spec = InstanceSpec {
        app: AppId::new(1, [0; 10]),
        version: 1,
        tree: work.path().join("tree"),
        environment: environment.clone(),
        entry: Entry {
            module: "main".into(),
            attribute: "app".into(),
            factory: false,
            app_dir: PathBuf::new(),
        },
        env: Vec::new(),
        limits: AppLimits::default(),
        home: work.path().join("home"),
        data_socket: None,
        log: work.path().join("run.log"),
        redact: Vec::new(),
    };
    let mut results = serde_json::Map::new();
    for (name, kind) in [
        ("zygote", SandboxKind::Zygote),
        ("fresh", SandboxKind::Namespaces),
    ] {
        let mut settings = Settings::new(data_dir.clone(), work.path().join(name));
        settings.sandbox = SandboxPolicy::Fixed(kind);
        let runtime = LocalRuntime::new(settings).expect("a runtime");
        let began = Instant::now();
        let warm = runtime.warm(&environment).await.expect("a launcher");
        let ready = began.elapsed();
        let mut times = Vec::new();
        let mut memory_bytes = 0;
        for _ in 0..rounds {
            let began = Instant::now();
            let app = runtime.start(spec.clone()).await.expect("the app starts");
            answer(app.socket_path()).await;
            times.push(began.elapsed());
            memory_bytes = app.usage().memory_bytes;
            app.stop(Duration::from_secs(5)).await;
        }
        drop(warm);
        times.sort();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        results.insert(format!("{name}_ready_ms"), milliseconds(ready).into());
        results.insert(
            format!("{name}_ms"),
            milliseconds(times[times.len() / 2]).into(),
        );
        results.insert(
            format!("{name}_max_ms"),
            milliseconds(times[times.len() - 1]).into(),
        );
        results.insert(format!("{name}_app_memory_mb"), (memory_bytes >> 20).into());
    }
    eprintln!("{}", serde_json::Value::Object(results));
}

async fn answer(socket: &Path) {
    let mut stream = tokio::net::UnixStream::connect(socket)
        .await
        .expect("the app listens");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .expect("the app hears");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .await
        .expect("the app answers");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}
