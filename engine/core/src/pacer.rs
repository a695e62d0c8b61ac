//! How fast to send.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::Timestamp;

/// Packets a second.
pub type RatePps = NonZeroU32;

/// How a pacer behaves after the sender was kept from sending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothness {
    /// The longest stall that is made up for; time beyond it stays lost.
    pub lag_max: Duration,
    /// How many times as fast as its rate it goes while it makes up for one; at least 1.
    pub catch_up: f64,
    /// Packets that may leave at once: as many as are due in this time …
    pub burst: Duration,
    /// … and at least so many.
    pub burst_min: u32,
}

impl Smoothness {
    /// For a rate that was asked for: stalls of up to 100 ms are made up for at twice the rate, and
    /// never in a burst of more than 200 µs' worth, or of four packets. A sender that gets half of
    /// its processor's time still keeps the rate.
    pub const EXACT: Self = Self {
        lag_max: Duration::from_millis(100),
        catch_up: 2.0,
        burst: Duration::from_micros(200),
        burst_min: 4,
    };
    /// For a rate that is being found: what a path polices is the shortest burst, so stalls are
    /// not made up for. Four packets are fewer than any usual policer's bucket holds.
    pub const SMOOTH: Self = Self {
        lag_max: Duration::from_millis(1),
        catch_up: 1.0,
        burst: Duration::from_micros(20),
        burst_min: 4,
    };
}

/// A schedule with a bucket: says how many packets may leave now, or when the next may.
///
/// Over any span the number granted is within a burst of `rate × span`, less what stalls beyond
/// the longest that is made up for lost.
#[derive(Debug, Clone)]
pub struct Pacer {
    smoothness: Smoothness,
    rate: RatePps,
    nanos_per_packet: f64,
    /// When the next packet is due, as a fraction of nanoseconds for exact long-run rates.
    due_nanos: f64,
    /// When the bucket lets the next packet go; in the past as far as the bucket is deep.
    gate_nanos: f64,
}

impl Pacer {
    /// Starts at `now` with `rate`, [`Smoothness::EXACT`].
    pub fn new(rate: RatePps, now: Timestamp) -> Self {
        Self::with_smoothness(rate, Smoothness::EXACT, now)
    }

    /// Starts at `now` with `rate`.
    pub fn with_smoothness(rate: RatePps, smoothness: Smoothness, now: Timestamp) -> Self {
        let (due_nanos, gate_nanos) = (as_f64(now), as_f64(now));
        let nanos_per_packet = nanos_per_packet(rate);
        Self { smoothness, rate, nanos_per_packet, due_nanos, gate_nanos }
    }

    /// What it keeps to.
    pub const fn rate(&self) -> RatePps {
        self.rate
    }

    /// Goes on with another rate from `now` on; nothing is owed from before.
    pub fn set_rate(&mut self, rate: RatePps, now: Timestamp) {
        if rate == self.rate {
            return;
        }
        (self.rate, self.nanos_per_packet) = (rate, nanos_per_packet(rate));
        let soonest = as_f64(now) + self.nanos_per_packet;
        self.due_nanos = self.due_nanos.clamp(as_f64(now), soonest);
        self.gate_nanos = self.gate_nanos.min(soonest);
    }

    /// How many packets may leave at `now`, at most `most`.
    pub fn allowance(&mut self, now: Timestamp, most: usize) -> usize {
        let now = as_f64(now);
        let spacing = self.spacing();
        let burst = as_f64(Timestamp::ZERO + self.smoothness.burst) / self.nanos_per_packet;
        let burst = burst.max(f64::from(self.smoothness.burst_min));
        self.due_nanos =
            self.due_nanos.max(now - as_f64(Timestamp::ZERO + self.smoothness.lag_max));
        self.gate_nanos = self.gate_nanos.max(now - (burst - 1.0) * spacing);
        if self.due_nanos > now || self.gate_nanos > now {
            return 0;
        }
        // A millionth of a packet is what floating-point numbers are off by.
        let due = ((now - self.due_nanos) / self.nanos_per_packet + 1e-6).floor() + 1.0;
        let let_go = ((now - self.gate_nanos) / spacing + 1e-6).floor() + 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float-to-integer cast saturates"
        )]
        let allowed = due.min(let_go) as usize;
        allowed.min(most)
    }

    /// Takes `sent` packets out of the allowance.
    pub fn spend(&mut self, sent: usize) {
        let sent = f64::from(u32::try_from(sent).unwrap_or(u32::MAX));
        self.gate_nanos += sent * self.spacing();
        self.due_nanos += sent * self.nanos_per_packet;
    }

    /// When to ask again: when the next packet is due, and where many are due in the time of a
    /// burst, when half a burst is. Who sleeps meanwhile is woken at once even on a busy host; who
    /// spins is soon made to wait for milliseconds, which are hard to make up for.
    pub fn due(&self) -> Timestamp {
        let half = as_f64(Timestamp::ZERO + self.smoothness.burst) / 2.0 / self.nanos_per_packet;
        let more = (half.floor() - 1.0).max(0.0);
        let due_nanos = self.due_nanos + more * self.nanos_per_packet;
        let gate_nanos = self.gate_nanos + more * self.spacing();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float-to-integer cast saturates"
        )]
        Timestamp::from_nanos(due_nanos.max(gate_nanos).ceil() as u64)
    }

    fn spacing(&self) -> f64 {
        self.nanos_per_packet / self.smoothness.catch_up
    }
}

