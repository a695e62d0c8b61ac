//! Forged and malformed frames at the receive path, as many as one likes: what it believed of
//! them, how fast it was, and whether its memory stayed what it was.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_core::link::Encapsulation;
use portolan_simnet::network::{Harm, Siege, Tally};

use crate::siege_link;

/// Readings of memory during a run.
const READINGS: u64 = 20;

/// What is thrown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Frames in all
    #[arg(long, default_value_t = 100_000_000)]
    frames: u64,
    /// Makes the same frames again
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Through a veth pair between two namespaces, ring and kernel filter included
    #[arg(long)]
    link: bool,
}

/// Throws them.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.link {
        return siege_link::run(options.frames, options.seed);
    }
    let mut false_results = 0;
    for encapsulation in [Encapsulation::Ethernet, Encapsulation::Ip] {
        let siege = Siege::new(options.seed, encapsulation)?;
        false_results += throw(siege, options.frames / 2, encapsulation)?;
    }
    if false_results > 0 {
        bail!("{false_results} frames were taken for what they did not prove");
    }
    Ok(())
}

fn throw(mut siege: Siege, frames: u64, encapsulation: Encapsulation) -> anyhow::Result<u64> {
    let mut out = std::io::stdout().lock();
    // The first step fills what is allocated once.
    let step = (frames / READINGS).max(1);
    siege.throw(step);
    let first = resident_kib()?;
    let (mut least, mut most) = (first, first);
    let start = Instant::now();
    let mut thrown = step;
    while thrown < frames {
        let next = step.min(frames - thrown);
        siege.throw(next);
        thrown += next;
        let now = resident_kib()?;
        (least, most) = (least.min(now), most.max(now));
    }
    let seconds = start.elapsed().as_secs_f64();
    let tally = siege.tally();
    writeln!(
        out,
        "{encapsulation:?}: {thrown} frames, {seconds:.1} s for all but the first {step}"
    )?;
    table(&mut out, tally)?;
    writeln!(out, "resident memory: {first} KiB after {step} frames, then {least} to {most} KiB")?;
    if let Some(words) = &tally.first_false {
        writeln!(out, "first false result: {words}")?;
    }
    Ok(tally.false_results)
}

fn table(out: &mut impl std::io::Write, tally: &Tally) -> anyhow::Result<()> {
    writeln!(out, "{:<16}{:>14}{:>22}", "frames", "thrown", "believed, with proof")?;
    for ((harm, thrown), accepted) in Harm::ALL.iter().zip(tally.thrown).zip(tally.accepted) {
        writeln!(out, "{:<16}{thrown:>14}{accepted:>22}", format!("{harm:?}"))?;
    }
    writeln!(out, "results told: {}, false: {}", tally.told, tally.false_results)?;
    Ok(())
}

/// Memory of this process that is in RAM, in KiB: proc(5).
pub(crate) fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    number.context("no VmRSS in /proc/self/status")
}
