//! A receiving thread: from the ring through the engine's receiving half to the coordinator.

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use portolan_core::ScanEvent;
use portolan_core::receive::{ReceiveCounts, Receiver};

use crate::board::{Board, EVENTS_LEN_MAX, Message};
use crate::clock::ScanClock;
use crate::link::{LinkError, RxLink};
use crate::trace::LinkTrace;

/// The longest wait for a frame before the board is looked at again.
const TICK: Duration = Duration::from_millis(20);
/// Answers that have waited longer in the kernel's buffer make the senders wait: it holds a hundred
/// thousand, and what finds it full is lost.
const LAG_MAX: Duration = Duration::from_millis(30);
/// How often the kernel is asked for what it dropped.
const DROPS_EVERY: Duration = Duration::from_millis(100);

/// One receiving thread: its half of the engine and its socket.
pub(crate) struct Listener {
    pub(crate) half: Receiver,
    pub(crate) rx: Box<dyn RxLink>,
    pub(crate) trace: Option<LinkTrace>,
}

/// What a listener heard, counted.
pub(crate) struct Heard {
    pub(crate) counts: ReceiveCounts,
    /// Frames that the kernel dropped.
    pub(crate) dropped: u64,
}

impl Listener {
    /// Receives until told to stop.
    ///
    /// # Errors
    /// [`LinkError`] where the link broke; what was heard until then has been told.
    pub(crate) fn listen(
        mut self,
        board: &Board,
        outbox: &SyncSender<Message>,
        clock: ScanClock,
    ) -> Result<Heard, LinkError> {
        let (half, trace) = (&mut self.half, self.trace.as_ref());
        let mut before = *half.counts();
        let mut batch = Batch { events: board.blank(), board, outbox };
        let mut drops = Drops { told: 0, asked: Instant::now() };
        let mut marks = 0;
        let mut behind = false;
        let mut keep_up = |lag: Duration| {
            if (lag > LAG_MAX) != behind {
                behind = !behind;
                board.tell_behind(behind);
            }
        };
        loop {
            // Both are read before the ring is emptied: what arrived before them is heard.
            let last = board.stop_listening.load(Ordering::Relaxed);
            let marks_wanted = board.marks();
            let patience = if last { Duration::ZERO } else { TICK };
            let asked = clock.now();
            let received = self.rx.recv(patience, &mut |arrival| {
                keep_up(arrival.age);
                let at = clock.now().before(arrival.age);
                // Rejections are counted by the receiver.
                let verdict = half.handle_frame(at, arrival.frame, &mut |event| batch.push(event));
                if let Some(trace) = trace {
                    trace.received(arrival.age, arrival.frame, verdict);
                }
            });
            if received.as_ref().is_ok_and(|frames| *frames == 0) {
                keep_up(Duration::ZERO);
            }
            // Before the events: whoever is woken by the last answer sees that it was the last.
            board.publish(&before, half.counts());
            before = *half.counts();
            half.drained(asked);
            batch.send();
            if let Err(error) = received {
                board.failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
            if marks < marks_wanted {
                marks = marks_wanted;
                let _ = outbox.send(Message::Marked);
            }
            if last || drops.asked.elapsed() >= DROPS_EVERY {
                drops.poll(self.rx.as_mut(), board);
            }
            if last {
                half.conclude(&mut |event| batch.push(event));
                batch.send();
                return Ok(Heard { counts: before, dropped: drops.told });
            }
        }
    }
}

/// What the kernel dropped, as far as the board knows.
struct Drops {
    told: u64,
    asked: Instant,
}

impl Drops {
    fn poll(&mut self, rx: &mut dyn RxLink, board: &Board) {
        self.asked = Instant::now();
        let dropped = rx.dropped();
        board.kernel_drops.fetch_add(dropped.saturating_sub(self.told), Ordering::Relaxed);
        self.told = dropped;
    }
}

/// Events on their way: one message for many, in lists that are used again.
struct Batch<'a> {
    events: Vec<ScanEvent>,
    board: &'a Board,
    outbox: &'a SyncSender<Message>,
}

impl Batch<'_> {
    fn push(&mut self, event: ScanEvent) {
        self.events.push(event);
        if self.events.len() >= EVENTS_LEN_MAX {
            self.send();
        }
    }

    fn send(&mut self) {
        if !self.events.is_empty() {
            let events = std::mem::replace(&mut self.events, self.board.blank());
            // The coordinator may be gone only if it panicked.
            let _ = self.outbox.send(Message::Events(events));
        }
    }
}
