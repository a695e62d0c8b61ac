//! Sets of addresses as sorted, disjoint ranges.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::endpoint::{Family, addr_bits};

/// An inclusive run of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrRange {
    family: Family,
    first: u128,
    last: u128,
}

impl AddrRange {
    /// `first..=last`, or `None` when the families differ or the range is reversed.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let family = Family::of(first);
        let (low, high) = (addr_bits(first), addr_bits(last));
        (family == Family::of(last) && low <= high).then_some(Self {
            family,
            first: low,
            last: high,
        })
    }

    /// The one address.
    pub fn single(addr: IpAddr) -> Self {
        let bits = addr_bits(addr);
        Self { family: Family::of(addr), first: bits, last: bits }
    }

    /// The range of numbers `first..=last` of `family`; `None` if reversed or out of the family.
    pub fn from_bits(family: Family, first: u128, last: u128) -> Option<Self> {
        (first <= last && last <= family.max()).then_some(Self { family, first, last })
    }

    /// The family of both ends.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        self.family.addr(self.first)
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        self.family.addr(self.last)
    }

    /// The lowest address as a number.
    pub const fn first_bits(&self) -> u128 {
        self.first
    }

    /// The highest address as a number.
    pub const fn last_bits(&self) -> u128 {
        self.last
    }

    /// How many addresses, less one: so that all of IPv6 fits.
    pub const fn span(&self) -> u128 {
        self.last - self.first
    }

    /// Whether `addr` lies inside.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let bits = addr_bits(addr);
        Family::of(addr) == self.family && self.first <= bits && bits <= self.last
    }
}

impl From<IpNetwork> for AddrRange {
    /// The whole block, network and broadcast address included.
    fn from(net: IpNetwork) -> Self {
        let family = Family::of(net.ip());
        let host_bits = u32::from(family.bits().saturating_sub(net.prefix()));
        let host_mask =
            if host_bits == 0 { 0 } else { u128::MAX >> (128_u32.saturating_sub(host_bits)) };
        let first = addr_bits(net.ip()) & !host_mask;
        Self { family, first, last: first | host_mask }
    }
}

impl fmt::Display for AddrRange {
    /// A single address, a CIDR block where the range is one, else `first-last`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.span();
        let aligned = self.first & span == 0 && (span & span.wrapping_add(1)) == 0;
        if span == 0 {
            write!(f, "{}", self.first())
        } else if aligned {
            let prefix = u32::from(self.family.bits()).saturating_sub(128 - span.leading_zeros());
            write!(f, "{}/{prefix}", self.first())
        } else {
            write!(f, "{}-{}", self.first(), self.last())
        }
    }
}

/// The set holds more addresses than can be counted in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than 2^63 addresses: too many to count, name a smaller range")]
pub struct TooManyAddrs;

/// A set of addresses: ranges sorted, disjoint and not adjacent, IPv4 before IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddrSet {
    ranges: Vec<AddrRange>,
}

impl AddrSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[AddrRange] {
        &self.ranges
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many addresses.
    ///
    /// # Errors
    /// [`TooManyAddrs`] above 2^63.
    pub fn len(&self) -> Result<u64, TooManyAddrs> {
        let mut total: u64 = 0;
        for range in &self.ranges {
            let count = u64::try_from(range.span()).ok().and_then(|span| span.checked_add(1));
            total = count.and_then(|count| total.checked_add(count)).ok_or(TooManyAddrs)?;
        }
        if total > 1 << 63 { Err(TooManyAddrs) } else { Ok(total) }
    }

    /// Whether `addr` is in it. O(log ranges).
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.range_of(addr).is_some()
    }

    /// The position, among [`AddrSet::ranges`], of the range that holds `addr`.
    pub fn range_of(&self, addr: IpAddr) -> Option<usize> {
        let key = (Family::of(addr), addr_bits(addr));
        let after = self.ranges.partition_point(|r| (r.family, r.first) <= key);
        let index = after.checked_sub(1)?;
        self.ranges.get(index).filter(|r| r.contains(addr)).map(|_| index)
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for range in &self.ranges {
            let mut low = Some(range.first);
            let start = other
                .ranges
                .partition_point(|cut| (cut.family, cut.last) < (range.family, range.first));
            for cut in other.ranges.iter().skip(start) {
                if cut.family != range.family || cut.first > range.last {
                    break;
                }
                let Some(from) = low else { break };
                if cut.first > from {
                    ranges.push(AddrRange { last: cut.first - 1, first: from, ..*range });
                }
                low = cut.last.checked_add(1).filter(|next| *next <= range.last);
            }
            if let Some(from) = low {
                ranges.push(AddrRange { first: from, ..*range });
            }
        }
        Self { ranges }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for range in &self.ranges {
            let start =
                other.ranges.partition_point(|o| (o.family, o.last) < (range.family, range.first));
            for o in other.ranges.iter().skip(start) {
                if o.family != range.family || o.first > range.last {
                    break;
                }
                ranges.push(AddrRange {
                    family: range.family,
                    first: range.first.max(o.first),
                    last: range.last.min(o.last),
                });
            }
        }
        Self { ranges }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }
}

