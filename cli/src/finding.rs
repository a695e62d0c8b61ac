//! What is written about one endpoint.

use jiff::Timestamp;
use portolan_core::{Observation, UnixTime};

/// The service behind an open port, as identification gave it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Service {
    /// The registry's name: `ssh`.
    pub(crate) name: String,
    /// The software.
    pub(crate) product: Option<String>,
    /// Its version.
    pub(crate) version: Option<String>,
    /// What else was learnt.
    pub(crate) extra: Option<String>,
    /// CPE 2.3 names.
    pub(crate) cpe: Vec<String>,
    /// Whether it speaks TLS first.
    pub(crate) tls: bool,
}

/// One endpoint's state, and what it said where it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// State, reason, time.
    pub(crate) seen: Observation,
    /// Who answers there.
    pub(crate) service: Option<Service>,
    /// What it said first, as it came over the wire.
    pub(crate) banner: Option<Vec<u8>>,
}

impl From<Observation> for Finding {
    fn from(seen: Observation) -> Self {
        Self { seen, service: None, banner: None }
    }
}

/// RFC 3339 with milliseconds, UTC: `2026-11-21T19:00:00.123Z`.
pub(crate) fn rfc3339(at: UnixTime) -> String {
    // Out of jiff's range (years ±9999) only for a broken clock; the epoch says so.
    let time = Timestamp::from_millisecond(at.as_millis()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// The time now.
pub(crate) fn now() -> UnixTime {
    UnixTime::from_millis(Timestamp::now().as_millisecond())
}
