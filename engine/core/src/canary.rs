//! Canaries: endpoints that are known to answer and are asked again through a scan, so that loss is
//! seen while it happens.
//!
//! A canary probe goes out among the others, so that what drops them drops it. Its cookie is made
//! for a pass beyond those of the scan, another for each probe, so that every one is counted, once,
//! in the time that it left.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::time::Timestamp;

/// Canaries of one scan, at most.
pub const CANARIES_MAX: usize = 64;
/// The first pass number of canary probes; the passes of scans are below it.
pub const CANARY_PASS: u8 = 32;
/// Probes of one canary that are told apart: pass numbers from [`CANARY_PASS`] to 255.
const SERIALS_LEN: usize = 224;
/// The shortest time between two probes to one canary: so no one is asked more often than 200
/// times a second, and a serial number returns after 1.12 s.
pub const CANARY_GAP: Duration = Duration::from_millis(5);
/// An answer that comes later counts as lost.
pub const CANARY_RTT_MAX: Duration = Duration::from_secs(1);
/// The time for which probes and answers are counted together.
pub const WINDOW: Duration = Duration::from_millis(50);
/// Windows kept: 6.4 s.
const WINDOWS_LEN: usize = 128;
/// Receivers whose progress is known, at most; those beyond are taken to keep up.
const EARS_MAX: usize = 64;
/// A slot that holds no canary.
const EMPTY: u64 = u64::MAX;
/// Probes to one canary before it may be found unfit.
const TRIAL_LEN: u32 = 40;

/// Probes to canaries and the answers to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Probes sent.
    pub sent: u64,
    /// Answers in time.
    pub heard: u64,
}

impl Tally {
    /// Probes without an answer.
    pub const fn missed(self) -> u64 {
        self.sent.saturating_sub(self.heard)
    }

    /// The part that was lost, 0 to 1; nothing sent, nothing lost.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn loss(self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.missed() as f64 / self.sent as f64 }
    }

    /// Adds another's counts.
    pub const fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.heard += other.heard;
    }
}

#[derive(Debug)]
struct Slot {
    /// The endpoint's index in the plan.
    index: AtomicU64,
    host: AtomicU64,
    link: AtomicUsize,
    /// The next probe may leave at this moment.
    due_nanos: AtomicU64,
    next: AtomicU32,
    sent: AtomicU32,
    heard: AtomicU32,
    /// When each probe left, in nanoseconds; zero once it was answered.
    flights: Box<[AtomicU64]>,
}

