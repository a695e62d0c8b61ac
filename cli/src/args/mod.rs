//! What the command line may say. The flags' meaning is bound by the project's contract.

/// The flags of `scan` that say what is asked.
pub(crate) mod kinds;
/// nmap's way of writing flags.
mod nmap;
/// The flags of `scan`.
pub(crate) mod scan;
/// The flags of the commands around the store.
pub(crate) mod store;
/// The flags of `scan` that say how its probes look.
pub(crate) mod style;
/// The flags of `scan` that tell of its packets.
pub(crate) mod trace;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub(crate) use scan::ScanArgs;

/// Charts the ports of a network, and says when the chart stops being true.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, propagate_version = true)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to log.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// What to log: error, warn, info, debug, trace, or a filter such as `portolan_net=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "PORTOLAN_LOG")]
    pub(crate) log_level: Option<String>,
    /// How to log
    #[arg(long, global = true, value_name = "FORMAT", env = "PORTOLAN_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Scan targets now; no daemon needed
    Scan(Box<ScanArgs>),
    /// Run the daemon: scheduled scans, API, metrics
    Serve(ServeArgs),
    /// Show what differs between two of: expected, current, a stored scan
    Diff(store::DiffArgs),
    /// Read and change what is expected
    Expected(store::ExpectedArgs),
    /// Read a store export, nmap XML or masscan's files into the store
    Import(store::ImportArgs),
    /// Write the whole store as NDJSON
    Export(store::ExportArgs),
    /// Tell who says what, from NDJSON with the octets in base64
    Identify(IdentifyArgs),
    /// Show what this host can do, and the remedy for what it can't
    Doctor(DoctorArgs),
    /// Write a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual page, or all of them into a directory
    Man(ManArgs),
}

/// The flags of `serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The configuration, TOML
    #[arg(short, long, value_name = "FILE", env = "PORTOLAN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:4280]
    #[arg(short, long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// The store's directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// The flags of `identify`.
#[derive(Debug, Args)]
pub(crate) struct IdentifyArgs {
    /// Also know the signatures in the `.toml` files of this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) signatures: Option<PathBuf>,
}

/// The flags of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: DoctorFormat,
}

/// The form of the doctor's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// The flags of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// The flags of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page a command into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Why parsing stopped before there was a command.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Help, version, or a usage error.
    Clap(Box<clap::Error>),
    /// A flag of nmap's that has no counterpart.
    Nmap(String),
}

/// Reads the command line, nmap's spelling included.
///
/// # Errors
/// [`Stop`] where there is no command to run.
pub(crate) fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Cli, Stop> {
    let mut command = Cli::command();
    let argv = nmap::rewrite(&command, argv).map_err(Stop::Nmap)?;
    let read = command.try_get_matches_from_mut(argv);
    read.and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|e| Stop::Clap(Box::new(e.format(&mut command))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
