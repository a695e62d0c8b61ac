//! Packets a second: every scanner sends the same number of probes into the same cable, in turns;
//! what counts is what the far end's interface received.

use std::io::Write as _;
use std::num::NonZeroU32;

use anyhow::Context as _;
use clap::Args;
use portolan_simnet::lab::{Lab, Verdict};

use crate::inside::inside;
use crate::report::{Report, Row};
use crate::sender::Sender;
use crate::wire::Meter;

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
    inside(|| measure(options))
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
