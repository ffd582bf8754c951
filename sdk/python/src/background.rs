//! The one thread that talks to the issuer.

use std::{
    future::Future,
    io,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
};

use crate::log;

/// A thread that runs everything that waits.
pub(crate) struct Background {
    handle: Handle,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts it.
    pub(crate) fn start() -> io::Result<Self> {
        log::listen();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, mut stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("vestibule-feed".to_owned())
            .spawn(move || {
                let noted = log::here();
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            // An error says that the sender is gone, which means the same.
                            _ = stopped.wait_for(|stopped| *stopped) => break,
                            () = noted.notified() => log::deliver(),
                        }
                    }
                });
                // A name look-up that hangs is not waited for.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Where tasks are run.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a task on the thread. After [`Self::stop`] it is dropped instead.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Asks the thread to end.
    pub(crate) fn stop_soon(&self) {
        self.stop.send_replace(true);
    }

    /// Asks the thread to end and waits until it has. Must be called without holding the interpreter, which tasks may need
    /// for their last words.
    pub(crate) fn stop(&self) {
        self.stop_soon();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic of a task was told already.
            let _ = thread.join();
        }
    }
}
