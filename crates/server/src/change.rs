//! Changing records together with the events that tell of it.

use std::ops::{Deref, DerefMut};

use jiff::Timestamp;
use serde_json::Value;
use storage::{Event, EventKind, Tx};

use crate::{Context, Error, feed::details};

/// A transaction that notes the events it appends. Everything else is as on [`Tx`].
pub struct Change<'t> {
    tx: &'t mut Tx,
    now: Timestamp,
    events: Vec<Event>,
}

impl Change<'_> {
    /// When the change is made.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Appends an event about what this change does.
    /// Appends an event about what this change does; after the change itself.
    pub fn event(&mut self, kind: EventKind, subject: impl ToString) -> Result<(), Error> {
        self.event_with(kind, subject, &Value::Null)
    }

    /// Appends an event with more about it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small and read better without a reference"
    )]
    pub fn event_with(
        &mut self,
        kind: EventKind,
        subject: impl ToString,
        payload: &Value,
    ) -> Result<(), Error> {
        let subject = subject.to_string();
        // Here, once, so that no change of authority can forget to say whose tokens it concerns.
        let completed = details::complete(self.tx, kind, &subject, payload, self.now)?;
        let payload = completed.as_ref().unwrap_or(payload);
        let seq = self.tx.events().append(kind, &subject, payload, self.now)?;
        self.events.push(Event {
            seq,
            at: self.now,
            kind,
            subject,
            payload: payload.to_string(),
        });
        Ok(())
    }
}

impl Deref for Change<'_> {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        self.tx
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut Tx {
        self.tx
    }
}

impl Context {
    /// Runs a closure that changes things, durably and as a whole, and brings this process's caches up to date before
    /// it returns. The closure may be run several times: it does nothing but work on its transaction.
    pub async fn change<T, F>(&self, mut work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut Change<'_>) -> Result<T, Error> + Send + 'static,
    {
        let now = self.clock.now();
        let write = self.storage.write(move |tx| {
            let mut change = Change {
                tx,
                now,
                events: Vec::new(),
            };
            let value = work(&mut change)?;
            Ok::<_, Error>((value, change.events))
        });
        let (value, events) = write.await?;
        for event in &events {
            self.caches.apply(event);
            if event.kind == EventKind::KeyRotated {
                self.signing.forget();
            }
        }
        Ok(value)
    }
}
