//! How a command fails: an exit code that scripts can rely on, and a sentence that says what to do next.

use std::fmt;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// The last lines of an app's log, when they tell why.
    pub(crate) log: String,
    /// The server's own name for its refusal; empty when it gave none.
    pub(crate) refusal: String,
}

/// Exit codes, part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Internal = 1,
    Usage = 2,
    Findings = 3,
    Build = 4,
    Start = 5,
    Refused = 6,
    Network = 7,
    Configuration = 8,
    Interrupted = 130,
}

impl Code {
    /// The code a server names in a failed stage; unknown ones are internal errors.
    pub(crate) fn from_number(number: u64) -> Self {
        [
            Self::Usage,
            Self::Findings,
            Self::Build,
            Self::Start,
            Self::Refused,
            Self::Network,
            Self::Configuration,
        ]
        .into_iter()
        .find(|code| *code as u64 == number)
        .unwrap_or(Self::Internal)
    }
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            log: String::new(),
            refusal: String::new(),
        }
    }

    pub(crate) fn with_log(self, log: &str) -> Self {
        Self {
            log: log.to_owned(),
            ..self
        }
    }

    pub(crate) fn refused_as(self, refusal: &str) -> Self {
        Self {
            refusal: refusal.to_owned(),
            ..self
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    pub(crate) fn usage_of(error: impl fmt::Display) -> Self {
        Self::usage(error.to_string())
    }

    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(Code::Internal, message.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

pub(crate) type Outcome = Result<(), Failure>;
