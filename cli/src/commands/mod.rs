//! One file a command.

/// Completion scripts.
mod completions;
/// Manual pages.
mod man;

use crate::args::Command;
use crate::exit::{Exit, Failure};

/// Runs `command`.
///
/// # Errors
/// What went wrong, with its exit code.
pub(crate) fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        _ => Err(Failure::usage("this command is not there yet")),
    }
}
