//! SQLite: inline pooled readers, one writer thread with group commit, a keeper thread for checkpoints.

mod keeper;
mod open;
mod readers;
mod writer;

use std::{path::Path, sync::Arc};

use self::{readers::Readers, writer::Writer};
use super::guarded;
use crate::{Error, Tx, storage::LogEnd};

/// An open SQLite database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: Writer,
    /// For keyed reads that run on the caller's thread.
    readers: Readers,
    /// For long reads, so that they never keep keyed ones waiting.
    scanners: Arc<Readers>,
}

impl Sqlite {
    /// Opens and migrates the file. Blocks.
    pub(crate) fn open(path: &Path, readers: usize, head: &Arc<LogEnd>) -> Result<Self, Error> {
        let readers = readers.max(1);
        let mut writer = open::writer(path)?;
        head.send_modify(|head| head.seq = open::latest_event(&mut writer).unwrap_or_default());
        Ok(Self {
            readers: Readers::open(path, readers)?,
            scanners: Arc::new(Readers::open(path, readers)?),
            writer: Writer::start(writer, open::keeper(path)?, Arc::clone(head))?,
        })
    }

    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        self.readers.acquire().await?.run(work)
    }

    pub(crate) async fn scan<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let scanners = Arc::clone(&self.scanners);
        // Waiting for a place here keeps the blocking threads for those who have one.
        let place = scanners.place().await?;
        let done = tokio::task::spawn_blocking(move || scanners.with(place).run(work)).await;
        done.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnMut(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        self.writer.write(work).await
    }

    pub(crate) async fn close(&self) {
        self.readers.close();
        self.scanners.close();
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::{DatabaseUrl, Error, EventKind, Settings, Storage, Tx, tx::Connection};

    fn append(tx: &mut Tx, n: u32, size: usize) -> Result<u64, Error> {
        let payload = serde_json::json!("x".repeat(size));
        tx.events().append(
            EventKind::AccountChanged,
            n,
            &payload,
            Timestamp::UNIX_EPOCH,
        )
    }

    /// SQLite's own limit on the size of the file reports what a full disk does.
    fn limit_pages(tx: &mut Tx, more: i64) {
        let Connection::Sqlite(connection) = &tx.connection else {
            panic!("this is SQLite")
        };
        let pages: i64 = connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap();
        let limit = format!("PRAGMA max_page_count = {}", pages + more);
        connection.query_row(&limit, [], |_| Ok(())).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_what_has_no_room_and_keeps_what_was_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(DatabaseUrl::Sqlite(folder.path().join("a.db")));
        let storage = Storage::open(settings.clone()).await.unwrap();
        storage
            .write(|tx| {
                limit_pages(tx, 8);
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        let writes: Vec<_> = (0..100)
            .map(|n| {
                let storage = storage.clone();
                tokio::spawn(async move { storage.write(move |tx| append(tx, n, 3_000)).await })
            })
            .collect();
        let mut acknowledged = Vec::new();
        for write in writes {
            match write.await.unwrap() {
                Ok(seq) => acknowledged.push(seq),
                Err(error) => assert_eq!(error, Error::DiskFull),
            }
        }
        assert!(acknowledged.len() < 100);
        storage
            .write(|tx| {
                limit_pages(tx, 1_000);
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        acknowledged.push(storage.write(|tx| append(tx, 100, 3_000)).await.unwrap());
        storage.close().await;
        let storage = Storage::open(settings).await.unwrap();
        let kept = storage.events_after(0, 1_000).await.unwrap();
        acknowledged.sort_unstable();
        assert_eq!(
            kept.iter().map(|event| event.seq).collect::<Vec<_>>(),
            acknowledged
        );
    }
}
