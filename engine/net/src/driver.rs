//! The threads that tie the engine's halves to links: one sender a stride, one receiver an
//! interface, one coordinator.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use portolan_core::answered::Answered;
use portolan_core::link::FrameBatch;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::{ReceiveCounts, Receiver};
use portolan_core::transmit::{Step, Transmitter};
use portolan_core::{Progress, ScanEvent};

use crate::checkpoint::{ANSWERS_KEPT_MAX, Checkpoint};
use crate::clock::ScanClock;
use crate::link::{LinkError, RxLink, TxLink};
use crate::options::Cancel;

/// Events between receivers and coordinator; a full queue makes the receivers wait, and what the
/// kernel drops meanwhile is counted.
const EVENTS_LEN_MAX: usize = 65_536;
/// How often the coordinator looks up when no event comes.
const TICK: Duration = Duration::from_millis(20);
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// How often a checkpoint is written.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);
/// The shortest time that is slept rather than spun.
const SLEEP_MIN: Duration = Duration::from_micros(50);
/// The longest sleep or wait before the cancel flag is looked at again.
const NAP_MAX: Duration = Duration::from_millis(50);
/// Pauses before a further pass and at the end: multiples of the longest round trip seen, within
/// bounds; the last value where no answer was seen at all.
const PASS_PAUSE: Pause = Pause { factor: 2, min: ms(100), max: ms(3_000), unknown: ms(500) };
const COOLDOWN: Pause = Pause { factor: 4, min: ms(250), max: ms(10_000), unknown: ms(1_000) };

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Pause {
    factor: u32,
    min: Duration,
    max: Duration,
    unknown: Duration,
}

impl Pause {
    fn after(&self, rtt_max: Duration) -> Duration {
        if rtt_max.is_zero() {
            self.unknown
        } else {
            rtt_max.saturating_mul(self.factor).clamp(self.min, self.max)
        }
    }
}

/// One sending thread: its half of the engine and its socket.
pub(crate) struct Sender {
    pub(crate) half: Transmitter,
    pub(crate) tx: Box<dyn TxLink>,
}

/// One receiving thread.
pub(crate) struct Listener {
    pub(crate) half: Receiver,
    pub(crate) rx: Box<dyn RxLink>,
}

/// A scan that is ready to run.
pub(crate) struct Driver {
    pub(crate) plan: Arc<ScanPlan>,
    pub(crate) answered: Option<Arc<Answered>>,
    pub(crate) senders: Vec<Sender>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) clock: ScanClock,
    pub(crate) cooldown: Option<Duration>,
    /// The checkpoint without its position, and where it is kept.
    pub(crate) checkpoint: Checkpoint,
    pub(crate) checkpoint_path: Option<PathBuf>,
    /// Endpoints that can answer at all.
    pub(crate) reachable: u64,
    /// Positions of all senders together, for progress.
    pub(crate) positions: u64,
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) counts: Vec<ReceiveCounts>,
    pub(crate) asked: u64,
    /// Probes that went out.
    pub(crate) sent: u64,
    /// Probes that the kernel took and refused for their destination.
    pub(crate) refused: u64,
    pub(crate) kernel_drops: u64,
    pub(crate) back_pressure: u64,
    pub(crate) complete: bool,
    pub(crate) checkpoint: Checkpoint,
}

/// Figures that threads publish and the coordinator reads.
#[derive(Default)]
struct Board {
    /// By sender: positions of this pass whose probes the kernel has taken.
    taken: Vec<AtomicU64>,
    sent: AtomicU64,
    back_pressure: AtomicU64,
    replies: AtomicU64,
    open: AtomicU64,
    first_answers: AtomicU64,
    rtt_max_nanos: AtomicU64,
    stop_listening: AtomicBool,
    failed: AtomicBool,
}

/// Tells all threads to end when it is dropped.
struct StopThreads<'a>(&'a Board);

impl Drop for StopThreads<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Ordering::Relaxed);
        self.0.stop_listening.store(true, Ordering::Relaxed);
    }
}

