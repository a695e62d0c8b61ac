//! Figures that a scan's threads publish and its coordinator reads.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portolan_core::ScanEvent;
use portolan_core::receive::ReceiveCounts;

/// Events that travel from a listener to the coordinator at once, at most.
pub(crate) const EVENTS_LEN_MAX: usize = 1_024;
/// Batches of events that may wait for the coordinator; a full queue makes the listeners wait, and
/// what the kernel drops meanwhile is counted.
pub(crate) const BATCHES_WAITING_MAX: usize = 64;

/// What threads tell the coordinator, in order.
pub(crate) enum Message {
    /// What a listener heard; goes back to it, emptied, by [`Board::give_back`].
    Events(Vec<ScanEvent>),
    /// A listener has passed on everything whose bit was set before [`Board::ask_for_marks`].
    Marked,
    /// A sender is through with its pass.
    SenderDone,
}

/// The figures; each is exact in the end and a moment old while threads run.
#[derive(Default)]
pub(crate) struct Board {
    /// By sender: positions of this pass whose probes the kernel has taken.
    pub(crate) taken: Vec<AtomicU64>,
    pub(crate) sent: AtomicU64,
    pub(crate) back_pressure: AtomicU64,
    pub(crate) replies: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) first_answers: AtomicU64,
    /// Answers that the kernel had no room for, on all links, polled while the scan runs.
    pub(crate) kernel_drops: AtomicU64,
    /// Listeners that do not keep up.
    behind: AtomicU32,
    rtt_max_nanos: AtomicU64,
    marks: AtomicU64,
    pub(crate) stop_listening: AtomicBool,
    pub(crate) failed: AtomicBool,
    spare: Mutex<Vec<Vec<ScanEvent>>>,
}

impl Board {
    /// A board for `senders` sending threads, where `answered` endpoints have answered already.
    pub(crate) fn new(senders: usize, answered: u64) -> Self {
        Self {
            taken: (0..senders).map(|_| AtomicU64::new(0)).collect(),
            first_answers: AtomicU64::new(answered),
            ..Self::default()
        }
    }

    /// Adds what a listener has counted since `before`.
    pub(crate) fn publish(&self, before: &ReceiveCounts, now: &ReceiveCounts) {
        let first = |counts: &ReceiveCounts| counts.first_in_pass.iter().sum::<u64>();
        self.replies.fetch_add(now.replies - before.replies, Ordering::Relaxed);
        self.open.fetch_add(now.open - before.open, Ordering::Relaxed);
        self.first_answers.fetch_add(first(now) - first(before), Ordering::Relaxed);
        let nanos = u64::try_from(now.rtt_max.as_nanos()).unwrap_or(u64::MAX);
        self.rtt_max_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    /// By sender: positions of this pass that are done with.
    pub(crate) fn positions(&self) -> Vec<u64> {
        self.taken.iter().map(|taken| taken.load(Ordering::Relaxed)).collect()
    }

    /// The longest round trip seen; zero while none is known.
    pub(crate) fn rtt_max(&self) -> Duration {
        Duration::from_nanos(self.rtt_max_nanos.load(Ordering::Relaxed))
    }

    /// A listener says that it no longer keeps up, or that it does again.
    pub(crate) fn tell_behind(&self, behind: bool) {
        if behind {
            self.behind.fetch_add(1, Ordering::Relaxed);
        } else {
            self.behind.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether senders should wait for a listener.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > 0
    }

    /// Asks every listener for a [`Message::Marked`].
    pub(crate) fn ask_for_marks(&self) {
        self.marks.fetch_add(1, Ordering::AcqRel);
    }

    /// How often marks were asked for.
    pub(crate) fn marks(&self) -> u64 {
        self.marks.load(Ordering::Acquire)
    }

    /// An empty list of events, used before where there is one.
    pub(crate) fn blank(&self) -> Vec<ScanEvent> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(EVENTS_LEN_MAX))
    }

    /// Keeps an emptied list for the next batch.
    pub(crate) fn give_back(&self, mut events: Vec<ScanEvent>) {
        events.clear();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(events);
    }
}

/// Tells all threads to end when it is dropped.
pub(crate) struct StopThreads<'a>(pub(crate) &'a Board);

impl Drop for StopThreads<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Ordering::Relaxed);
        self.0.stop_listening.store(true, Ordering::Relaxed);
    }
}
