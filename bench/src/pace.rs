//! How truly a rate is kept, and what `--rate auto` makes of a path that drops what is too much.
//!
//! Both are counted at the far end of a cable between two namespaces.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clap::Args;
use portolan_core::MacAddr;
use portolan_core::target::{Block, Scope, TargetSet, TargetSpec};
use portolan_net::options::AUTO_PPS_MAX;
use portolan_net::{Cancel, Scan, ScanOptions, ScanOutcome};
use portolan_simnet::lab::{FAR_INTERFACE, FAR_MAC, Lab, Verdict, listen_tcp};

use crate::inside::inside;

/// The rates whose keeping is measured, packets a second.
const RATES: [u32; 7] = [100, 1_000, 10_000, 100_000, 300_000, 1_000_000, 2_000_000];
/// What is scanned with `--limit`: of its 65,536 hosts the first 4,096 answer.
const TARGETS: &str = "10.78.0.0/16";
const SILENT: [&str; 4] = ["10.78.16.0/20", "10.78.32.0/19", "10.78.64.0/18", "10.78.128.0/17"];
const ANSWERING: u64 = 4_096;
/// Ports that are open on every host that answers.
const OPEN: [u16; 2] = [7, 14];
/// How often the far end's counter is read.
const PERIOD: Duration = Duration::from_millis(100);

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Find the rate of a path that drops what exceeds so many packets a second (takes nft)
    #[arg(long, value_name = "PPS")]
    limit: Option<u32>,
    /// Packets that the limit lets through at once
    #[arg(long, default_value_t = 5)]
    burst: u32,
    /// Halve the limit after so many seconds
    #[arg(long, value_name = "SECONDS")]
    halve_after: Option<u64>,
    /// Make the limit what it was at first again after so many seconds
    #[arg(long, value_name = "SECONDS", requires = "halve_after")]
    restore_after: Option<u64>,
    /// Ports of each of the 65,536 hosts, with --limit
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(14..=1024))]
    ports: u16,
    /// How long each rate is kept, without --limit
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

/// Measures, in a child that is root of namespaces of its own.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    inside(|| match options.limit {
        Some(limit) => search(options, limit),
        None => keep(options),
    })
}

/// Fixed rates into silence.
fn keep(options: &Options) -> anyhow::Result<()> {
    let lab = Lab::builder()
        .silent("10.78.0.0/16".parse()?)
        .silent("10.79.0.0/16".parse()?)
        .build()
        .context("laying the cable")?;
    // The sender is measured, not the far end's stack.
    let _cheap = lab.far_verdict(Verdict::Drop);
    let mut out = io::stdout().lock();
    writeln!(out, "{:>10} {:>12} {:>9}", "rate pps", "seen pps", "error")?;
    for rate in RATES {
        let probes = u64::from(rate) * u64::from(options.seconds);
        let ports = u16::try_from(probes.div_ceil(1 << 17))?;
        let hosts = probes / u64::from(ports);
        let last = u32::from(std::net::Ipv4Addr::new(10, 78, 0, 0)) + u32::try_from(hosts)? - 1;
        let targets = format!("10.78.0.0-{}", std::net::Ipv4Addr::from_bits(last));
        let scan = ScanOptions {
            rate_pps: rate,
            retries: 0,
            cooldown: Some(Duration::ZERO),
            router_mac: Some(MacAddr(FAR_MAC)),
            ..ScanOptions::default()
        };
        let (samples, _) = measured(&lab, &targets, ports, scan, Vec::new())?;
        let seen = middle(&samples);
        let error = (seen / f64::from(rate) - 1.0) * 100.0;
        writeln!(out, "{rate:>10} {seen:>12.1} {error:>8.2}%")?;
    }
    Ok(())
}

