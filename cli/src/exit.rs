//! How a run ends: the exit codes, and errors that know theirs.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::console;

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// `diff --fail-on-change` found a difference.
    Drift,
    /// The command line or a file named on it makes no sense.
    Usage,
    /// The privilege for it is missing.
    Privilege,
    /// Asked to touch what is out of scope.
    OutOfScope,
    /// Reading, writing or sending failed.
    Io,
    /// Interrupted; what was found so far is written.
    Interrupted,
}

impl Exit {
    /// The code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Drift => 1,
            Self::Usage => 2,
            Self::Privilege => 3,
            Self::OutOfScope => 4,
            Self::Io => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error and the exit code it ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// Ends with `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A usage error in words.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// The error in words, with its code.
    pub(crate) fn message(exit: Exit, message: impl Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{message}") }
    }

    /// Whether what was given is at fault, and not this host.
    pub(crate) fn is_usage(&self) -> bool {
        self.exit == Exit::Usage
    }

    /// The error, with its causes.
    pub(crate) fn as_error(&self) -> &(dyn StdError + 'static) {
        self.error.as_ref()
    }

    /// Says on stderr what went wrong, unless only the reader of a pipe has gone away.
    pub(crate) fn report(&self) -> ExitCode {
        if is_broken_pipe(&self.error) {
            return Exit::Done.into();
        }
        console::error(&self.to_string());
        self.exit.into()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { exit: Exit::Io, error }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { exit: Exit::Io, error: error.into() }
    }
}

/// Gives errors their exit code and the words that say what was being done.
pub(crate) trait OrFail<T> {
    /// Ends with `exit`, saying `what` was being done.
    fn or_fail(self, exit: Exit, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: StdError + Send + Sync + 'static> OrFail<T> for Result<T, E> {
    fn or_fail(self, exit: Exit, what: impl Display) -> Result<T, Failure> {
        self.map_err(|e| Failure { exit, error: anyhow::Error::new(e).context(what.to_string()) })
    }
}

/// Prints help, version or a usage error as clap would, and gives the code of the contract.
pub(crate) fn of_clap(error: &clap::Error) -> Exit {
    // A closed stdout while printing help is nobody's error.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let wrapped: Result<(), _> = Err(pipe());
        let failure = wrapped.or_fail(Exit::Io, "writing results").unwrap_err();
        assert!(is_broken_pipe(&failure.error));
        assert!(!is_broken_pipe(&anyhow::anyhow!("disk full")));
    }
}
