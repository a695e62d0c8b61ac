//! A network that exists on paper, and the runner that scans it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use portolan_api::{RunnerError, ScanJob, ScanRunner};
use portolan_core::target::{Block, TargetSet};
use portolan_core::{Endpoint, PortState, Reason, Transport, UnixTime};
use portolan_store::{EndpointState, ScanReport, Source};
use tokio::sync::watch;

use portolan_api::Clock;

/// How the next runs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Scan,
    Fail,
    Panic,
    /// Runs stay under way until the mood changes, or they are cancelled.
    Hold,
}

/// The truth, and what was asked about it.
pub(crate) struct Network {
    open: Mutex<BTreeSet<Endpoint>>,
    /// Open, and silent in the first pass of the next run.
    shy: Mutex<BTreeSet<Endpoint>>,
    mood: watch::Sender<Mood>,
    pub(crate) jobs: Mutex<Vec<(String, Option<Vec<Endpoint>>)>>,
    clock: Arc<dyn Clock>,
}

impl Network {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            open: Mutex::default(),
            shy: Mutex::default(),
            mood: watch::Sender::new(Mood::Scan),
            jobs: Mutex::default(),
            clock,
        }
    }

    pub(crate) fn open(&self, endpoint: Endpoint) {
        self.open.lock().unwrap().insert(endpoint);
    }

    pub(crate) fn close(&self, endpoint: Endpoint) {
        self.open.lock().unwrap().remove(&endpoint);
    }

    pub(crate) fn be_shy(&self, endpoint: Endpoint) {
        self.shy.lock().unwrap().insert(endpoint);
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    fn report(&self, job: &ScanJob, started_at: UnixTime) -> ScanReport {
        let spec = &job.spec;
        let everything = || {
            let (tcp, udp) = spec.ports.as_ref().unwrap().for_scan(true, false);
            TargetSet::single(Block {
                addrs: spec.targets.addrs().clone(),
                tcp,
                udp,
                ..Block::default()
            })
        };
        let coverage = job.recheck.as_deref().map_or_else(everything, TargetSet::of_endpoints);
        // Only a first pass overlooks.
        let mut shy = BTreeSet::new();
        if job.recheck.is_none() {
            shy = std::mem::take(&mut *self.shy.lock().unwrap());
        }
        let mut report = ScanReport::empty(spec.site.clone(), Source::Engine, started_at);
        let open = self.open.lock().unwrap();
        report.states = open
            .iter()
            .filter(|e| coverage.contains(e) && !shy.contains(e))
            .map(|endpoint| EndpointState {
                endpoint: *endpoint,
                state: PortState::Open,
                reason: if endpoint.transport == Transport::Tcp {
                    Reason::SynAck
                } else {
                    Reason::UdpResponse
                },
                ttl: Some(64),
                rtt: None,
                at: started_at,
                service: None,
                banner: None,
            })
            .collect();
        report.coverage = coverage;
        report.counters.probes_sent = 10;
        report.counters.coverage = 1.0;
        report
    }
}

/// Scans a [`Network`].
pub(crate) struct Scripted(pub(crate) Arc<Network>);

impl ScanRunner for Scripted {
    fn run(&self, job: ScanJob) -> BoxFuture<'static, Result<ScanReport, RunnerError>> {
        let network = Arc::clone(&self.0);
        async move {
            network.jobs.lock().unwrap().push((job.name.clone(), job.recheck.clone()));
            let started_at = network.clock.now();
            let mut mood = network.mood.subscribe();
            let now = *mood.borrow();
            match now {
                // Only scans called so: the others go on.
                Mood::Fail if job.name == "lab" => return Err(RunnerError::new("no such device")),
                Mood::Panic if job.name == "lab" => panic!("scripted"),
                Mood::Hold => {
                    tokio::select! {
                        _changed = mood.wait_for(|m| *m != Mood::Hold) => {}
                        () = job.cancel.cancelled() => {}
                    }
                }
                _ => {}
            }
            let mut report = network.report(&job, started_at);
            report.complete = !job.cancel.is_cancelled();
            Ok(report)
        }
        .boxed()
    }
}
