//! What keeps a scan from asking any one host too often, without a count for each host.

use std::time::Duration;

use crate::pacer::RatePps;
use crate::time::Timestamp;

/// How late a probe may be and the next still come in time: so that batches are worth their name.
const LAG_MAX: Duration = Duration::from_micros(200);

/// A schedule in rounds of the striped order: no round is begun before the same part of the round
/// before is one period old.
///
/// Between two probes to a host one round passes, so they are one period apart, less what the
/// first was late by, at most half a period: in no second does a host get more than its rate and
/// one. That holds whatever is skipped, as skipping makes nothing earlier.
#[derive(Debug, Clone)]
pub struct HostGate {
    nanos_per_round: f64,
    lag_nanos: f64,
    /// The last probe that was let through: its place in rounds, and its moment by schedule.
    last: Option<(f64, f64)>,
}

impl HostGate {
    /// Lets no host be asked more often than `rate`.
    pub fn new(rate: RatePps) -> Self {
        let nanos_per_round = 1e9 / f64::from(rate.get());
        let lag_nanos = as_f64(Timestamp::ZERO + LAG_MAX).min(nanos_per_round / 2.0);
        Self { nanos_per_round, lag_nanos, last: None }
    }

    /// When the probe at `rounds` of the striped order may leave, passes before counted in.
    pub fn due(&self, rounds: f64) -> Timestamp {
        let due = self.due_nanos(rounds);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float-to-integer cast saturates"
        )]
        Timestamp::from_nanos(due.max(0.0).ceil() as u64)
    }

    /// Notes that the probe at `rounds` leaves at `now`, not before it is due. Places rise.
    pub fn note(&mut self, rounds: f64, now: Timestamp) {
        self.last = Some((rounds, self.due_nanos(rounds).max(as_f64(now) - self.lag_nanos)));
    }

    fn due_nanos(&self, rounds: f64) -> f64 {
        self.last.map_or(0.0, |(at, nanos)| nanos + (rounds - at) * self.nanos_per_round)
    }
}

/// How probes and canaries share the limit of a host, if it leaves room for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostShare {
    /// What the gate lets through.
    pub probes: RatePps,
    /// The shortest time between two probes to the host's only canary.
    pub canary_gap: Duration,
}

impl HostShare {
    /// The shares of `most`: an eighth is for the canary, and one packet is left out, as each of
    /// two schedules may be one ahead. `None` below 16 packets a second.
    pub fn new(most: RatePps) -> Option<Self> {
        let canary = most.get() / 8;
        let probes = RatePps::new(most.get().checked_sub(canary + 1)?)?;
        (canary >= 2).then(|| Self { probes, canary_gap: Duration::from_secs(1) / canary })
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days: exact for any scan")]
const fn as_f64(at: Timestamp) -> f64 {
    at.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn no_host_is_asked_too_often_whatever_is_skipped_or_late() {
        for (pps, hosts) in [(10_u32, 1_u64), (100, 7), (2_000, 50)] {
            let mut gate = HostGate::new(RatePps::new(pps).unwrap());
            let mut random = Seed(u64::from(pps));
            let mut now = Timestamp::ZERO;
            let mut asked = vec![std::collections::VecDeque::<u64>::new(); 50];
            for position in 0..20_000_u64 {
                let host = usize::try_from(position % hosts).unwrap();
                let draw = random.next() % 100;
                if draw < 30 {
                    continue;
                }
                let rounds = f64::from(u32::try_from(position).unwrap())
                    / f64::from(u32::try_from(hosts).unwrap());
                now = now.max(gate.due(rounds));
                if draw > 97 {
                    // The sender was kept from sending.
                    now = now + Duration::from_micros(random.next() % 30_000);
                }
                gate.note(rounds, now);
                let times = &mut asked[host];
                times.push_back(now.as_nanos());
                while times.front().is_some_and(|t| now.as_nanos() - t >= 1_000_000_000) {
                    times.pop_front();
                }
                assert!(times.len() <= pps as usize + 1, "{pps}: {}", times.len());
            }
        }
    }

    #[test]
    fn the_rate_is_reached() {
        let mut gate = HostGate::new(RatePps::new(1_000).unwrap());
        let mut now = Timestamp::ZERO;
        for probe in 0..5_000 {
            // Woken 60 µs late each time.
            now = now.max(gate.due(f64::from(probe)) + Duration::from_micros(60));
            gate.note(f64::from(probe), now);
        }
        assert!(now.as_nanos() < 5_010_000_000, "{now:?}");
    }
}
