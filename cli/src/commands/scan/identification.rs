//! Open ports are asked who they are, while the scan goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::SyncSender;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use portolan_core::target::{PortSet, TargetSet};
use portolan_core::{Endpoint, Observation, PortState, Reason, Transport};
use portolan_fingerprints::Database;
use portolan_identify::{Identified, Options, Target, identify};
use portolan_net::Cancel;
use tokio::sync::mpsc;

use super::run::Word;
use crate::finding::{self, Finding};
use crate::ledger::asked_ports;

/// Endpoints that wait for their turn, at most; what is beyond is told unidentified.
const WAITING_MAX: usize = 1 << 20;
/// Silent UDP ports that are asked once more, at most: of one host all, of many some.
const SILENT_MAX: usize = 1 << 12;
/// Answers that wait for a slow output.
const FOUND_WAITING_MAX: usize = 1 << 10;
/// How soon an interruption is noticed.
const CANCEL_EVERY: Duration = Duration::from_millis(50);

/// What is being asked, and what is known of it already.
#[derive(Default)]
pub(crate) struct Identification {
    /// Closed when the scan has ended; never opened where nobody wants to know.
    targets: Option<mpsc::Sender<Target>>,
    waiting: HashMap<Endpoint, Finding>,
    /// Hosts that have answered, and their UDP ports that have.
    heard: BTreeMap<IpAddr, BTreeSet<u16>>,
    stage: Option<Stage>,
}

/// The other end: runs on a thread of its own.
pub(crate) struct Stage {
    targets: mpsc::Receiver<Target>,
    options: Options,
}

impl Identification {
    /// Nothing asked yet; nothing will be without `options`.
    pub(crate) fn new(options: Option<Options>) -> Self {
        let Some(options) = options else { return Self::default() };
        let (send, targets) = mpsc::channel(WAITING_MAX);
        let stage = Some(Stage { targets, options });
        Self { targets: Some(send), stage, ..Self::default() }
    }

    /// The stage that asks, to be started.
    pub(crate) const fn stage(&mut self) -> Option<Stage> {
        self.stage.take()
    }

    /// Takes `seen` if it can be asked; otherwise gives it back to be told as it is.
    pub(crate) fn take(&mut self, mut seen: Observation) -> Option<Observation> {
        let Some(targets) = &self.targets else { return Some(seen) };
        let endpoint = seen.endpoint;
        let ports = self.heard.entry(endpoint.addr).or_default();
        if endpoint.transport == Transport::Udp {
            ports.insert(endpoint.port);
        }
        let askable = matches!(endpoint.transport, Transport::Tcp | Transport::Udp);
        if !askable || seen.state != PortState::Open {
            return Some(seen);
        }
        let mut target = Target::new(endpoint);
        target.rtt = seen.rtt;
        target.reply = seen.reply.take().map(Vec::from);
        if targets.try_send(target).is_err() {
            return Some(seen);
        }
        self.waiting.insert(endpoint, Finding::from(seen));
        None
    }

    /// What is told of an endpoint that has been asked. Of a UDP port that was silent to the scan,
    /// that it is open, if it told who it is.
    pub(crate) fn told(&mut self, identified: Identified) -> Option<Finding> {
        let endpoint = identified.endpoint;
        let mut finding = match self.waiting.remove(&endpoint) {
            Some(finding) => finding,
            None if identified.service.is_none() => return None,
            None => Finding::from(Observation {
                at: finding::now(),
                endpoint,
                state: PortState::Open,
                reason: Reason::UdpResponse,
                ttl: None,
                rtt: None,
                reply: None,
            }),
        };
        finding.learn(identified);
        Some(finding)
    }

    /// The scan has ended, and has asked `asked`: nothing more comes but what of that is UDP,
    /// silent, and of hosts that are there. Its usual words were in vain; others may not be.
    pub(crate) fn close(&mut self, asked: &TargetSet) {
        let Some(targets) = self.targets.take() else { return };
        let mut left = SILENT_MAX;
        for (host, heard) in &self.heard {
            let heard: PortSet = heard.iter().copied().collect();
            let silent = asked_ports(asked, *host, Transport::Udp).difference(&heard);
            for port in silent.iter().take(left) {
                left -= 1;
                if targets.try_send(Target::new(Endpoint::udp(*host, port))).is_err() {
                    return;
                }
            }
        }
    }

    /// What was never answered, as it was.
    pub(crate) fn rest(&mut self) -> Vec<Finding> {
        let mut rest: Vec<_> = self.waiting.drain().map(|(_, finding)| finding).collect();
        rest.sort_by_key(|finding| finding.seen.endpoint);
        rest
    }
}

impl Stage {
    /// Asks on a thread of its own until nothing more comes or `cancel` says so; what is told goes
    /// into `words`.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub(crate) fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        cancel: &'scope Cancel,
        words: SyncSender<Word>,
    ) -> io::Result<ScopedJoinHandle<'scope, ()>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let work = move || {
            let Self { targets, options } = self;
            let (found, mut hear) = mpsc::channel(FOUND_WAITING_MAX);
            let teller = runtime.spawn_blocking(move || {
                while let Some(identified) = hear.blocking_recv() {
                    if words.send(Word::Identified(Box::new(identified))).is_err() {
                        break;
                    }
                }
            });
            runtime.block_on(async {
                tokio::select! {
                    () = identify(targets, found, &options, Database::embedded()) => {}
                    () = cancelled(cancel) => {}
                }
                // It ends with the last sender of what was found.
                let _ = teller.await;
            });
            runtime.shutdown_background();
        };
        thread::Builder::new().name("identify".to_owned()).spawn_scoped(scope, work)
    }
}

async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(CANCEL_EVERY).await;
    }
}
