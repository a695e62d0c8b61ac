//! A network in virtual time: probes go in as octets, answers come out as octets, and everything
//! between is fixed by a seed.
//!
//! The network shares no code with the engine that it tests, save the vocabulary: probes are read
//! and answers are written by etherparse, and a host's behaviour is a function of seed, address and
//! port, so that the truth is known without a table. There is no thread, no clock and no sleep.

/// Running a plan against a network.
pub mod drive;
/// What goes wrong on the way.
pub mod faults;
/// Who answers without having been asked.
pub mod forger;
/// The ways there, for plans.
pub mod hops;
/// Frames that mean harm.
pub mod hostile;
/// The truth, and how a scan compares with it.
pub mod oracle;
/// Payloads whose echo is simple.
pub mod payloads;
/// Reading probes.
pub mod probe;
/// Writing answers.
pub mod reply;
/// Repeatable chance.
pub mod rng;
/// A receiver under hostile frames.
pub mod siege;
/// Who is there and how they behave.
pub mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use portolan_core::endpoint::addr_bits;
use portolan_core::group_gate::Grouping;
use portolan_core::link::Encapsulation;
use portolan_core::{Endpoint, Family, Timestamp};

pub use drive::{Checkpoint, Driver, Outcome};
pub use faults::Faults;
pub use forger::Forger;
pub use hostile::{Harm, Hostile};
pub use oracle::{Oracle, Score, Verdict};
pub use payloads::EchoPayloads;
pub use rng::{Rng, seed_from_env};
pub use siege::{Siege, Tally};
pub use world::{Mix, World};

use probe::Probe;
use world::Answer;

/// Packets that a limited path lets through at once.
pub const BUCKET_LEN: f64 = 5.0;

/// A frame on its way to the scanner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    arrives: Timestamp,
    /// Ties are broken by the order of sending, so that a run repeats exactly.
    number: u64,
    arrival: Arrival,
}

/// A frame that arrives at the scanner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// The octets.
    pub frame: Vec<u8>,
    /// Whether a bit of it was turned on the way.
    pub corrupted: bool,
}

/// What the network itself counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WireCounts {
    /// Probes handed to the network.
    pub probes: u64,
    /// Probes that were not sound when they were handed over: always a bug of the sender.
    pub unsound: u64,
    /// Probes that were lost, or refused by their receiver because a bit was turned.
    pub probes_lost: u64,
    /// Answers sent by hosts and routers, repetitions and duplicates included.
    pub answers: u64,
    /// Answers that were lost.
    pub answers_lost: u64,
    /// Answers that arrive with a bit turned.
    pub answers_corrupted: u64,
}

/// The network beyond one link of the scanner.
pub struct Network {
    world: World,
    encapsulation: Encapsulation,
    outward: Faults,
    homeward: Faults,
    rng: Rng,
    queue: BinaryHeap<Reverse<Flight>>,
    sent: u64,
    asked: BTreeMap<Endpoint, u32>,
    /// The path's limits in packets a second, each from its moment on.
    limits: Vec<(Timestamp, u32)>,
    /// Packets that the path would let through at once, and when that was counted.
    bucket: (f64, Timestamp),
    most_to_a_host: Busiest<std::net::IpAddr>,
    most_to_a_subnet: Busiest<(Family, u128)>,
    /// Per limited host: the moment its next ICMP error may leave.
    next_error: BTreeMap<std::net::IpAddr, Timestamp>,
    counts: WireCounts,
}

/// When each of some was asked in the last second, and the most that any was in one.
struct Busiest<K> {
    recent: BTreeMap<K, VecDeque<Timestamp>>,
    most: usize,
}

impl<K> Default for Busiest<K> {
    fn default() -> Self {
        Self { recent: BTreeMap::new(), most: 0 }
    }
}

impl<K: Ord> Busiest<K> {
    fn note(&mut self, now: Timestamp, key: K) {
        let times = self.recent.entry(key).or_default();
        times.push_back(now);
        while times.front().is_some_and(|at| now.since(*at) >= Duration::from_secs(1)) {
            times.pop_front();
        }
        self.most = self.most.max(times.len());
    }
}

impl Network {
    /// The network of `world` without faults, behind a link of `encapsulation`.
    pub fn new(world: World, encapsulation: Encapsulation) -> Self {
        let rng = Rng::new(world.seed()).fork("network");
        Self {
            world,
            encapsulation,
            outward: Faults::NONE,
            homeward: Faults::NONE,
            rng,
            queue: BinaryHeap::new(),
            sent: 0,
            asked: BTreeMap::new(),
            limits: Vec::new(),
            bucket: (0.0, Timestamp::ZERO),
            most_to_a_host: Busiest::default(),
            most_to_a_subnet: Busiest::default(),
            next_error: BTreeMap::new(),
            counts: WireCounts::default(),
        }
    }

    /// The same network with `outward` faults for probes and `homeward` ones for answers.
    #[must_use]
    pub const fn with_faults(mut self, outward: Faults, homeward: Faults) -> Self {
        self.outward = outward;
        self.homeward = homeward;
        self
    }

