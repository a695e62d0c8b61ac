//! What ought to be: which endpoints are expected in which state.

use portolan_core::target::AddrRange;
use portolan_core::{PortState, Transport};

use crate::report::SiteName;

/// Which endpoints an expectation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// The address space.
    pub site: SiteName,
    /// The hosts.
    pub addrs: AddrRange,
    /// The carrier.
    pub transport: Transport,
    /// First and last port, both included.
    pub ports: (u16, u16),
}

impl Selector {
    /// Whether it names one port of one host: then its state is required, otherwise permitted.
    pub const fn is_exact(&self) -> bool {
        self.addrs.span() == 0 && self.ports.0 == self.ports.1
    }
}

/// One expectation.
///
/// An exact one (one address, one port) requires its state. One over a range permits it: an open
/// endpoint inside is expected, one that is not open is no drift. The most specific one counts:
/// smallest address range, then smallest port range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Of what.
    pub selector: Selector,
    /// Which state.
    pub state: PortState,
    /// Why; up to 1,024 bytes.
    pub comment: String,
}
