//! What answers where: a network that is a function of a seed, so that the truth about it is
//! exact and no table of it is kept.

use std::net::Ipv4Addr;
use std::time::Duration;

/// The latest answer of a slow host.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(8);
/// Resets a second that a limited host sends.
pub(crate) const RESETS_PER_SECOND_MAX: u32 = 100;

/// A network. Chances are 0 to 1.
///
/// `bench/bpf/responder.bpf.c` says the same in C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// Its first address.
    pub(crate) network: Ipv4Addr,
    /// The length of its prefix.
    pub(crate) prefix: u8,
    /// Hosts that are there.
    pub(crate) alive: f64,
    /// Ports of a host that are open.
    pub(crate) open: f64,
    /// Ports of a host that say nothing.
    pub(crate) silent: f64,
    /// Hosts that are open on every port.
    pub(crate) everything: f64,
    /// Hosts that answer late, up to [`DELAY_MAX`].
    pub(crate) slow: f64,
    /// Hosts that answer everything twice.
    pub(crate) twice: f64,
    /// Hosts that send at most [`RESETS_PER_SECOND_MAX`] resets a second.
    pub(crate) limited: f64,
    /// Probes lost on their way.
    pub(crate) loss_in: f64,
    /// Answers lost on their way.
    pub(crate) loss_out: f64,
}

/// What a probe is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing.
    Silence,
    /// SYN-ACK.
    Open,
    /// RST.
    Closed,
}

/// How a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// At once, once.
    Plain,
    /// After this long.
    Slow(Duration),
    /// Two times.
    Twice,
    /// Resets at a bounded rate.
    Limited,
}

impl World {
    /// A lossless network of plain hosts: a quarter alive, a twentieth of their ports open.
    pub(crate) const fn plain(seed: u64, network: Ipv4Addr, prefix: u8) -> Self {
        Self {
            seed,
            network,
            prefix,
            alive: 0.25,
            open: 0.05,
            silent: 0.0,
            everything: 0.0,
            slow: 0.0,
            twice: 0.0,
            limited: 0.0,
            loss_in: 0.0,
            loss_out: 0.0,
        }
    }

    /// What `port` of `addr` answers, and how.
    pub(crate) fn answer(&self, addr: Ipv4Addr, port: u16) -> (Answer, Manner) {
        let host = mix(self.seed ^ u64::from(u32::from(addr)));
        if !self.holds(addr) || high(host) >= parts(self.alive) {
            return (Answer::Silence, Manner::Plain);
        }
        let kind = high(mix(host ^ 1));
        let mut bound = parts(self.everything);
        if kind < bound {
            return (Answer::Open, Manner::Plain);
        }
        let manners = [
            (self.slow, Manner::Slow(delay(host))),
            (self.twice, Manner::Twice),
            (self.limited, Manner::Limited),
        ];
        let manner = manners.into_iter().find(|(chance, _)| {
            bound += parts(*chance);
            kind < bound
        });
        let manner = manner.map_or(Manner::Plain, |(_, manner)| manner);
        let place = high(mix(host ^ u64::from(port) << 16));
        let answer = if place < parts(self.open) {
            Answer::Open
        } else if place < parts(self.open) + parts(self.silent) {
            Answer::Silence
        } else {
            Answer::Closed
        };
        (answer, manner)
    }

    /// Its addresses.
    pub(crate) fn addrs(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let first = u32::from(self.network);
        (first..=first | !self.mask()).map(Ipv4Addr::from)
    }

    /// Whether `addr` is one of its addresses.
    pub(crate) fn holds(&self, addr: Ipv4Addr) -> bool {
        u32::from(addr) & self.mask() == u32::from(self.network)
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// What the program in C is told, in its order; chances in parts of 2³².
    #[cfg(feature = "bpf")]
    pub(crate) fn parameters(&self) -> [u64; 12] {
        [
            self.seed,
            u64::from(u32::from(self.network)),
            u64::from(self.mask()),
            parts(self.alive),
            parts(self.open),
            parts(self.silent),
            parts(self.everything),
            parts(self.slow),
            parts(self.twice),
            parts(self.limited),
            parts(self.loss_in),
            parts(self.loss_out),
        ]
    }
}

/// How late a slow host is.
fn delay(host: u64) -> Duration {
    let millis = u64::try_from(DELAY_MAX.as_millis()).unwrap_or(0);
    Duration::from_millis((high(mix(host ^ 2)) * millis) >> 32)
}

/// A chance in parts of 2³².
pub(crate) fn parts(chance: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^32 after the clamp"
    )]
    let parts = (chance.clamp(0.0, 1.0) * 4_294_967_296.0).round() as u64;
    parts
}

const fn high(hash: u64) -> u64 {
    hash >> 32
}

/// One step of splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators",
/// 2014).
pub(crate) const fn mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_as_large_as_asked_for() {
        let world = World {
            silent: 0.25,
            everything: 0.1,
            slow: 0.1,
            twice: 0.1,
            limited: 0.1,
            ..World::plain(7, Ipv4Addr::new(10, 78, 0, 0), 16)
        };
        let (mut alive, mut open, mut silent, mut slow, mut all) = (0, 0, 0, 0, 0);
        for addr in world.addrs() {
            let answers: Vec<_> = (1..=64).map(|port| world.answer(addr, port)).collect();
            let count = |wanted| answers.iter().filter(|(a, _)| *a == wanted).count();
            if count(Answer::Silence) == 64 {
                continue;
            }
            alive += 1;
            if count(Answer::Open) == 64 {
                all += 1;
                continue;
            }
            open += count(Answer::Open);
            silent += count(Answer::Silence);
            if let Some((_, Manner::Slow(delay))) = answers.first() {
                assert!(*delay < DELAY_MAX);
                slow += 1;
            }
        }
        let near = |part: usize, whole: usize, percent: usize| {
            (percent * 9..=percent * 11).contains(&(part * 1_000 / whole))
        };
        assert!(near(alive, 65_536, 25), "{alive}");
        assert!(near(all, alive, 10) && near(slow, alive, 10), "{all} {slow} of {alive}");
        let ports = (alive - all) * 64;
        assert!(near(open, ports, 5) && near(silent, ports, 25), "{open} {silent} of {ports}");
    }

    #[test]
    fn nothing_is_beyond_the_network() {
        let world = World { alive: 1.0, ..World::plain(1, Ipv4Addr::new(10, 78, 0, 0), 24) };
        assert_ne!(world.answer(Ipv4Addr::new(10, 78, 0, 255), 9).0, Answer::Silence);
        assert_eq!(world.answer(Ipv4Addr::new(10, 78, 1, 0), 9).0, Answer::Silence);
        assert_eq!(world.addrs().count(), 256);
    }
}
