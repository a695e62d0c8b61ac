//! Running a plan against a network: passes, pauses and a last wait, as a driver does, in virtual
//! time and on one thread.

use std::sync::Arc;
use std::time::Duration;

use portolan_core::answered::Answered;
use portolan_core::auto::Auto;
use portolan_core::canary::{CANARY_GAP, Canaries};
use portolan_core::estimate::PairCounts;
use portolan_core::group_gate::{GroupLimits, GroupShare};
use portolan_core::link::FrameBatch;
use portolan_core::pacer::RatePps;
use portolan_core::pairs::Pairs;
use portolan_core::pause::Pause;
use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;
use portolan_core::rate::{LocalCounts, RateController, RateDial};
use portolan_core::receive::{ReceiveCounts, Receiver};
use portolan_core::timeline::Timeline;
use portolan_core::transmit::{Step, Transmitter};
use portolan_core::wire::Rejection;
use portolan_core::{HostObservation, Note, Observation, ScanEvent, Timestamp, UnixTime};

use super::{Arrival, Network};

/// Where a scan stands when it is interrupted: what continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The pass that was running.
    pub pass: u8,
    /// Positions of it that each sending thread was done with.
    pub taken: Vec<u64>,
    /// The endpoints that had answered, as [`Answered::to_octets`] writes them.
    pub answered: Vec<u8>,
}

/// How a plan is run.
#[derive(Clone)]
pub struct Driver {
    /// What is to be done.
    pub plan: Arc<ScanPlan>,
    /// Probes a second, over all threads.
    pub rate: RatePps,
    /// Find the rate; the one above is its most.
    pub auto: bool,
    /// The most to any one host and subnet; the plan must be striped accordingly.
    pub limits: GroupLimits,
    /// Tell no more of a host that is open on every port.
    pub keep_back: bool,
    /// Which part of the plan.
    pub shard: Shard,
    /// Sending threads, simulated as strides that take turns.
    pub threads: u32,
    /// The wait between two passes.
    pub pause: Duration,
    /// The wait after the last.
    pub cooldown: Duration,
    /// Waits as long as the round trips seen say instead, as the real driver does.
    pub adaptive: bool,
    /// Interrupts the scan once so many probes have left.
    pub interrupt_after: Option<u64>,
    /// Continues from here.
    pub resume: Option<Checkpoint>,
}

/// What a scan said and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Observations in order of arrival.
    pub endpoints: Vec<Observation>,
    /// Signs of life in order of arrival.
    pub hosts: Vec<HostObservation>,
    /// What was odd, in order.
    pub notes: Vec<Note>,
    /// What the receiver counted.
    pub counts: ReceiveCounts,
    /// Frames with a turned bit that the receiver took for answers nevertheless.
    pub corrupted_accepted: u64,
    /// Probes that left.
    pub sent: u64,
    /// Endpoints asked in the first pass.
    pub asked: u64,
    /// What the sample that is asked twice answered.
    pub pairs: PairCounts,
    /// The rates that were found, each from its moment on.
    pub rates: Vec<(Timestamp, u32)>,
    /// When it ended, in virtual time.
    pub ended: Timestamp,
    /// Where to go on, if it was interrupted.
    pub checkpoint: Option<Checkpoint>,
}

impl Outcome {
    /// How often the receiver rejected a frame for this cause.
    pub fn rejected(&self, cause: Rejection) -> u64 {
        let causes = Rejection::ALL.iter().zip(&self.counts.rejected);
        causes.filter(|(known, _)| **known == cause).map(|(_, count)| *count).sum()
    }

    /// How often the receiver rejected a frame.
    pub fn rejections(&self) -> u64 {
        self.counts.rejected.iter().sum()
    }
}

impl Driver {
    /// Runs `plan` whole: one thread, 100,000 probes a second, pauses of one second, and ten
    /// seconds for the last answers.
    pub fn new(plan: Arc<ScanPlan>) -> Self {
        Self {
            plan,
            rate: RatePps::new(100_000).unwrap_or(RatePps::MIN),
            auto: false,
            limits: GroupLimits::default(),
            keep_back: false,
            shard: Shard::default(),
            threads: 1,
            pause: Duration::from_secs(1),
            cooldown: Duration::from_secs(10),
            adaptive: false,
            interrupt_after: None,
            resume: None,
        }
    }

