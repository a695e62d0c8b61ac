//! Addresses × questions, numbered.

use std::net::IpAddr;

use crate::endpoint::{Family, addr_bits};
use crate::probe::Probe;
use crate::target::AddrRange;

/// Adjacent addresses of a block that share a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRange {
    /// The addresses.
    pub range: AddrRange,
    /// Addresses of the block before this range.
    pub hosts_before: u64,
    /// `None` where there is no route.
    pub hop: Option<usize>,
    /// Where this range's hardware addresses begin among
    /// [`ScanPlan::neighbors`](super::ScanPlan::neighbors).
    pub neighbors_at: Option<usize>,
}

/// Addresses × questions, with their place in the plan's numbering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanBlock {
    /// Endpoints before this block.
    pub endpoints_before: u64,
    /// Hosts before this block.
    pub hosts_before: u64,
    /// Hosts in it.
    pub hosts: u64,
    /// What each host is asked, sorted.
    pub probes: Box<[Probe]>,
    /// How many of them are of TCP and of UDP.
    pub ports: (u32, u32),
    /// Its addresses, sorted and disjoint.
    pub ranges: Vec<PlanRange>,
}

impl PlanRange {
    pub(super) fn hosts(&self) -> u64 {
        u64::try_from(self.range.span()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl PlanBlock {
    pub(crate) fn probe_count(&self) -> u64 {
        u64::try_from(self.probes.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn host_of(&self, addr: IpAddr) -> Option<(u64, Option<usize>)> {
        let key = (Family::of(addr), addr_bits(addr));
        let after =
            self.ranges.partition_point(|r| (r.range.family(), r.range.first_bits()) <= key);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        if !range.range.contains(addr) {
            return None;
        }
        let offset = u64::try_from(addr_bits(addr) - range.range.first_bits()).ok()?;
        Some((range.hosts_before + offset, range.hop))
    }
}