    /// The same network with a path that lets so many probes a second through and drops the
    /// others: a token bucket of [`BUCKET_LEN`] packets. Each limit holds from its moment on, in
    /// rising order.
    #[must_use]
    pub fn with_limits(mut self, limits: Vec<(Timestamp, u32)>) -> Self {
        self.limits = limits;
        self
    }

    /// Who is there.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// How its frames begin.
    pub const fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }

    /// What was counted so far.
    pub const fn counts(&self) -> &WireCounts {
        &self.counts
    }

    /// Every endpoint that was probed, and how often: counted where probes are handed over, before
    /// any of them is lost.
    pub const fn asked(&self) -> &BTreeMap<Endpoint, u32> {
        &self.asked
    }

    /// The most probes to one host in any second.
    pub const fn most_to_a_host(&self) -> usize {
        self.most_to_a_host.most
    }

    /// The most probes to one /24 or /64 in any second.
    pub const fn most_to_a_subnet(&self) -> usize {
        self.most_to_a_subnet.most
    }

    fn note(&mut self, now: Timestamp, target: std::net::IpAddr) {
        self.most_to_a_host.note(now, target);
        let family = Family::of(target);
        let subnet = addr_bits(target) >> Grouping::Subnet.host_bits(family);
        self.most_to_a_subnet.note(now, (family, subnet));
    }

    /// Takes a probe that leaves at `now`.
    pub fn send(&mut self, now: Timestamp, frame: &[u8]) {
        self.counts.probes += 1;
        match probe::read(frame, self.encapsulation) {
            Some(probe) => {
                *self.asked.entry(probe.endpoint()).or_default() += 1;
                let target = probe.target;
                self.note(now, target);
            }
            None => self.counts.unsound += 1,
        }
        if !self.lets_through(now) {
            self.counts.probes_lost += 1;
            return;
        }
        let copies = self.outward.apply(frame, self.encapsulation, &mut self.rng);
        self.counts.probes_lost += u64::from(copies.is_empty());
        for copy in copies {
            let at = now + copy.delay;
            // A host's kernel drops what does not add up.
            match probe::read(&copy.frame, self.encapsulation) {
                Some(probe) => self.answer(at, &probe),
                None => self.counts.probes_lost += 1,
            }
        }
    }

    fn lets_through(&mut self, now: Timestamp) -> bool {
        let Some((_, pps)) = self.limits.iter().rev().find(|(from, _)| *from <= now) else {
            return true;
        };
        let (held, counted) = self.bucket;
        let held = held + now.since(counted).as_secs_f64() * f64::from(*pps);
        let held = held.min(BUCKET_LEN);
        let through = held >= 1.0;
        self.bucket = (held - f64::from(u8::from(through)), now);
        through
    }

    fn answer(&mut self, at: Timestamp, probe: &Probe<'_>) {
        let behaviour = self.world.behaviour(probe.target, probe.question());
        if behaviour.answer == Answer::Silence || self.is_over_limit(at, probe, &behaviour.answer) {
            return;
        }
        let Some(frame) = reply::write(probe, &behaviour, self.encapsulation) else { return };
        self.fly(at + behaviour.delay, &frame);
        if behaviour.twice {
            self.fly(at + behaviour.delay + Duration::from_secs(1), &frame);
        }
    }

    /// Hosts that limit their ICMP errors send one a period and drop the rest (RFC 4443 §2.4 f).
    fn is_over_limit(&mut self, at: Timestamp, probe: &Probe<'_>, answer: &Answer) -> bool {
        let Some(period) = self.world.error_period(probe.target) else { return false };
        if !matches!(answer, Answer::Error { .. }) {
            return false;
        }
        let next = self.next_error.entry(probe.target).or_insert(Timestamp::ZERO);
        if at < *next {
            return true;
        }
        *next = at + period;
        false
    }

    /// Sends `frame` to the scanner at `at`, through the faults of the way home.
    pub fn fly(&mut self, at: Timestamp, frame: &[u8]) {
        self.counts.answers += 1;
        let copies = self.homeward.apply(frame, self.encapsulation, &mut self.rng);
        if copies.is_empty() {
            self.counts.answers_lost += 1;
        }
        for copy in copies {
            self.counts.answers_corrupted += u64::from(copy.corrupted);
            self.sent += 1;
            self.queue.push(Reverse(Flight {
                arrives: at + copy.delay,
                number: self.sent,
                arrival: Arrival { frame: copy.frame, corrupted: copy.corrupted },
            }));
        }
    }

    /// When the next frame arrives at the scanner.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.queue.peek().map(|Reverse(flight)| flight.arrives)
    }

    /// Takes the next frame that has arrived by `now`, with the moment of its arrival.
    pub fn step(&mut self, now: Timestamp) -> Option<(Timestamp, Arrival)> {
        if self.next_arrival()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(flight)| (flight.arrives, flight.arrival))
    }
}
