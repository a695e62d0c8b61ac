//! Names of ports, and the ports that are scanned where nobody names any.

use portolan_core::Transport;
use portolan_core::target::PortSet;

/// The registry's name of a port.
pub(crate) fn name_of(transport: Transport, port: u16) -> Option<&'static str> {
    portolan_fingerprints::name_of(transport, port)
}

/// The ports that a name stands for.
pub(crate) fn lookup(name: &str) -> Vec<(Transport, u16)> {
    portolan_fingerprints::lookup(name)
}

/// The `count` most common ports of `transport`.
pub(crate) fn top_ports(transport: Transport, count: usize) -> PortSet {
    portolan_fingerprints::top_ports(transport, count)
}
