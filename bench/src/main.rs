//! The harness that compares Portolan with its peers, in one run on one machine: what carries
//! over from machine to machine is the ratio.

#![forbid(unsafe_code)]

/// Real daemons, asked who they are.
mod bed;
/// Every scanner on the same works.
mod compare;
/// Frames that mean harm.
mod hostile;
/// Endpoints identified a second.
mod identify;
/// This program once more, in namespaces of its own.
mod inside;
/// Where it is measured.
mod machine;
/// What a scan holds in memory.
mod memory;
/// How truly a rate is kept.
mod pace;
/// Packets a second.
mod pps;
/// Figures for people and for programs.
mod report;
/// Running a peer.
mod sender;
/// Frames that mean harm, over a cable.
mod siege_link;
/// What arrives at the far end of the cable.
mod wire;

use clap::{Parser, Subcommand};

/// Measures Portolan beside its peers.
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
    /// Real daemons of Debian packages, asked who they are by us and by nmap.
    Bed(bed::Options),
    /// Time, recall, precision and cost of every scanner on the same works.
    Compare(compare::Options),
    /// Forged and malformed frames at the receive path: what it believes, and what that costs.
    Hostile(hostile::Options),
    /// Endpoints identified a second, and the cost of tarpits.
    Identify(identify::Options),
    /// Who asks: what `identify` starts.
    #[command(hide = true)]
    IdentifyAsk(identify::ask::Options),
    /// Who answers: what `identify` starts.
    #[command(hide = true)]
    IdentifyServe(identify::serve::Options),
    /// What a scan holds in memory, into a link that leads nowhere.
    Memory(memory::Options),
    /// One measured run of a program: what `compare` starts.
    #[command(hide = true)]
    Child(compare::child::Options),
    /// How truly rates are kept, and how `--rate auto` finds that of a path with a limit.
    Pace(pace::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Pps(options) => pps::run(&options),
        Command::Bed(options) => bed::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Hostile(options) => hostile::run(&options),
        Command::Identify(options) => identify::run(&options),
        Command::IdentifyAsk(options) => identify::ask::run(&options),
        Command::IdentifyServe(options) => identify::serve::run(&options),
        Command::Memory(options) => memory::run(&options),
        Command::Child(options) => compare::child::run(&options),
        Command::Pace(options) => pace::run(&options),
    }
}
