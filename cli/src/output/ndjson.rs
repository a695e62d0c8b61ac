//! One JSON object a line: every endpoint and host as soon as it is known, a summary last.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use base64::Engine as _;
use portolan_core::{HostObservation, Note, PortState, Reason, ScanStats};
use serde::Serialize;

use super::service::ServiceDto;
use super::{End, Header, ResultWriter, Sink};
use crate::finding::{Finding, rfc3339};

/// The NDJSON writer.
pub(super) struct Ndjson {
    out: Sink,
    site: String,
}

impl Ndjson {
    pub(super) const fn new(out: Sink) -> Self {
        Self { out, site: String::new() }
    }
}

/// One record, one line, one write.
fn write_line(out: &mut dyn Write, record: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    out.write_all(&line)
}

impl ResultWriter for Ndjson {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.site.clone_from(&header.site);
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        write_line(&mut self.out, &EndpointRecord::new(&self.site, finding))
    }

    fn host(&mut self, host: &HostObservation) -> io::Result<()> {
        write_line(&mut self.out, &HostRecord::new(&self.site, host))
    }

    fn note(&mut self, note: &Note) -> io::Result<()> {
        write_line(&mut self.out, &NoteRecord::new(&self.site, note))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, end: &End<'_>) -> io::Result<()> {
        write_line(&mut self.out, &SummaryLine { summary: SummaryRecord::new(end) })?;
        self.out.flush()
    }
}

/// An endpoint, as NDJSON and JSON write it.
#[derive(Debug, Serialize)]
pub(super) struct EndpointRecord<'a> {
    ts: String,
    site: &'a str,
    addr: String,
    proto: &'static str,
    port: u16,
    state: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<String>,
    /// The octets, where the banner is no UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    banner_base64: Option<String>,
}

impl<'a> EndpointRecord<'a> {
    pub(super) fn new(site: &'a str, finding: &Finding) -> Self {
        let seen = &finding.seen;
        let banner = finding.banner.as_deref();
        let raw = banner.filter(|b| std::str::from_utf8(b).is_err());
        Self {
            ts: rfc3339(seen.at),
            site,
            addr: seen.endpoint.addr.to_string(),
            proto: seen.endpoint.transport.name(),
            port: seen.endpoint.port,
            state: seen.state.name(),
            reason: seen.reason.name(),
            ttl: seen.ttl,
            rtt_us: seen.rtt.map(micros),
            service: finding.service.clone().map(ServiceDto::from),
            banner: banner.map(|b| String::from_utf8_lossy(b).into_owned()),
            banner_base64: raw.map(|b| base64::engine::general_purpose::STANDARD.encode(b)),
        }
    }
}

/// A host that is up, as NDJSON and JSON write it.
#[derive(Debug, Serialize)]
pub(super) struct HostRecord<'a> {
    ts: String,
    site: &'a str,
    addr: String,
    host: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u64>,
}

impl<'a> HostRecord<'a> {
    pub(super) fn new(site: &'a str, host: &HostObservation) -> Self {
        Self {
            ts: rfc3339(host.at),
            site,
            addr: host.addr.to_string(),
            host: "up",
            reason: host.reason.name(),
            mac: host.mac.map(|mac| mac.to_string()),
            ttl: host.ttl,
            rtt_us: host.rtt.map(micros),
        }
    }
}

/// What is odd about a host or a prefix.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum NoteRecord<'a> {
    Open { site: &'a str, host: String, everything_open: bool, open: u32, asked: u32 },
    Limited { site: &'a str, host: String, icmp_limited: bool, closed: u32, silent: SilentRecord },
    Prefix { site: &'a str, prefix: String, every_address_open: bool, hosts: u32, asked: u32 },
}

/// Ports that stayed silent for a known reason.
#[derive(Debug, Serialize)]
struct SilentRecord {
    ports: u32,
    state: &'static str,
    reason: &'static str,
}

impl<'a> NoteRecord<'a> {
    fn new(site: &'a str, note: &Note) -> Self {
        match *note {
            Note::EverythingOpen { addr, open, asked } => {
                Self::Open { site, host: addr.to_string(), everything_open: true, open, asked }
            }
            Note::IcmpLimited { addr, closed, silent } => {
                let state = PortState::OpenFiltered.name();
                let silent =
                    SilentRecord { ports: silent, state, reason: Reason::IcmpRateLimited.name() };
                Self::Limited { site, host: addr.to_string(), icmp_limited: true, closed, silent }
            }
            Note::EveryAddressOpen { range, hosts, asked } => {
                let bits = if range.first().is_ipv4() { 24 } else { 120 };
                let prefix = format!("{}/{bits}", range.first());
                Self::Prefix { site, prefix, every_address_open: true, hosts, asked }
            }
        }
    }
}

#[derive(Debug, Serialize)]
struct SummaryLine<'a> {
    summary: SummaryRecord<'a>,
}

/// The counts of a scan.
#[derive(Debug, Serialize)]
pub(super) struct SummaryRecord<'a> {
    targets: u64,
    ports: u64,
    probes_sent: u64,
    replies: u64,
    open: u64,
    closed: u64,
    filtered: u64,
    unfiltered: u64,
    silent: u64,
    hosts_up: u64,
    duplicates: u64,
    duration_s: f64,
    rate_pps: f64,
    loss_estimate: Option<f64>,
    coverage: f64,
    coverage_low: Option<f64>,
    coverage_high: Option<f64>,
    kept_back: u64,
    canary_probes: u64,
    kernel_drops: u64,
    complete: bool,
    finished: String,
    rejected: &'a BTreeMap<&'static str, u64>,
}

impl<'a> SummaryRecord<'a> {
    pub(super) fn new(end: &End<'a>) -> Self {
        let stats: &'a ScanStats = end.stats;
        Self {
            targets: stats.targets,
            ports: stats.ports,
            probes_sent: stats.probes_sent,
            replies: stats.replies,
            open: stats.open,
            closed: stats.closed,
            filtered: stats.filtered,
            unfiltered: stats.unfiltered,
            silent: stats.silent,
            hosts_up: stats.hosts_up,
            duplicates: stats.duplicates,
            duration_s: rounded(stats.duration.as_secs_f64(), 1e6),
            rate_pps: rounded(stats.rate_pps(), 10.0),
            loss_estimate: stats.loss_estimate.map(|loss| rounded(loss, 1e6)),
            coverage: rounded(stats.coverage, 1e6),
            coverage_low: stats.coverage_bounds.map(|(low, _)| rounded(low, 1e6)),
            coverage_high: stats.coverage_bounds.map(|(_, high)| rounded(high, 1e6)),
            kept_back: stats.kept_back,
            canary_probes: stats.canary_probes,
            kernel_drops: stats.kernel_drops,
            complete: end.complete,
            finished: rfc3339(end.finished),
            rejected: &stats.rejected,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
