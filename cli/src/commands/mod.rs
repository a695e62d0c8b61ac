//! One file a command.

/// Completion scripts.
mod completions;
/// What differs.
mod diff;
/// What this host can do.
mod doctor;
/// What ought to be.
mod expected;
/// What ought to be, as a file.
mod expected_file;
/// The whole store, written out.
mod export;
/// Who says these octets.
mod identify;
/// Other programs' reports, and exports.
mod import;
/// Manual pages.
mod man;
/// One scan.
pub(crate) mod scan;
/// The daemon.
mod serve;

pub use expected_file::check_expected;

use crate::args::{Command, LogArgs};
use crate::exit::{Exit, Failure};
use crate::logging;

/// Runs `command`.
///
/// # Errors
/// What went wrong, with its exit code.
pub(crate) fn run(command: Command, log: &LogArgs) -> Result<Exit, Failure> {
    // How the daemon logs may be said in its configuration, so it starts logging itself.
    if !matches!(command, Command::Serve(_)) {
        logging::start(log, "warn").map_err(Failure::usage)?;
    }
    match command {
        Command::Scan(args) => scan::run(&args),
        Command::Serve(args) => serve::run(&args, log),
        Command::Diff(args) => diff::run(&args),
        Command::Expected(args) => expected::run(args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Identify(args) => identify::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
