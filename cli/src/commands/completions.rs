//! `portolan completions SHELL`.

use std::io::{self, Write as _};

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::{Exit, Failure};

/// Writes the completion script of a shell to stdout.
///
/// # Errors
/// Stdout can't be written.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portolan", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
