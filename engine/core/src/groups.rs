//! The groups of a plan's hosts, in its numbering.

use crate::endpoint::Family;
use crate::group_gate::Grouping;
use crate::plan::{PlanBlock, PlanRange};
use crate::stripe::Run;

impl PlanBlock {
    /// Its groups, those that are whole and side by side together.
    pub(crate) fn runs(&self, grouping: Grouping) -> Vec<Run> {
        let ports = self.probe_count();
        let run = |group, groups, hosts, first_host: u64| {
            let first = self.endpoints_before.saturating_add(first_host.saturating_mul(ports));
            Run { group, groups, hosts, ports, first }
        };
        if grouping == Grouping::Host {
            return vec![run(u128::from(self.hosts_before), self.hosts, 1, 0)];
        }
        let mut runs: Vec<Run> = Vec::new();
        for range in &self.ranges {
            for (group, groups, hosts, first_host) in range.groups(grouping) {
                match runs.last_mut() {
                    // What lies in one subnet is side by side in the numbering of hosts.
                    Some(last) if last.group == group => last.hosts += hosts,
                    _ => runs.push(run(group, groups, hosts, first_host)),
                }
            }
        }
        runs
    }
}

impl PlanRange {
    /// The groups that it has a part in: the number of the first, how many, hosts of this range in
    /// each, and the first host.
    fn groups(&self, grouping: Grouping) -> Vec<(u128, u64, u64, u64)> {
        let family = self.range.family();
        let bits = grouping.host_bits(family);
        let mask = (1_u128 << bits) - 1;
        // Groups of both families are numbered apart.
        let number = |at: u128| (at >> bits) + if family == Family::V4 { 0 } else { 1 << 64 };
        // A plan's hosts can be counted in 64 bits.
        let short = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        let (first, last) = (self.range.first_bits(), self.range.last_bits());
        let (mut next, mut found) = (Some(first), Vec::new());
        while let Some(at) = next.filter(|at| *at <= last) {
            let left = (last - at).saturating_add(1);
            let whole = if at & mask == 0 { left >> bits } else { 0 };
            let hosts = if whole > 0 { mask + 1 } else { left.min((mask ^ (at & mask)) + 1) };
            let before = self.hosts_before + short(at - first);
            found.push((number(at), short(whole.max(1)), short(hosts), before));
            next = at.checked_add(hosts * whole.max(1));
        }
        found
    }
}
