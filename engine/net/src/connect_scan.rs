//! A scan through the kernel's `connect`, with the same events and outcome as a raw one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portolan_core::answered::Answered;
use portolan_core::plan::{Probe, ScanPlan};
use portolan_core::target::{Block, PortSet, TargetSet};
use portolan_core::{Endpoint, PortState, Progress, Reason, ScanEvent, Transport};

use crate::checkpoint::{ANSWERS_KEPT_MAX, Checkpoint};
use crate::connect::{ConnectOptions, connect_scan};
use crate::keeper::Keeper;
use crate::options::Cancel;
use crate::outcome::ScanOutcome;
use crate::scan::{Scan, ScanError};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Runs the TCP part of `scan` by `connect`.
pub(crate) fn run(
    scan: &Scan,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ScanEvent),
) -> Result<ScanOutcome, ScanError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ScanError::Runtime)?;
    let options = scan.options();
    let how = ConnectOptions {
        rate_pps: Some(options.unwatched_pps()),
        retries: u32::from(options.retries),
        sources: options.source_ip.into_iter().collect(),
        // Silence is not told, but it settles an endpoint.
        report_silent: true,
        ..ConnectOptions::default()
    };
    let targets = tcp_only(scan.targets());
    let started = Instant::now();
    let mut told = started;
    let mut progress = Progress {
        passes: 1,
        planned: options.shard.share_of(targets.len().unwrap_or(u64::MAX)),
        ..Progress::default()
    };
    let settled = Settled::new(scan)?;
    let endpoints = scan.endpoints().filter(|endpoint| !settled.contains(endpoint));
    let path = options.checkpoint.clone();
    let mut keeper = path.map(|path| Keeper::start(path, &settled.checkpoint(scan.checkpoint(1))));
    let mut up = HashSet::new();
    let mut report = |observation: portolan_core::Observation| {
        settled.insert(&observation.endpoint);
        progress.done += 1;
        progress.sent = progress.done;
        progress.elapsed = started.elapsed();
        if observation.reason != Reason::NoResponse {
            if matches!(observation.state, PortState::Open | PortState::Closed) {
                up.insert(observation.endpoint.addr);
            }
            progress.replies += 1;
            progress.open += u64::from(observation.state == PortState::Open);
            on_event(ScanEvent::Endpoint(observation));
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            on_event(ScanEvent::Progress(progress));
            if let Some(keeper) = keeper.as_mut().filter(|keeper| keeper.wants_one()) {
                let checkpoint = settled.checkpoint(scan.checkpoint(1));
                on_event(ScanEvent::Settle);
                if !cancel.is_cancelled() {
                    keeper.write(&checkpoint);
                }
            }
        }
    };
    let scanned = connect_scan(endpoints, &how, cancel.flag(), &mut report);
    let mut stats = runtime.block_on(scanned)?;
    stats.targets = targets.addrs().len().unwrap_or(u64::MAX);
    stats.ports = scan.ports();
    stats.planned = progress.planned;
    stats.hosts_up = u64::try_from(up.len()).unwrap_or(u64::MAX);
    stats.duration = started.elapsed();
    let complete = !cancel.is_cancelled();
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    let share = stats.asked as f64 / stats.planned.max(1) as f64;
    stats.coverage = share.min(1.0);
    let whole = complete && options.shard.count == 1;
    let asked = if whole { targets } else { TargetSet::default() };
    let checkpoint = (!complete).then(|| settled.checkpoint(scan.checkpoint(1)));
    Ok(ScanOutcome { stats, complete, asked, checkpoint })
}

/// What is known already: connections end in any order, so a position would not say.
struct Settled {
    plan: ScanPlan,
    bits: Option<Arc<Answered>>,
}

impl Settled {
    /// What the scan that is resumed knew.
    fn new(scan: &Scan) -> Result<Self, ScanError> {
        let plan = scan.paper_plan()?;
        let bits = scan.known().cloned().or_else(|| Answered::new(plan.len()).map(Arc::new));
        Ok(Self { plan, bits: bits.filter(|bits| bits.len() <= ANSWERS_KEPT_MAX) })
    }

    fn index(&self, endpoint: &Endpoint) -> Option<u64> {
        let tcp = endpoint.transport == Transport::Tcp;
        let found = tcp.then(|| self.plan.find(endpoint.addr, Probe::Tcp(endpoint.port)));
        found.flatten().map(|found| found.index)
    }

    fn contains(&self, endpoint: &Endpoint) -> bool {
        let bits = self.bits.as_ref();
        bits.zip(self.index(endpoint)).is_some_and(|(bits, index)| bits.contains(index))
    }

    fn insert(&self, endpoint: &Endpoint) {
        if let (Some(bits), Some(index)) = (&self.bits, self.index(endpoint)) {
            bits.insert(index);
        }
    }

    fn checkpoint(&self, start: Checkpoint) -> Checkpoint {
        let answered = self.bits.as_ref().map_or_else(Vec::new, |bits| bits.to_octets());
        Checkpoint { pass: 0, taken: vec![0], answered, ..start }
    }
}

fn tcp_only(targets: &TargetSet) -> TargetSet {
    let tcp = |b: &Block| Block { udp: PortSet::new(), sctp: PortSet::new(), ..b.clone() };
    targets.blocks().iter().map(tcp).collect()
}
