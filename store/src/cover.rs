//! Which ports of a host a scan covers, found quickly however many blocks there are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::endpoint::addr_bits;
use portolan_core::target::{AddrRange, AddrSet, Block, PortSet, TargetSet};
use portolan_core::{Endpoint, Family, Transport};

use crate::bits::PortBits;

/// A coverage, indexed by address.
pub(crate) struct CoverIndex<'a> {
    blocks: &'a [Block],
    /// Ranges by first address, each with its block and the highest last address up to here.
    ranges: Vec<(AddrRange, usize, (Family, u128))>,
}

impl<'a> CoverIndex<'a> {
    pub(crate) fn new(coverage: &'a TargetSet) -> Self {
        let blocks = coverage.blocks();
        let mut ranges: Vec<(AddrRange, usize, (Family, u128))> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let all = block.addrs.ranges().iter();
            ranges.extend(all.map(|r| (*r, index, (r.family(), r.last_bits()))));
        }
        ranges.sort_unstable();
        let mut highest = (Family::V4, 0);
        for (_, _, end) in &mut ranges {
            highest = highest.max(*end);
            *end = highest;
        }
        Self { blocks, ranges }
    }

    /// The blocks that hold `addr`.
    fn blocks_of(&self, addr: IpAddr) -> impl Iterator<Item = &'a Block> + '_ {
        let at = (Family::of(addr), addr_bits(addr));
        let after = self.ranges.partition_point(|(r, ..)| (r.family(), r.first_bits()) <= at);
        let before = self.ranges.iter().take(after).rev();
        before
            .take_while(move |(.., highest)| *highest >= at)
            .filter(move |(range, ..)| range.contains(addr))
            .filter_map(|(_, index, _)| self.blocks.get(*index))
    }

    /// Adds the covered ports of a host to `bits`.
    pub(crate) fn add_ports(&self, addr: IpAddr, transport: Transport, bits: &mut PortBits) {
        for ports in self.blocks_of(addr).filter_map(|block| block.ports(transport)) {
            bits.add(ports);
        }
    }

    /// Whether any port of that transport is covered.
    pub(crate) fn covers_any(&self, addr: IpAddr, transport: Transport) -> bool {
        self.blocks_of(addr).any(|b| b.ports(transport).is_some_and(|p| !p.is_empty()))
    }

    pub(crate) fn contains(&self, endpoint: &Endpoint) -> bool {
        let covered =
            |b: &Block| b.ports(endpoint.transport).is_some_and(|p| p.contains(endpoint.port));
        self.blocks_of(endpoint.addr).any(covered)
    }
}

/// The same coverage with one block for each choice of port sets.
pub(crate) fn merged(coverage: impl IntoIterator<Item = Block>) -> TargetSet {
    let mut by_ports: BTreeMap<[PortSet; 3], Vec<AddrRange>> = BTreeMap::new();
    for block in coverage {
        let ranges = by_ports.entry([block.tcp, block.udp, block.sctp]).or_default();
        ranges.extend_from_slice(block.addrs.ranges());
    }
    by_ports
        .into_iter()
        .map(|([tcp, udp, sctp], ranges)| {
            let addrs = ranges.into_iter().collect::<AddrSet>();
            Block { addrs, tcp, udp, sctp }
        })
        .filter(|block| !block.addrs.is_empty() && block.ports_len() > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> impl Strategy<Value = Block> {
        (prop::collection::vec((any::<u8>(), 0..9_u8), 1..4), 1..9_u16).prop_map(
            |(ranges, port)| {
                let range = |(first, len): (u8, u8)| {
                    let (first, last) = (first, first.saturating_add(len));
                    AddrRange::new([10, 0, 0, first].into(), [10, 0, 0, last].into())
                };
                let addrs = ranges.into_iter().filter_map(range).collect();
                let mut block = Block { addrs, ..Block::default() };
                let carrier = Transport::WITH_PORTS[usize::from(port) % 3];
                *block.ports_mut(carrier).unwrap() = [port].into_iter().collect();
                block
            },
        )
    }

    proptest! {
        #[test]
        fn the_index_says_what_the_set_says(
            blocks in prop::collection::vec(block(), 0..6), last in any::<u8>(), port in 1..9_u16,
        ) {
            let set: TargetSet = blocks.into_iter().collect();
            let transport = Transport::WITH_PORTS[usize::from(port) % 3];
            let endpoint = Endpoint::new([10, 0, 0, last].into(), transport, port);
            prop_assert_eq!(CoverIndex::new(&set).contains(&endpoint), set.contains(&endpoint));
            let merged = merged(set.blocks().iter().cloned());
            prop_assert_eq!(merged.contains(&endpoint), set.contains(&endpoint));
            let mut bits = PortBits::new();
            CoverIndex::new(&merged).add_ports(endpoint.addr, transport, &mut bits);
            prop_assert_eq!(bits.contains(port), set.contains(&endpoint));
        }
    }
}
