//! What is asked who it is.

use std::time::Duration;

use portolan_core::Endpoint;

/// An endpoint that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// Which.
    pub endpoint: Endpoint,
    /// The scan's round trip to it.
    pub rtt: Option<Duration>,
    /// What it already said: the payload of its reply to the scan's UDP probe.
    pub reply: Option<Vec<u8>>,
}

impl Target {
    /// `endpoint`, of which nothing more is known.
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, rtt: None, reply: None }
    }
}
