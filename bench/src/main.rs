//! The harness that compares Portolan with its peers, in one run on one machine: what carries
//! over from machine to machine is the ratio.

#![forbid(unsafe_code)]

/// Packets a second.
mod pps;
/// Figures for people and for programs.
mod report;
/// Running a peer.
mod sender;
/// What arrives at the far end of the cable.
mod wire;

use clap::{Parser, Subcommand};

/// Measures Portolan beside masscan and zmap.
#[derive(Debug, Parser)]
#[command(name = "portolan-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Packets a second over a veth pair between two namespaces, as counted by the far end.
    Pps(pps::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Pps(options) => pps::run(&options),
    }
}
