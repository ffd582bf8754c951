//! What the client says while it works, in Python's `logging`.
//!
//! It is said on the background thread, possibly under a lock, so it is only noted there; the thread tells Python when it
//! has nothing else to do. Notes belong to the thread: a forked child finds none, and no lock.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt::{self, Write as _},
    mem,
    rc::Rc,
};

use pyo3::{prelude::*, types::PyDict};
use tokio::sync::Notify;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// How many notes are kept while Python cannot be told; more are dropped.
const MOST: usize = 256;

/// One note: the level by Python's numbers, and the text.
type Note = (u8, String);

thread_local! {
    /// The notes of a thread that told with [`here`] that it will deliver them.
    static NOTES: RefCell<Option<(VecDeque<Note>, Rc<Notify>)>> = const { RefCell::new(None) };
}

/// Has the client's messages noted from now on. The first call counts.
pub(crate) fn listen() {
    // Somebody else may listen already; then that is where they go.
    let _ = tracing::subscriber::set_global_default(Listener);
}

/// Begins to note what is said on this thread, and gives what tells of notes.
pub(crate) fn here() -> Rc<Notify> {
    let noted = Rc::new(Notify::new());
    NOTES.with_borrow_mut(|notes| *notes = Some((VecDeque::new(), Rc::clone(&noted))));
    noted
}

/// Tells Python what was noted on this thread.
pub(crate) fn deliver() {
    let noted = NOTES.with_borrow_mut(|notes| {
        let notes = notes.as_mut().map(|(notes, _)| mem::take(notes));
        notes.unwrap_or_default()
    });
    if noted.is_empty() {
        return;
    }
    // An interpreter that is going down is told nothing any more.
    Python::try_attach(|py| {
        for (level, text) in noted {
            if let Err(error) = log(py, level, &text) {
                error.write_unraisable(py, None);
            }
        }
    });
}

fn log(py: Python<'_>, level: u8, text: &str) -> PyResult<()> {
    let logger = py
        .import("logging")?
        .call_method1("getLogger", ("vestibule.client",))?;
    let none = PyDict::new(py);
    logger.call_method("log", (level, "%s", text), Some(&none))?;
    Ok(())
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with("vestibule_client")
            && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            _ => 20,
        };
        let mut text = Text::default();
        event.record(&mut text);
        NOTES.with_borrow_mut(|notes| {
            if let Some((notes, noted)) = notes
                && notes.len() < MOST
            {
                notes.push_back((level, text.finish()));
                noted.notify_one();
            }
        });
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The message, and what it names, as one line.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

impl Text {
    fn finish(self) -> String {
        self.message + &self.fields
    }
}
