//! The daemon as a whole: store, schedule, watcher and HTTP, started together and ended together.

use std::net::SocketAddr;
use std::sync::Arc;

use portolan_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use crate::auth::AccessRules;
use crate::clock::Clock;
use crate::config::{ConfigWarning, DaemonConfig, ImportConfig};
use crate::http::{self, App, Settings};
use crate::metrics::{Metrics, MetricsError};
use crate::run::Runs;
use crate::runner::{CancelToken, ScanRunner};
use crate::scheduler::{Scheduler, SchedulerHandle};
use crate::server;
use crate::watch::Watcher;

/// Why the daemon did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The address can't be listened on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It would listen beyond loopback with nothing to keep writers out.
    #[error("{listen} reaches beyond this machine, so a token is needed")]
    NoToken {
        /// The address.
        listen: SocketAddr,
    },
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[source] StoreError),
    /// A metric is not sound, which is a bug.
    #[error("the metrics could not be set up")]
    Metrics(#[source] MetricsError),
    /// A part of it broke off, which is a bug.
    #[error("a part of the daemon broke off")]
    Broken(#[source] JoinError),
}

/// A daemon that listens and does not answer yet.
pub struct Daemon {
    config: DaemonConfig,
    listener: TcpListener,
    local_addr: SocketAddr,
    app: Arc<App>,
    scheduler: Scheduler,
    handle: DaemonHandle,
    reloads: mpsc::Receiver<DaemonConfig>,
}

/// Speaks to a daemon that runs; clones speak to the same.
#[derive(Clone)]
pub struct DaemonHandle {
    stop: CancelToken,
    reloads: mpsc::Sender<DaemonConfig>,
    metrics: Arc<Metrics>,
    scheduler: SchedulerHandle,
    clock: Arc<dyn Clock>,
}

impl DaemonHandle {
    /// Drains: no new connections and scans; open requests are answered, running scans end early
    /// and are stored. [`Daemon::run`] returns then. For SIGTERM and SIGINT.
    pub fn shut_down(&self) {
        self.stop.cancel();
    }

    /// Takes over the scans, the token, the allowed hosts, the metrics' and the watched folder's
    /// settings. The rest needs a restart, and the log says so. For SIGHUP.
    pub async fn reload(&self, config: DaemonConfig) {
        // A daemon that has stopped has no use for it.
        let _stopped = self.reloads.send(config).await;
    }

    /// Notes that the configuration could not be loaded again; what was loaded before stands.
    pub fn reload_failed(&self, error: &dyn std::error::Error) {
        tracing::error!(error = %crate::problem::Chain(error), "configuration not reloaded");
        self.metrics.config_loaded(false, self.clock.now());
    }

    /// The scheduler.
    pub const fn scheduler(&self) -> &SchedulerHandle {
        &self.scheduler
    }
}

impl Daemon {
    /// Listens, and prepares everything else.
    ///
    /// # Errors
    /// See [`DaemonError`].
    pub async fn bind(
        config: DaemonConfig,
        store: Store,
        runner: Arc<dyn ScanRunner>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DaemonError> {
        let listen = config.listen;
        if config.token.is_none() && !listen.ip().is_loopback() {
            return Err(DaemonError::NoToken { listen });
        }
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| DaemonError::Listen { listen, source })?;
        let local_addr =
            listener.local_addr().map_err(|source| DaemonError::Listen { listen, source })?;
        let metrics = Arc::new(Metrics::new(clock.now()).map_err(DaemonError::Metrics)?);
        let summary_store = store.clone();
        let summary = tokio::task::spawn_blocking(move || summary_store.summary())
            .await
            .map_err(DaemonError::Broken)?
            .map_err(DaemonError::Store)?;
        warn(&config.warnings);
        let runs = Arc::new(Runs {
            runner,
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
        });
        let (scheduler, scheduler_handle) =
            Scheduler::new(runs, Arc::clone(&clock), config.scans.clone(), &summary.last_success);
        let app = Arc::new(App::new(
            store,
            scheduler_handle.clone(),
            Arc::clone(&metrics),
            Arc::clone(&clock),
            config.limits,
            settings(&config),
        ));
        let (sender, reloads) = mpsc::channel(4);
        let handle = DaemonHandle {
            stop: CancelToken::new(),
            reloads: sender,
            metrics,
            scheduler: scheduler_handle,
            clock,
        };
        Ok(Self { config, listener, local_addr, app, scheduler, handle, reloads })
    }

    /// Where it listens: with port 0, the port that the system chose.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// To stop it and to reload its configuration.
    pub fn handle(&self) -> DaemonHandle {
        self.handle.clone()
    }

    /// Scans, watches and answers until [`DaemonHandle::shut_down`].
    ///
    /// # Errors
    /// [`DaemonError::Broken`] when a part of it panicked; the other parts were drained first.
    pub async fn run(mut self) -> Result<(), DaemonError> {
        let stop = self.handle.stop.clone();
        let filter = http::filter(Arc::clone(&self.app));
        let limits = self.config.limits;
        tracing::info!(address = %self.local_addr, scans = self.config.scans.len(), "listening");
        if self.config.scans.is_empty() && self.config.import.is_none() {
            tracing::info!(
                "nothing is scanned yet: put [[scan]] entries into a TOML file and start \
                 `portolan serve --config FILE`; the API is at http://{}/openapi.json",
                self.local_addr
            );
        }
        let mut server = tokio::spawn(server::serve(self.listener, filter, limits, stop.clone()));
        let mut scheduler = tokio::spawn(self.scheduler.run(stop.clone()));
        let mut watching = Watching::start(&self.app, self.config.import.as_ref());
        let stopped = stop.cancelled();
        tokio::pin!(stopped);
        let mut broken = None;
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(mut config) = self.reloads.recv() => {
                    keep_what_stays(&self.config, &mut config);
                    reload(&self.app, &config).await;
                    if config.import != self.config.import {
                        watching.stop().await;
                        watching = Watching::start(&self.app, config.import.as_ref());
                    }
                    self.config = config;
                }
                // Neither ends by itself before it is told to.
                ended = &mut server => { broken = ended.err(); break }
                ended = &mut scheduler => { broken = ended.err(); break }
            }
        }
        tracing::info!("draining");
        stop.cancel();
        watching.stop().await;
        for task in [server, scheduler] {
            if !task.is_finished() {
                broken = task.await.err().or(broken);
            }
        }
        tracing::info!("stopped");
        broken.map_or(Ok(()), |error| Err(DaemonError::Broken(error)))
    }
}

