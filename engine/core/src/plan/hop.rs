//! How packets leave, and which addresses share a way.

use std::net::IpAddr;

use crate::target::AddrRange;
use crate::wire::LinkHeader;

/// How packets to some addresses leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The link that it leaves by, in the numbering of whoever opened the links.
    pub link: usize,
    /// Our address on the way there.
    pub source: IpAddr,
    /// The link header; its target is the gateway, or a place-holder for neighbours.
    pub header: LinkHeader,
    /// Whether each address is its own next hop, with a hardware address of its own.
    pub on_link: bool,
}

/// Addresses that share a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopRange {
    /// The addresses.
    pub range: AddrRange,
    /// Position in the list of hops.
    pub hop: usize,
}

/// The parts of `range` and the hop of each, in order and without gaps.
pub(super) fn route_pieces(
    range: AddrRange,
    routes: &[HopRange],
) -> Vec<(AddrRange, Option<usize>)> {
    let family = range.family();
    let mut pieces = Vec::new();
    let mut next = Some(range.first_bits());
    let key = (family, range.first_bits());
    let start = routes.partition_point(|r| (r.range.family(), r.range.last_bits()) < key);
    for route in routes.iter().skip(start) {
        let Some(first) = next else { break };
        if route.range.family() != family || route.range.first_bits() > range.last_bits() {
            break;
        }
        let from = route.range.first_bits().max(first);
        let to = route.range.last_bits().min(range.last_bits());
        if from > first {
            pieces.extend(AddrRange::from_bits(family, first, from - 1).map(|r| (r, None)));
        }
        pieces.extend(AddrRange::from_bits(family, from, to).map(|r| (r, Some(route.hop))));
        next = to.checked_add(1).filter(|next| *next <= range.last_bits());
    }
    if let Some(first) = next {
        pieces.extend(AddrRange::from_bits(family, first, range.last_bits()).map(|r| (r, None)));
    }
    pieces
}
