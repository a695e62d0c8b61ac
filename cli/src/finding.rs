//! What is written about one endpoint.

use jiff::Timestamp;
use portolan_core::{Observation, UnixTime};
use portolan_identify::Identified;
use portolan_store::ServiceRecord;

use crate::identified;

/// One endpoint's state, and what it said where it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// State, reason, time.
    pub(crate) seen: Observation,
    /// Who answers there.
    pub(crate) service: Option<ServiceRecord>,
    /// What it said first, as it came over the wire.
    pub(crate) banner: Option<Vec<u8>>,
}

impl From<Observation> for Finding {
    fn from(seen: Observation) -> Self {
        Self { seen, service: None, banner: None }
    }
}

impl Finding {
    /// Takes what the endpoint told of itself.
    pub(crate) fn learn(&mut self, identified: Identified) {
        let (service, banner) = identified::told(identified);
        self.service = service;
        self.banner = banner;
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
