//! Which rows of a list are wanted.

use std::net::IpAddr;

use portolan_core::target::{AddrSet, PortSet};
use portolan_core::{Endpoint, PortState, Transport};

use crate::report::SiteName;

/// Conditions that a row must meet, all of them. The default is met by every row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only this site.
    pub site: Option<SiteName>,
    /// Only these addresses.
    pub addrs: Option<AddrSet>,
    /// Only these ports.
    pub ports: Option<PortSet>,
    /// Only this transport.
    pub transport: Option<Transport>,
    /// Only these states; empty for every state. In a diff: the state on either side.
    pub states: Vec<PortState>,
}

impl Filter {
    /// Whether a row of this site may match.
    pub fn admits_site(&self, site: &SiteName) -> bool {
        self.site.as_ref().is_none_or(|s| s == site)
    }

    /// Whether a row of this address may match.
    pub fn admits_addr(&self, addr: IpAddr) -> bool {
        self.addrs.as_ref().is_none_or(|set| set.contains(addr))
    }

    /// Whether a row of this endpoint may match.
    pub fn admits(&self, endpoint: &Endpoint) -> bool {
        self.transport.is_none_or(|t| t == endpoint.transport)
            && self.ports.as_ref().is_none_or(|set| set.contains(endpoint.port))
            && self.admits_addr(endpoint.addr)
    }

    /// Whether a row with this state may match.
    pub fn admits_state(&self, state: PortState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }
}