fn nanos_per_packet(rate: RatePps) -> f64 {
    1e9 / f64::from(rate.get())
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days: exact for any scan")]
const fn as_f64(at: Timestamp) -> f64 {
    at.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(pps: u32) -> RatePps {
        RatePps::new(pps).unwrap()
    }

    /// Runs a pacer in virtual time with wake-ups `late` after each due moment and a stall of
    /// `stall` in every second; returns what was sent, and the most in any millisecond.
    fn run(pps: u32, late: Duration, stall: Duration, seconds: u64) -> (u64, u64) {
        let mut pacer = Pacer::new(rate(pps), Timestamp::ZERO);
        let end = Timestamp::ZERO + Duration::from_secs(seconds);
        let (mut now, mut sent, mut stalls) = (Timestamp::ZERO, 0_u64, 0);
        let mut recent = std::collections::VecDeque::<(Timestamp, u64)>::new();
        let mut most = 0;
        while now < end {
            let n = pacer.allowance(now, 256);
            pacer.spend(n);
            sent += n as u64;
            recent.push_back((now, n as u64));
            while recent.front().is_some_and(|(at, _)| now.since(*at).as_micros() >= 1_000) {
                recent.pop_front();
            }
            most = most.max(recent.iter().map(|(_, n)| n).sum());
            now =
                if n == 256 { now + Duration::from_micros(1) } else { pacer.due().max(now) + late };
            if now.as_nanos() / 1_000_000_000 > stalls {
                stalls += 1;
                now = now + stall;
            }
        }
        (sent, most)
    }

    #[test]
    fn long_run_rates_are_exact_at_every_speed() {
        for pps in [1, 3, 100, 999, 10_000, 333_333, 2_000_000] {
            let (sent, _) = run(pps, Duration::from_micros(60), Duration::ZERO, 10);
            let wanted = f64::from(pps) * 10.0;
            let sent = f64::from(u32::try_from(sent).unwrap());
            assert!((sent - wanted).abs() <= wanted * 0.01 + 1.0, "{pps}: {sent}");
        }
    }

    #[test]
    fn stalls_are_made_up_for_without_a_burst() {
        for pps in [10_000, 100_000, 500_000] {
            let stall = Duration::from_millis(50);
            let (sent, most) = run(pps, Duration::from_micros(5), stall, 10);
            let wanted = u64::from(pps) * 10;
            assert!(sent.abs_diff(wanted) <= wanted / 100, "{pps}: {sent}");
            // Twice the rate, and one burst.
            let bound = u64::from(pps) / 1_000 * 2 + u64::from(pps) / 5_000 + 4;
            assert!(most <= bound, "{pps}: {most} in a millisecond; at most {bound}");
        }
    }

    #[test]
    fn a_long_stall_is_not_followed_by_a_burst() {
        let after = Timestamp::ZERO + Duration::from_secs(5);
        let mut pacer = Pacer::new(rate(1_000), Timestamp::ZERO);
        assert_eq!(pacer.allowance(after, 10_000), 4);
        let mut smooth = Pacer::with_smoothness(rate(150_000), Smoothness::SMOOTH, Timestamp::ZERO);
        assert_eq!(smooth.allowance(after, 10_000), 4);
        smooth.spend(4);
        assert_eq!(smooth.allowance(after, 10_000), 0);
    }

    #[test]
    fn a_fast_sender_may_sleep() {
        let from = |pacer: &mut Pacer| {
            let burst = pacer.allowance(Timestamp::ZERO, 256);
            pacer.spend(burst);
            pacer.due().since(Timestamp::ZERO).as_micros()
        };
        for pps in [40_000, 100_000, 500_000] {
            let mut exact = Pacer::new(rate(pps), Timestamp::ZERO);
            let slept = from(&mut exact);
            assert!((50..=101).contains(&slept), "{pps}: {slept}");
            let due = exact.allowance(exact.due(), 256);
            assert_eq!(u32::try_from(due).unwrap(), pps / 10_000, "{pps}");
        }
        let mut slow = Pacer::new(rate(1_000), Timestamp::ZERO);
        assert_eq!(from(&mut slow), 1_000, "its packets are not held back");
        let smooth = Smoothness::SMOOTH;
        let mut smooth = Pacer::with_smoothness(rate(200_000), smooth, Timestamp::ZERO);
        assert!(from(&mut smooth) <= 10);
    }

    #[test]
    fn late_wake_ups_are_made_up_for() {
        for (pps, late) in [(1_000, 1_000), (10_000, 250), (100_000, 140), (500_000, 140)] {
            let (sent, _) = run(pps, Duration::from_micros(late), Duration::ZERO, 10);
            let wanted = u64::from(pps) * 10;
            assert!(sent.abs_diff(wanted) <= wanted / 100, "{pps}: {sent}");
        }
    }

    #[test]
    fn a_new_rate_holds_from_its_moment_on() {
        let mut pacer = Pacer::new(rate(1), Timestamp::ZERO);
        assert_eq!(pacer.allowance(Timestamp::ZERO, 9), 1);
        pacer.spend(1);
        pacer.set_rate(rate(1_000), Timestamp::ZERO);
        assert_eq!(pacer.due(), Timestamp::ZERO + Duration::from_millis(1));
        pacer.set_rate(rate(10), Timestamp::ZERO + Duration::from_secs(1));
        assert_eq!(pacer.rate(), rate(10));
        assert_eq!(pacer.allowance(Timestamp::ZERO + Duration::from_secs(1), 9), 1);
    }
}
