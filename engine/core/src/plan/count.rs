//! How many endpoints and hosts of a plan there are of each kind.

use std::collections::BTreeMap;

use super::{PlanBlock, PlanRange, ScanPlan};
use crate::observation::MacAddr;
use crate::target::AddrRange;

impl ScanPlan {
    /// How many TCP and UDP ports are asked of the host of the endpoint at `index`.
    pub fn ports_of(&self, index: u64) -> (u32, u32) {
        let after = self.blocks.partition_point(|b| b.endpoints_before <= index);
        let block = after.checked_sub(1).and_then(|at| self.blocks.get(at));
        block.map_or((0, 0), |block| block.ports)
    }

    /// How many addresses of `range` are asked anything.
    pub fn hosts_within(&self, range: AddrRange) -> u32 {
        let shared = |r: &PlanRange| {
            let first = r.range.first_bits().max(range.first_bits());
            let last = r.range.last_bits().min(range.last_bits());
            let same = r.range.family() == range.family();
            if same && first <= last { last - first + 1 } else { 0 }
        };
        let sum: u128 = self.blocks.iter().flat_map(|b| &b.ranges).map(shared).sum();
        u32::try_from(sum).unwrap_or(u32::MAX)
    }

    /// How many endpoints belong to neighbours that did not answer for their addresses.
    pub fn unresolved(&self) -> u64 {
        let silent = |(block, range): (&PlanBlock, &PlanRange)| {
            let hosts = range.hosts().saturating_sub(self.resolved_hosts(range));
            hosts.saturating_mul(block.probe_count())
        };
        self.ranges().map(silent).sum()
    }

    /// How many endpoints have no route.
    pub fn unroutable(&self) -> u64 {
        let lost = self.ranges().filter(|(_, range)| range.hop.is_none());
        lost.map(|(block, range)| range.hosts().saturating_mul(block.probe_count())).sum()
    }

    /// How many endpoints can be asked by each link, by its number.
    pub fn reachable_by_link(&self) -> BTreeMap<usize, u64> {
        let mut endpoints = BTreeMap::new();
        for (block, range) in self.ranges() {
            if let Some(hop) = range.hop.and_then(|hop| self.hops.get(hop)) {
                let count = self.resolved_hosts(range).saturating_mul(block.probe_count());
                let sum = endpoints.entry(hop.link).or_insert(0_u64);
                *sum = sum.saturating_add(count);
            }
        }
        endpoints
    }

    fn ranges(&self) -> impl Iterator<Item = (&PlanBlock, &PlanRange)> {
        self.blocks.iter().flat_map(|block| block.ranges.iter().map(move |range| (block, range)))
    }

    /// The hosts of a range but for neighbours whose hardware address is not known.
    fn resolved_hosts(&self, range: &PlanRange) -> u64 {
        let known = |at: usize| -> Option<u64> {
            let end = at.checked_add(usize::try_from(range.hosts()).ok()?)?;
            let macs = self.neighbors.get(at..end)?;
            u64::try_from(macs.iter().filter(|mac| **mac != MacAddr::default()).count()).ok()
        };
        range.neighbors_at.map_or_else(|| range.hosts(), |at| known(at).unwrap_or(0))
    }
}
