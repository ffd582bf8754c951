//! `Client`: the Rust client on a thread of its own, for one process and one configuration.

use std::{
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

use pyo3::{
    exceptions::PyRuntimeError,
    prelude::*,
    types::{PyDict, PyString},
};
use vestibule_client::{
    Check, CheckError, Client as Inner, Config, Identity, StalePolicy, Unavailable,
    messages::{Ended, Revocation},
};

use crate::{
    background::Background,
    claims,
    errors::{configuration, failed, refused},
    options,
    process::generation,
    statistics,
    values::token_text,
};

/// Finds out whose token it is. The thread starts with the first question.
///
/// A client belongs to the process that made it. What a forked child finds of it is never touched again: locks of it may
/// be held by threads that the child does not have.
#[pyclass(frozen, module = "vestibule._core", weakref)]
pub(crate) struct Client {
    config: Config,
    /// Makes the user object out of claims.
    make_user: Arc<Py<PyAny>>,
    process: u32,
    running: OnceLock<Running>,
}

struct Running {
    inner: Inner,
    background: Background,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, make_user, **options))]
    fn new(make_user: Py<PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Ok(Self {
            config: options::config(options)?,
            make_user: Arc::new(make_user),
            process: generation(),
            running: OnceLock::new(),
        })
    }

    /// Starts the thread, unless it runs. Never blocks.
    fn start(&self) -> PyResult<()> {
        self.running().map(|_| ())
    }

    #[pyo3(signature = (token, stale_policy=None))]
    fn check<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'py, PyAny>,
        stale_policy: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let inner = &self.running()?.inner;
        let token = token_text(token)?;
        let policy = policy(stale_policy)?;
        // A token that was seen before costs less than letting go of the interpreter.
        let check = inner
            .peek(token, policy)
            .unwrap_or_else(|| py.detach(|| inner.check(token, policy)));
        match check {
            Check::Known(identity) => user(py, &identity, &self.make_user).map(Some),
            Check::Refused(refusal) => Err(refused(refusal)),
            Check::Pending => Ok(None),
        }
    }

    fn start_check<'py>(
        &self,
        token: &Bound<'py, PyAny>,
        stale_policy: Option<&Bound<'py, PyString>>,
        on_done: Py<PyAny>,
    ) -> PyResult<()> {
        let running = self.running()?;
        let token = token_text(token)?.to_owned();
        let policy = policy(stale_policy)?;
        let inner = running.inner.clone();
        let answer = Answer {
            on_done: Some(on_done),
            make_user: Arc::clone(&self.make_user),
        };
        running.background.spawn(async move {
            let outcome = inner.check_async(&token, policy).await;
            answer.give(outcome.map(Outcome::Caller));
        });
        Ok(())
    }

    #[pyo3(signature = (token, stale_policy=None))]
    fn check_blocking<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'py, PyAny>,
        stale_policy: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        let running = self.running()?;
        let token = token_text(token)?.to_owned();
        let policy = policy(stale_policy)?;
        let inner = running.inner.clone();
        let (sender, receiver) = mpsc::sync_channel(1);
        running.background.spawn(async move {
            // Nobody listens any more once the interpreter goes down.
            let _ = sender.send(inner.check_async(&token, policy).await);
        });
        let outcome = py.detach(move || receiver.recv());
        let outcome = outcome.unwrap_or(Err(CheckError::Unavailable(Unavailable::Revocation)));
        let identity = outcome.map_err(failed)?;
        user(py, &identity, &self.make_user)
    }

    /// Asks the issuer whether a token is active, by its id.
    fn start_introspection(
        &self,
        jti: String,
        account: String,
        on_done: Py<PyAny>,
    ) -> PyResult<()> {
        let running = self.running()?;
        let inner = running.inner.clone();
        let answer = Answer {
            on_done: Some(on_done),
            make_user: Arc::clone(&self.make_user),
        };
        running.background.spawn(async move {
            let outcome = inner.introspect(&jti, &account).await;
            answer.give(
                outcome
                    .map(Outcome::Active)
                    .map_err(CheckError::Unavailable),
            );
        });
        Ok(())
    }

    /// Tells a client whose revocations are told by hand that a token or a session of an account ended, or with neither
    /// everything that the account had.
    #[pyo3(signature = (*, account, jti=None, session=None))]
    fn tell(&self, account: String, jti: Option<String>, session: Option<String>) -> PyResult<()> {
        let ended = match (jti, session) {
            (None, None) => Ended::AllTokens,
            (jti, sid) => Ended::Session { jti, sid },
        };
        self.running()?.inner.tell(&Revocation {
            user: account,
            ended,
            generation: None,
            event_id: None,
        });
        Ok(())
    }

    /// Makes what a client knows by hand stale, or current again.
    fn set_stale(&self, stale: bool) -> PyResult<()> {
        self.running()?.inner.set_stale(stale);
        Ok(())
    }

    /// Counters and gauges. What does not apply to the configuration is left out.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        statistics::to_dict(py, &self.running()?.inner.statistics())
    }

    /// Moves the clock forward.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        let by = Duration::try_from_secs_f64(seconds).map_err(configuration)?;
        self.running()?.inner.advance(by);
        Ok(())
    }

    /// Ends the thread and waits for it. What is still asked for is answered with `IdentityUnavailable`.
    fn close(&self, py: Python<'_>) {
        if self.process == generation()
            && let Some(running) = self.running.get()
        {
            py.detach(|| running.background.stop());
        }
    }
}