    /// Runs the scan to its end or interruption.
    ///
    /// Both ends of the engine are the real ones; frames pass between them only as octets.
    pub fn run(&self, network: &mut Network) -> Outcome {
        let mut run = Run::new(self, network);
        let first = self.resume.as_ref().map_or(0, |checkpoint| checkpoint.pass);
        for pass in first..self.plan.config().passes {
            if pass > first {
                run.rest_as(Pause::BETWEEN_PASSES, self.pause, self.adaptive);
            }
            run.begin(pass, self.resume.as_ref().filter(|at| at.pass == pass));
            if !run.transmit(self.interrupt_after) {
                // Who is interrupted still hears what is under way before saying what is known.
                run.rest(self.cooldown);
                return run.finish(Some(pass));
            }
        }
        run.rest_as(Pause::COOLDOWN, self.cooldown, self.adaptive);
        run.finish(None)
    }
}

struct Run<'a> {
    network: &'a mut Network,
    senders: Vec<Sender>,
    receiver: Receiver,
    answered: Option<Arc<Answered>>,
    heard: Heard,
    search: Option<Search>,
    pairs: Option<Arc<Pairs>>,
    now: Timestamp,
}

/// A search for the rate.
struct Search {
    controller: RateController,
    dial: Arc<RateDial>,
    canaries: Arc<Canaries>,
    looked: Timestamp,
    rates: Vec<(Timestamp, u32)>,
}

impl Search {
    fn new(most: RatePps, canaries: Canaries) -> Self {
        let controller = RateController::new(most, Timestamp::ZERO);
        Self {
            dial: Arc::new(RateDial::new(controller.rate())),
            controller,
            canaries: Arc::new(canaries),
            looked: Timestamp::ZERO,
            rates: Vec::new(),
        }
    }

    /// Looks every 20 ms, as a driver does.
    fn look(&mut self, now: Timestamp, sent: u64) {
        if now.since(self.looked) >= Duration::from_millis(20) {
            self.looked = now;
            let local = LocalCounts { sent, dropped: 0 };
            let rate = self.controller.tick(now, &self.canaries, local);
            if rate != self.dial.get() {
                self.dial.set(rate);
                self.rates.push((now, rate.get()));
            }
        }
    }
}

/// What is left for ordinary probes of the limits, and who else has a part in them.
fn share_limits(most: GroupLimits, auto: bool) -> (GroupLimits, Canaries) {
    match GroupShare::new(most).filter(|_| auto) {
        Some(share) => (share.probes, Canaries::new(1, share.canary_gap)),
        None => (most, Canaries::new(8, CANARY_GAP)),
    }
}

struct Sender {
    half: Transmitter,
    due: Option<Timestamp>,
}

#[derive(Default)]
struct Heard {
    endpoints: Vec<Observation>,
    hosts: Vec<HostObservation>,
    notes: Vec<Note>,
    corrupted_accepted: u64,
}

impl<'a> Run<'a> {
    fn new(driver: &Driver, network: &'a mut Network) -> Self {
        let plan = &driver.plan;
        let answered = Answered::new(plan.len()).map(Arc::new);
        if let (Some(answered), Some(at)) = (&answered, &driver.resume) {
            answered.fill(&at.answered);
        }
        let threads = driver.threads.max(1);
        let timelines: Vec<Arc<Timeline>> = (0..threads).map(|_| Arc::default()).collect();
        let each = RatePps::new(driver.rate.get() / threads).unwrap_or(RatePps::MIN);
        let pairs = Pairs::new(plan.len(), plan.config().passes).map(Arc::new);
        let (gated, canaries) = share_limits(driver.limits, driver.auto);
        let search = driver.auto.then(|| Search::new(driver.rate, canaries));
        let senders = (0..threads).zip(&timelines).map(|(thread, timeline)| {
            let half = Transmitter::new(
                Arc::clone(plan),
                0,
                answered.clone(),
                Arc::clone(timeline),
                driver.shard.thread(thread, threads),
                each,
                Timestamp::ZERO,
            );
            let half = match &pairs {
                Some(pairs) => half.pairs(Arc::clone(pairs)),
                None => half,
            };
            let half = half.limited(gated);
            let half = match &search {
                None => half,
                Some(search) => {
                    let (dial, canaries) = (Arc::clone(&search.dial), Arc::clone(&search.canaries));
                    let share = 1.0 / f64::from(threads);
                    half.auto(Auto::new(dial, canaries, share, 0), Timestamp::ZERO)
                }
            };
            Sender { half, due: None }
        });
        let senders = senders.collect();
        let mut receiver = Receiver::new(
            Arc::clone(plan),
            network.encapsulation(),
            answered.clone(),
            vec![timelines],
            driver.shard.count * threads,
            UnixTime::from_seconds(1_000_000_000),
        );
        if driver.keep_back {
            receiver = receiver.keep_back();
        }
        if let Some(search) = &search {
            receiver = receiver.canaries(Arc::clone(&search.canaries));
        }
        if let Some(pairs) = &pairs {
            receiver = receiver.pairs(Arc::clone(pairs));
        }
        let (heard, now) = (Heard::default(), Timestamp::ZERO);
        Self { network, senders, receiver, answered, heard, search, pairs, now }
    }

