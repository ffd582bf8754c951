//! It opens, writes and reads.
use jiff::Timestamp;
use storage::*;

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let s = Storage::open(Settings::new(DatabaseUrl::Sqlite(dir.path().join("a.db"))))
        .await
        .unwrap();
    let mut tail = s.tail();
    let seq = s
        .write(|tx| {
            tx.events().append(
                EventKind::AccountCreated,
                "x",
                &serde_json::json!({}),
                Timestamp::UNIX_EPOCH,
            )
        })
        .await
        .unwrap();
    assert_eq!(seq, 1);
    assert_eq!(tail.next().await.len(), 1);
    assert_eq!(s.read(|tx| tx.accounts().count()).await, Ok(0));
    s.close().await;
    assert_eq!(s.read(|tx| tx.accounts().count()).await, Err(Error::Closed));
}
