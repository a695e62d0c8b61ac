//! A receiver under hostile frames, and the count of what it believed.

use std::sync::Arc;
use std::time::Duration;

use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::link::Encapsulation;
use portolan_core::plan::{PlanConfig, PlanError, ScanPlan};
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::receive::Receiver;
use portolan_core::seed::Seed;
use portolan_core::target::{AddrSet, Block, Scope, TargetSpec};
use portolan_core::timeline::Timeline;
use portolan_core::wire::ProbeStyle;
use portolan_core::{PortState, ScanEvent, Timestamp, UnixTime};

use super::hops::hops;
use super::hostile::{Harm, Hostile, Truth};
use super::payloads::EchoPayloads;
use super::rng::Rng;

/// Frames after which the receiver forgets what has answered, so that true answers are told again.
const FORGET_AFTER: u64 = 1 << 20;

/// What was thrown, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Frames, by [`Harm::ALL`].
    pub thrown: [u64; Harm::ALL.len()],
    /// Frames that were taken for answers, and could be.
    pub accepted: [u64; Harm::ALL.len()],
    /// Results told.
    pub told: u64,
    /// Frames that were taken for what they did not prove.
    pub false_results: u64,
    /// The first of these.
    pub first_false: Option<String>,
}

/// A plan, a receiver for its answers, and frames against it.
pub struct Siege {
    plan: Arc<ScanPlan>,
    encapsulation: Encapsulation,
    hostile: Hostile,
    receiver: Receiver,
    now: Timestamp,
    tally: Tally,
}

/// The plan that is besieged: both families, TCP, UDP and echo, three passes.
///
/// # Errors
/// Never, as long as the engine can plan 80,000 endpoints.
pub fn plan(seed: u64, encapsulation: Encapsulation) -> Result<ScanPlan, PlanError> {
    let mut rng = Rng::new(seed).fork("siege");
    let mut key = [0; 16];
    key.iter_mut().zip(rng.next_u64().to_be_bytes()).for_each(|(to, from)| *to = from);
    let addrs = |text: &str| {
        text.parse::<TargetSpec>().map_or_else(|_| AddrSet::new(), |spec| spec.addrs().clone())
    };
    let block = |text: &str| Block {
        addrs: addrs(text),
        tcp: (1..=100).collect(),
        udp: (1..=60).collect(),
        ..Block::default()
    };
    let (hops, routes) = hops(encapsulation);
    let config = PlanConfig {
        scope: Scope::unbounded(),
        blocks: vec![block("10.0.0.0/24"), block("2001:db8::/120")],
        echo: true,
        pings: Pings::default(),
        tcp_scan: TcpScan::Syn,
        discover: false,
        passes: 3,
        seed: Seed(rng.next_u64()),
        key: CookieKey::new(key),
        source_ports: SourcePorts::new(61_440, 65_535).ok_or(PlanError::TooManyEndpoints)?,
        payloads: Arc::new(EchoPayloads),
        style: ProbeStyle::default(),
    };
    ScanPlan::new(config, hops, &routes, &|_| None)
}

impl Siege {
    /// The siege of `seed` by a link of `encapsulation`.
    ///
    /// # Errors
    /// As [`plan`].
    pub fn new(seed: u64, encapsulation: Encapsulation) -> Result<Self, PlanError> {
        let plan = Arc::new(plan(seed, encapsulation)?);
        let hostile = Hostile::new(seed, &plan, encapsulation);
        let receiver = receiver(&plan, encapsulation);
        let (now, tally) = (Timestamp::ZERO, Tally::default());
        Ok(Self { plan, encapsulation, hostile, receiver, now, tally })
    }

    /// Throws `frames` more.
    pub fn throw(&mut self, frames: u64) {
        for _ in 0..frames {
            let thrown: u64 = self.tally.thrown.iter().sum();
            if thrown % FORGET_AFTER == FORGET_AFTER - 1 {
                self.receiver = receiver(&self.plan, self.encapsulation);
            }
            self.now = self.now + Duration::from_micros(1);
            let (harm, truth, frame) = self.hostile.next_frame();
            let tally = &mut self.tally;
            let mut lied = false;
            let outcome = self.receiver.handle_frame(self.now, frame, &mut |event| {
                tally.told += 1;
                lied |= !agrees(&event, truth);
            });
            let accepted = outcome.is_ok();
            if lied || accepted && truth.is_none() {
                tally.false_results += 1;
                let what = || format!("frame {thrown}, {harm:?}, proves {truth:?}: {frame:02x?}");
                tally.first_false.get_or_insert_with(what);
            }
            let at = Harm::ALL.iter().position(|h| *h == harm).unwrap_or(0);
            let counts = tally.thrown.get_mut(at).zip(tally.accepted.get_mut(at));
            if let Some((thrown, taken)) = counts {
                *thrown += 1;
                *taken += u64::from(accepted);
            }
        }
    }

    /// What came of it so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// A receiver that has heard nothing yet.
pub fn receiver(plan: &Arc<ScanPlan>, encapsulation: Encapsulation) -> Receiver {
    let answered = Answered::new(plan.len()).map(Arc::new);
    let timelines = vec![vec![Arc::new(Timeline::default())]];
    let epoch = UnixTime::from_seconds(1_000_000_000);
    Receiver::new(Arc::clone(plan), encapsulation, answered, timelines, 1, epoch)
}

/// Whether `event` is what its frame proves.
pub fn agrees(event: &ScanEvent, truth: Option<Truth>) -> bool {
    match (event, truth) {
        (ScanEvent::Endpoint(seen), Some(truth)) => {
            seen.endpoint == truth.endpoint && seen.state == truth.state
        }
        (ScanEvent::Host(host), Some(truth)) => {
            host.addr == truth.endpoint.addr && truth.state != PortState::Filtered
        }
        _ => false,
    }
}
