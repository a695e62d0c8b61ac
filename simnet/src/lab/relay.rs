//! A relay in the middle of the cable that loses and delays, in a namespace of its own.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::namespace::{Namespace, sysctl};
use super::netlink::{Rtnl, VethEnd};
use super::worker::{Stop, Worker};
use crate::sys::{self, Outlet, Tap};

/// What the relay does to frames, in each direction.
///
/// ARP and neighbour discovery pass unharmed: the link works, the path behind it loses.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RelayOptions {
    /// The part of the frames that is lost, 0 to 1.
    pub loss: f64,
    /// How long a frame is on its way.
    pub delay: Duration,
    /// Fixes which frames are lost.
    pub seed: u64,
}

impl RelayOptions {
    /// A relay that loses `loss` of the frames each way, chosen by `seed`.
    pub const fn lossy(loss: f64, seed: u64) -> Self {
        Self { loss, delay: Duration::ZERO, seed }
    }

    /// The same with `delay` each way.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A running relay.
#[derive(Debug)]
pub(super) struct Relay {
    /// Frames that it lost because it did not keep up.
    overrun: Arc<AtomicU64>,
    _workers: [Worker; 2],
}

const TO_NEAR: &str = "relay-near0";
const TO_FAR: &str = "relay-far0";

impl Relay {
    /// Makes the relay's namespace and its two cables, and starts forwarding.
    pub(super) fn start(
        options: RelayOptions,
        near: &VethEnd<'_>,
        far: &VethEnd<'_>,
    ) -> io::Result<Self> {
        let middle = Namespace::create()?;
        // The relay must not speak itself.
        middle.run(|| {
            let _no_ipv6 = sysctl("net/ipv6/conf/default/disable_ipv6", "1");
            Ok(())
        })?;
        let end = |name, last| VethEnd {
            name,
            mac: [2, 0, 0, 0, 0x77, last],
            namespace: &middle,
            queues: 1,
        };
        let rtnl = Rtnl::open()?;
        rtnl.add_veth(near, &end(TO_NEAR, 3))?;
        rtnl.add_veth(&end(TO_FAR, 4), far)?;
        let overrun = Arc::new(AtomicU64::new(0));
        let workers = middle.run(|| {
            let rtnl = Rtnl::open()?;
            rtnl.up(TO_NEAR)?;
            rtnl.up(TO_FAR)?;
            let forward = |from, to, seed| {
                let tap = Tap::open(sys::interface_index(from)?)?;
                let out = Outlet::open(sys::interface_index(to)?)?;
                let overrun = Arc::clone(&overrun);
                let options = RelayOptions { seed, ..options };
                Worker::start("relay", move |stop| run(tap, &out, options, stop, &overrun))
            };
            Ok([forward(TO_NEAR, TO_FAR, options.seed)?, forward(TO_FAR, TO_NEAR, !options.seed)?])
        })?;
        Ok(Self { overrun, _workers: workers })
    }

    pub(super) fn overrun(&self) -> u64 {
        self.overrun.load(Ordering::Relaxed)
    }
}

/// One direction.
fn run(mut tap: Tap, out: &Outlet, options: RelayOptions, stop: &Stop, overrun: &AtomicU64) {
    sys::hurry();
    let mut random = options.seed;
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    while !stop.is_asked() {
        let mut took = false;
        while tap.next(&mut |frame| {
            if is_address_resolution(frame) || uniform(&mut random) >= options.loss {
                if options.delay.is_zero() {
                    deliver(out, frame);
                } else {
                    under_way.push_back((Instant::now() + options.delay, frame.to_vec()));
                }
            }
        }) {
            took = true;
            if !options.delay.is_zero() {
                break;
            }
        }
        while let Some((due, frame)) = under_way.front()
            && *due <= Instant::now()
        {
            deliver(out, frame);
            under_way.pop_front();
        }
        if !took {
            let lost = tap.take_drops().unwrap_or(0);
            overrun.fetch_add(u64::from(lost), Ordering::Relaxed);
            let due = under_way.front().map(|(due, _)| *due);
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            tap.wait(wait.min(IDLE));
        }
    }
}

/// Sends `frame` on. A full queue is waited for: only the options lose frames.
fn deliver(out: &Outlet, frame: &[u8]) {
    const FULL: i32 = libc::ENOBUFS;
    for _ in 0..1_000 {
        match out.send(frame) {
            Err(error) if error.raw_os_error() == Some(FULL) => thread::yield_now(),
            // An end that is down takes nothing, as a pulled plug.
            _ => return,
        }
    }
}

/// How often a relay with nothing to do looks whether it should stop.
const IDLE: Duration = Duration::from_millis(5);

/// ARP, or an `ICMPv6` neighbour solicitation or advertisement.
fn is_address_resolution(frame: &[u8]) -> bool {
    let at = |index: usize| frame.get(index).copied().unwrap_or(0);
    match (at(12), at(13)) {
        (0x08, 0x06) => true,
        (0x86, 0xdd) => at(20) == 58 && matches!(at(54), 133..=137),
        _ => false,
    }
}

/// A number in 0..1, by splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
/// Generators", 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let high = u32::try_from(mixed >> 32).unwrap_or(0);
    f64::from(high) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_is_uniform_and_repeats() {
        let draw = |seed: u64| {
            let mut state = seed;
            (0..100_000).filter(|_| uniform(&mut state) < 0.02).count()
        };
        assert!((1_800..2_200).contains(&draw(7)));
        assert_eq!(draw(7), draw(7));
    }
}
