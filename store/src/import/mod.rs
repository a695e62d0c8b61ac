//! Other programs' reports, read as scans.
//!
//! Every reader is bounded by `Limits`, takes any bytes without panicking, and says in which
//! line the report stops making sense.

use std::time::{SystemTime, UNIX_EPOCH};

use portolan_core::{PortState, UnixTime};

use crate::report::{ScanReport, Source};

/// Counting and bounding what is read.
mod bounded;
/// masscan's JSON and list output.
mod masscan;
/// One host of nmap's report.
mod nmap_host;
/// nmap's XML output.
mod nmap_xml;

pub use masscan::{masscan_json, masscan_list};
pub use nmap_xml::nmap_xml;

/// What a reader takes before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole report.
    pub total_bytes: u64,
    /// Elements or arrays inside one another.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Bytes of one tag, text or line.
    pub token_bytes: usize,
    /// Port records of one host and transport.
    pub ports_per_host: usize,
}

impl Default for Limits {
    /// 256 MiB in all, 32 levels, 64 attributes, 1 MiB a token, 65,536 ports a host.
    fn default() -> Self {
        Self {
            total_bytes: 256 << 20,
            depth: 32,
            attributes: 64,
            token_bytes: 1 << 20,
            ports_per_host: 65_536,
        }
    }
}

/// A report can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReportError {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong there.
    pub problem: String,
}

/// The most endpoints with a row each that one report may bring.
const MAX_STATES: usize = 4_000_000;

/// The time of a report that does not say when it was made.
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::default().after(since)
}

/// Sets the counters of a report from what it found.
fn count(report: &mut ScanReport) {
    let rows = |wanted: &dyn Fn(PortState) -> bool| -> u64 {
        let rows = report.states.iter().filter(|s| wanted(s.state)).count();
        u64::try_from(rows).unwrap_or(u64::MAX)
    };
    let listed: usize = report.closed.iter().map(|list| list.ports.len()).sum();
    let (open, closed) = (rows(&|s| s == PortState::Open), rows(&|s| s == PortState::Closed));
    let counters = &mut report.counters;
    counters.open = open;
    counters.closed = closed.saturating_add(u64::try_from(listed).unwrap_or(u64::MAX));
    let asked = report.coverage.len().unwrap_or(u64::MAX);
    counters.filtered = asked.saturating_sub(open).saturating_sub(counters.closed);
    counters.replies = open.saturating_add(counters.closed);
    counters.coverage = 1.0;
}

/// Guesses from its first bytes (512 are plenty) what wrote a report.
pub fn detect(first_bytes: &[u8]) -> Option<Source> {
    let head = first_bytes.get(..first_bytes.len().min(4096)).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // A store's export has "ports" too, but not in its first line.
    let first = text.lines().next().unwrap_or_default();
    if text.starts_with("#masscan") || text.starts_with("open ") || text.starts_with("banner ") {
        Some(Source::MasscanList)
    } else if text.starts_with('<') && (text.contains("nmaprun") || text.starts_with("<?xml")) {
        Some(Source::NmapXml)
    } else if text.starts_with('[') || (text.starts_with('{') && first.contains("\"ports\"")) {
        Some(Source::MasscanJson)
    } else if text.starts_with('{') {
        Some(Source::Ndjson)
    } else {
        None
    }
}
