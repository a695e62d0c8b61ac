//! Which endpoints: sets of addresses and ports, their text forms, and the scope that bounds them.

/// Sets of addresses.
pub mod addr_set;
/// Likely addresses in IPv6 prefixes too large to sweep.
pub mod ipv6_pattern;
/// Sets of ports.
pub mod port_set;
/// What may be touched at all.
pub mod scope;
/// The text forms people write.
pub mod spec;
/// Addresses × ports, addressable by index.
pub mod target_set;

pub use addr_set::{AddrRange, AddrSet, TooManyAddrs};
pub use ipv6_pattern::{Ipv6Pattern, candidates};
pub use port_set::PortSet;
pub use scope::Scope;
pub use spec::{PortSpec, SpecError, TargetSpec};
pub use target_set::{Block, TargetSet};
