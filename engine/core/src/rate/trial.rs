//! What counts of lost and answered canaries say about loss, chance considered.

use std::collections::VecDeque;

use super::EXCESS_LOSS_MAX;
use crate::canary::Tally;

/// Windows that say what is lost now: a quarter of a second.
const RECENT_LEN: usize = 5;
/// Windows after which older ones count half.
const MEMORY_LEN: u32 = 100;
/// Probes that tell that less is lost than was: few of which none is lost are no wonder.
const ENOUGH: u64 = 500;
/// Probes that say nothing yet.
const FEWEST: u64 = 20;
/// How many standard deviations are more than chance.
const SIGMAS: f64 = 3.5;

/// The canaries of one rate.
#[derive(Debug, Clone, Default)]
pub(super) struct Trial {
    /// All windows, old ones fading.
    pub(super) all: Tally,
    windows: u32,
    last: VecDeque<Tally>,
}

impl Trial {
    /// Adds a window; one without probes says nothing.
    pub(super) fn push(&mut self, window: Tally) {
        if window.sent == 0 {
            return;
        }
        if self.windows >= MEMORY_LEN {
            self.windows /= 2;
            self.all = Tally { sent: self.all.sent / 2, heard: self.all.heard / 2 };
        }
        self.windows += 1;
        self.all.add(window);
        if self.last.len() == RECENT_LEN {
            self.last.pop_front();
        }
        self.last.push_back(window);
    }

    /// The last quarter of a second.
    pub(super) fn recent(&self) -> Tally {
        sum(self.last.iter().copied())
    }

    /// The loss that lasts: the lesser of the last two windows, as a path that is too slow loses
    /// evenly, and a host that was busy for a moment loses much at once and then nothing. Of one
    /// window, what it lost less a standard deviation: what is cut too little is cut again within a
    /// moment, and what is cut too much takes seconds to be found out.
    fn lasting(&self) -> f64 {
        let mut windows = self.last.iter().rev().copied();
        match (windows.next(), windows.next()) {
            (Some(last), Some(before)) if last.sent.min(before.sent) >= FEWEST => {
                last.loss().min(before.loss())
            }
            _ => cautious(self.recent()),
        }
    }

    /// The part of the probes that is lost beyond `baseline` and beyond what is suffered, if that
    /// is more than chance.
    pub(super) fn excess(&self, baseline: Tally) -> Option<f64> {
        let last = sum(self.last.iter().rev().take(2).copied());
        let recent = self.recent();
        let breached = [last, recent, self.all].into_iter().any(|t| exceeds(t, baseline));
        breached.then(|| (self.lasting() - baseline.loss()).clamp(EXCESS_LOSS_MAX, 0.95))
    }

    /// What was lost, if it is less than `baseline` by more than chance: the path has become better
    /// by itself, or was thought worse than it is.
    pub(super) fn better(&self, baseline: Tally) -> Option<Tally> {
        let known = |seen: &Tally| seen.sent >= ENOUGH && exceeds(baseline, *seen);
        [self.recent(), self.all].into_iter().find(known)
    }
}

/// What `seen` lost, less a standard deviation.
fn cautious(seen: Tally) -> f64 {
    let loss = seen.loss();
    (loss - (loss * (1.0 - loss) / as_f64(seen.sent.max(1))).sqrt()).max(0.0)
}

fn sum(windows: impl Iterator<Item = Tally>) -> Tally {
    windows.fold(Tally::default(), |mut sum, window| {
        sum.add(window);
        sum
    })
}

/// Whether `seen` lost more than `baseline` and what is suffered, by more than chance: the test of
/// two proportions, each with its own uncertainty, and one loss for chance in small numbers.
fn exceeds(seen: Tally, baseline: Tally) -> bool {
    if seen.sent < FEWEST {
        return false;
    }
    let suffered = (baseline.loss() + EXCESS_LOSS_MAX).min(1.0);
    let (n, known) = (as_f64(seen.sent), as_f64(baseline.sent));
    // Nothing lost among few does not prove that nothing is ever lost.
    let cautious = (as_f64(baseline.missed()) + 1.0) / (known + 2.0);
    let variance = suffered * (1.0 - suffered) / n + cautious * (1.0 - cautious) / (known + 2.0);
    seen.loss() > suffered + SIGMAS * variance.sqrt() + 1.0 / n
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tally(sent: u64, missed: u64) -> Tally {
        Tally { sent, heard: sent - missed }
    }

    #[test]
    fn chance_is_told_from_loss() {
        let clean = tally(2_000, 0);
        assert!(!exceeds(tally(19, 19), clean), "too few to tell");
        assert!(!exceeds(tally(500, 3), clean));
        assert!(exceeds(tally(500, 10), clean));
        assert!(exceeds(tally(20_000, 60), clean), "0.3 % of many");
        let lossy = tally(2_000, 80);
        assert!(!exceeds(tally(500, 25), lossy), "5 % where 4 % are usual");
        assert!(exceeds(tally(500, 60), lossy));
    }

    #[test]
    fn loss_that_begins_now_is_not_averaged_away() {
        let mut trial = Trial::default();
        for _ in 0..100 {
            trial.push(tally(100, 0));
        }
        assert_eq!(trial.excess(tally(2_000, 0)), None);
        trial.push(tally(100, 60));
        let burst = trial.excess(tally(2_000, 0)).unwrap();
        assert!(burst < 0.002, "a moment's loss: {burst}");
        trial.push(tally(100, 46));
        trial.push(tally(100, 50));
        let excess = trial.excess(tally(2_000, 0)).unwrap();
        assert!((0.45..0.52).contains(&excess), "{excess}");
    }
}
