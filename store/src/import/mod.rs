//! Other programs' reports, read as scans.
//!
//! Every reader is bounded by [`Limits`], takes any bytes without panicking, and says in which
//! line the report stops making sense.

use std::io::BufRead;

use crate::report::{ScanReport, SiteName, Source};

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

/// Reads nmap's XML output (`-oX`).
///
/// # Errors
/// The first place that is no nmap XML, is too large, or where the report ends too early.
pub fn nmap_xml(_r: impl BufRead, _s: SiteName, _l: Limits) -> Result<ScanReport, ReportError> {
    Err(ReportError {
        line: 1,
        problem: "not read yet".to_owned(),
    })
}

/// Reads masscan's JSON output (`-oJ`, `-oD`).
///
/// # Errors
/// The first line that is no masscan JSON or is too large.
pub fn masscan_json(_r: impl BufRead, _s: SiteName, _l: Limits) -> Result<ScanReport, ReportError> {
    Err(ReportError {
        line: 1,
        problem: "not read yet".to_owned(),
    })
}

/// Reads masscan's list output (`-oL`).
///
/// # Errors
/// The first line that is none of a list's or is too large.
pub fn masscan_list(_r: impl BufRead, _s: SiteName, _l: Limits) -> Result<ScanReport, ReportError> {
    Err(ReportError {
        line: 1,
        problem: "not read yet".to_owned(),
    })
}

/// Guesses from its first bytes (512 are plenty) what wrote a report.
pub fn detect(first_bytes: &[u8]) -> Option<Source> {
    let head = first_bytes
        .get(..first_bytes.len().min(4096))
        .unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("#masscan") || text.starts_with("open ") || text.starts_with("banner ") {
        Some(Source::MasscanList)
    } else if text.starts_with('<') && (text.contains("nmaprun") || text.starts_with("<?xml")) {
        Some(Source::NmapXml)
    } else if text.starts_with('[') || (text.starts_with('{') && text.contains("\"ports\"")) {
        Some(Source::MasscanJson)
    } else if text.starts_with('{') {
        Some(Source::Ndjson)
    } else {
        None
    }
}
