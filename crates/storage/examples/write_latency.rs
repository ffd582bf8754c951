//! How long small durable writes take on SQLite, by number of writers: `cargo run --release -p storage --features
//! testing --example write_latency [seconds a run] [folder]`. What came out stands in `docs/decisions/0002-sqlite-engine.md`.
//!
//! The engine runs as it is and, interleaved, with SQLite's own automatic checkpoints instead of the keeper's.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ids::AppId;
use jiff::Timestamp;
use storage::{DatabaseUrl, Error, Expected, KvLimits, Settings, Storage};

const ROUNDS: usize = 3;
const LIMITS: KvLimits = KvLimits {
    keys: 1 << 40,
    bytes: 1 << 40,
};

#[tokio::main]
async fn main() {
    let seconds = env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(3.0);
    let folder = env::args().nth(2).map_or_else(env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("vestibule-write-latency-{}", std::process::id()));
    fs::create_dir(&folder).expect("the folder can be made");
    fsync_alone(&folder);
    println!("writers  checkpoints   writes/s    p50 ms    p99 ms  p99.9 ms    max ms   log MiB");
    for writers in [1, 16, 64] {
        for round in 0..ROUNDS {
            for automatic in [false, true] {
                let path = folder.join(format!("{writers}-{round}-{automatic}.db"));
                measure(&path, writers, automatic, Duration::from_secs_f64(seconds)).await;
            }
        }
    }
    fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// The bottom line: appending 4 KiB to a file and syncing it.
fn fsync_alone(folder: &Path) {
    let mut file = fs::File::create(folder.join("plain")).expect("a file can be made");
    let mut times: Vec<f64> = (0..300)
        .map(|_| {
            let begin = Instant::now();
            file.write_all(&[7; 4096]).expect("the disk has room");
            file.sync_data().expect("the disk syncs");
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "one 4 KiB append and fdatasync: p50 {:.3} ms, p99 {:.3} ms",
        at(&times, 0.5),
        at(&times, 0.99)
    );
}

async fn measure(path: &Path, writers: usize, automatic: bool, time: Duration) {
    let storage = Storage::open(Settings::new(DatabaseUrl::Sqlite(path.into())))
        .await
        .expect("it opens");
    if automatic {
        storage::testing::checkpoint_within_commits(&storage).await;
    }
    let app = prepare(&storage).await;
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    let key = format!("{writer}/{}", times.len() % 5_000);
                    let begin = Instant::now();
                    write(&storage, app, key).await;
                    times.push(begin.elapsed().as_secs_f64() * 1e3);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a writer ends"));
    }
    times.sort_by(f64::total_cmp);
    let log = fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len() >> 20);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = times.len() as f64 / time.as_secs_f64();
    println!(
        "{writers:7}  {:11}  {rate:9.0} {:9.2} {:9.2} {:9.2} {:9.2} {log:9}",
        if automatic { "in commits" } else { "beside" },
        at(&times, 0.5),
        at(&times, 0.99),
        at(&times, 0.999),
        at(&times, 1.0),
    );
    storage.close().await;
}

async fn write(storage: &Storage, app: AppId, key: String) {
    let value = format!("\"{}\"", "x".repeat(200));
    let write = storage.write(move |tx| {
        tx.kv().put(
            app,
            kv::Namespace::Server,
            &key,
            &value,
            Expected::Any,
            Timestamp::UNIX_EPOCH,
            LIMITS,
        )
    });
    let put: Result<storage::Put, Error> = write.await;
    assert!(matches!(put, Ok(storage::Put::Written { .. })), "{put:?}");
}

async fn prepare(storage: &Storage) -> AppId {
    let account = accounts::Account {
        id: ids::AccountId::new(1, [1; 10]),
        email: "owner@example.com".into(),
        username: "owner".into(),
        full_name: None,
        avatar: None,
        provider: accounts::PASSWORD_PROVIDER.to_owned(),
        role: accounts::Role::User,
        roles: Vec::new(),
        active: true,
        email_verified: false,
        generation: 1,
        password: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let app = apps::App {
        id: AppId::new(1, [2; 10]),
        slug: "notes".parse().expect("a slug"),
        name: "Notes".into(),
        owner: account.id,
        is_public: false,
        requires_auth: true,
        newcomers: apps::Newcomers::Join,
        default_group: ids::GroupId::new(1, [3; 10]),
        live_version: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let id = app.id;
    let stored = storage.write(move |tx| {
        tx.accounts().insert(&account)?;
        tx.apps().insert(&app)
    });
    stored
        .await
        .unwrap_or_else(|error: Error| panic!("{error}"));
    id
}

/// The value at a part of the sorted times.
fn at(times: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list that fits in memory"
    )]
    let index = ((times.len() as f64 - 1.0) * part) as usize;
    times.get(index).copied().unwrap_or(f64::NAN)
}
