//! Packets a second: every scanner sends the same number of probes into the same cable, in turns;
//! what counts is what the far end's interface received.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_simnet::lab::{Lab, Verdict, spawn_as_root, spawn_in_namespaces};

use crate::report::{Report, Row};
use crate::sender::Sender;
use crate::wire::Meter;

/// Set in the child that runs in namespaces of its own.
const INSIDE: &str = "PORTOLAN_BENCH_INSIDE";
/// The addresses that are probed: 2^17.
pub(crate) const TARGETS: &str = "10.78.0.0/15";
const TARGETS_LEN: u64 = 1 << 17;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Probes of each run, in units of 131,072
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    ports: u16,
    /// Runs of each scanner; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// Sending threads, where a scanner takes such a number
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Measures, in a child that is root of namespaces of its own.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return measure(options);
    }
    let exe = std::env::current_exe().context("finding this program")?;
    let command = || {
        let mut child = Command::new(&exe);
        child.args(std::env::args_os().skip(1)).env(INSIDE, "1").stdin(Stdio::null());
        child
    };
    let (mut child, mut again) = (command(), command());
    // Real root may use BPF, which no user namespace allows.
    let output = spawn_as_root(&mut child)
        .or_else(|_| spawn_in_namespaces(&mut again))
        .context("namespaces of our own: run as root, or allow user namespaces")?;
    std::io::stdout().write_all(&output.stdout)?;
    std::io::stderr().write_all(&output.stderr)?;
    if !output.status.success() {
        bail!("the measurement ended with {}", output.status);
    }
    Ok(())
}

fn measure(options: &Options) -> anyhow::Result<()> {
    // As many as a card would have.
    let queues = NonZeroU32::new(options.threads).unwrap_or(NonZeroU32::MIN);
    let lab = Lab::builder().queues(queues).build().context("laying the cable")?;
    // Senders are measured, not the far end's stack; and XDP frames go to nobody without this.
    let xdp = lab.far_verdict(Verdict::Drop).is_ok();
    let senders: Vec<Sender> = Sender::all().into_iter().filter(|s| s.is_installed()).collect();
    let probes = u64::from(options.ports) * TARGETS_LEN;
    let mut rows: Vec<Row> = senders.iter().map(|s| Row::new(s.version())).collect();
    for _ in 0..options.rounds {
        // In turns, so that what the machine does besides meets all of them alike.
        for (sender, row) in senders.iter().zip(&mut rows) {
            let meter = Meter::start(&lab)?;
            let ran = sender.run(options.ports, options.threads);
            row.push(meter.stop()?);
            ran.with_context(|| format!("running {}", sender.name()))?;
        }
    }
    let report = Report::new(probes, options.threads, xdp, rows);
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}