impl Client {
    fn running(&self) -> PyResult<&Running> {
        if self.process != generation() {
            return Err(PyRuntimeError::new_err(
                "this client belongs to the process that forked; make a new one",
            ));
        }
        if let Some(running) = self.running.get() {
            return Ok(running);
        }
        let background = Background::start().map_err(configuration)?;
        let inner = Inner::new(self.config.clone(), background.handle()).map_err(configuration)?;
        // The interpreter was held all the while, so nobody else started one, and nobody could fork in between.
        Ok(self.running.get_or_init(|| Running { inner, background }))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        match self.running.take() {
            Some(running) if self.process != generation() => std::mem::forget(running),
            Some(running) => running.background.stop_soon(),
            None => {}
        }
    }
}

fn policy(name: Option<&Bound<'_, PyString>>) -> PyResult<Option<StalePolicy>> {
    name.map(|name| options::stale_policy(name.to_str()?))
        .transpose()
}

/// The user object of an identity, made once.
fn user(py: Python<'_>, identity: &Identity, make_user: &Py<PyAny>) -> PyResult<Py<PyAny>> {
    if let Some(user) = identity.attachment::<Py<PyAny>>() {
        return Ok(user.clone_ref(py));
    }
    let claims = match &identity.payload {
        Some(payload) => claims::raw(py, payload)?,
        None => claims::to_dict(py, &identity.claims)?.into_any(),
    };
    // No lock is held: making it runs Python, which may let another thread in here.
    let user = make_user.call1(py, (claims,))?;
    let attached = identity.attach(user.clone_ref(py));
    Ok(attached.map_or(user, |attached| attached.clone_ref(py)))
}

/// What was found out.
enum Outcome {
    Caller(Arc<Identity>),
    Active(bool),
}

/// Somebody who waits in Python. They get an answer in any case, also when the thread ends first.
struct Answer {
    on_done: Option<Py<PyAny>>,
    make_user: Arc<Py<PyAny>>,
}

impl Answer {
    fn give(mut self, outcome: Result<Outcome, CheckError>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<Outcome, CheckError>) {
        let Some(on_done) = self.on_done.take() else {
            return;
        };
        // An interpreter that is going down has nobody left who waits.
        Python::try_attach(|py| {
            let found = outcome.map_err(failed).and_then(|outcome| match outcome {
                Outcome::Caller(identity) => user(py, &identity, &self.make_user),
                Outcome::Active(active) => {
                    Ok(active.into_pyobject(py)?.to_owned().into_any().unbind())
                }
            });
            let told = match found {
                Ok(found) => on_done.call1(py, (found, py.None())),
                Err(error) => on_done.call1(py, (py.None(), error)),
            };
            if let Err(error) = told {
                error.write_unraisable(py, Some(on_done.bind(py)));
            }
        });
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.tell(Err(CheckError::Unavailable(Unavailable::Revocation)));
    }
}
