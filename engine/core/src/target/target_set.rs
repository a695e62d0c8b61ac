//! Addresses × ports, addressable by index: no table of targets exists.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::addr_set::{AddrSet, TooManyAddrs};
use super::port_set::PortSet;
use crate::endpoint::{Endpoint, Transport};

/// Some addresses, each with the same ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    /// The hosts.
    pub addrs: AddrSet,
    /// Their TCP ports.
    pub tcp: PortSet,
    /// Their UDP ports.
    pub udp: PortSet,
    /// Their SCTP ports.
    pub sctp: PortSet,
}

impl Block {
    /// How many ports per address, over all transports.
    pub fn ports_len(&self) -> usize {
        self.tcp.len() + self.udp.len() + self.sctp.len()
    }

    /// The ports of `transport`; `None` for those the engine does not probe.
    pub fn ports(&self, transport: Transport) -> Option<&PortSet> {
        match transport {
            Transport::Tcp => Some(&self.tcp),
            Transport::Udp => Some(&self.udp),
            Transport::Sctp => Some(&self.sctp),
            Transport::Ip => None,
        }
    }

    /// The ports of `transport`, to be changed; `None` as with [`Block::ports`].
    pub fn ports_mut(&mut self, transport: Transport) -> Option<&mut PortSet> {
        match transport {
            Transport::Tcp => Some(&mut self.tcp),
            Transport::Udp => Some(&mut self.udp),
            Transport::Sctp => Some(&mut self.sctp),
            Transport::Ip => None,
        }
    }

    /// Whether `endpoint` is one of them.
    pub fn contains(&self, endpoint: &Endpoint) -> bool {
        self.ports(endpoint.transport).is_some_and(|p| p.contains(endpoint.port))
            && self.addrs.contains(endpoint.addr)
    }
}

/// A union of [`Block`]s: what a scan covers.
///
/// Blocks may overlap in addresses but should not in endpoints; a scan's one block is the rule,
/// several serve rechecks and imported reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetSet {
    blocks: Vec<Block>,
}

impl TargetSet {
    /// The set of one block.
    pub fn single(block: Block) -> Self {
        Self { blocks: vec![block] }
    }

    /// The blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The set that holds just these endpoints, grouped by host; TCP, UDP and SCTP only.
    pub fn of_endpoints(endpoints: &[Endpoint]) -> Self {
        let mut by_host: BTreeMap<IpAddr, [Vec<u16>; 3]> = BTreeMap::new();
        for endpoint in endpoints {
            let [tcp, udp, sctp] = by_host.entry(endpoint.addr).or_default();
            match endpoint.transport {
                Transport::Tcp => tcp.push(endpoint.port),
                Transport::Udp => udp.push(endpoint.port),
                Transport::Sctp => sctp.push(endpoint.port),
                Transport::Ip => {}
            }
        }
        // Hosts with equal ports share a block.
        let mut by_ports: BTreeMap<[PortSet; 3], Vec<IpAddr>> = BTreeMap::new();
        for (addr, ports) in by_host {
            by_ports.entry(ports.map(PortSet::from_iter)).or_default().push(addr);
        }
        let block = |([tcp, udp, sctp], addrs): ([PortSet; 3], Vec<IpAddr>)| Block {
            addrs: addrs.into_iter().collect(),
            tcp,
            udp,
            sctp,
        };
        by_ports.into_iter().map(block).filter(|block| block.ports_len() > 0).collect()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().all(|b| b.addrs.is_empty() || b.ports_len() == 0)
    }

    /// Whether `endpoint` is in it.
    pub fn contains(&self, endpoint: &Endpoint) -> bool {
        self.blocks.iter().any(|b| b.contains(endpoint))
    }

    /// All addresses of all blocks.
    pub fn addrs(&self) -> AddrSet {
        self.blocks.iter().flat_map(|b| b.addrs.ranges().iter().copied()).collect()
    }

    /// How many endpoints.
    ///
    /// # Errors
    /// [`TooManyAddrs`] where they can't be counted in 64 bits.
    pub fn len(&self) -> Result<u64, TooManyAddrs> {
        self.blocks.iter().try_fold(0_u64, |sum, block| {
            let ports = u64::try_from(block.ports_len()).map_err(|_| TooManyAddrs)?;
            let count = block.addrs.len()?.checked_mul(ports).ok_or(TooManyAddrs)?;
            sum.checked_add(count).ok_or(TooManyAddrs)
        })
    }
}

impl FromIterator<Block> for TargetSet {
    fn from_iter<I: IntoIterator<Item = Block>>(iter: I) -> Self {
        Self { blocks: iter.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_endpoints_are_grouped_by_their_ports() {
        let at = |last: u8, port| Endpoint::tcp(IpAddr::from([10, 0, 0, last]), port);
        let sctp = Endpoint::new(IpAddr::from([10, 0, 0, 9]), Transport::Sctp, 22);
        let all = [at(1, 22), at(2, 22), at(2, 80), at(3, 22), sctp];
        let set = TargetSet::of_endpoints(&all);
        assert_eq!(set.blocks().len(), 3);
        assert_eq!(set.len(), Ok(5));
        assert!(all.iter().all(|e| set.contains(e)));
        assert!(!set.contains(&at(1, 80)));
    }
}
