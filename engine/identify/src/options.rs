//! How to ask.

use std::net::IpAddr;
use std::time::Duration;

/// How to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long one look at an endpoint may take, whatever it does. Endpoints of which nothing
    /// is known after the first may get a second, more patient one.
    pub endpoint_time_max: Duration,
    /// Octets that are read from one endpoint, at most, over all conversations with it.
    pub endpoint_octets_max: usize,
    /// Endpoints that are asked at once; `None`: as many as the sockets allow, up to 2,048.
    pub concurrency: Option<usize>,
    /// Sockets that may be open at once: what the descriptor limit leaves.
    pub sockets: usize,
    /// Whether SSH servers are asked for everything that an audit needs.
    pub ssh_audit: bool,
    /// Connect from these addresses; the first of the target's family is used.
    pub sources: Vec<IpAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint_time_max: Duration::from_secs(12),
            endpoint_octets_max: 64 << 10,
            concurrency: None,
            // A process begins with 1,024 descriptors.
            sockets: 768,
            ssh_audit: true,
            sources: Vec::new(),
        }
    }
}