impl Slot {
    fn new() -> Self {
        Self {
            index: AtomicU64::new(EMPTY),
            host: AtomicU64::new(0),
            link: AtomicUsize::new(0),
            due_nanos: AtomicU64::new(0),
            next: AtomicU32::new(0),
            sent: AtomicU32::new(0),
            heard: AtomicU32::new(0),
            flights: (0..SERIALS_LEN).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Window {
    number: AtomicU64,
    sent: AtomicU64,
    heard: AtomicU64,
}

/// The canaries of a scan: receivers offer and hear, senders ask, one controller counts.
///
/// Without locks: a count that two threads change in the same moment at the edge of a window may
/// be one off.
#[derive(Debug)]
pub struct Canaries {
    slots: Box<[Slot]>,
    windows: Box<[Window]>,
    /// Slots in use.
    len: AtomicUsize,
    turn: AtomicUsize,
    per_host_max: usize,
    gap_nanos: u64,
    rtt_max_nanos: AtomicU64,
    sent: AtomicU64,
    /// By receiver: until when everything that arrived has been heard.
    drained: Box<[AtomicU64]>,
    ears: AtomicUsize,
}

impl Canaries {
    /// No canary yet; at most `per_host_max` will be of one host, and none will be asked more
    /// often than every `gap` (at least [`CANARY_GAP`]).
    pub fn new(per_host_max: usize, gap: Duration) -> Self {
        Self {
            slots: (0..CANARIES_MAX).map(|_| Slot::new()).collect(),
            windows: (0..WINDOWS_LEN).map(|_| Window::default()).collect(),
            len: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            per_host_max,
            gap_nanos: nanos(gap.max(CANARY_GAP)),
            rtt_max_nanos: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            drained: (0..EARS_MAX).map(|_| AtomicU64::new(0)).collect(),
            ears: AtomicUsize::new(0),
        }
    }

    /// Announces a receiver, and returns its number; `None` where too many are known.
    pub fn join(&self) -> Option<usize> {
        let ear = self.ears.fetch_add(1, Ordering::Relaxed);
        (ear < EARS_MAX).then_some(ear)
    }

    /// Receiver `ear` has handed over everything that had arrived by `at`.
    pub fn drained(&self, ear: usize, at: Timestamp) {
        if let Some(drained) = self.drained.get(ear) {
            drained.fetch_max(at.as_nanos(), Ordering::Relaxed);
        }
    }

    /// Until when all receivers have heard everything, at most `now`: a receiver that is late, on a
    /// busy host, makes no answer lost.
    pub fn heard_until(&self, now: Timestamp) -> Timestamp {
        let ears = self.ears.load(Ordering::Relaxed).min(EARS_MAX);
        let drained = self.drained.iter().take(ears).map(|d| d.load(Ordering::Relaxed)).min();
        drained.map_or(now, |nanos| now.min(Timestamp::from_nanos(nanos)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Probes to canaries so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Takes the endpoint at `index` of the plan, which has just answered, as a canary if one is
    /// wanted. `host` is its host's index, `link` the link it is reached by.
    pub fn offer(&self, index: u64, host: u64, link: usize) {
        if self.len() >= CANARIES_MAX || self.per_host_max == 0 {
            return;
        }
        let mut of_host = 0;
        for slot in &self.slots {
            let held = slot.index.load(Ordering::Relaxed);
            of_host += usize::from(held != EMPTY && slot.host.load(Ordering::Relaxed) == host);
            if held == index || of_host >= self.per_host_max {
                return;
            }
        }
        let free = self.slots.iter().find(|s| s.index.load(Ordering::Relaxed) == EMPTY);
        let Some(slot) = free else { return };
        slot.host.store(host, Ordering::Relaxed);
        slot.link.store(link, Ordering::Relaxed);
        slot.sent.store(0, Ordering::Relaxed);
        slot.heard.store(0, Ordering::Relaxed);
        slot.flights.iter().for_each(|flight| flight.store(0, Ordering::Relaxed));
        let taken = slot.index.compare_exchange(EMPTY, index, Ordering::Release, Ordering::Relaxed);
        if taken.is_ok() {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next canary of `link` to be asked at `now`: its index in the plan, and the pass to make
    /// the cookie for. `None` where none is due. What is returned counts as sent.
    pub fn next(&self, link: usize, now: Timestamp) -> Option<(u64, u8)> {
        let at = now.as_nanos();
        for _ in 0..CANARIES_MAX {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % CANARIES_MAX;
            let slot = self.slots.get(turn)?;
            let index = slot.index.load(Ordering::Acquire);
            let due = slot.due_nanos.load(Ordering::Relaxed);
            if index == EMPTY || slot.link.load(Ordering::Relaxed) != link || due > at {
                continue;
            }
            let then = at.saturating_add(self.gap_nanos);
            let claim =
                slot.due_nanos.compare_exchange(due, then, Ordering::Relaxed, Ordering::Relaxed);
            if claim.is_err() {
                continue;
            }
            let serial = slot.next.fetch_add(1, Ordering::Relaxed) as usize % SERIALS_LEN;
            slot.flights.get(serial)?.store(at.max(1), Ordering::Relaxed);
            slot.sent.fetch_add(1, Ordering::Relaxed);
            self.sent.fetch_add(1, Ordering::Relaxed);
            self.window_at(at)?.sent.fetch_add(1, Ordering::Relaxed);
            return Some((index, CANARY_PASS.saturating_add(u8::try_from(serial).unwrap_or(0))));
        }
        None
    }

    /// Which probe an answer of the endpoint at `index` proves to have seen, among those that are
    /// under way: `proves` knows the pass.
    pub fn recognise(&self, index: u64, mut proves: impl FnMut(u8) -> bool) -> Option<u8> {
        let slot = self.slot(index)?;
        let newest = slot.next.load(Ordering::Relaxed) as usize;
        // The newest first: most answers are to one of the last few.
        (1..=SERIALS_LEN.min(newest)).find_map(|back| {
            let serial = (newest - back) % SERIALS_LEN;
            let pass = CANARY_PASS.checked_add(u8::try_from(serial).ok()?)?;
            let under_way = slot.flights.get(serial)?.load(Ordering::Relaxed) != 0;
            (under_way && proves(pass)).then_some(pass)
        })
    }

    /// Counts the answer to the probe of `pass` to the endpoint at `index`, that arrived at `now`.
    pub fn hear(&self, index: u64, pass: u8, now: Timestamp) {
        let Some(slot) = self.slot(index) else { return };
        let serial = usize::from(pass.saturating_sub(CANARY_PASS));
        let Some(left) = slot.flights.get(serial).map(|f| f.swap(0, Ordering::Relaxed)) else {
            return;
        };
        let rtt = now.as_nanos().saturating_sub(left);
        if left == 0 || rtt > nanos(CANARY_RTT_MAX) {
            return;
        }
        slot.heard.fetch_add(1, Ordering::Relaxed);
        self.rtt_max_nanos.fetch_max(rtt, Ordering::Relaxed);
        let number = left / nanos(WINDOW);
        if let Some(window) = self.window(number)
            && window.number.load(Ordering::Relaxed) == number
        {
            window.heard.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts of the probes that left in window `number`, which began `number ×` [`WINDOW`]
    /// after the epoch; nothing where that is too long ago.
    pub fn tally(&self, number: u64) -> Tally {
        let window = self.window(number);
        let kept = window.filter(|w| w.number.load(Ordering::Relaxed) == number);
        kept.map_or_else(Tally::default, |window| Tally {
            sent: window.sent.load(Ordering::Relaxed),
            heard: window.heard.load(Ordering::Relaxed),
        })
    }

    /// How long after its probes have left a window can be judged, of what was
    /// [heard until](Canaries::heard_until) then: twice the longest round trip
    /// that was seen lately, and what a busy host takes to notice it.
    pub fn settle(&self) -> Duration {
        let seen = Duration::from_nanos(self.rtt_max_nanos.load(Ordering::Relaxed));
        (seen * 2 + Duration::from_millis(20)).min(CANARY_RTT_MAX)
    }

    /// Lets long round trips be forgotten, and gives up canaries that lose more than half of their
    /// probes while the others lose less than a fifth of theirs: those are limited or gone
    /// themselves, and say nothing of the path. To be called about once a second.
    pub fn groom(&self) {
        let rtt = self.rtt_max_nanos.load(Ordering::Relaxed);
        self.rtt_max_nanos.store(rtt - rtt / 8, Ordering::Relaxed);
        let counts = |s: &Slot| (s.sent.load(Ordering::Relaxed), s.heard.load(Ordering::Relaxed));
        let held = || self.slots.iter().filter(|s| s.index.load(Ordering::Relaxed) != EMPTY);
        let (sent, heard) = held()
            .map(counts)
            .fold((0_u64, 0_u64), |sum, one| (sum.0 + u64::from(one.0), sum.1 + u64::from(one.1)));
        let all = (sent, heard);
        for slot in held() {
            let (sent, heard) = counts(slot);
            if sent < TRIAL_LEN {
                continue;
            }
            let (others_sent, others_heard) = (all.0 - u64::from(sent), all.1 - u64::from(heard));
            let sound = others_heard.saturating_mul(5) >= others_sent.saturating_mul(4);
            if sound && others_sent > 0 && heard.saturating_mul(2) < sent {
                slot.index.store(EMPTY, Ordering::Relaxed);
                self.len.fetch_sub(1, Ordering::Relaxed);
            } else {
                // What is under way stays counted as sent, so a little is left over.
                slot.sent.store(sent.saturating_sub(heard).min(TRIAL_LEN / 4), Ordering::Relaxed);
                slot.heard.store(0, Ordering::Relaxed);
            }
        }
    }

    fn slot(&self, index: u64) -> Option<&Slot> {
        self.slots.iter().find(|s| s.index.load(Ordering::Acquire) == index)
    }

    fn window(&self, number: u64) -> Option<&Window> {
        let at = usize::try_from(number % u64::try_from(WINDOWS_LEN).ok()?).ok()?;
        self.windows.get(at)
    }

    /// The window of this moment, emptied if it is a new one.
    fn window_at(&self, at_nanos: u64) -> Option<&Window> {
        let number = at_nanos / nanos(WINDOW);
        let window = self.window(number)?;
        if window.number.swap(number, Ordering::Relaxed) != number {
            window.sent.store(0, Ordering::Relaxed);
            window.heard.store(0, Ordering::Relaxed);
        }
        Some(window)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn every_probe_is_counted_once_in_the_window_that_it_left_in() {
        let canaries = Canaries::new(4, CANARY_GAP);
        assert_eq!(canaries.next(0, at(1)), None);
        canaries.offer(70, 7, 0);
        canaries.offer(70, 7, 0);
        assert_eq!(canaries.len(), 1, "one endpoint, one canary");
        let (index, pass) = canaries.next(0, at(10)).unwrap();
        assert_eq!((index, canaries.next(0, at(14))), (70, None), "not before its gap is over");
        let (_, second) = canaries.next(0, at(60)).unwrap();
        assert_ne!(pass, second);
        assert_eq!(canaries.recognise(70, |p| p == pass), Some(pass));
        assert_eq!(canaries.recognise(71, |_| true), None);
        canaries.hear(70, pass, at(90));
        canaries.hear(70, pass, at(91));
        assert_eq!(canaries.recognise(70, |p| p == pass), None, "answered already");
        assert_eq!(canaries.tally(0), Tally { sent: 1, heard: 1 });
        assert_eq!(canaries.tally(1), Tally { sent: 1, heard: 0 });
        assert_eq!(canaries.settle(), Duration::from_millis(180));
        assert_eq!(canaries.heard_until(at(500)), at(500));
        let ears = [canaries.join().unwrap(), canaries.join().unwrap()];
        canaries.drained(ears[0], at(400));
        canaries.drained(ears[1], at(300));
        assert_eq!(canaries.heard_until(at(500)), at(300), "the later of two");
        canaries.hear(70, second, at(1_100));
        assert_eq!(canaries.tally(1).heard, 0, "too late");
    }

    #[test]
    fn serial_numbers_and_windows_come_round() {
        let canaries = Canaries::new(1, CANARY_GAP);
        canaries.offer(1, 1, 0);
        for step in 0..3_000 {
            let now = at(step * 5);
            let (index, pass) = canaries.next(0, now).unwrap();
            canaries.hear(index, pass, now + Duration::from_millis(2));
        }
        assert_eq!(canaries.sent(), 3_000);
        assert_eq!(canaries.tally(299), Tally { sent: 10, heard: 10 });
        assert_eq!(canaries.tally(299 - 128), Tally::default(), "forgotten");
    }

    #[test]
    fn hosts_share_the_places_and_lame_canaries_lose_theirs() {
        let canaries = Canaries::new(2, CANARY_GAP);
        for index in 0..6 {
            canaries.offer(index, index / 3, 0);
        }
        assert_eq!(canaries.len(), 4, "two of each host");
        assert_eq!(canaries.next(1, at(1)), None, "another link's");
        for step in 0..60 {
            let now = at(100 + step * 5);
            while let Some((index, pass)) = canaries.next(0, now) {
                if index != 0 || step % 10 == 0 {
                    canaries.hear(index, pass, now);
                }
            }
        }
        canaries.groom();
        assert_eq!(canaries.len(), 3);
        assert_eq!(canaries.recognise(0, |_| true), None);
        canaries.offer(2, 0, 0);
        assert_eq!(canaries.len(), 4, "its place is free again");
    }
}
