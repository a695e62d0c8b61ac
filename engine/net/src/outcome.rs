//! What a scan came to: figures, coverage, and where to go on.

use std::collections::BTreeMap;

use portolan_core::ScanStats;
use portolan_core::estimate::Loss;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::ReceiveCounts;
use portolan_core::target::{Block, TargetSet};
use portolan_core::wire::Rejection;

use crate::checkpoint::Checkpoint;
use crate::clock::ScanClock;
use crate::driver::Outcome;
use crate::prepare::Ways;
use crate::scan::Scan;

/// Loss that is told: one in a hundred.
const LOSS_TOLD_MIN: f64 = 0.01;

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
    let loss = loss(scan, outcome);
    let planned = scan.options().shard.share_of(plan.len());
    let asked_part = ratio(asked.min(planned), planned.max(1));
    // Who is not silent was heard.
    let heard_all = asked > 0 && answered >= asked;
    let heard = loss.map(|loss| loss.heard(plan.config().passes));
    let heard = if heard_all { Some((1.0, 1.0, 1.0)) } else { heard };
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
        loss_estimate: loss.map(|loss| loss.part),
        coverage: asked_part * heard.map_or(1.0, |(_, best, _)| best),
        coverage_bounds: heard.map(|(low, _, high)| (asked_part * low, asked_part * high)),
        kept_back: counts.kept_back,
        canary_probes: outcome.canary_probes,
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

/// What was lost, as far as the answers tell; nothing for a scan that was resumed, whose earlier
/// answers are not known by pass.
pub(crate) fn loss(scan: &Scan, outcome: &Outcome) -> Option<Loss> {
    let options = scan.options();
    let passes = usize::from(options.retries) + 1;
    let counts = total(&outcome.counts);
    let heard = counts.first_in_pass.get(..passes).unwrap_or(&counts.first_in_pass);
    Loss::estimate(outcome.pairs, heard).filter(|_| options.resume.is_none())
}

/// What people should know of a loss of more than one in a hundred.
pub(crate) fn loss_warning(loss: Loss) -> Option<String> {
    let percent = |part: f64| part * 100.0;
    (loss.low > LOSS_TOLD_MIN).then(|| {
        format!(
            "{:.1} % of the probes or answers were lost ({:.1} to {:.1} %): a lower --rate, or \
             --rate auto, hears more",
            percent(loss.part),
            percent(loss.low),
            percent(loss.high)
        )
    })
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
