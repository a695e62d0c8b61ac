//! What keeps a scan from asking any one group of hosts too often, without a count for each group.
//!
//! A host is the smallest group, a subnet is the other one that there is.

use std::time::Duration;

use crate::endpoint::Family;
use crate::pacer::RatePps;
use crate::time::Timestamp;

/// Which addresses share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// None: each has its own.
    Host,
    /// Those of a /24 of IPv4 or a /64 of IPv6: what usually is one link behind one router.
    Subnet,
}

impl Grouping {
    /// Bits of an address that say which of its group it is.
    pub const fn host_bits(self, family: Family) -> u32 {
        match (self, family) {
            (Self::Host, _) => 0,
            (Self::Subnet, Family::V4) => 8,
            (Self::Subnet, Family::V6) => 64,
        }
    }
}

/// How late a probe may be and the next still come in time: so that batches are worth their name.
const LAG_MAX: Duration = Duration::from_micros(200);

/// A schedule in rounds of the striped order: no round is begun before the same part of the round
/// before is one period old.
///
/// Between two probes to a group one round passes, so they are one period apart, less what the
/// first was late by, at most half a period: in no second does a group get more than its rate and
/// one. That holds whatever is skipped, as skipping makes nothing earlier.
#[derive(Debug, Clone)]
pub struct GroupGate {
    nanos_per_round: f64,
    lag_nanos: f64,
    /// The last probe that was let through: its place in rounds, and its moment by schedule.
    last: Option<(f64, f64)>,
}

impl GroupGate {
    /// Lets no group be asked more often than `rate`.
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

/// The most that a host and a subnet may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupLimits {
    /// To any one host.
    pub host: Option<RatePps>,
    /// To any one subnet.
    pub subnet: Option<RatePps>,
}

impl GroupLimits {
    /// The order in which both can be kept: by the largest group that has a limit.
    pub const fn grouping(self) -> Option<Grouping> {
        match (self.host, self.subnet) {
            (_, Some(_)) => Some(Grouping::Subnet),
            (Some(_), None) => Some(Grouping::Host),
            (None, None) => None,
        }
    }

    /// What each of `senders` gets that ask the same subnets and know nothing of each other:
    /// `None` where there is less than one packet a second for each. A packet is left out for
    /// every further sender, as each may be one ahead.
    pub fn of_each(self, senders: u32) -> Option<Self> {
        let more = senders.saturating_sub(1);
        let part = |most: RatePps| {
            RatePps::new(most.get().saturating_sub(more) / senders.max(1)).map(Some)
        };
        Some(Self { subnet: self.subnet.map_or(Some(None), part)?, ..self })
    }
}

/// How probes and canaries share the limits of a group, if these leave room for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupShare {
    /// What the gates let through.
    pub probes: GroupLimits,
    /// The shortest time between two probes to the group's only canary.
    pub canary_gap: Duration,
}

impl GroupShare {
    /// The shares of `most`: an eighth of the lowest limit is for the canary, and one packet is
    /// left out, as each of two schedules may be one ahead. `None` below 16 packets a second, and
    /// without a limit.
    pub fn new(most: GroupLimits) -> Option<Self> {
        let canary = [most.host, most.subnet].into_iter().flatten().min()?.get() / 8;
        let rest = |most: RatePps| RatePps::new(most.get().saturating_sub(canary + 1));
        let probes =
            GroupLimits { host: most.host.and_then(rest), subnet: most.subnet.and_then(rest) };
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
    use crate::stripe::{Run, Stripe};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};

    /// Notes a probe at `now`, and returns how many there were in the second before.
    fn note<K: Ord>(times: &mut BTreeMap<K, VecDeque<u64>>, key: K, now: Timestamp) -> u32 {
        let times = times.entry(key).or_default();
        times.push_back(now.as_nanos());
        while times.front().is_some_and(|t| now.as_nanos() - t >= 1_000_000_000) {
            times.pop_front();
        }
        u32::try_from(times.len()).unwrap()
    }

