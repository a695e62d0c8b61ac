//! Running a plan against a network: passes, pauses and a last wait, as a driver does, in virtual
//! time and on one thread.

use std::sync::Arc;
use std::time::Duration;

use portolan_core::answered::Answered;
use portolan_core::link::FrameBatch;
use portolan_core::pacer::RatePps;
use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::{ReceiveCounts, Receiver};
use portolan_core::timeline::Timeline;
use portolan_core::transmit::{Step, Transmitter};
use portolan_core::wire::Rejection;
use portolan_core::{HostObservation, Observation, ScanEvent, Timestamp, UnixTime};

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
    /// Which part of the plan.
    pub shard: Shard,
    /// Sending threads, simulated as strides that take turns.
    pub threads: u32,
    /// The wait between two passes.
    pub pause: Duration,
    /// The wait after the last.
    pub cooldown: Duration,
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
    /// What the receiver counted.
    pub counts: ReceiveCounts,
    /// Frames with a turned bit that the receiver took for answers nevertheless.
    pub corrupted_accepted: u64,
    /// Probes that left.
    pub sent: u64,
    /// Endpoints asked in the first pass.
    pub asked: u64,
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
            shard: Shard::default(),
            threads: 1,
            pause: Duration::from_secs(1),
            cooldown: Duration::from_secs(10),
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
                run.rest(self.pause);
            }
            run.begin(pass, self.resume.as_ref().filter(|at| at.pass == pass));
            if !run.transmit(self.interrupt_after) {
                // Who is interrupted still hears what is under way before saying what is known.
                run.rest(self.cooldown);
                return run.finish(Some(pass));
            }
        }
        run.rest(self.cooldown);
        run.finish(None)
    }
}

struct Run<'a> {
    network: &'a mut Network,
    senders: Vec<Sender>,
    receiver: Receiver,
    answered: Option<Arc<Answered>>,
    heard: Heard,
    now: Timestamp,
}

struct Sender {
    half: Transmitter,
    due: Option<Timestamp>,
}

#[derive(Default)]
struct Heard {
    endpoints: Vec<Observation>,
    hosts: Vec<HostObservation>,
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
        let senders = (0..threads).zip(&timelines).map(|(thread, timeline)| Sender {
            half: Transmitter::new(
                Arc::clone(plan),
                0,
                answered.clone(),
                Arc::clone(timeline),
                driver.shard.thread(thread, threads),
                each,
                Timestamp::ZERO,
            ),
            due: None,
        });
        let senders = senders.collect();
        let receiver = Receiver::new(
            Arc::clone(plan),
            network.encapsulation(),
            answered.clone(),
            vec![timelines],
            driver.shard.count * threads,
            UnixTime::from_seconds(1_000_000_000),
        );
        let (heard, now) = (Heard::default(), Timestamp::ZERO);
        Self { network, senders, receiver, answered, heard, now }
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
            if interrupt_after.is_some_and(|limit| self.sent() >= limit) {
                return false;
            }
        }
    }

    fn rest(&mut self, pause: Duration) {
        self.hear_until(self.now + pause);
    }

    fn hear_until(&mut self, until: Timestamp) {
        while let Some((at, Arrival { frame, corrupted })) = self.network.step(until) {
            let heard = &mut self.heard;
            let outcome = self.receiver.handle_frame(at, &frame, &mut |event| match event {
                ScanEvent::Endpoint(seen) => heard.endpoints.push(seen),
                ScanEvent::Host(seen) => heard.hosts.push(seen),
                ScanEvent::Progress(_) | ScanEvent::Warning(_) | ScanEvent::Settle => {}
            });
            heard.corrupted_accepted += u64::from(corrupted && outcome.is_ok());
        }
        self.now = until;
    }

    fn sent(&self) -> u64 {
        self.senders.iter().map(|s| s.half.sent()).sum()
    }

    fn finish(self, interrupted_in: Option<u8>) -> Outcome {
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
            counts: *self.receiver.counts(),
            corrupted_accepted: self.heard.corrupted_accepted,
            ended: self.now,
            checkpoint,
        }
    }
}
