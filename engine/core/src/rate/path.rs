//! A path in virtual time that lets through what a token bucket lets through, and the scan that
//! goes along it.

use std::collections::VecDeque;
use std::time::Duration;

use super::{LocalCounts, RateController};
use crate::canary::{CANARY_GAP, Canaries};
use crate::pacer::RatePps;
use crate::seed::Seed;
use crate::time::Timestamp;

/// What is simulated at once.
const STEP: Duration = Duration::from_micros(100);
/// Steps between two looks of the controller: 20 ms.
const LOOK: u64 = 200;
/// Packets that a host keeps while it is busy.
const BACKLOG_MAX: f64 = 1_000.0;

/// How a path is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Packets a second that are let through.
    pub(super) limit: f64,
    /// Packets that are let through at once.
    pub(super) bucket: f64,
    pub(super) rtt: Duration,
    /// The part that is lost whatever the rate.
    pub(super) loss: f64,
    /// How often a second the host before the limit is busy for a while, about two milliseconds
    /// each time, after which what had come meanwhile leaves at once.
    pub(super) stalls: f64,
    /// Hosts that answer.
    pub(super) hosts: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            limit: 200_000.0,
            bucket: 200.0,
            rtt: Duration::from_millis(5),
            loss: 0.0,
            stalls: 0.0,
            hosts: 64,
        }
    }
}

/// A path, and a controller that looks for its rate.
pub(super) struct Path {
    pub(super) shape: Shape,
    pub(super) canaries: Canaries,
    pub(super) controller: RateController,
    pub(super) now: Timestamp,
    /// Packets that left, and that came through, so far.
    pub(super) sent: f64,
    pub(super) through: f64,
    seed: Seed,
    steps: u64,
    tokens: f64,
    /// Until when the host is busy; what waits for it: packets, and canaries among them.
    busy_until: Timestamp,
    waiting: f64,
    waiting_canaries: Vec<(Timestamp, u64, u8)>,
    credit: f64,
    homeward: VecDeque<(Timestamp, u64, u8)>,
}

/// What a stretch of a run was like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    /// Packets a second.
    pub(super) rate: f64,
    /// The part of them that did not come through.
    pub(super) lost: f64,
}

impl Path {
    pub(super) fn new(shape: Shape, seed: u64) -> Self {
        let canaries = Canaries::new(8, CANARY_GAP);
        for index in 0..shape.hosts {
            canaries.offer(index, index, 0);
        }
        let most = RatePps::new(5_000_000).unwrap();
        Self {
            shape,
            canaries,
            controller: RateController::new(most, Timestamp::ZERO),
            now: Timestamp::ZERO,
            sent: 0.0,
            through: 0.0,
            seed: Seed(seed),
            steps: 0,
            tokens: shape.bucket,
            busy_until: Timestamp::ZERO,
            waiting: 0.0,
            waiting_canaries: Vec::new(),
            credit: 0.0,
            homeward: VecDeque::new(),
        }
    }

    pub(super) fn rate(&self) -> f64 {
        f64::from(self.controller.rate().get())
    }

    /// Runs for `millis`.
    pub(super) fn run(&mut self, millis: u64) -> Stretch {
        let (sent, through) = (self.sent, self.through);
        for _ in 0..millis * 10 {
            self.step();
        }
        let (sent, through) = (self.sent - sent, self.through - through);
        Stretch { rate: sent * 1_000.0 / super::as_f64(millis), lost: 1.0 - through / sent }
    }

    /// Runs for `millis` and says what each 100 ms were like.
    pub(super) fn watch(&mut self, millis: u64) -> Vec<Stretch> {
        (0..millis / 100).map(|_| self.run(100)).collect()
    }

    fn unit(&mut self) -> f64 {
        super::as_f64(self.seed.next() >> 11) / super::as_f64(1 << 53)
    }

    fn step(&mut self) {
        let step = STEP.as_secs_f64();
        let pps = self.rate();
        let packets = pps * step;
        self.sent += packets;
        self.waiting += packets;
        self.credit += packets * (2_000.0 / pps).clamp(0.01, 0.125);
        while self.credit >= 1.0 {
            self.credit -= 1.0;
            if let Some((index, pass)) = self.canaries.next(0, self.now) {
                self.waiting_canaries.push((self.now, index, pass));
            }
        }
        if self.unit() < self.shape.stalls * step {
            let mean = 0.002;
            let busy = -mean * self.unit().max(1e-9).ln();
            self.busy_until = self.now + Duration::from_secs_f64(busy.min(0.02));
        }
        self.now = self.now + STEP;
        let refill = self.shape.limit * step;
        self.tokens = (self.tokens + refill).min(self.shape.bucket.max(refill));
        if self.now >= self.busy_until {
            self.let_through();
        }
        while let Some((at, index, pass)) = self.homeward.front().copied()
            && at <= self.now
        {
            self.homeward.pop_front();
            self.canaries.hear(index, pass, at);
        }
        self.steps += 1;
        if self.steps.is_multiple_of(LOOK) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test")]
            let local = LocalCounts { sent: self.sent as u64, dropped: 0 };
            self.controller.tick(self.now, &self.canaries, local);
        }
    }

    /// What waits comes to the limit.
    fn let_through(&mut self) {
        let passed = self.waiting.min(BACKLOG_MAX).min(self.tokens);
        self.tokens -= passed;
        self.through += passed;
        let part = (1.0 - self.shape.loss) * passed / self.waiting;
        self.waiting = 0.0;
        for (_, index, pass) in std::mem::take(&mut self.waiting_canaries) {
            if self.unit() < part {
                self.homeward.push_back((self.now + self.shape.rtt, index, pass));
            }
        }
    }
}
