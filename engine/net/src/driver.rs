//! The threads that tie the engine's halves to links: one sender a stride, one receiver an
//! interface, one coordinator.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use portolan_core::answered::Answered;
use portolan_core::estimate::PairCounts;
use portolan_core::link::FrameBatch;
use portolan_core::pause::Pause;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::ReceiveCounts;
use portolan_core::transmit::{Step, Transmitter};
use portolan_core::{Progress, ScanEvent};

use crate::board::{BATCHES_WAITING_MAX, Board, Message, StopThreads};
use crate::checkpoint::{ANSWERS_KEPT_MAX, Checkpoint};
use crate::clock::ScanClock;
use crate::keeper::Keeper;
use crate::link::{LinkError, PositionLink, TxLink};
use crate::listen::{Heard, Listener};
use crate::options::Cancel;
use crate::truth::Truth;

/// Sending by a link that makes the probes itself.
mod generate;

/// How often the coordinator looks up when no event comes.
const TICK: Duration = Duration::from_millis(20);
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// The shortest time that is slept rather than spun.
const SLEEP_MIN: Duration = Duration::from_micros(50);
/// The longest sleep or wait before the cancel flag is looked at again.
const NAP_MAX: Duration = Duration::from_millis(50);
/// How long a sender rests at a time while a listener catches up.
const CATCH_UP_NAP: Duration = Duration::from_micros(100);
/// How long answers on their way are waited for where a scan is interrupted.
const INTERRUPTED_WAIT: Duration = Duration::from_millis(100);

/// One sending thread: its half of the engine and its socket.
pub(crate) struct Sender {
    pub(crate) half: Transmitter,
    pub(crate) tx: Box<dyn TxLink>,
    /// Sends instead of `tx`, as long as it is there.
    pub(crate) maker: Option<Box<dyn PositionLink>>,
    /// Whether `tx` may take over where that turns out not to work.
    pub(crate) may_fall_back: bool,
}

/// A scan that is ready to run.
pub(crate) struct Driver {
    pub(crate) plan: Arc<ScanPlan>,
    pub(crate) answered: Option<Arc<Answered>>,
    pub(crate) senders: Vec<Sender>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) clock: ScanClock,
    /// What it knows loss by.
    pub(crate) truth: Truth,
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
    /// Probes handed over, by link.
    pub(crate) sent_by_link: BTreeMap<usize, u64>,
    pub(crate) kernel_drops: u64,
    pub(crate) back_pressure: u64,
    pub(crate) complete: bool,
    pub(crate) pairs: PairCounts,
    pub(crate) canary_probes: u64,
    pub(crate) checkpoint: Checkpoint,
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
        let board = Board::new(self.senders.len(), before);
        let (outbox, inbox) = sync_channel(BATCHES_WAITING_MAX);
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
                    scope.spawn(move || listener.listen(board, &outbox, clock))
                })
                .collect();
            let mut run = Run::new(&mut self, &board, cancel, &inbox, on_event, listening.len());
            let passes = run.passes(senders, &outbox);
            board.stop_listening.store(true, Ordering::Relaxed);
            run.drain_until(|| listening.iter().all(thread::ScopedJoinHandle::is_finished));
            let mut counts = Vec::new();
            let mut kernel_drops = 0;
            let mut broken = None;
            for handle in listening {
                match handle.join() {
                    Ok(Ok(Heard { counts: heard, dropped })) => {
                        counts.push(heard);
                        kernel_drops += dropped;
                    }
                    Ok(Err(error)) => broken = Some(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            run.drain_until(|| true);
            // Answers came in after the last probe.
            run.driver.checkpoint.answered = answers(run.driver.answered.as_deref());
            let Passed { asked, refused, sent_by_link, complete } = passes?;
            if let Some(error) = broken {
                return Err(error);
            }
            Ok(Outcome {
                counts,
                asked,
                sent: board.sent.load(Ordering::Relaxed).saturating_sub(refused),
                refused,
                sent_by_link,
                kernel_drops,
                back_pressure: board.back_pressure.load(Ordering::Relaxed),
                complete,
                pairs: self.truth.pair_counts(),
                canary_probes: self.truth.canary_probes(),
                checkpoint: self.checkpoint,
            })
        })
    }
}

/// What the passes came to.
struct Passed {
    asked: u64,
    refused: u64,
    sent_by_link: BTreeMap<usize, u64>,
    complete: bool,
}

/// The coordinator's view of a run.
struct Run<'a> {
    driver: &'a mut Driver,
    board: &'a Board,
    cancel: &'a Cancel,
    inbox: &'a Inbox<Message>,
    on_event: &'a mut dyn FnMut(ScanEvent),
    /// Senders that are not through with the pass.
    sending: usize,
    told: Instant,
    keeper: Option<Keeper>,
    listeners: usize,
    warned_of_drops: bool,
}

