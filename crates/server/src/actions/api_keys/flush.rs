//! Writing down how often keys were used.

use accounts::quota::Usage;
use storage::Storage;

use crate::{
    Context,
    key_use::{FLUSH_PAUSE, Unwritten},
};

/// Keys whose uses are written down in one transaction.
const AT_ONCE: usize = 250;

/// Writes down uses for as long as the server runs. The last ones are written when it stops, by [`flush`].
pub(crate) async fn keep_flushed(context: Context) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FLUSH_PAUSE) => {}
            () = context.stopping.cancelled() => return,
        }
        write_down(&context, false).await;
    }
}

/// Writes down every use that is not written yet.
pub async fn flush(context: &Context) {
    write_down(context, true).await;
}

async fn write_down(context: &Context, all: bool) {
    let unwritten = context.key_use.collect(context.now(), all);
    for some in unwritten.chunks(AT_ONCE) {
        match write_some(&context.storage, some.to_vec()).await {
            Ok(totals) => {
                for (one, total) in some.iter().zip(&totals) {
                    context.key_use.written(one.id, total);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "uses of API keys could not be written down; trying again");
                context.key_use.give_back(some);
            }
        }
    }
}

async fn write_some(storage: &Storage, some: Vec<Unwritten>) -> Result<Vec<Usage>, storage::Error> {
    storage
        .write(move |tx| {
            let mut totals = Vec::with_capacity(some.len());
            for one in &some {
                totals.push(if one.usage.is_empty() {
                    Usage::default()
                } else {
                    tx.api_keys().add_usage(one.id, &one.usage)?
                });
                if let Some(used_at) = one.used_at {
                    tx.api_keys().note_use(one.id, used_at)?;
                }
            }
            Ok(totals)
        })
        .await
}
