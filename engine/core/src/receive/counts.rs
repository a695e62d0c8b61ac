//! What the receiving half counted.

use std::time::Duration;

use crate::plan::PASSES_MAX;
use crate::wire::Rejection;

/// What the receiving half counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiveCounts {
    /// Valid replies, repetitions included.
    pub replies: u64,
    /// Valid replies to what was answered before.
    pub duplicates: u64,
    /// Endpoints open.
    pub open: u64,
    /// Endpoints closed.
    pub closed: u64,
    /// Endpoints filtered.
    pub filtered: u64,
    /// Endpoints that can be reached, open or closed.
    pub unfiltered: u64,
    /// Hosts that showed life and were not known already.
    pub hosts_up: u64,
    /// Endpoints by the pass whose probe they answered first.
    pub first_in_pass: [u64; PASSES_MAX as usize],
    /// Answers to canary probes.
    pub canaries: u64,
    /// Open endpoints that were not told.
    pub kept_back: u64,
    /// Frames that were no answer, in the order of [`Rejection::ALL`].
    pub rejected: [u64; Rejection::ALL.len()],
    /// The longest round trip seen.
    pub rtt_max: Duration,
}

impl ReceiveCounts {
    /// Adds another receiver's counts.
    pub fn add(&mut self, other: &Self) {
        self.replies += other.replies;
        self.duplicates += other.duplicates;
        self.open += other.open;
        self.closed += other.closed;
        self.filtered += other.filtered;
        self.unfiltered += other.unfiltered;
        self.hosts_up += other.hosts_up;
        self.canaries += other.canaries;
        self.kept_back += other.kept_back;
        let pairs = self.first_in_pass.iter_mut().zip(other.first_in_pass);
        pairs.chain(self.rejected.iter_mut().zip(other.rejected)).for_each(|(a, b)| *a += b);
        self.rtt_max = self.rtt_max.max(other.rtt_max);
    }
}
