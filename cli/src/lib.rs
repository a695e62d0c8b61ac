//! The `portolan` program: reads the command line, runs one command, says how it went.
//!
//! Results go to standard output, everything else to standard error. It is a library only so that
//! what it reads of others' can be fuzzed; nobody else is meant to call it. Read `args` for what
//! may be said, then `commands` for what is done.

#![forbid(unsafe_code)]

/// What the command line may say.
mod args;
/// One file a command.
mod commands;
/// The two streams that people read.
mod console;
/// What a scan wrote before it was interrupted.
mod earlier;
/// How a run ends.
mod exit;
/// What is written about one endpoint.
mod finding;
/// What was found out of a service, in the form that is kept.
mod identified;
/// All that a scan found, grouped by host.
mod ledger;
/// Structured logs.
mod logging;
/// The formats of results.
mod output;
/// How far a scan is, for people.
mod progress;
/// What a scan found, for the store.
mod report;
/// Rows of a list.
mod rows;
/// Scans for the daemon.
mod runner;
/// Interrupts.
mod signals;
/// The store as commands use it.
mod store;
/// Targets from the command line, files and names.
mod targets;

use std::process::ExitCode;

pub use commands::check_expected;
pub use earlier::check_results;
pub use targets::check_list;

use exit::Failure;

/// Does what the command line says; how that went.
pub fn main() -> ExitCode {
    match run() {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<exit::Exit, Failure> {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(args::Stop::Nmap(message)) => return Err(Failure::usage(message)),
        Err(args::Stop::Clap(error)) => return Ok(exit::of_clap(&error)),
    };
    commands::run(cli.command, &cli.log)
}
