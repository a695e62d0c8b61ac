//! A daemon of its own for every test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portolan_api::daemon::DaemonError;
use portolan_api::scheduler::ScanStatus;
use portolan_api::{Clock, Daemon, DaemonConfig, DaemonHandle, Overrides, Sources};
use portolan_core::{Endpoint, UnixTime};
use portolan_store::{Store, StoreOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Answer, send};
use crate::network::{Network, Scripted};

/// 2026-11-21T19:00:00Z.
pub(crate) const START: i64 = 1_795_287_600;

/// The token of daemons that have one.
pub(crate) const TOKEN: &str = "0123456789abcdef";

/// A clock that only tests turn.
pub(crate) struct HandClock(watch::Sender<UnixTime>);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.after(by));
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: UnixTime) -> BoxFuture<'static, ()> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            let _dropped = now.wait_for(|now| *now >= at).await;
        })
    }
}

pub(crate) struct Lab {
    pub(crate) addr: SocketAddr,
    pub(crate) network: Arc<Network>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) handle: DaemonHandle,
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
    task: JoinHandle<Result<(), DaemonError>>,
}

pub(crate) const ONE_SCAN: &str = "[[scan]]\nname = 'lab'\ntargets = ['10.78.0.1-10.78.0.9']\n\
                                   ports = '22,80,443'\ninterval = '10s'\n";

pub(crate) fn tcp(last: u8, port: u16) -> Endpoint {
    Endpoint::tcp([10, 78, 0, last].into(), port)
}

/// Reads a configuration as `serve` would, listening on a port of the system's choice.
pub(crate) fn config(text: &str) -> DaemonConfig {
    let flags = Overrides { listen: Some(([127, 0, 0, 1], 0).into()), ..Overrides::default() };
    let (names, links) = (&|_: &str| Vec::new(), &|_: &str| Ok(()));
    let sources = Sources { file: Some(text), env: &[], flags: &flags, names, links };
    DaemonConfig::load(&sources).unwrap()
}

impl Lab {
    /// A daemon with this configuration.
    pub(crate) async fn start(text: &str) -> Self {
        Self::with(|_| config(text)).await
    }

    /// A daemon whose configuration may name the test's own folder.
    pub(crate) async fn with(make: impl FnOnce(&TempDir) -> DaemonConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = make(&folder);
        let options = StoreOptions { reserve_bytes: 0, ..StoreOptions::default() };
        let store = Store::open(&folder.path().join("store"), options).unwrap();
        let clock = Arc::new(HandClock(watch::Sender::new(UnixTime::from_seconds(START))));
        let network = Arc::new(Network::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let runner = Arc::new(Scripted(Arc::clone(&network)));
        let shared: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
        let daemon = Daemon::bind(config, store.clone(), runner, shared).await.unwrap();
        let (addr, handle) = (daemon.local_addr(), daemon.handle());
        let task = tokio::spawn(daemon.run());
        Self { addr, network, clock, handle, store, folder, task }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        send(self.addr, "GET", target, &[], b"").await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let headers = [("content-type", content_type)];
        let headers = if content_type.is_empty() { &[][..] } else { &headers[..] };
        send(self.addr, method, target, headers, body.as_ref()).await
    }

    pub(crate) async fn patch(&self, entries: &Value) -> Answer {
        self.send("PATCH", "/v1/expected", "application/json", entries.to_string()).await
    }

    /// The value of one series of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        answer.text().lines().find_map(value)
    }

    /// Waits until `scan` has ended a run that started at the clock's time or later.
    pub(crate) async fn ran(&self, scan: &str) -> ScanStatus {
        let now = self.clock.now();
        let done = |status: &ScanStatus| {
            status.spec.name == scan && status.last.as_ref().is_some_and(|l| l.started_at >= now)
        };
        let found = self.handle.scheduler().wait_for(|all| all.iter().any(done)).await;
        found.unwrap().iter().find(|s| done(s)).unwrap().clone()
    }

    /// Turns the clock by one interval and waits for the run that is due then.
    pub(crate) async fn next_run(&self) -> ScanStatus {
        self.clock.advance(Duration::from_secs(10));
        self.ran("lab").await
    }

    /// Stops the daemon, and says how that went.
    pub(crate) async fn stop(self) -> Result<(), DaemonError> {
        self.handle.shut_down();
        self.task.await.unwrap()
    }
}
