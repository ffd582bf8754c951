//! A pool of reading connections.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{guarded, open};
use crate::{Error, Tx};

/// Connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Tx>>,
}

/// The right to use one connection.
pub(super) type Place = OwnedSemaphorePermit;

/// A borrowed connection; it goes back when dropped.
pub(super) struct Reader<'p> {
    tx: Option<Tx>,
    pool: &'p Readers,
    /// Given back after the connection.
    _place: Place,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, Error> {
        let idle = (0..count)
            .map(|_| open::reader(path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            places: Arc::new(Semaphore::new(count)),
            idle: Mutex::new(idle),
        })
    }

    /// Waits until a connection is free.
    pub(super) async fn place(&self) -> Result<Place, Error> {
        Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| Error::Closed)
    }

    pub(super) fn with(&self, place: Place) -> Reader<'_> {
        let tx = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Reader {
            tx,
            pool: self,
            _place: place,
        }
    }

    pub(super) async fn acquire(&self) -> Result<Reader<'_>, Error> {
        Ok(self.with(self.place().await?))
    }

    /// Refuses new readers and drops the idle connections.
    pub(super) fn close(&self) {
        self.places.close();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Reader<'_> {
    /// Runs a closure on one moment of the database.
    pub(super) fn run<T, E: From<Error>>(
        mut self,
        work: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        // Only a pool closed in between has none left.
        let tx = self.tx.as_mut().ok_or(Error::Closed)?;
        tx.reset();
        tx.control("BEGIN")?;
        let result = guarded(tx, work);
        // There is nothing to keep; a connection that cannot even end its transaction must not be used again.
        if tx.control("ROLLBACK").is_err() {
            tracing::warn!("dropped a reading connection that could not end its transaction");
            self.tx = open_again(self.tx.take());
        }
        result
    }
}

fn open_again(broken: Option<Tx>) -> Option<Tx> {
    let path = match broken?.connection {
        crate::tx::Connection::Sqlite(connection) => connection.path()?.to_owned(),
        crate::tx::Connection::Postgres { .. } => return None,
    };
    open::reader(Path::new(&path)).ok()
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(tx) = self.tx.take()
            && !self.pool.places.is_closed()
        {
            self.pool
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(tx);
        }
    }
}