    /// Sends groups of `shapes` (groups, hosts of each, ports of each) in three passes, some probes
    /// skipped and some late, and checks every second.
    fn check_limits(shapes: &[(u64, u64, u64)], subnet_pps: u32, host_pps: u32, seed: u64) {
        let (mut group, mut first) = (0_u128, 0_u64);
        let runs = shapes.iter().map(|&(groups, hosts, ports)| {
            let run = Run { group, groups, hosts, ports, first };
            group += u128::from(groups);
            first += groups * hosts * ports;
            run
        });
        let runs: Vec<Run> = runs.collect();
        let stripe = Stripe::new(runs.clone(), Seed(seed));
        let rate = |pps| RatePps::new(pps).unwrap();
        let mut gates = [rate(subnet_pps), rate(host_pps)].map(GroupGate::new);
        let (mut random, mut now) = (Seed(seed), Timestamp::ZERO);
        let (mut subnets, mut hosts) = (BTreeMap::new(), BTreeMap::new());
        for pass in [0.0, 1.0, 2.0] {
            for position in 0..first {
                let draw = random.next() % 100;
                if draw < 20 {
                    continue;
                }
                let element = stripe.element(position);
                let places = [
                    pass * stripe.rounds() + stripe.rounds_at(position),
                    pass * stripe.host_rounds() + stripe.host_rounds_at(position),
                ];
                for (gate, place) in gates.iter().zip(places) {
                    now = now.max(gate.due(place));
                }
                if draw > 95 {
                    now = now + Duration::from_micros(random.next() % 400_000);
                }
                for (gate, place) in gates.iter_mut().zip(places) {
                    gate.note(place, now);
                }
                let run = runs.iter().rfind(|run| run.first <= element).unwrap();
                let host = (element - run.first) / run.ports;
                let subnet = run.group + u128::from(host / run.hosts);
                let most = note(&mut subnets, subnet, now);
                assert!(most <= subnet_pps + 1, "{most} to a subnet, pass {pass}");
                let most = note(&mut hosts, (run.first, host), now);
                assert!(most <= host_pps + 1, "{most} to a host, pass {pass}");
            }
        }
    }

    proptest! {
        #[test]
        fn neither_hosts_nor_subnets_get_too_much_in_any_second_of_any_pass(
            shapes in prop::collection::vec((1_u64..4, 1_u64..12, 1_u64..12), 1..5),
            subnet_pps in 1_u32..60,
            host_pps in 1_u32..60,
            seed: u64,
        ) {
            check_limits(&shapes, subnet_pps, host_pps, seed);
        }
    }

    #[test]
    fn no_group_is_asked_too_often_whatever_is_skipped_or_late() {
        for (pps, hosts) in [(10_u32, 1_u64), (100, 7), (2_000, 50)] {
            let mut gate = GroupGate::new(RatePps::new(pps).unwrap());
            let mut random = Seed(u64::from(pps));
            let mut now = Timestamp::ZERO;
            let mut asked = vec![VecDeque::<u64>::new(); 50];
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
    fn limits_are_shared_without_a_packet_too_many() {
        let pps = RatePps::new;
        let both = GroupLimits { host: pps(32), subnet: pps(100) };
        let share = GroupShare::new(both).unwrap();
        assert_eq!(share.probes, GroupLimits { host: pps(27), subnet: pps(95) });
        assert_eq!(share.canary_gap, Duration::from_millis(250));
        assert_eq!(GroupShare::new(GroupLimits { host: pps(15), ..both }), None);
        assert_eq!(GroupShare::new(GroupLimits::default()), None);
        assert_eq!(both.of_each(1), Some(both));
        assert_eq!(both.of_each(3), Some(GroupLimits { host: pps(32), subnet: pps(32) }));
        assert_eq!(GroupLimits { subnet: pps(2), ..both }.of_each(2), None);
    }

    #[test]
    fn the_rate_is_reached() {
        let mut gate = GroupGate::new(RatePps::new(1_000).unwrap());
        let mut now = Timestamp::ZERO;
        for probe in 0..5_000 {
            // Woken 60 µs late each time.
            now = now.max(gate.due(f64::from(probe)) + Duration::from_micros(60));
            gate.note(f64::from(probe), now);
        }
        assert!(now.as_nanos() < 5_010_000_000, "{now:?}");
    }
}