/// Keeps the settings of `before` that only a restart changes.
fn keep_what_stays(before: &DaemonConfig, config: &mut DaemonConfig) {
    for (what, changed) in [
        ("listen", config.listen != before.listen),
        ("data", config.data != before.data),
        ("limits", config.limits != before.limits),
        ("log", config.log != before.log),
    ] {
        if changed {
            tracing::warn!(setting = what, "a change of this setting needs a restart");
        }
    }
    config.listen = before.listen;
    config.data.clone_from(&before.data);
    config.limits = before.limits;
    config.log = before.log.clone();
    if config.token.is_none() && !before.listen.ip().is_loopback() {
        tracing::warn!("the token stays: this daemon listens beyond loopback");
        config.token.clone_from(&before.token);
    }
}

/// The watcher that runs, if one does.
struct Watching {
    stop: CancelToken,
    task: Option<JoinHandle<()>>,
}

impl Watching {
    fn start(app: &App, config: Option<&ImportConfig>) -> Self {
        let stop = CancelToken::new();
        let task = config.map(|config| {
            let (store, metrics) = (app.store.clone(), Arc::clone(&app.metrics));
            let watcher = Watcher::new(config.clone(), store, metrics, Arc::clone(&app.clock));
            tokio::spawn(watcher.run(stop.clone()))
        });
        Self { stop, task }
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It has logged why, if it broke off.
            let _ended = task.await;
        }
    }
}

async fn reload(app: &App, config: &DaemonConfig) {
    warn(&config.warnings);
    app.set_settings(settings(config));
    app.scheduler.replace(config.scans.clone()).await;
    app.metrics.config_loaded(true, app.clock.now());
    tracing::info!(scans = config.scans.len(), "configuration reloaded");
}

fn settings(config: &DaemonConfig) -> Settings {
    Settings {
        access: AccessRules {
            token: config.token.clone(),
            loopback: config.listen.ip().is_loopback(),
            allowed_hosts: config.allowed_hosts.clone(),
        },
        metrics: config.metrics.clone(),
    }
}

fn warn(warnings: &[ConfigWarning]) {
    for warning in warnings {
        tracing::warn!(line = warning.line, problem = ?warning.message, "scan refused");
    }
}
