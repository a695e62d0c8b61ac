//! `--rate auto`: the highest rate at which a path loses no more than it loses anyway.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::canary::{Canaries, Tally, WINDOW};
use crate::pacer::RatePps;
use crate::time::Timestamp;

/// What is made of counts.
mod trial;

use trial::Trial;

/// Loss beyond the path's own that is suffered: one in a thousand.
pub const EXCESS_LOSS_MAX: f64 = 0.001;
/// Where a search begins, packets a second.
pub const START_PPS: u32 = 4_000;
/// The highest rate while nobody has answered, so that nothing is known of loss.
pub const BLIND_PPS: u32 = 10_000;
/// The lowest rate that is gone down to.
const FLOOR_PPS: f64 = 50.0;
/// What is kept clear of the rate at which loss began.
const MARGIN: f64 = 0.9;
/// How near to that rate the search goes at once.
const NEAR: f64 = 0.95;
/// How it then looks whether the path takes more: where loss was plain, or began at about the same
/// rate twice, that is the path's limit, and little is risked; a single small loss may have had
/// another cause.
const CAREFUL: Climb = Climb { hold: Duration::from_secs(3), growth: 0.015, growth_max: 0.5 };
const BOLD: Climb = Climb { hold: Duration::from_millis(750), growth: 0.1, growth_max: 1.0 };
/// How near to each other two such rates are.
const SAME: f64 = 0.15;
/// Lasting loss that leaves no doubt of a limit.
const PLAIN_EXCESS: f64 = 0.05;
/// How often a steady rate is raised.
const STEP: Duration = Duration::from_millis(250);
/// The path's own loss that is taken as such without trying a lower rate.
const PLAUSIBLE_LOSS: f64 = 0.01;

/// The rate that a controller has set and senders keep to.
#[derive(Debug)]
pub struct RateDial(AtomicU32);

impl RateDial {
    /// Set to `rate`.
    pub const fn new(rate: RatePps) -> Self {
        Self(AtomicU32::new(rate.get()))
    }

    /// What it is set to.
    pub fn get(&self) -> RatePps {
        RatePps::new(self.0.load(Ordering::Relaxed)).unwrap_or(RatePps::MIN)
    }

    /// Sets it.
    pub fn set(&self, rate: RatePps) {
        self.0.store(rate.get(), Ordering::Relaxed);
    }
}

/// What this host itself counts, since the scan began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LocalCounts {
    /// Packets handed to the kernel.
    pub sent: u64,
    /// Frames lost here: what the receiving ring or the sending interface dropped.
    pub dropped: u64,
}

/// How to go up from a rate that is known to be good.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Climb {
    /// How long to stay there first.
    hold: Duration,
    /// What is then added each second, as a part; twice as much after each second.
    growth: f64,
    growth_max: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Finding out what the path loses at a low rate; the loss at twice this rate, if that was
    /// tried.
    Calibrate { before: Option<f64> },
    /// Doubling until something is lost.
    SlowStart,
    /// After a cut: the rate and loss that began it, and how many cuts there were.
    Recover { from: f64, loss: f64, cuts: u32 },
    /// Near the best rate: since when, and how much is added each second, as a part.
    Steady { since: Timestamp, raised: Timestamp, growth: f64 },
}

/// Finds the rate.
///
/// Loss is seen by canaries, which know of the whole path and both directions, and by this host's
/// own counters. The rate doubles from a low one until the loss exceeds what was lost at low rates
/// by more than chance explains; it is then cut to what came through less a tenth, and goes up to
/// near that rate and, a little at a time and faster the longer it goes well, beyond. Loss that
/// stays the same at a quarter of the rate is the path's own and no reason to be slow.
///
/// Until the first canary is found the rate stays at [`BLIND_PPS`] or below.
///
/// The shape is that of TCP's congestion control (RFC 5681 §3.1), with loss beyond a baseline in
/// place of any loss.
#[derive(Debug, Clone)]
pub struct RateController {
    most: f64,
    rate: f64,
    phase: Phase,
    /// What the path loses by itself.
    baseline: Tally,
    trial: Trial,
    /// The rate that came through when it was last too high.
    knee: Option<f64>,
    climb: Climb,
    /// When the rate last changed so that older probes tell nothing of it.
    changed: Timestamp,
    /// The next window to be judged.
    window: u64,
    groomed: Timestamp,
    local: LocalCounts,
    /// What was sent when the window of the achieved rate began, and when that was.
    mark: (u64, Timestamp),
    achieved: f64,
}

