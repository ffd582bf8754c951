//! Durable inserts into a bare SQLite database: many at once, one writer, one commit for all that wait.

use std::{
    path::Path,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::times::Times;

/// A table of about the size of the server's refresh tokens.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE token (
        digest BLOB PRIMARY KEY, session TEXT NOT NULL, parent BLOB, jti TEXT NOT NULL,
        issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER, successor BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_session ON token (session);
    CREATE INDEX token_parent ON token (parent);
    CREATE UNIQUE INDEX token_jti ON token (jti);
";

/// One insert: its number, and whom to tell that it is durable.
type Insert = (u64, SyncSender<()>);

/// Inserts for some seconds from as many threads, each waiting until its row is durable; what was seen, as JSON.
pub(crate) fn run(folder: &Path, in_flight: u64, seconds: u64) -> String {
    let path = folder.join(format!("inserts-{}.db", std::process::id()));
    let connection = Connection::open(&path).expect("a database can be made");
    connection.execute_batch(SCHEMA).expect("the schema is SQL");
    let (sender, receiver) = channel::<Insert>();
    let writer = thread::spawn(move || write(&connection, &receiver));
    let times = Times::until(Duration::from_secs(seconds), |clock| {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..in_flight)
                .map(|client| {
                    let sender = sender.clone();
                    scope.spawn(move || insert(client, in_flight, &sender, clock))
                })
                .collect();
            clients
                .into_iter()
                .map(|client| client.join().expect("a client ends"))
                .collect()
        })
    });
    drop(sender);
    writer.join().expect("the writer ends");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    times
}

fn insert(client: u64, clients: u64, sender: &Sender<Insert>, clock: crate::times::Clock) -> Times {
    let mut times = Times::new(clock);
    let (done, durable) = sync_channel(1);
    for number in 0.. {
        let before = Instant::now();
        if times.is_over(before) {
            break;
        }
        sender
            .send((number * clients + client, done.clone()))
            .expect("the writer listens");
        durable.recv().expect("the writer answers");
        times.push(before);
    }
    times
}

/// Takes all that wait, commits once, and tells them.
fn write(connection: &Connection, receiver: &Receiver<Insert>) {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        batch.extend(receiver.try_iter());
        let transaction = connection
            .unchecked_transaction()
            .expect("a transaction can be begun");
        {
            let mut statement = transaction
                .prepare_cached("INSERT INTO token VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL)")
                .expect("the statement is SQL");
            for (number, _) in &batch {
                statement
                    .execute(row(*number))
                    .expect("a row can be inserted");
            }
        }
        transaction
            .commit()
            .expect("the transaction can be committed");
        for (_, done) in batch {
            let _ = done.send(());
        }
    }
}

/// A row whose keys are spread as digests and random ids are.
fn row(number: u64) -> impl rusqlite::Params {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let digest: Vec<u8> = spread.to_be_bytes().repeat(4);
    let id = format!("{spread:016x}{number:016x}");
    (
        digest.clone(),
        id.clone(),
        digest,
        id,
        1_700_000_000_000_i64,
        1_800_000_000_000_i64,
    )
}
