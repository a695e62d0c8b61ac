//! How fast to send.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::Timestamp;

/// The longest stall that is made up for: beyond it the lost time stays lost, so that no burst
/// follows a stall.
const CATCH_UP_MAX: Duration = Duration::from_millis(10);

/// Packets a second.
pub type RatePps = NonZeroU32;

/// A token bucket: says how many packets may leave now, or when the next may.
///
/// Over any span the number granted is within one packet of `rate × span`, less what stalls
/// beyond 10 ms lost.
#[derive(Debug, Clone)]
pub struct Pacer {
    nanos_per_packet: f64,
    /// When the next packet is due, as a fraction of nanoseconds for exact long-run rates.
    due_nanos: f64,
}

impl Pacer {
    /// Starts at `now` with `rate`.
    pub fn new(rate: RatePps, now: Timestamp) -> Self {
        Self { nanos_per_packet: 1e9 / f64::from(rate.get()), due_nanos: as_f64(now) }
    }

    /// How many packets may leave at `now`, at most `most`.
    pub fn allowance(&mut self, now: Timestamp, most: usize) -> usize {
        let now = as_f64(now);
        let behind_max = as_f64(Timestamp::ZERO + CATCH_UP_MAX);
        self.due_nanos = self.due_nanos.max(now - behind_max);
        if self.due_nanos > now {
            return 0;
        }
        let due = ((now - self.due_nanos) / self.nanos_per_packet).floor() + 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float-to-integer cast saturates"
        )]
        let due = due as usize;
        due.min(most)
    }

    /// Takes `sent` packets out of the allowance.
    pub fn spend(&mut self, sent: usize) {
        let sent = u32::try_from(sent).unwrap_or(u32::MAX);
        self.due_nanos += f64::from(sent) * self.nanos_per_packet;
    }

    /// When the next packet is due.
    pub fn due(&self) -> Timestamp {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float-to-integer cast saturates"
        )]
        Timestamp::from_nanos(self.due_nanos.ceil() as u64)
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days: exact for any scan")]
const fn as_f64(at: Timestamp) -> f64 {
    at.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a pacer in virtual time with wake-ups `late` after each due moment.
    fn run(rate: u32, late: Duration, seconds: u64) -> u64 {
        let mut pacer = Pacer::new(RatePps::new(rate).unwrap(), Timestamp::ZERO);
        let end = Timestamp::ZERO + Duration::from_secs(seconds);
        let (mut now, mut sent) = (Timestamp::ZERO, 0_u64);
        while now < end {
            let n = pacer.allowance(now, 256);
            pacer.spend(n);
            sent += n as u64;
            now =
                if n == 256 { now + Duration::from_micros(1) } else { pacer.due().max(now) + late };
        }
        sent
    }

    #[test]
    fn long_run_rates_are_exact_at_every_speed() {
        for rate in [1, 3, 100, 999, 10_000, 333_333, 2_000_000] {
            let sent = run(rate, Duration::from_micros(60), 10);
            let wanted = f64::from(rate) * 10.0;
            let sent = f64::from(u32::try_from(sent).unwrap());
            assert!((sent - wanted).abs() <= wanted * 0.01 + 1.0, "{rate}: {sent}");
        }
    }

    #[test]
    fn a_stall_is_not_followed_by_a_burst() {
        let mut pacer = Pacer::new(RatePps::new(1_000).unwrap(), Timestamp::ZERO);
        let after = Timestamp::ZERO + Duration::from_secs(5);
        assert_eq!(pacer.allowance(after, 10_000), 11, "10 ms at 1,000 a second, and the one due");
    }
}
