//! Acknowledged means durable, however the program ends.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use storage::{DatabaseUrl, EventKind, Settings, Storage};
use tempfile::TempDir;

use crate::fixtures::t0;

const PATH: &str = "VESTIBULE_TEST_CHILD_DATABASE";
const ROUNDS: u64 = 12;

/// Not a test of its own: the program that [`a_program_killed_at_any_moment_loses_nothing_acknowledged`] kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "started by another test, as a program of its own"]
async fn child() {
    let Some(path) = env::var_os(PATH) else {
        return;
    };
    let storage = Storage::open(Settings::new(DatabaseUrl::Sqlite(path.into())))
        .await
        .unwrap();
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                loop {
                    let token: u64 = rand::random();
                    let append = storage.write(move |tx| {
                        tx.events().append(
                            EventKind::SessionStarted,
                            token,
                            &serde_json::json!("x".repeat(300)),
                            t0(),
                        )
                    });
                    let seq = append.await.unwrap();
                    // One system call, so that a line is told whole or not at all.
                    std::io::stderr()
                        .write_all(format!("ack {seq} {token}\n").as_bytes())
                        .unwrap();
                }
            })
        })
        .collect();
    #[expect(clippy::never_loop, reason = "a writer ends only by panicking")]
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_program_killed_at_any_moment_loses_nothing_acknowledged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("vestibule.db");
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "durability::child",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(PATH, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Killed early, late, and beyond where checkpoints and restarts of the log happen.
        let enough =
            [1, 40, 900, 3_000][usize::try_from(round % 4).unwrap()] + rand::random_range(0..50);
        let mut told = Vec::new();
        while told.len() < enough {
            let line = lines
                .next()
                .expect("the child writes until it is killed")
                .unwrap();
            told.extend(acknowledgement(&line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died but we had not read yet counts as well.
        told.extend(
            lines
                .map_while(Result::ok)
                .filter_map(|line| acknowledgement(&line)),
        );
        acknowledged.extend(told);

        let storage = Storage::open(Settings::new(DatabaseUrl::Sqlite(path.clone())))
            .await
            .unwrap();
        let events = storage.events_after(0, u32::MAX).await.unwrap();
        let latest = storage.latest_event_seq().await.unwrap();
        storage.close().await;
        assert_eq!(events.len() as u64, latest, "the log has no gap");
        for (seq, token) in &acknowledged {
            let index = usize::try_from(*seq - 1).unwrap();
            assert_eq!(
                events.get(index).map(|event| &event.subject),
                Some(token),
                "event {seq}"
            );
        }
    }
    assert!(acknowledged.len() > 10_000);
}

fn acknowledgement(line: &str) -> Option<(u64, String)> {
    let (seq, token) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((seq.parse().ok()?, token.to_owned()))
}