impl RateController {
    /// A search that begins at `now` and never goes beyond `most`.
    pub fn new(most: RatePps, now: Timestamp) -> Self {
        let most = f64::from(most.get());
        Self {
            most,
            rate: f64::from(START_PPS).min(most),
            phase: Phase::Calibrate { before: None },
            baseline: Tally::default(),
            trial: Trial::default(),
            knee: None,
            climb: BOLD,
            changed: now,
            window: window_after(now),
            groomed: now,
            local: LocalCounts::default(),
            mark: (0, now),
            achieved: 0.0,
        }
    }

    /// The rate for now.
    pub fn rate(&self) -> RatePps {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float-to-integer cast saturates"
        )]
        let whole = self.rate.round() as u32;
        RatePps::new(whole).unwrap_or(RatePps::MIN)
    }

    /// Looks at the counts and returns the rate from now on; to be called some twenty times a
    /// second or more.
    pub fn tick(&mut self, now: Timestamp, canaries: &Canaries, local: LocalCounts) -> RatePps {
        if now.since(self.groomed) >= Duration::from_secs(1) {
            self.groomed = now;
            canaries.groom();
        }
        self.measure(now, local.sent);
        self.collect(now, canaries);
        if self.judge_local(now, local) {
            return self.rate();
        }
        if canaries.is_empty() {
            if now.since(self.changed) >= STEP {
                let blind = f64::from(BLIND_PPS).min(self.most);
                self.set((self.rate * 2.0).min(blind.max(self.rate)), now);
            }
            return self.rate();
        }
        self.step(now);
        self.rate()
    }

    /// What really left, over a quarter of a second at least.
    fn measure(&mut self, now: Timestamp, sent: u64) {
        let span = now.since(self.mark.1);
        if span >= STEP {
            self.achieved = as_f64(sent.saturating_sub(self.mark.0)) / span.as_secs_f64();
            self.mark = (sent, now);
        }
    }

    /// Takes in the windows that can be judged by now and that were sent at this rate.
    fn collect(&mut self, now: Timestamp, canaries: &Canaries) {
        let judged = canaries.heard_until(now).before(canaries.settle());
        let ended = judged.as_nanos() / nanos(WINDOW);
        // What is too long ago is forgotten anyway.
        self.window = self.window.max(ended.saturating_sub(100));
        while self.window < ended {
            self.trial.push(canaries.tally(self.window));
            self.window += 1;
        }
    }

    /// Whether this host itself lost more than is suffered; the rate is cut then.
    fn judge_local(&mut self, now: Timestamp, local: LocalCounts) -> bool {
        let sent = local.sent.saturating_sub(self.local.sent);
        let dropped = local.dropped.saturating_sub(self.local.dropped);
        if sent < 1_000 && now.since(self.changed) < Duration::from_secs(1) {
            return false;
        }
        self.local = local;
        let loss = as_f64(dropped) / as_f64(sent.max(1));
        // What was under way when the rate was cut says nothing of the new one.
        let fresh = now.since(self.changed) >= STEP;
        if fresh && dropped > 4 && loss > EXCESS_LOSS_MAX {
            self.cut(loss.min(0.5), now);
            return true;
        }
        false
    }

    fn step(&mut self, now: Timestamp) {
        let waited = now.since(self.changed);
        match self.phase {
            Phase::Calibrate { before } => {
                if self.trial.all.sent >= 200 || self.trial.all.sent >= 20 && waited.as_secs() >= 2
                {
                    self.calibrate(before, now);
                }
            }
            Phase::SlowStart => {
                if self.is_breached(now) {
                } else if self.trial.all.sent >= 100
                    || self.trial.all.sent >= 20 && waited.as_secs() >= 1
                {
                    self.double(now);
                }
            }
            Phase::Recover { .. } => {
                if self.is_breached(now) {
                } else if self.trial.all.sent >= 100
                    || self.trial.all.sent >= 10 && waited.as_secs() >= 1
                {
                    self.stay(now);
                }
            }
            Phase::Steady { .. } => {
                if !self.is_breached(now) {
                    self.raise(now);
                }
            }
        }
    }

    fn calibrate(&mut self, before: Option<f64>, now: Timestamp) {
        let loss = self.trial.all.loss();
        let own = loss <= PLAUSIBLE_LOSS
            || before.is_some_and(|higher| is_unchanged(higher, loss, 0.5))
            || self.rate <= FLOOR_PPS;
        if own {
            self.baseline = self.trial.all;
            self.phase = Phase::SlowStart;
            self.double(now);
        } else {
            self.phase = Phase::Calibrate { before: Some(loss) };
            self.set(self.rate / 2.0, now);
        }
    }

    fn double(&mut self, now: Timestamp) {
        self.baseline.add(self.trial.all);
        if self.rate >= self.most {
            self.stay(now);
        } else if self.keeps_up() {
            self.set(self.rate * 2.0, now);
        } else {
            // This host can't go faster; what it does may be tried again now and then.
            self.trial = Trial::default();
        }
    }

    /// Whether more is lost than is suffered; the rate is cut then.
    fn is_breached(&mut self, now: Timestamp) -> bool {
        let Some(excess) = self.trial.excess(self.baseline) else { return false };
        if let Phase::Recover { from, loss, cuts } = self.phase {
            let lost = self.trial.recent().loss();
            if cuts >= 2 && self.rate <= from / 4.0 && is_unchanged(loss, lost, self.rate / from) {
                // A quarter of the rate loses as much: the path has become worse by itself.
                self.baseline = self.trial.all;
                self.phase = Phase::SlowStart;
                self.knee = None;
                self.set(self.rate * 2.0, now);
                return true;
            }
        }
        self.cut(excess, now);
        true
    }

    fn cut(&mut self, excess: f64, now: Timestamp) {
        // What came through is of what was really sent.
        let real = if self.achieved > self.rate / 2.0 { self.achieved } else { self.rate };
        let through = real.min(self.rate) * (1.0 - excess);
        let (from, loss, cuts) = match self.phase {
            Phase::Recover { from, loss, cuts } => (from, loss.max(excess), cuts + 1),
            _ => (self.rate, excess, 1),
        };
        let again = self.knee.is_some_and(|knee| (through / knee - 1.0).abs() < SAME);
        self.climb = if again || excess > PLAIN_EXCESS { CAREFUL } else { BOLD };
        self.knee = Some(through);
        self.phase = Phase::Recover { from, loss, cuts };
        // Much that goes on being lost is sought out faster; a little more than a limit is not.
        let part = if cuts > 2 && excess > PLAIN_EXCESS { MARGIN / 2.0 } else { MARGIN };
        self.set(through * part, now);
    }

    /// Goes on near this rate.
    const fn stay(&mut self, now: Timestamp) {
        self.phase = Phase::Steady { since: now, raised: now, growth: self.climb.growth };
    }

    /// Goes up a little, if it is time.
    fn raise(&mut self, now: Timestamp) {
        let Phase::Steady { since, raised, growth } = self.phase else { return };
        if now.since(raised) < STEP || !self.keeps_up() {
            return;
        }
        let part = now.since(raised).as_secs_f64().min(1.0);
        let near = self.knee.map_or(0.0, |knee| knee * NEAR);
        let (rate, growth) = if self.rate < near {
            ((self.rate * (1.0 + 0.1 * part)).min(near), growth)
        } else if now.since(since) < self.climb.hold {
            (self.rate, growth)
        } else {
            // Twice as fast each second that goes well.
            (self.rate * (1.0 + growth * part), (growth * (1.0 + part)).min(self.climb.growth_max))
        };
        self.phase = Phase::Steady { since, raised: now, growth };
        self.rate = rate.clamp(FLOOR_PPS, self.most);
    }

    /// Whether the senders do what they were told: beyond that nothing can be found out.
    fn keeps_up(&self) -> bool {
        self.achieved >= self.rate * 0.8
    }

    /// Changes the rate so much that a new trial begins.
    fn set(&mut self, rate: f64, now: Timestamp) {
        self.rate = rate.clamp(FLOOR_PPS.min(self.most), self.most);
        self.changed = now;
        self.window = window_after(now);
        self.trial = Trial::default();
    }
}

/// Whether a path that lost `before` and loses `after` at `part` of that rate loses by itself, and
/// not because of the rate: a limit would let through as much as before, up to all.
fn is_unchanged(before: f64, after: f64, part: f64) -> bool {
    let by_limit = (1.0 - (1.0 - before) / part).max(0.0);
    after > f64::midpoint(before, by_limit)
}

/// The first window that lies wholly after `now`, and after what senders take to hear of it.
fn window_after(now: Timestamp) -> u64 {
    (now + Duration::from_millis(10)).as_nanos() / nanos(WINDOW) + 1
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "2^53 packets are more than a scan sends")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
