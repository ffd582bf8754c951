//! SQLite: inline pooled readers, one writer thread with group commit, a keeper thread for checkpoints.

mod keeper;
mod open;
mod readers;
mod writer;

use std::{path::Path, sync::Arc};

use tokio::sync::watch;

use self::{readers::Readers, writer::Writer};
use super::guarded;
use crate::{Error, Tx, storage::Head};

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
    pub(crate) fn open(
        path: &Path,
        readers: usize,
        head: &Arc<watch::Sender<Head>>,
    ) -> Result<Self, Error> {
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