impl FromIterator<AddrRange> for AddrSet {
    /// Sorts and merges; the ranges may overlap and come in any order.
    fn from_iter<I: IntoIterator<Item = AddrRange>>(iter: I) -> Self {
        let mut all: Vec<AddrRange> = iter.into_iter().collect();
        all.sort_unstable();
        let mut ranges: Vec<AddrRange> = Vec::with_capacity(all.len());
        for range in all {
            match ranges.last_mut() {
                Some(previous)
                    if previous.family == range.family
                        && range.first <= previous.last.saturating_add(1) =>
                {
                    previous.last = previous.last.max(range.last);
                }
                _ => ranges.push(range),
            }
        }
        Self { ranges }
    }
}

impl FromIterator<IpAddr> for AddrSet {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(iter: I) -> Self {
        iter.into_iter().map(AddrRange::single).collect()
    }
}

impl fmt::Display for AddrSet {
    /// The ranges with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.ranges.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(parts: &[(u8, u8)]) -> AddrSet {
        parts
            .iter()
            .map(|&(a, b)| {
                AddrRange::from_bits(Family::V4, u128::from(a.min(b)), u128::from(a.max(b)))
                    .unwrap()
            })
            .collect()
    }

    fn members(set: &AddrSet) -> Vec<u8> {
        (0..=255_u8).filter(|i| set.contains(IpAddr::from([0, 0, 0, *i]))).collect()
    }

    proptest! {
        #[test]
        fn set_algebra_is_that_of_membership(
            a in prop::collection::vec(any::<(u8, u8)>(), 0..6),
            b in prop::collection::vec(any::<(u8, u8)>(), 0..6),
        ) {
            let (a, b) = (set(&a), set(&b));
            let (in_a, in_b) = (members(&a), members(&b));
            let minus: Vec<u8> = in_a.iter().copied().filter(|m| !in_b.contains(m)).collect();
            let both: Vec<u8> = in_a.iter().copied().filter(|m| in_b.contains(m)).collect();
            prop_assert_eq!(members(&a.difference(&b)), minus);
            prop_assert_eq!(members(&a.intersection(&b)), both);
            prop_assert_eq!(usize::try_from(a.union(&b).len().unwrap()).unwrap(),
                (0..=255_u8).filter(|m| in_a.contains(m) || in_b.contains(m)).count());
            prop_assert_eq!(usize::try_from(a.len().unwrap()).unwrap(), in_a.len());
        }
    }

    #[test]
    fn the_whole_of_ipv6_is_too_many() {
        let all: AddrSet =
            [AddrRange::from("::/0".parse::<IpNetwork>().unwrap())].into_iter().collect();
        assert_eq!(all.len(), Err(TooManyAddrs));
        assert!(all.contains("ffff::1".parse().unwrap()));
        assert!(!all.contains("10.0.0.1".parse().unwrap()));
        assert!(all.difference(&all).is_empty());
    }

    #[test]
    fn ranges_print_as_cidr_where_they_are() {
        let show = |a: &str, b: &str| {
            AddrRange::new(a.parse().unwrap(), b.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(show("10.0.0.0", "10.0.0.255"), "10.0.0.0/24");
        assert_eq!(show("10.0.0.1", "10.0.0.2"), "10.0.0.1-10.0.0.2");
        assert_eq!(show("10.0.0.1", "10.0.0.1"), "10.0.0.1");
        assert_eq!(show("0.0.0.0", "255.255.255.255"), "0.0.0.0/0");
        assert_eq!(show("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "::/0");
        assert_eq!(show("2001:db8::", "2001:db8::ffff"), "2001:db8::/112");
    }
}