impl<'a> Run<'a> {
    fn new(
        driver: &'a mut Driver,
        board: &'a Board,
        cancel: &'a Cancel,
        inbox: &'a Inbox<Message>,
        on_event: &'a mut dyn FnMut(ScanEvent),
        listeners: usize,
    ) -> Self {
        let path = driver.checkpoint_path.take();
        let keeper = path.map(|path| Keeper::start(path, &driver.checkpoint));
        Self {
            driver,
            board,
            cancel,
            inbox,
            on_event,
            sending: 0,
            told: Instant::now(),
            keeper,
            listeners,
            warned_of_drops: false,
        }
    }

    /// Takes a message; `false` when none came within `patience`.
    fn take(&mut self, patience: Duration) -> bool {
        match self.inbox.recv_timeout(patience) {
            Ok(Message::Events(mut events)) => {
                events.drain(..).for_each(&mut *self.on_event);
                self.board.give_back(events);
            }
            Ok(Message::SenderDone) => self.sending = self.sending.saturating_sub(1),
            Ok(Message::Marked) => self.marked(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// All passes.
    fn passes(
        &mut self,
        mut senders: Vec<Sender>,
        outbox: &SyncSender<Message>,
    ) -> Result<Passed, LinkError> {
        let passes = self.driver.plan.config().passes;
        let earlier = self.asked_earlier();
        let mut complete = true;
        for pass in self.driver.checkpoint.pass..passes {
            self.begin(pass, &mut senders);
            let sent = thread::scope(|scope| {
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
                self.sending = sending.len();
                self.attend(pass);
                sending.into_iter().try_for_each(|handle| {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            });
            self.driver.checkpoint.pass = pass;
            self.driver.checkpoint.taken = self.board.positions();
            sent?;
            let stopped = self.cancel.is_cancelled();
            complete = !stopped || self.all_answered();
            let last = pass + 1 == passes;
            if stopped || self.all_answered() {
                self.wait(pass, |_| if stopped { INTERRUPTED_WAIT } else { Duration::ZERO });
                break;
            }
            let pause = if last { Pause::COOLDOWN } else { Pause::BETWEEN_PASSES };
            let fixed = self.driver.cooldown.filter(|_| last);
            self.wait(pass, |rtt_max| fixed.unwrap_or_else(|| pause.after(rtt_max)));
        }
        let mut sent_by_link = BTreeMap::new();
        for sender in &senders {
            *sent_by_link.entry(sender.half.link()).or_default() += sender.half.sent();
        }
        Ok(Passed {
            asked: earlier + senders.iter().map(|s| s.half.asked()).sum::<u64>(),
            refused: senders.iter().map(|s| s.tx.refused()).sum(),
            sent_by_link,
            complete,
        })
    }

    /// Starts a pass: at its beginning, or where the checkpoint stands.
    fn begin(&self, pass: u8, senders: &mut [Sender]) {
        let resumed = &self.driver.checkpoint;
        // Of other links than then, the positions say nothing; what has answered is skipped.
        let same_links = resumed.taken.len() == senders.len();
        for (index, sender) in senders.iter_mut().enumerate() {
            let position = resumed.taken.get(index).copied().unwrap_or(0);
            let position = if same_links && pass == resumed.pass { position } else { 0 };
            sender.half.begin_pass(pass, position);
            if let Some(taken) = self.board.taken.get(index) {
                taken.store(position, Ordering::Relaxed);
            }
        }
    }

    /// About how many endpoints were asked before the scan was resumed.
    fn asked_earlier(&self) -> u64 {
        let resumed = &self.driver.checkpoint;
        let positions = self.driver.positions;
        let done = if resumed.pass > 0 { positions } else { resumed.taken.iter().sum() };
        let share = u128::from(done.min(positions)) * u128::from(self.driver.reachable);
        u64::try_from(share / u128::from(positions.max(1))).unwrap_or(u64::MAX)
    }

    /// Passes events on and tells progress until every sender has said that it is done.
    fn attend(&mut self, pass: u8) {
        while self.sending > 0 {
            self.take(TICK);
            self.look_after(pass);
        }
    }

    /// What is due every now and then.
    fn look_after(&mut self, pass: u8) {
        if let Some(auto) = self.driver.truth.auto.as_mut() {
            auto.tick(self.driver.clock.now(), self.board);
        }
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            self.tell_progress(pass);
            let taken = self.board.positions();
            if let Some(keeper) = self.keeper.as_mut() {
                keeper.note(pass, taken);
            }
            self.warn_of_drops();
        }
        self.prepare_checkpoint();
    }

    /// Begins a checkpoint if one is due.
    fn prepare_checkpoint(&mut self) {
        let rtt_max = self.board.rtt_max();
        let lag = self.driver.cooldown.unwrap_or_else(|| Pause::COOLDOWN.after(rtt_max));
        let Some(keeper) = self.keeper.as_mut() else { return };
        let Some((pass, taken)) = keeper.due(lag) else { return };
        let answered = answers(self.driver.answered.as_deref());
        let checkpoint = Checkpoint { pass, taken, answered, ..self.driver.checkpoint.clone() };
        keeper.prepare(checkpoint, self.listeners);
        self.board.ask_for_marks();
    }

    /// A listener has told what the checkpoint takes for known; after the last one it is written.
    fn marked(&mut self) {
        let Some(keeper) = self.keeper.as_mut() else { return };
        if let Some(checkpoint) = keeper.marked() {
            (self.on_event)(ScanEvent::Settle);
            // Whoever could not settle what it was told has cancelled the scan.
            if !self.cancel.is_cancelled() {
                keeper.write(&checkpoint);
            }
        }
    }

    /// Says once, while there is time to do something about it, that answers are being lost here.
    fn warn_of_drops(&mut self) {
        let drops = self.board.kernel_drops.load(Ordering::Relaxed);
        if drops > 0 && !self.warned_of_drops {
            self.warned_of_drops = true;
            (self.on_event)(ScanEvent::Warning(format!(
                "this host does not keep up: the kernel has dropped {drops} answers so far; \
                 a lower rate hears more"
            )));
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
            kernel_drops: read(&self.board.kernel_drops),
            elapsed: self.driver.clock.elapsed(),
        });
        (self.on_event)(event);
    }

    /// Passes events on until everything has answered, or for as long as `span` says of the longest
    /// round trip seen: a slow answer that comes in meanwhile prolongs it.
    fn wait(&mut self, pass: u8, span: impl Fn(Duration) -> Duration) {
        let start = Instant::now();
        while !self.all_answered() && !self.board.failed.load(Ordering::Relaxed) {
            let left = span(self.board.rtt_max()).saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            self.take(left.min(TICK));
            self.look_after(pass);
        }
    }

    /// Passes on what is in the queue until it is empty and `done` holds.
    fn drain_until(&mut self, done: impl Fn() -> bool) {
        loop {
            let finished = done();
            let took = self.take(if finished { Duration::ZERO } else { TICK });
            if finished && !took {
                return;
            }
        }
    }

    /// Whether every endpoint that can answer has, in a scan that is not a part of one.
    fn all_answered(&self) -> bool {
        self.driver.answered.is_some()
            && self.board.first_answers.load(Ordering::Relaxed) >= self.driver.reachable
    }
}

/// The bits of what has answered, where they are kept.
fn answers(answered: Option<&Answered>) -> Vec<u8> {
    let kept = answered.filter(|answered| answered.len() <= ANSWERS_KEPT_MAX);
    kept.map_or_else(Vec::new, Answered::to_octets)
}

/// Sends one pass of one stride.
fn send_pass(
    sender: &mut Sender,
    taken: &AtomicU64,
    board: &Board,
    cancel: &Cancel,
    clock: ScanClock,
) -> Result<(), LinkError> {
    if let Some(mut maker) = sender.maker.take() {
        let (pass, begun) = (sender.half.pass(), sender.half.taken());
        match generate::send_pass(sender, maker.as_mut(), taken, board, cancel, clock) {
            Err(error @ LinkError::Unusable { .. }) if sender.may_fall_back => {
                tracing::debug!(%error, "frames are handed to the next link");
                sender.half.begin_pass(pass, begun);
            }
            other => {
                sender.maker = Some(maker);
                return other;
            }
        }
    }
    let mut batch = FrameBatch::new();
    while !cancel.is_cancelled() && !board.failed.load(Ordering::Relaxed) {
        if board.is_behind() {
            thread::sleep(CATCH_UP_NAP);
            continue;
        }
        match sender.half.poll_transmit(clock.now(), &mut batch) {
            Step::Transmit => {
                if !send_batch(sender.tx.as_mut(), &batch, board, cancel)? {
                    break;
                }
                taken.store(sender.half.taken(), Ordering::Relaxed);
            }
            Step::Wait(until) => {
                sender.tx.flush()?;
                rest(until.since(clock.now()));
            }
            Step::EndOfPass => {
                taken.store(sender.half.taken(), Ordering::Relaxed);
                break;
            }
        }
    }
    while !sender.tx.flush()? && !cancel.is_cancelled() {
        sender.tx.wait_writable(NAP_MAX)?;
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
