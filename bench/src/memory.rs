//! What a scan of many endpoints holds in memory from its beginning to its end.
//!
//! The program itself runs, all of it, into a link that leads nowhere: nothing is sent, nobody
//! answers.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_core::MacAddr;
use portolan_simnet::lab::{FAR_MAC, Lab, NEAR_INTERFACE};

use crate::inside::inside;

/// How often the kernel is asked what the program holds.
const PERIOD: Duration = Duration::from_millis(100);

/// What is scanned.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The targets
    #[arg(long, default_value = "0.0.0.0/0")]
    targets: String,
    /// The ports of each
    #[arg(long, default_value = "80")]
    ports: String,
    /// Sending threads
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// The binary of ours [default: the one built beside this program]
    #[arg(long, value_name = "FILE")]
    portolan: Option<PathBuf>,
}

/// Measures, in a child that is root of namespaces of its own.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    inside(|| measure(options))
}

/// Octets that a process holds.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    /// In memory now.
    resident: u64,
    /// In memory at most so far.
    resident_max: u64,
    /// Promised to it, touched or not: what it could come to hold.
    writable: u64,
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let _lab = Lab::builder().build().context("laying the cable")?;
    let beside = std::env::current_exe()?.with_file_name("portolan");
    let program = options.portolan.clone().unwrap_or(beside);
    let (gateway, threads) = (MacAddr(FAR_MAC).to_string(), options.threads.to_string());
    let mut command = Command::new(&program);
    command.args(["scan", &options.targets, "-p", &options.ports, "--link", "null"]);
    command.args(["--rate", "100000000", "--retries", "0", "--cooldown", "0"]);
    command.args(["--threads", &threads, "-i", NEAR_INTERFACE, "--router-mac", &gateway]);
    command.args(["-f", "ndjson", "-o", "/dev/null", "--open"]).stdin(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| program.display().to_string())?;
    let mut held = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        held.extend(read(child.id()).ok().map(|held| (begun.elapsed(), held)));
        std::thread::sleep(PERIOD);
    };
    if !status.success() {
        bail!("the scan ended with {status}");
    }
    tell(options, begun.elapsed(), &held)
}

/// Of process `id`, from `/proc`.
fn read(id: u32) -> anyhow::Result<Held> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let octets = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kib.map(|kib| kib << 10).with_context(|| format!("no {name}"))
    };
    let (resident, resident_max) = (octets("VmRSS")?, octets("VmHWM")?);
    Ok(Held { resident, resident_max, writable: octets("VmData")? })
}

fn tell(options: &Options, wall: Duration, held: &[(Duration, Held)]) -> anyhow::Result<()> {
    let mib = |octets: u64| octets.div_ceil(1 << 20);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} ports {} into no link: {:.1} s",
        options.targets,
        options.ports,
        wall.as_secs_f64()
    )?;
    writeln!(out, "{:>8} {:>13} {:>13}", "after", "resident MiB", "writable MiB")?;
    for part in [5, 25, 50, 75, 95] {
        let Some((at, held)) = held.get(held.len() * part / 100) else { continue };
        let (resident, writable) = (mib(held.resident), mib(held.writable));
        writeln!(out, "{:>6.1} s {resident:>13} {writable:>13}", at.as_secs_f64())?;
    }
    let most = held.iter().map(|(_, held)| held.resident_max).max().unwrap_or(0);
    writeln!(out, "resident at most: {} MiB", mib(most))?;
    Ok(())
}