enum Message {
    Event(ScanEvent),
    SenderDone,
}

impl Driver {
    /// Runs all passes and the cooldown; `on_event` is called on this thread.
    ///
    /// # Errors
    /// [`LinkError`] of the first link that broke; everything found until then has been told.
    pub(crate) fn run(
        mut self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(ScanEvent),
    ) -> Result<Outcome, LinkError> {
        let before = self.answered.as_ref().map_or(0, |answered| answered.count());
        let board = Board {
            taken: self.senders.iter().map(|_| AtomicU64::new(0)).collect(),
            first_answers: AtomicU64::new(before),
            ..Board::default()
        };
        let (outbox, inbox) = sync_channel(EVENTS_LEN_MAX);
        let senders = std::mem::take(&mut self.senders);
        let listeners = std::mem::take(&mut self.listeners);
        thread::scope(|scope| {
            // Both go when this closure ends, in whatever way: no thread may outwait a panic.
            let inbox = inbox;
            let _stop = StopThreads(&board);
            let listening: Vec<_> = listeners
                .into_iter()
                .map(|listener| {
                    let (board, outbox, clock) = (&board, outbox.clone(), self.clock);
                    scope.spawn(move || listen(listener, board, &outbox, clock))
                })
                .collect();
            let mut run = Run { driver: &mut self, board: &board, cancel, inbox: &inbox, on_event };
            let passes = run.passes(senders, &outbox);
            board.stop_listening.store(true, Ordering::Relaxed);
            run.drain_until(|| listening.iter().all(thread::ScopedJoinHandle::is_finished));
            let mut counts = Vec::new();
            let mut kernel_drops = 0;
            let mut broken = None;
            for handle in listening {
                match handle.join() {
                    Ok(Ok((half, dropped))) => {
                        counts.push(half);
                        kernel_drops += dropped;
                    }
                    Ok(Err(error)) => broken = Some(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            run.drain_until(|| true);
            // Once more: answers came in after the last probe.
            run.note_answers();
            run.write_checkpoint();
            let Passed { asked, refused, complete } = passes?;
            if let Some(error) = broken {
                return Err(error);
            }
            Ok(Outcome {
                counts,
                asked,
                sent: board.sent.load(Ordering::Relaxed).saturating_sub(refused),
                refused,
                kernel_drops,
                back_pressure: board.back_pressure.load(Ordering::Relaxed),
                complete,
                checkpoint: self.checkpoint,
            })
        })
    }
}

/// What the passes came to.
struct Passed {
    asked: u64,
    refused: u64,
    complete: bool,
}

/// The coordinator's view of a run.
struct Run<'a> {
    driver: &'a mut Driver,
    board: &'a Board,
    cancel: &'a Cancel,
    inbox: &'a Inbox<Message>,
    on_event: &'a mut dyn FnMut(ScanEvent),
}

impl Run<'_> {
    /// All passes.
    fn passes(
        &mut self,
        mut senders: Vec<Sender>,
        outbox: &SyncSender<Message>,
    ) -> Result<Passed, LinkError> {
        let passes = self.driver.plan.config().passes;
        let mut complete = true;
        for pass in self.driver.checkpoint.pass..passes {
            self.begin(pass, &mut senders);
            thread::scope(|scope| {
                let (board, cancel, clock) = (self.board, self.cancel, self.driver.clock);
                let sending: Vec<_> = senders
                    .iter_mut()
                    .zip(&board.taken)
                    .map(|(sender, taken)| {
                        let outbox = outbox.clone();
                        scope.spawn(move || {
                            let result = send_pass(sender, taken, board, cancel, clock);
                            board.failed.fetch_or(result.is_err(), Ordering::Relaxed);
                            // The coordinator may be gone only if it panicked.
                            let _ = outbox.send(Message::SenderDone);
                            result
                        })
                    })
                    .collect();
                self.attend(pass, sending.len());
                sending.into_iter().try_for_each(|handle| {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            })?;
            self.note_position(pass);
            let stopped = self.cancel.is_cancelled();
            complete = !stopped || self.all_answered();
            let last = pass + 1 == passes;
            self.write_checkpoint();
            if stopped || self.all_answered() {
                self.wait(if stopped { PASS_PAUSE.min } else { Duration::ZERO });
                break;
            }
            let pause = self.pause(if last { &COOLDOWN } else { &PASS_PAUSE }, last);
            self.wait(pause);
        }
        Ok(Passed {
            asked: senders.iter().map(|s| s.half.asked()).sum(),
            refused: senders.iter().map(|s| s.tx.refused()).sum(),
            complete,
        })
    }

    /// Starts a pass: at its beginning, or where the checkpoint stands.
    fn begin(&self, pass: u8, senders: &mut [Sender]) {
        let resumed = &self.driver.checkpoint;
        for (index, sender) in senders.iter_mut().enumerate() {
            let position = resumed.taken.get(index).copied().unwrap_or(0);
            let position = if pass == resumed.pass { position } else { 0 };
            sender.half.begin_pass(pass, position);
            if let Some(taken) = self.board.taken.get(index) {
                taken.store(position, Ordering::Relaxed);
            }
        }
    }

    /// Passes events on and tells progress until `senders` threads have said that they are done.
    fn attend(&mut self, pass: u8, senders: usize) {
        let mut running = senders;
        let mut told = Instant::now();
        let mut written = Instant::now();
        while running > 0 {
            match self.inbox.recv_timeout(TICK) {
                Ok(Message::Event(event)) => (self.on_event)(event),
                Ok(Message::SenderDone) => running -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                self.tell_progress(pass);
            }
            if written.elapsed() >= CHECKPOINT_EVERY {
                written = Instant::now();
                self.note_position(pass);
                self.write_checkpoint();
            }
        }
    }

    fn tell_progress(&mut self, pass: u8) {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let plan = &self.driver.plan;
        let event = ScanEvent::Progress(Progress {
            pass,
            passes: plan.config().passes,
            done: self.board.taken.iter().map(read).sum(),
            planned: self.driver.positions,
            sent: read(&self.board.sent),
            replies: read(&self.board.replies),
            open: read(&self.board.open),
            elapsed: self.driver.clock.elapsed(),
        });
        (self.on_event)(event);
    }

    /// Passes events on for `span`, or until everything has answered.
    fn wait(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while !self.all_answered() && !self.board.failed.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if let Ok(Message::Event(event)) = self.inbox.recv_timeout(left.min(TICK)) {
                (self.on_event)(event);
            }
        }
    }

    /// Passes on what is in the queue until it is empty and `done` holds.
    fn drain_until(&mut self, done: impl Fn() -> bool) {
        loop {
            let finished = done();
            match self.inbox.recv_timeout(if finished { Duration::ZERO } else { TICK }) {
                Ok(Message::Event(event)) => (self.on_event)(event),
                Err(_) if finished => return,
                Ok(Message::SenderDone) | Err(_) => {}
            }
        }
    }

    fn pause(&self, pause: &Pause, last: bool) -> Duration {
        let nanos = self.board.rtt_max_nanos.load(Ordering::Relaxed);
        match self.driver.cooldown {
            Some(fixed) if last => fixed,
            _ => pause.after(Duration::from_nanos(nanos)),
        }
    }

    /// Whether every endpoint that can answer has, in a scan that is not a part of one.
    fn all_answered(&self) -> bool {
        self.driver.answered.is_some()
            && self.board.first_answers.load(Ordering::Relaxed) >= self.driver.reachable
    }

    fn note_position(&mut self, pass: u8) {
        let taken = self.board.taken.iter().map(|t| t.load(Ordering::Relaxed)).collect();
        self.driver.checkpoint.pass = pass;
        self.driver.checkpoint.taken = taken;
        self.note_answers();
    }

    fn note_answers(&mut self) {
        if let Some(answered) = self.driver.answered.as_ref()
            && answered.len() <= ANSWERS_KEPT_MAX
        {
            self.driver.checkpoint.answered = answered.to_octets();
        }
    }

    /// Writes the checkpoint beside its file and renames it there, so that one is always whole.
    fn write_checkpoint(&self) {
        let Some(path) = self.driver.checkpoint_path.as_ref() else { return };
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let text = self.driver.checkpoint.to_string();
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the checkpoint can't be written");
        }
    }
}

/// Sends one pass of one stride.
fn send_pass(
    sender: &mut Sender,
    taken: &AtomicU64,
    board: &Board,
    cancel: &Cancel,
    clock: ScanClock,
) -> Result<(), LinkError> {
    let mut batch = FrameBatch::new();
    while !cancel.is_cancelled() && !board.failed.load(Ordering::Relaxed) {
        match sender.half.poll_transmit(clock.now(), &mut batch) {
            Step::Transmit => {
                if !send_batch(sender.tx.as_mut(), &batch, board, cancel)? {
                    break;
                }
                taken.store(sender.half.taken(), Ordering::Relaxed);
            }
            Step::Wait(until) => rest(until.since(clock.now())),
            Step::EndOfPass => {
                taken.store(sender.half.taken(), Ordering::Relaxed);
                break;
            }
        }
    }
    Ok(())
}

/// Sends every frame of a batch: a full queue is waited for, no probe is skipped. `false` where
/// the scan was cancelled while the queue was full.
fn send_batch(
    tx: &mut dyn TxLink,
    batch: &FrameBatch,
    board: &Board,
    cancel: &Cancel,
) -> Result<bool, LinkError> {
    let mut sent = 0;
    while sent < batch.len() {
        let taken = tx.send(batch, sent)?;
        sent += taken;
        board.sent.fetch_add(u64::try_from(taken).unwrap_or(0), Ordering::Relaxed);
        if taken == 0 {
            board.back_pressure.fetch_add(1, Ordering::Relaxed);
            tx.wait_writable(NAP_MAX)?;
            if cancel.is_cancelled() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn rest(span: Duration) {
    if span >= SLEEP_MIN {
        thread::sleep(span.min(NAP_MAX));
    } else {
        std::hint::spin_loop();
    }
}

type Heard = (ReceiveCounts, u64);

/// Receives until told to stop.
fn listen(
    mut listener: Listener,
    board: &Board,
    outbox: &SyncSender<Message>,
    clock: ScanClock,
) -> Result<Heard, LinkError> {
    let half = &mut listener.half;
    let mut before = *half.counts();
    loop {
        let last = board.stop_listening.load(Ordering::Relaxed);
        let received = listener.rx.recv(if last { Duration::ZERO } else { TICK }, &mut |arrival| {
            let sink = &mut |event| {
                // The coordinator may be gone only if it panicked.
                let _ = outbox.send(Message::Event(event));
            };
            // Rejections are counted by the receiver.
            let at = clock.now().before(arrival.age);
            let _ = half.handle_frame(at, arrival.frame, sink);
        });
        if let Err(error) = received {
            board.failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        publish(board, &before, half.counts());
        before = *half.counts();
        if last {
            return Ok((*half.counts(), listener.rx.dropped()));
        }
    }
}

fn publish(board: &Board, before: &ReceiveCounts, now: &ReceiveCounts) {
    let first = |counts: &ReceiveCounts| counts.first_in_pass.iter().sum::<u64>();
    board.replies.fetch_add(now.replies - before.replies, Ordering::Relaxed);
    board.open.fetch_add(now.open - before.open, Ordering::Relaxed);
    board.first_answers.fetch_add(first(now) - first(before), Ordering::Relaxed);
    let nanos = u64::try_from(now.rtt_max.as_nanos()).unwrap_or(u64::MAX);
    board.rtt_max_nanos.fetch_max(nanos, Ordering::Relaxed);
}
