//! The task that sends: takes messages that are due, for itself alone and for a while, and tries each until the mail
//! server takes it, refuses it for good, or its time has passed. A server that dies in between loses nothing: what it
//! had taken is due again, so a message is sent at least once.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use storage::{Mail, MailState};
use tokio::task::JoinSet;

use super::{
    Letter, open,
    transport::{SendError, Transport},
};
use crate::{Context, Error, actions::accounts::resolve_mail, error::Chain};

/// How often it is looked for messages that other servers wrote, and for those that are to be tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages taken at once.
const AT_ONCE: u32 = 8;
/// How long nobody else tries a message that one server has taken.
const LEASE: SignedDuration = SignedDuration::from_mins(3);
/// A try is given up after this long, so that it ends before the lease.
const TRY_TIMEOUT: Duration = Duration::from_mins(2);
/// The wait after the first failed try; it doubles with each further one.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(10);
/// The longest wait between two tries.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// What is kept of the last failure, in characters.
const LONGEST_PROBLEM: usize = 300;

/// Sends for as long as the server runs.
pub(crate) async fn deliver(context: Context) {
    let transport = match Transport::new(&context.config) {
        Ok(transport) => transport.map(Arc::new),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "mail cannot be sent");
            None
        }
    };
    if let Err(error) = take_over(&context).await {
        tracing::warn!(error = %Chain(&error), "what was under way is sent later");
    }
    loop {
        tokio::select! {
            () = context.mail.rung() => {}
            () = tokio::time::sleep(PAUSE) => {}
            () = context.stopping.cancelled() => return,
        }
        loop {
            match round(&context, transport.as_ref()).await {
                Ok(true) if !context.stopping.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(error = %error.message, "the outbox cannot be read");
                    break;
                }
            }
        }
    }
}

/// Takes over what this server had taken when it last ended. On an embedded database nobody else can have it; with
/// others on the same database, leases end by themselves.
async fn take_over(context: &Context) -> Result<(), storage::Error> {
    if context.config.database.url.is_some() {
        return Ok(());
    }
    let now = context.now();
    context
        .storage
        .write(move |tx| tx.outbox().release(now).map(drop))
        .await
}

/// Takes what is due and deals with it; `false` when there was nothing.
async fn round(context: &Context, transport: Option<&Arc<Transport>>) -> Result<bool, Error> {
    let states: &'static [MailState] = match transport {
        Some(_) => &[MailState::Asked, MailState::Ready],
        // Without a mail server messages wait to be shown.
        None => &[MailState::Asked],
    };
    let now = context.now();
    let (is_due, open) = context
        .storage
        .read(move |tx| {
            Ok::<_, storage::Error>((tx.outbox().is_due(states, now)?, tx.outbox().count_open()?))
        })
        .await?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "an outbox holds far fewer than 2^52 messages"
    )]
    metrics::gauge!("mail_outbox_messages").set(open as f64);
    if !is_due {
        return Ok(false);
    }
    let taken = context
        .storage
        .write(move |tx| tx.outbox().lease(states, now, now + LEASE, AT_ONCE))
        .await?;
    let any = !taken.is_empty();
    let mut tasks = JoinSet::new();
    for mail in taken {
        let (context, transport) = (context.clone(), transport.cloned());
        tasks.spawn(async move {
            let id = mail.id;
            let done = match (mail.state, transport) {
                (MailState::Asked, _) => resolve(&context, mail).await,
                (_, Some(transport)) => send(&context, &transport, mail).await,
                (_, None) => Ok(()),
            };
            if let Err(error) = done {
                // It is due again when the lease ends.
                tracing::warn!(mail.id = %id, error = %error.message, "a message could not be dealt with");
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(any)
}

/// Finds out what there is to say.
async fn resolve(context: &Context, mail: Mail) -> Result<(), Error> {
    if mail.expires_at <= context.now() {
        return finish(context, mail, MailState::Dropped, None).await;
    }
    resolve_mail(context, &mail).await?;
    // A letter may have been written in its place.
    context.mail.ring();
    Ok(())
}

async fn send(context: &Context, transport: &Transport, mail: Mail) -> Result<(), Error> {
    let now = context.now();
    if mail.expires_at <= now {
        metrics::counter!("mail_dropped_total").increment(1);
        return finish(context, mail, MailState::Dropped, None).await;
    }
    let letter: Letter = match open(context, &mail) {
        Ok(letter) => letter,
        Err(error) => {
            tracing::error!(mail.id = %mail.id, error = %Chain(&error), "a message is given up");
            metrics::counter!("mail_dropped_total").increment(1);
            return finish(context, mail, MailState::Dropped, Some(error.to_string())).await;
        }
    };
    let tried = tokio::time::timeout(TRY_TIMEOUT, transport.send(mail.id, &mail.email, &letter));
    match tried.await.unwrap_or(Err(SendError::Timeout)) {
        Ok(()) => {
            metrics::counter!("mail_sent_total").increment(1);
            finish(context, mail, MailState::Sent, None).await
        }
        Err(error) => {
            // The mail server's words may repeat the address, so they are kept with the message and not logged.
            let problem: String = error.text().chars().take(LONGEST_PROBLEM).collect();
            metrics::counter!("mail_failed_total").increment(1);
            let attempts = mail.attempts + 1;
            tracing::warn!(mail.id = %mail.id, mail.kind, attempts, "a message could not be sent: {error}");
            if error.is_final() {
                metrics::counter!("mail_dropped_total").increment(1);
                return finish(context, mail, MailState::Dropped, Some(problem)).await;
            }
            let later = Mail {
                attempts,
                due_at: Some(context.now() + wait_after(attempts)),
                problem: Some(problem),
                ..mail
            };
            Ok(context
                .storage
                .write(move |tx| tx.outbox().update(&later))
                .await?)
        }
    }
}

/// Ends a message and erases what it says.
async fn finish(
    context: &Context,
    mail: Mail,
    state: MailState,
    problem: Option<String>,
) -> Result<(), Error> {
    let done = Mail {
        state,
        sealed: None,
        due_at: None,
        finished_at: Some(context.now()),
        problem,
        ..mail
    };
    Ok(context
        .storage
        .write(move |tx| tx.outbox().update(&done))
        .await?)
}

/// How long to wait after so many failed tries.
fn wait_after(attempts: u32) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(16);
    FIRST_WAIT
        .checked_mul(1 << doublings)
        .map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT))
}

/// Erases what messages say whose time has passed, and forgets those that were done with long ago; counts them.
pub(crate) async fn erase_expired(
    context: &Context,
    forgotten_before: jiff::Timestamp,
    at_once: u32,
) -> Result<u64, storage::Error> {
    let now = context.now();
    let mut all = 0;
    loop {
        let count = context
            .storage
            .write(move |tx| {
                Ok::<_, storage::Error>(
                    tx.outbox().expire(now, at_once)?
                        + tx.outbox().delete_finished(forgotten_before, at_once)?,
                )
            })
            .await?;
        all += count;
        if count < u64::from(at_once) {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_ever_more_rarely() {
        let seconds = |attempts| wait_after(attempts).as_secs();
        assert_eq!(
            [1, 2, 3, 7, 8, 40].map(seconds),
            [10, 20, 40, 640, 900, 900]
        );
    }
}
