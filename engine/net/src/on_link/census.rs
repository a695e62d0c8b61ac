//! Which addresses the stations of a link may have, from what they let know.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use portolan_core::target::{AddrRange, AddrSet};
use portolan_core::{Family, MacAddr};

use super::frame::Sighting;

/// Addresses and tails that are kept of one link, at most, each.
pub const SIGHTINGS_MAX: usize = 1 << 16;
/// Prefixes in which stations are looked for, at most.
pub const SUBNETS_MAX: usize = 16;
/// First parts of interface identifiers that tails are tried with, at most.
const HEADS_MAX: usize = 16;

/// Who was seen on a link.
#[derive(Debug, Clone, Default)]
pub struct Census {
    sources: BTreeSet<Ipv6Addr>,
    macs: BTreeSet<MacAddr>,
    tails: BTreeSet<u32>,
    overflown: bool,
}

impl Census {
    /// Takes note of a station, as long as there is room.
    pub fn add(&mut self, seen: Sighting) {
        let full = self.sources.len() >= SIGHTINGS_MAX;
        self.overflown |= full && !self.sources.contains(&seen.source);
        if !full {
            self.sources.insert(seen.source);
            self.macs.insert(seen.mac);
        }
        for tail in seen.tails {
            let full = self.tails.len() >= SIGHTINGS_MAX;
            self.overflown |= full && !self.tails.contains(&tail);
            if !full {
                self.tails.insert(tail);
            }
        }
    }

    /// Whether there was no room for some.
    pub const fn overflown(&self) -> bool {
        self.overflown
    }

    /// How many addresses were seen.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The addresses that were seen and, in each of `subnets` (the first 64 bits), those with the
    /// interface identifiers that were seen or that the hardware addresses make (modified EUI-64,
    /// RFC 4291 appendix A).
    pub fn likely(&self, subnets: &BTreeSet<u64>) -> AddrSet {
        let identifiers: BTreeSet<u64> = self
            .sources
            .iter()
            .map(|addr| identifier(*addr))
            .chain(self.macs.iter().map(|mac| eui_64(*mac)))
            .collect();
        let made = subnets.iter().take(SUBNETS_MAX).flat_map(|subnet| {
            identifiers.iter().map(move |identifier| join(*subnet, *identifier))
        });
        set(self.sources.iter().copied().chain(made))
    }

    /// For those of the tails that no address of `found` ends in, the addresses in `subnets` that
    /// end so: numbered from zero, and beginning as those of `found` do.
    pub fn unexplained(&self, subnets: &BTreeSet<u64>, found: &[Ipv6Addr]) -> AddrSet {
        let explained: BTreeSet<u32> = found
            .iter()
            .map(|addr| u32::try_from(identifier(*addr) & 0x00ff_ffff).unwrap_or(0))
            .collect();
        let heads: BTreeSet<u64> = found
            .iter()
            .map(|addr| identifier(*addr) & !0x00ff_ffff)
            .take(HEADS_MAX)
            .chain([0])
            .collect();
        let tails: Vec<u64> = self.tails.difference(&explained).map(|t| u64::from(*t)).collect();
        let (heads, tails) = (&heads, &tails);
        set(subnets.iter().take(SUBNETS_MAX).flat_map(|subnet| {
            heads
                .iter()
                .flat_map(move |head| tails.iter().map(move |tail| join(*subnet, head | tail)))
        }))
    }
}

fn set(addrs: impl Iterator<Item = Ipv6Addr>) -> AddrSet {
    addrs.map(|addr| AddrRange::single(IpAddr::V6(addr))).collect()
}

/// The last 64 bits.
fn identifier(addr: Ipv6Addr) -> u64 {
    u64::try_from(addr.to_bits() & u128::from(u64::MAX)).unwrap_or(0)
}

/// The first 64 bits.
pub(super) fn subnet(addr: Ipv6Addr) -> u64 {
    u64::try_from(addr.to_bits() >> 64).unwrap_or(0)
}

fn join(subnet: u64, identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from((u128::from(subnet) << 64) | u128::from(identifier))
}

const fn eui_64(mac: MacAddr) -> u64 {
    let [first, maker @ .., x, y, z] = mac.0;
    let [second, third] = maker;
    u64::from_be_bytes([first ^ 2, second, third, 0xff, 0xfe, x, y, z])
}

/// The /64s that `addrs` have a part in, if those are no more than [`SUBNETS_MAX`].
pub(super) fn subnets(addrs: &AddrSet) -> Option<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for range in addrs.ranges().iter().filter(|range| range.family() == Family::V6) {
        let (first, last) = (range.first_bits() >> 64, range.last_bits() >> 64);
        for bits in first..=last {
            if found.len() >= SUBNETS_MAX {
                return None;
            }
            found.insert(u64::try_from(bits).unwrap_or(0));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portolan_core::target::TargetSpec;

    fn addrs(text: &str) -> AddrSet {
        text.parse::<TargetSpec>().unwrap().addrs().clone()
    }

    fn seen(source: &str, mac: [u8; 6], tails: &[u32]) -> Sighting {
        let source = source.parse().unwrap();
        Sighting { source, mac: MacAddr(mac), tails: tails.to_vec() }
    }

    #[test]
    fn identifiers_are_looked_for_in_every_prefix() {
        let mut census = Census::default();
        census.add(seen("fe80::1:2:3:4", [2, 0, 0, 0x11, 0x22, 0x33], &[0x03_0004, 5]));
        let prefixes = subnets(&addrs("fd00::/64 fd00:9::/65")).unwrap();
        let likely = census.likely(&prefixes);
        let expected = "fe80::1:2:3:4 fd00::1:2:3:4 fd00::ff:fe11:2233 \
                        fd00:9::1:2:3:4 fd00:9::ff:fe11:2233";
        assert_eq!(likely, addrs(expected));
        let found = ["fd00::1:2:3:4".parse().unwrap()];
        let tails = census.unexplained(&[0xfd00 << 48].into(), &found);
        assert_eq!(tails, addrs("fd00::5 fd00::1:2:0:5"), "3:0004 is explained");
    }

    #[test]
    fn what_a_flood_leaves_is_bounded() {
        let mut census = Census::default();
        for host in 0..=u16::MAX {
            census.add(seen(&format!("fe80::{host:x}"), [2; 6], &[u32::from(host)]));
        }
        assert!(!census.overflown());
        census.add(seen("fe80::1:0", [2; 6], &[1 << 20]));
        assert!(census.overflown());
        assert_eq!((census.len(), census.tails.len()), (SIGHTINGS_MAX, SIGHTINGS_MAX));
        assert_eq!(subnets(&addrs("fd00::/60")).unwrap().len(), 16);
        assert_eq!(subnets(&addrs("fd00::/59")), None);
    }
}
