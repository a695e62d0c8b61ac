//! What a scan came to: figures, coverage, and where to go on.

use std::collections::BTreeMap;

use portolan_core::ScanStats;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::ReceiveCounts;
use portolan_core::target::{Block, TargetSet};
use portolan_core::wire::Rejection;

use crate::checkpoint::Checkpoint;
use crate::clock::ScanClock;
use crate::driver::Outcome;
use crate::prepare::Ways;
use crate::scan::Scan;

/// What a scan came to.
#[derive(Debug, Clone)]
pub struct ScanOutcome {
    /// Figures.
    pub stats: ScanStats,
    /// Whether it ran to its end.
    pub complete: bool,
    /// What was asked as often as the options say; empty for a scan that was broken off or that
    /// is one shard of several, of which only the answers are known.
    pub asked: TargetSet,
    /// Where to go on, after an interruption.
    pub checkpoint: Option<Checkpoint>,
}

/// The figures and the coverage of a run.
pub(crate) fn conclude(
    scan: &Scan,
    plan: &ScanPlan,
    ways: &Ways,
    outcome: &Outcome,
    clock: ScanClock,
) -> ScanOutcome {
    // Neighbours have been asked for their addresses; that is asking.
    let by_arp = if scan.options().kinds.discover {
        let probes = plan.len() / plan.hosts().max(1);
        ways.on_link.len().unwrap_or(0).saturating_mul(probes)
    } else {
        plan.unresolved()
    };
    let counts = total(&outcome.counts);
    let heard = || counts.first_in_pass.iter().sum();
    let answered: u64 = scan.known().map_or_else(heard, |known| known.count());
    let asked = outcome.asked + by_arp;
    let loss_estimate = loss(&counts, plan.config().passes);
    let whole = outcome.complete && scan.options().shard.count == 1;
    let reached = |b: &Block| Block { addrs: b.addrs.difference(&ways.unroutable), ..b.clone() };
    let stats = ScanStats {
        targets: plan.hosts(),
        ports: scan.ports(),
        planned: plan.len(),
        asked,
        probes_sent: outcome.sent,
        replies: counts.replies,
        duplicates: counts.duplicates,
        open: counts.open,
        closed: counts.closed,
        filtered: counts.filtered,
        unfiltered: counts.unfiltered,
        silent: asked.saturating_sub(answered),
        hosts_up: counts.hosts_up,
        rejected: rejected(&counts),
        kernel_drops: outcome.kernel_drops,
        back_pressure: outcome.back_pressure,
        duration: clock.elapsed(),
        loss_estimate,
        coverage: coverage(asked, scan.options().shard.share_of(plan.len()), loss_estimate, plan),
    };
    ScanOutcome {
        stats,
        complete: outcome.complete,
        asked: if whole {
            scan.targets().blocks().iter().map(reached).collect()
        } else {
            TargetSet::default()
        },
        checkpoint: (!outcome.complete).then(|| outcome.checkpoint.clone()),
    }
}

fn total(all: &[ReceiveCounts]) -> ReceiveCounts {
    let mut sum = ReceiveCounts::default();
    for counts in all {
        sum.add(counts);
    }
    sum
}

fn rejected(counts: &ReceiveCounts) -> BTreeMap<&'static str, u64> {
    let named = Rejection::ALL.iter().map(|r| r.name()).zip(counts.rejected);
    named.filter(|(_, count)| *count > 0).collect()
}

/// Of those who answered at all, the share that answered the second probe and not the first is
/// about the loss of one exchange.
fn loss(counts: &ReceiveCounts, passes: u8) -> Option<f64> {
    let [first, second, ..] = counts.first_in_pass;
    (passes > 1 && first > 0).then(|| (ratio(second, first)).min(1.0))
}

fn coverage(asked: u64, planned: u64, loss: Option<f64>, plan: &ScanPlan) -> f64 {
    let lost = loss.unwrap_or(0.0).powi(i32::from(plan.config().passes));
    ratio(asked.min(planned), planned.max(1)) * (1.0 - lost)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
