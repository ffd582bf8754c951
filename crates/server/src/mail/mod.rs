//! Mail to people: what is said in it, the outbox it waits in, and the way to the mail server.
//!
//! A message is written in the transaction of the deed that it tells of, and sent by `deliver` afterwards, at least
//! once. Whoever asks for a mail without being signed in only writes that they asked (`NewMail::ask`): what there is
//! to say to the address is found out later, so that the answer takes the same time whatever exists.

mod deliver;
mod letter;
mod rate;
mod transport;

use jiff::{SignedDuration, Timestamp};
use secret::{Secret, SecretBytes};
use serde::{Serialize, de::DeserializeOwned};
use storage::{Mail, MailState, Tx};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{Change, Context, Error, random};

pub(crate) use deliver::{deliver, erase_expired};
pub(crate) use letter::Letter;
pub(crate) use rate::{MailRate, Use};
pub use transport::{SendError, send_test};

/// Messages that may wait at once; somebody who asks for more mail than can be sent is asked to wait.
const MOST_OPEN: u64 = 10_000;
/// How long a request for mail is worth looking at.
const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What wakes the task that sends.
#[derive(Debug, Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    /// There may be something to send.
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn rung(&self) {
        self.0.notified().await;
    }
}

/// A message that is about to be written. Everything random is made beforehand, since a transaction may run twice.
#[derive(Clone)]
pub(crate) struct NewMail {
    context: Context,
    id: Uuid,
    nonce: [u8; 12],
    now: Timestamp,
}

impl NewMail {
    pub(crate) fn prepare(context: &Context) -> Self {
        let now = context.now();
        let (milliseconds, bytes) = random::id_parts(now);
        Self {
            context: context.clone(),
            id: uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid(),
            nonce: random::bytes(),
            now,
        }
    }

    /// Writes a letter to an address.
    pub(crate) fn insert(&self, tx: &mut Tx, email: &str, letter: &Letter) -> Result<(), Error> {
        let expires_at = self.now + letter.lifetime();
        self.write(
            tx,
            MailState::Ready,
            letter.kind(),
            email,
            letter,
            expires_at,
        )
    }

    /// Writes a letter that only tells something; without a mail server nobody is told.
    pub(crate) fn insert_notice(
        &self,
        tx: &mut Tx,
        email: &str,
        letter: &Letter,
    ) -> Result<(), Error> {
        if self.context.config.mail.is_configured() {
            self.insert(tx, email, letter)
        } else {
            Ok(())
        }
    }

    /// Writes that somebody asked for mail to an address.
    pub(crate) fn ask(
        &self,
        tx: &mut Tx,
        kind: &'static str,
        email: &str,
        request: &impl Serialize,
    ) -> Result<(), Error> {
        let expires_at = self.now + REQUEST_LIFETIME;
        self.write(tx, MailState::Asked, kind, email, request, expires_at)
    }

    fn write(
        &self,
        tx: &mut Tx,
        state: MailState,
        kind: &str,
        email: &str,
        contents: &impl Serialize,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        tx.outbox().insert(&Mail {
            id: self.id,
            state,
            kind: kind.to_owned(),
            email: email.to_owned(),
            sealed: Some(seal(&self.context, self.id, self.nonce, contents)),
            attempts: 0,
            due_at: Some(self.now),
            created_at: self.now,
            expires_at,
            finished_at: None,
            problem: None,
        })?;
        Ok(())
    }
}

/// Puts a letter in the place of the request for it.
#[derive(Clone)]
pub(crate) struct Rewrite {
    context: Context,
    nonce: [u8; 12],
    now: Timestamp,
}

impl Rewrite {
    pub(crate) fn prepare(context: &Context) -> Self {
        Self {
            context: context.clone(),
            nonce: random::bytes(),
            now: context.now(),
        }
    }

    /// Ends a request: with a letter, or with nothing to say.
    pub(crate) fn settle(
        &self,
        tx: &mut Tx,
        asked: Mail,
        letter: Option<&Letter>,
    ) -> Result<(), Error> {
        let settled = match letter {
            Some(letter) => Mail {
                state: MailState::Ready,
                kind: letter.kind().to_owned(),
                sealed: Some(seal(&self.context, asked.id, self.nonce, letter)),
                attempts: 0,
                due_at: Some(self.now),
                expires_at: self.now + letter.lifetime(),
                ..asked
            },
            None => Mail {
                state: MailState::Dropped,
                sealed: None,
                due_at: None,
                finished_at: Some(self.now),
                ..asked
            },
        };
        Ok(tx.outbox().update(&settled)?)
    }
}

/// Writes that somebody asked for mail, unless too much of it waits already.
pub(crate) async fn ask(
    context: &Context,
    kind: &'static str,
    email: String,
    request: impl Serialize + Send + Sync + 'static,
) -> Result<(), Error> {
    let open = context.storage.read(|tx| tx.outbox().count_open()).await?;
    if open >= MOST_OPEN {
        return Err(rate::too_much(std::time::Duration::from_mins(1)));
    }
    let mail = NewMail::prepare(context);
    context
        .change(move |change: &mut Change<'_>| mail.ask(change, kind, &email, &request))
        .await?;
    context.mail.ring();
    Ok(())
}

/// Seals what a row of the outbox says.
fn seal(context: &Context, id: Uuid, nonce: [u8; 12], contents: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(contents).expect("letters hold texts only");
    let key = context.master_key.sealing_key("outbox");
    key.seal(&SecretBytes::new(json), associated(id).as_bytes(), nonce)
}

/// Why a row of the outbox cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is sealed under another master key.
    #[error("could not open a message: is this the master key the database was made with?")]
    Sealed(#[source] token::sealed::OpenError),
    /// It was written by another version of the program.
    #[error("a message of the outbox has no meaning here")]
    Unknown(#[source] serde_json::Error),
    /// It was erased.
    #[error("the message was erased")]
    Erased,
}

/// Reads what a row of the outbox says.
pub(crate) fn open<T: DeserializeOwned>(context: &Context, mail: &Mail) -> Result<T, OpenError> {
    let sealed = mail.sealed.as_deref().ok_or(OpenError::Erased)?;
    let key = context.master_key.sealing_key("outbox");
    let json: Secret<Vec<u8>> = key
        .open(sealed, associated(mail.id).as_bytes())
        .map_err(OpenError::Sealed)?;
    serde_json::from_slice(json.expose()).map_err(OpenError::Unknown)
}

fn associated(id: Uuid) -> String {
    format!("outbox.sealed.{id}")
}