    fn begin(&mut self, pass: u8, from: Option<&Checkpoint>) {
        for (thread, sender) in self.senders.iter_mut().enumerate() {
            let taken = from.and_then(|at| at.taken.get(thread)).copied().unwrap_or(0);
            sender.half.begin_pass(pass, taken);
            sender.due = Some(self.now);
        }
    }

    /// Sends one pass; false if it was interrupted.
    fn transmit(&mut self, interrupt_after: Option<u64>) -> bool {
        let mut batch = FrameBatch::new();
        loop {
            let next = self.senders.iter_mut().filter(|s| s.due.is_some()).min_by_key(|s| s.due);
            let Some(sender) = next else { return true };
            let at = sender.due.unwrap_or(self.now).max(self.now);
            let step = sender.half.poll_transmit(at, &mut batch);
            sender.due = match step {
                Step::Transmit => Some(at),
                Step::Wait(until) => Some(until),
                Step::EndOfPass => None,
            };
            for frame in batch.frames() {
                self.network.send(at, frame);
            }
            self.hear_until(at);
            let sent = self.sent();
            if let Some(search) = self.search.as_mut() {
                search.look(at, sent);
            }
            if interrupt_after.is_some_and(|limit| self.sent() >= limit) {
                return false;
            }
        }
    }

    fn rest(&mut self, pause: Duration) {
        self.hear_until(self.now + pause);
    }

    /// Rests for `fixed`, or for as long as `pause` says while slower and slower answers come in.
    fn rest_as(&mut self, pause: Pause, fixed: Duration, adaptive: bool) {
        if !adaptive {
            return self.rest(fixed);
        }
        let start = self.now;
        loop {
            let until = start + pause.after(self.receiver.counts().rtt_max);
            match self.network.next_arrival().filter(|at| *at <= until) {
                Some(at) => self.hear_until(at.max(self.now)),
                None => return self.hear_until(until),
            }
        }
    }

    fn hear_until(&mut self, until: Timestamp) {
        while let Some((at, Arrival { frame, corrupted })) = self.network.step(until) {
            let heard = &mut self.heard;
            let outcome = self.receiver.handle_frame(at, &frame, &mut |event| match event {
                ScanEvent::Endpoint(seen) => heard.endpoints.push(seen),
                ScanEvent::Host(seen) => heard.hosts.push(seen),
                ScanEvent::Note(note) => heard.notes.push(note),
                ScanEvent::Progress(_) | ScanEvent::Warning(_) | ScanEvent::Settle => {}
            });
            heard.corrupted_accepted += u64::from(corrupted && outcome.is_ok());
        }
        self.receiver.drained(until);
        self.now = until;
    }

    fn sent(&self) -> u64 {
        self.senders.iter().map(|s| s.half.sent()).sum()
    }

    fn finish(mut self, interrupted_in: Option<u8>) -> Outcome {
        let notes = &mut self.heard.notes;
        self.receiver.conclude(&mut |event| {
            if let ScanEvent::Note(note) = event {
                notes.push(note);
            }
        });
        let answered = self.answered.as_ref();
        let checkpoint = interrupted_in.map(|pass| Checkpoint {
            pass,
            taken: self.senders.iter().map(|s| s.half.taken()).collect(),
            answered: answered.map(|a| a.to_octets()).unwrap_or_default(),
        });
        Outcome {
            sent: self.sent(),
            asked: self.senders.iter().map(|s| s.half.asked()).sum(),
            endpoints: self.heard.endpoints,
            hosts: self.heard.hosts,
            notes: self.heard.notes,
            counts: *self.receiver.counts(),
            corrupted_accepted: self.heard.corrupted_accepted,
            pairs: self.pairs.map(|p| p.counts()).unwrap_or_default(),
            rates: self.search.map(|s| s.rates).unwrap_or_default(),
            ended: self.now,
            checkpoint,
        }
    }
}