/// `--rate auto` against a limit.
fn search(options: &Options, limit: u32) -> anyhow::Result<()> {
    let mut lab = Lab::builder();
    for net in SILENT {
        lab = lab.silent(net.parse()?);
    }
    let lab = lab.build().context("laying the cable")?;
    let _open = lab.far(|| listen_tcp(OPEN)).context("listening")?;
    set_limit(&lab, limit, options.burst)?;
    let halved = options.halve_after.map(|after| (after, limit / 2));
    let restored = options.restore_after.map(|after| (after, limit));
    let changes = halved.into_iter().chain(restored);
    let changes = changes.map(|(after, pps)| (Duration::from_secs(after), pps, options.burst));
    let scan = ScanOptions { rate_pps: AUTO_PPS_MAX, auto_rate: true, ..ScanOptions::default() };
    let changes = changes.collect();
    let (samples, outcome) = measured(&lab, TARGETS, options.ports, scan, changes)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{:>8} {:>10}", "second", "sent pps")?;
    for pair in samples.windows(6).step_by(5) {
        if let [from, .., to] = pair {
            let second = to.at.duration_since(samples_start(&samples)).as_secs_f64();
            writeln!(out, "{second:>8.1} {:>10.0}", rate(*from, *to))?;
        }
    }
    let stats = &outcome.stats;
    let wanted = ANSWERING * u64::from(options.ports);
    let open = ANSWERING * u64::try_from(OPEN.len())?;
    writeln!(
        out,
        "open {} of {open}, answered {} of {wanted}",
        stats.open,
        stats.open + stats.closed
    )?;
    writeln!(out, "{} probes in {:.1} s", stats.probes_sent, stats.duration.as_secs_f64())?;
    writeln!(out, "loss estimate {:?}, kernel drops {}", stats.loss_estimate, stats.kernel_drops)?;
    Ok(())
}

/// Makes the far end drop what comes faster.
fn set_limit(lab: &Lab, pps: u32, burst: u32) -> anyhow::Result<()> {
    let rules = format!(
        "add table netdev limited\ndelete table netdev limited\ntable netdev limited {{ chain path {{ \
         type filter hook ingress device {FAR_INTERFACE} priority 0; ip daddr {TARGETS} tcp flags \
         & (syn|rst) == syn limit rate over {pps}/second burst {burst} packets drop; }}; }}"
    );
    let status = lab
        .far(|| Command::new("nft").arg(&rules).stdin(Stdio::null()).status())
        .context("running nft")?;
    if status.success() { Ok(()) } else { Err(anyhow!("nft refused {rules}")) }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    packets: u64,
}

/// Changes of the limit: after how long, to what, with which burst.
type Changes = Vec<(Duration, u32, u32)>;

/// Runs a scan while the far end's counter is read.
fn measured(
    lab: &Lab,
    targets: &str,
    ports: u16,
    options: ScanOptions,
    changes: Changes,
) -> anyhow::Result<(Vec<Sample>, ScanOutcome)> {
    let addrs = targets.parse::<TargetSpec>()?.addrs().clone();
    let block = Block { addrs, tcp: (1..=ports).collect(), ..Block::default() };
    let scan = Scan::plan(&TargetSet::single(block), &Scope::unbounded(), options)?;
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> anyhow::Result<Vec<Sample>> {
            let started = Instant::now();
            let mut changes = changes.into_iter().peekable();
            let mut samples = Vec::new();
            loop {
                samples.push(lab.far(sample)?);
                if let Some((_, pps, burst)) = changes.next_if(|(at, ..)| started.elapsed() >= *at)
                {
                    set_limit(lab, pps, burst)?;
                }
                if stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                    samples.push(lab.far(sample)?);
                    return Ok(samples);
                }
            }
        });
        let outcome = scan.run(&Cancel::default(), &mut |_| {});
        drop(stop);
        let samples = reader.join().map_err(|_| anyhow!("the meter panicked"))??;
        Ok((samples, outcome?))
    })
}

/// The far end's counter of frames, from `/proc/thread-self/net/dev` (proc(5)).
fn sample() -> io::Result<Sample> {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = text.lines().find_map(|line| {
        let (name, figures) = line.split_once(':')?;
        (name.trim() == FAR_INTERFACE).then_some(figures)
    });
    let packets = line.and_then(|l| l.split_whitespace().nth(1)).and_then(|p| p.parse().ok());
    let packets = packets.ok_or_else(|| io::Error::other("the far end has no counter"))?;
    Ok(Sample { at: Instant::now(), packets })
}

/// Frames a second over the middle of a run: starting and ending are not sending.
fn middle(samples: &[Sample]) -> f64 {
    let total = samples.last().map_or(0, |s| s.packets);
    let before = samples.first().map_or(0, |s| s.packets);
    let reached =
        |part| samples.iter().find(|s| (s.packets - before) * 20 >= (total - before) * part);
    match (reached(2), reached(18)) {
        (Some(from), Some(to)) => rate(*from, *to),
        _ => 0.0,
    }
}

fn rate(from: Sample, to: Sample) -> f64 {
    let frames = f64::from(u32::try_from(to.packets - from.packets).unwrap_or(u32::MAX));
    frames / to.at.duration_since(from.at).as_secs_f64().max(1e-9)
}

fn samples_start(samples: &[Sample]) -> Instant {
    samples.first().map_or_else(Instant::now, |s| s.at)
}
