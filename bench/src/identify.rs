//! Endpoints identified a second, and what ten thousand tarpits cost: simulated servers on
//! loopback addresses of a namespace, asked by a process of its own.

use std::fmt;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_simnet::lab::Lab;
use serde::Serialize;

use crate::inside::inside;
use crate::machine::Machine;

/// The process that identifies.
pub(crate) mod ask;
/// Who the servers are.
mod persona;
/// The process that is the servers.
pub(crate) mod serve;
/// What they say.
mod talk;
/// Time, memory, connections.
mod used;

use ask::Measured;
use serve::{Far, Servers};
use used::{Traffic, Used};

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Endpoints, half of which speak HTTP
    #[arg(long, default_value_t = 20_000)]
    endpoints: usize,
    /// Endpoints that accept and say nothing, and as many that say an octet a second
    #[arg(long, default_value_t = 10_000)]
    tarpits: usize,
    /// Endpoints that are asked at once [default: what the library derives]
    #[arg(long)]
    concurrency: Option<usize>,
    /// Descriptors that who asks may open [default: what the system lets]
    #[arg(long)]
    descriptors: Option<u64>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Measures, in a child that is root of namespaces of its own.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    inside(|| measure(options))
}

/// One kind of servers, asked.
#[derive(Debug, Clone, Serialize)]
struct Row {
    what: &'static str,
    endpoints: usize,
    per_second: f64,
    /// Octets that asking held beyond what the process held before.
    memory_more: u64,
    #[serde(flatten)]
    measured: Measured,
    /// What the servers used.
    servers: Used,
    traffic: Traffic,
}

/// Everything that was measured, and where.
#[derive(Debug, Clone, Serialize)]
struct Report {
    #[serde(flatten)]
    machine: Machine,
    rows: Vec<Row>,
}

fn measure(options: &Options) -> anyhow::Result<()> {
    // For its loopback interface: every address of 127.0.0.0/8 is local there.
    let _lab = Lab::builder().build().context("a namespace with loopback")?;
    let parts = [
        ("servers of all kinds", Far::Mix, options.endpoints),
        ("tarpits, silent", Far::Silent, options.tarpits),
        ("tarpits, an octet a second", Far::Dribble, options.tarpits),
    ];
    let mut rows = Vec::new();
    for (what, far, endpoints) in parts {
        if endpoints > 0 {
            rows.push(row(what, far, endpoints, options)?);
        }
    }
    let report = Report { machine: Machine::here(), rows };
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    match report.rows.iter().find(|row| row.measured.tally.told != row.endpoints) {
        Some(row) => bail!("{}: {} told of", row.what, row.measured.tally.told),
        None => Ok(()),
    }
}

fn row(what: &'static str, far: Far, endpoints: usize, options: &Options) -> anyhow::Result<Row> {
    let servers = Servers::start(far)?;
    let id = servers.id().to_string();
    let (used, traffic) = (Used::of(&id)?, Traffic::here()?);
    let measured = ask::measure(&ask::Options {
        far,
        endpoints,
        concurrency: options.concurrency,
        descriptors: options.descriptors,
    })?;
    let (servers_used, traffic) = (Used::of(&id)?.since(used), Traffic::here()?.since(traffic));
    Ok(Row {
        what,
        endpoints,
        per_second: f64::from(u32::try_from(endpoints)?) / measured.wall_s,
        memory_more: measured.used.resident_max.saturating_sub(measured.resident_before),
        measured,
        servers: servers_used,
        traffic,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(f, "one process that identifies, one that is all servers, over loopback")?;
        if let Some(doubt) = self.machine.doubt() {
            writeln!(f, "{doubt}")?;
        }
        self.rows.iter().try_for_each(|row| write!(f, "\n{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, endpoints, per_second, measured, servers, traffic, .. } = self;
        let Measured { wall_s, used, tally, descriptors, lookup_us, .. } = measured;
        let mib = |octets: u64| octets.div_ceil(1 << 20);
        writeln!(f, "{endpoints} {what}: {wall_s:.1} s, {per_second:.0} a second")?;
        writeln!(
            f,
            "  memory: {} MiB more than the {} MiB before",
            mib(self.memory_more),
            mib(measured.resident_before)
        )?;
        writeln!(
            f,
            "  processor: {:.1} s of its own, {:.1} s of the kernel; servers {:.1} s and {:.1} s",
            used.user_s, used.system_s, servers.user_s, servers.system_s
        )?;
        writeln!(
            f,
            "  connections: {}, segments both ways: {}, descriptors: {descriptors}",
            traffic.connections, traffic.segments
        )?;
        if tally.by_service.is_empty() {
            return writeln!(f, "  named as a service: {}", tally.named);
        }
        let ask::Tally { services, products, products_wrong, versions, with_version, .. } = tally;
        writeln!(
            f,
            "  right: {services} services, {products} products ({products_wrong} wrong), \
             {versions} versions of {with_version} that are told"
        )?;
        writeln!(f, "  one look-up among the signatures: {lookup_us:.1} µs")?;
        for (service, (right, of)) in tally.by_service.iter().filter(|(_, (right, of))| right < of)
        {
            writeln!(f, "  {service}: {right} of {of}")?;
        }
        Ok(())
    }
}
