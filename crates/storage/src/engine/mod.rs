//! How transactions are run on each engine.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::panic::{self, AssertUnwindSafe};

use crate::{Error, Tx};

/// Runs a closure on a transaction. A panic and a failed statement that the closure did not tell of become errors.
fn guarded<T, E: From<Error>>(
    tx: &mut Tx,
    work: impl FnOnce(&mut Tx) -> Result<T, E>,
) -> Result<T, E> {
    let result = panic::catch_unwind(AssertUnwindSafe(|| work(&mut *tx)))
        .unwrap_or_else(|_| Err(Error::Panicked.into()));
    if result.is_ok() && tx.failed() {
        Err(Error::Aborted.into())
    } else {
        result
    }
}
