//! `--rate auto` on this host: the counters that tell of local loss, and the dial that follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portolan_core::Timestamp;
use portolan_core::auto::Auto;
use portolan_core::canary::{CANARY_GAP, Canaries};
use portolan_core::group_gate::{GroupLimits, GroupShare};
use portolan_core::pacer::RatePps;
use portolan_core::plan::ScanPlan;
use portolan_core::rate::{LocalCounts, RateController, RateDial};

use crate::board::Board;

/// How often the controller looks.
const TICK: Duration = Duration::from_millis(20);
/// How often the interfaces' counters are read.
const DROPS_EVERY: Duration = Duration::from_millis(200);

/// A controller and all that it turns.
pub(crate) struct AutoRate {
    controller: RateController,
    dial: Arc<RateDial>,
    canaries: Arc<Canaries>,
    interfaces: Vec<String>,
    ticked: Instant,
    looked: Instant,
    /// What the interfaces had dropped when the scan began.
    dropped_before: u64,
    dropped: u64,
}

impl AutoRate {
    /// For a scan of `plan` that begins at `now`, goes up to `most` at most and leaves by
    /// `interfaces`; no host and no subnet is asked more often than `limits` say.
    pub(crate) fn new(
        plan: &ScanPlan,
        most: RatePps,
        limits: GroupLimits,
        interfaces: Vec<String>,
        now: Timestamp,
    ) -> Self {
        let controller = RateController::new(most, now);
        // One host may not stand for all, unless it is all there is.
        let per_host = usize::try_from(64 / plan.hosts().clamp(1, 8)).unwrap_or(8);
        let (per_host, gap) = match (limits.grouping(), GroupShare::new(limits)) {
            (None, _) => (per_host, CANARY_GAP),
            (Some(_), None) => (0, CANARY_GAP),
            (Some(_), Some(share)) => (1, share.canary_gap),
        };
        let dropped_before = tx_dropped(&interfaces);
        Self {
            dial: Arc::new(RateDial::new(controller.rate())),
            canaries: Arc::new(Canaries::new(per_host, gap)),
            controller,
            interfaces,
            ticked: Instant::now(),
            looked: Instant::now(),
            dropped_before,
            dropped: 0,
        }
    }

    /// The part of the sender of `link` that has `share` of the rate.
    pub(crate) fn sender(&self, share: f64, link: usize) -> Auto {
        Auto::new(Arc::clone(&self.dial), Arc::clone(&self.canaries), share, link)
    }

    /// The canaries.
    pub(crate) const fn canaries(&self) -> &Arc<Canaries> {
        &self.canaries
    }

    /// Looks at the counts of `board`, if it is time, and turns the dial.
    pub(crate) fn tick(&mut self, now: Timestamp, board: &Board) {
        if self.ticked.elapsed() < TICK {
            return;
        }
        self.ticked = Instant::now();
        if self.looked.elapsed() >= DROPS_EVERY {
            self.looked = Instant::now();
            self.dropped = tx_dropped(&self.interfaces).saturating_sub(self.dropped_before);
        }
        let sent = board.sent.load(Ordering::Relaxed);
        let rings = board.kernel_drops.load(Ordering::Relaxed);
        let local = LocalCounts { sent, dropped: rings.saturating_add(self.dropped) };
        let before = self.dial.get();
        let rate = self.controller.tick(now, &self.canaries, local);
        if rate != before {
            tracing::debug!(pps = rate.get(), ?local, canaries = self.canaries.len(), "rate");
            self.dial.set(rate);
        }
    }
}

/// What `interfaces` of this thread's network namespace have dropped while sending, from
/// `/proc/thread-self/net/dev` (proc(5)); nothing where that can't be read.
fn tx_dropped(interfaces: &[String]) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let of = |name: &String| tx_dropped_in(&text, name);
    interfaces.iter().filter_map(of).sum()
}

/// The column after the name: eight of receiving, then octets, packets, errors and drops of
/// sending.
fn tx_dropped_in(text: &str, interface: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| {
        let (name, figures) = line.split_once(':')?;
        (name.trim() == interface).then_some(figures)
    })?;
    line.split_whitespace().nth(11)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_their_column() {
        let text = "Inter-|   Receive                            |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes\n    \
                    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  \
                    eth0:21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36\n";
        assert_eq!(tx_dropped_in(text, "eth0"), Some(32));
        assert_eq!(tx_dropped_in(text, "lo"), Some(12));
        assert_eq!(tx_dropped_in(text, "eth1"), None);
        assert_eq!(tx_dropped(&["no such interface".to_owned()]), 0);
    }
}
