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
/// What is then added each second, as a part; twice as much after each half second in which nothing
/// was met, up to a most.
const GROWTH: f64 = 0.1;
const GROWTH_MAX: f64 = 1.0;
/// Between these parts of that rate it may be met again, and little is added each second: the loss
/// shows before it is large.
const NEAR: f64 = 0.96;
const BEYOND: f64 = 1.04;
const CAREFUL: f64 = 0.02;
/// How near to each other two such rates are.
const SAME: f64 = 0.15;
/// Lasting loss that leaves no doubt of a limit.
const PLAIN_EXCESS: f64 = 0.05;
/// How often a steady rate is raised.
const STEP: Duration = Duration::from_millis(250);
/// The path's own loss that is taken as such without trying a lower rate.
const PLAUSIBLE_LOSS: f64 = 0.01;
/// Loss of a path that is not there: it says nothing of a limit, nor of what the path loses when it
/// is there again.
const GONE: f64 = 0.9;

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

/// Cuts of which it is not known yet whether they have helped.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Doubt {
    /// The rate before the first of them.
    from: f64,
    /// What was lost before each.
    lost: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Finding out what the path loses at a low rate; the loss at twice this rate, if that was
    /// tried.
    Calibrate { before: Option<f64> },
    /// Doubling until something is lost.
    SlowStart,
    /// After a cut.
    Recover,
    /// Near the best rate: when it was raised last, and what is added each second beyond it.
    Steady { raised: Timestamp, growth: f64 },
}

/// Finds the rate.
///
/// Loss is seen by canaries, which know of the whole path and both directions, and by this host's
/// own counters. The rate doubles from a low one until the loss exceeds what was lost at low rates
/// by more than chance explains; it is then cut to what came through less a tenth, goes up to near
/// that rate, slowly past it, and beyond faster the longer it goes well. Cuts that do not help are
/// remembered until one does: loss that is the same at a quarter of the rate is the path's own and
/// no reason to be slow. Where nearly all is lost, the path is gone, and the search begins anew.
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
    /// Cuts that may be for nothing.
    doubt: Option<Doubt>,
    /// The rate that came through when it was last too high.
    knee: Option<f64>,
    /// Whether that is the path's limit rather than a moment's loss that had another cause.
    sure: bool,
    /// When the rate last changed so that older probes tell nothing of it.
    changed: Timestamp,
    /// The next window to be judged.
    window: u64,
    groomed: Timestamp,
    local: LocalCounts,
    /// What was sent so far.
    sent: u64,
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
            doubt: None,
            knee: None,
            sure: false,
            changed: now,
            window: window_after(now),
            groomed: now,
            local: LocalCounts::default(),
            sent: 0,
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

    /// What really left: over a quarter of a second, or since the rate was set if that is less, so
    /// that no other rate is mixed in.
    fn measure(&mut self, now: Timestamp, sent: u64) {
        self.sent = sent;
        let span = now.since(self.mark.1);
        if span >= STEP || span >= WINDOW && self.mark.1 == self.changed {
            self.achieved = as_f64(sent.saturating_sub(self.mark.0)) / span.as_secs_f64();
        }
        if span >= STEP {
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
        self.reconsider();
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
            Phase::Recover => {
                if self.is_breached(now) {
                } else if self.trial.all.sent >= 100
                    || self.trial.all.sent >= 10 && waited.as_secs() >= 1
                {
                    // What is still lost with a margin below the limit is the path's own.
                    self.baseline.add(self.trial.all);
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

    /// Takes back what was thought of the path and is not so, or no longer.
    fn reconsider(&mut self) {
        if let Some(better) = self.trial.better(self.baseline) {
            self.baseline = better;
        }
        let helped = |doubt: &Doubt| self.trial.better(doubt.lost).is_some();
        self.doubt = self.doubt.filter(|doubt| self.rate <= doubt.from && !helped(doubt));
    }

    fn calibrate(&mut self, before: Option<f64>, now: Timestamp) {
        let loss = self.trial.all.loss();
        let unchanged = before.is_some_and(|higher| is_unchanged(higher, loss, 0.5));
        let own = loss <= PLAUSIBLE_LOSS || unchanged && loss < GONE || self.rate <= FLOOR_PPS;
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
        if excess >= GONE {
            self.phase = Phase::Calibrate { before: None };
            (self.doubt, self.knee) = (None, None);
            self.set(self.rate.min(f64::from(START_PPS)), now);
            return true;
        }
        if let Some(Doubt { from, lost }) = self.doubt {
            let (before, after) = (lost.loss(), self.trial.all.loss());
            let part = self.rate / from;
            if part <= 0.25 && is_unchanged(before, after, part) {
                // A quarter of the rate loses as much: the path has become worse by itself.
                self.baseline = self.trial.all;
                self.phase = Phase::SlowStart;
                (self.doubt, self.knee) = (None, None);
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
        let began = Doubt { from: self.rate, lost: Tally::default() };
        let mut doubt = self.doubt.unwrap_or(began);
        doubt.lost.add(self.trial.recent());
        self.doubt = Some(doubt);
        let again = self.knee.is_some_and(|knee| (through / knee - 1.0).abs() < SAME);
        self.sure = again || excess > PLAIN_EXCESS;
        self.knee = Some(through);
        self.phase = Phase::Recover;
        self.set(through * MARGIN, now);
    }

    /// Goes on near this rate.
    const fn stay(&mut self, now: Timestamp) {
        self.phase = Phase::Steady { raised: now, growth: GROWTH };
    }

    /// Goes up a little, if it is time.
    fn raise(&mut self, now: Timestamp) {
        let Phase::Steady { raised, growth } = self.phase else { return };
        if now.since(raised) < STEP || !self.keeps_up() {
            return;
        }
        let part = now.since(raised).as_secs_f64().min(1.0);
        let grown = |growth: f64| self.rate * (1.0 + growth * part);
        let limit = self.knee.filter(|_| self.sure).unwrap_or(0.0);
        let (rate, growth) = if self.rate < limit * NEAR {
            (grown(GROWTH).min(limit * NEAR), growth)
        } else if self.rate < limit * BEYOND {
            (grown(CAREFUL), growth)
        } else {
            (grown(growth), (growth * (1.0 + 2.0 * part)).min(GROWTH_MAX))
        };
        self.phase = Phase::Steady { raised: now, growth };
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
        self.mark = (self.sent, now);
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

/// Where tests send.
#[cfg(test)]
mod path;
#[cfg(test)]
mod tests;
