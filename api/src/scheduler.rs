//! Runs scans when they are due: none twice at once, none stopped by another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portolan_core::UnixTime;
use portolan_store::{ScanId, SiteName};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::clock::Clock;
use crate::config::{ScanConfig, ScanSpec};
use crate::problem::Chain;
use crate::run::{RunFailure, Runs};
use crate::runner::CancelToken;
use crate::schedule::Schedule;

/// The number of a run: the UNIX second of its start where that is free, else the next free one.
pub type RunId = i64;

/// A run that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRun {
    /// Its number.
    pub id: RunId,
    /// The scan's name.
    pub name: String,
    /// False when it went on already, and nothing new was started.
    pub new: bool,
}

/// Where one configured scan stands.
#[derive(Debug, Clone)]
pub struct ScanStatus {
    /// What it does.
    pub spec: Arc<ScanSpec>,
    /// How often, in words.
    pub cadence: String,
    /// The run that goes on.
    pub running: Option<RunId>,
    /// When it is due; `None` while it runs, and when it only runs on request.
    pub next_due: Option<UnixTime>,
    /// The run before.
    pub last: Option<LastRun>,
}

/// A run that ended.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// Its number.
    pub id: RunId,
    /// When it started.
    pub started_at: UnixTime,
    /// When it ended.
    pub finished_at: UnixTime,
    /// The scan that it stored, or why there is none.
    pub outcome: Result<ScanId, String>,
}

/// There is no scan of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunNowError {
    /// The name.
    #[error("no scan is called {0:?}")]
    Unknown(String),
    /// The daemon drains.
    #[error("the daemon is stopping")]
    Stopping,
}

enum Command {
    Run { name: Option<String>, reply: oneshot::Sender<Result<Vec<StartedRun>, RunNowError>> },
    Replace { scans: Vec<ScanConfig> },
}

/// Speaks to the scheduler.
#[derive(Clone)]
pub struct SchedulerHandle {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Arc<Vec<ScanStatus>>>,
}

impl SchedulerHandle {
    /// Starts the scan called `name` now, or every scan.
    ///
    /// # Errors
    /// See [`RunNowError`].
    pub async fn run_now(&self, name: Option<String>) -> Result<Vec<StartedRun>, RunNowError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Run { name, reply };
        self.commands.send(command).await.map_err(|_| RunNowError::Stopping)?;
        answer.await.map_err(|_| RunNowError::Stopping)?
    }

    /// Replaces the configured scans. What runs goes on; scans that stay keep their turn.
    pub async fn replace(&self, scans: Vec<ScanConfig>) {
        // A scheduler that has stopped has no use for them.
        let _stopped = self.commands.send(Command::Replace { scans }).await;
    }

    /// Where every scan stands, in the order of their names.
    pub fn status(&self) -> Arc<Vec<ScanStatus>> {
        Arc::clone(&self.status.borrow())
    }

    /// Completes with the status once `condition` holds of it; `None` if the scheduler stops first.
    pub async fn wait_for(
        &self,
        mut condition: impl FnMut(&[ScanStatus]) -> bool,
    ) -> Option<Arc<Vec<ScanStatus>>> {
        let mut status = self.status.clone();
        status.wait_for(|s| condition(s)).await.ok().map(|s| Arc::clone(&s))
    }
}

struct Entry {
    spec: Arc<ScanSpec>,
    schedule: Schedule,
    running: Option<(RunId, UnixTime)>,
    last: Option<LastRun>,
}

/// The loop that starts what is due.
pub struct Scheduler {
    runs: Arc<Runs>,
    clock: Arc<dyn Clock>,
    entries: BTreeMap<String, Entry>,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<Arc<Vec<ScanStatus>>>,
    tasks: JoinSet<Result<ScanId, RunFailure>>,
    names: HashMap<Id, String>,
    last_run_id: RunId,
}

impl Scheduler {
    /// A scheduler for `scans`; `last_success` says when each last ended, as far as is remembered.
    pub fn new(
        runs: Arc<Runs>,
        clock: Arc<dyn Clock>,
        scans: Vec<ScanConfig>,
        last_success: &BTreeMap<String, UnixTime>,
    ) -> (Self, SchedulerHandle) {
        let (sender, commands) = mpsc::channel(64);
        let (status, status_receiver) = watch::channel(Arc::default());
        let mut scheduler = Self {
            runs,
            clock,
            entries: BTreeMap::new(),
            commands,
            status,
            tasks: JoinSet::new(),
            names: HashMap::new(),
            last_run_id: 0,
        };
        scheduler.replace(scans, last_success);
        scheduler.publish();
        (scheduler, SchedulerHandle { commands: sender, status: status_receiver })
    }

    /// Runs until `stop` is cancelled; then cancels what runs and waits for it to end.
    pub async fn run(mut self, stop: CancelToken) {
        let stopped = stop.cancelled();
        tokio::pin!(stopped);
        loop {
            self.start_what_is_due(&stop);
            self.publish();
            let due = self.next_due();
            let clock = Arc::clone(&self.clock);
            let until_due = async {
                match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stopped => break,
                () = until_due => {}
                Some(command) = self.commands.recv() => self.obey(command, &stop),
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.ended(ended);
                }
            }
        }
        self.commands.close();
        // The runs share `stop`: they end early, and what they found is stored.
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
        self.publish();
    }

    fn next_due(&self) -> Option<UnixTime> {
        let now = self.clock.now();
        let idle = self.entries.values().filter(|e| e.running.is_none());
        idle.filter_map(|e| e.schedule.next_due(now)).min()
    }

    fn start_what_is_due(&mut self, stop: &CancelToken) {
        let now = self.clock.now();
        let due: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, e)| e.running.is_none())
            .filter(|(_, e)| e.schedule.next_due(now).is_some_and(|due| due <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.start(&name, stop);
        }
    }

    fn start(&mut self, name: &str, stop: &CancelToken) -> Option<StartedRun> {
        let now = self.clock.now();
        let entry = self.entries.get_mut(name)?;
        if let Some((id, _)) = entry.running {
            return Some(StartedRun { id, name: name.to_owned(), new: false });
        }
        let id = now.as_seconds().max(self.last_run_id.saturating_add(1));
        self.last_run_id = id;
        entry.running = Some((id, now));
        entry.schedule.started(now);
        let run = Arc::clone(&self.runs).run(Arc::clone(&entry.spec), stop.clone());
        let task = self.tasks.spawn(run);
        self.names.insert(task.id(), name.to_owned());
        tracing::info!(scan = name, run = id, "scan started");
        Some(StartedRun { id, name: name.to_owned(), new: true })
    }

    fn obey(&mut self, command: Command, stop: &CancelToken) {
        match command {
            Command::Replace { scans } => self.replace(scans, &BTreeMap::new()),
            Command::Run { name: Some(name), reply } => {
                let started = self.start(&name, stop).map(|run| vec![run]);
                // Whoever asked may have hung up; the run goes on.
                let _gone = reply.send(started.ok_or(RunNowError::Unknown(name)));
            }
            Command::Run { name: None, reply } => {
                let names: Vec<String> = self.entries.keys().cloned().collect();
                let started = names.iter().filter_map(|name| self.start(name, stop)).collect();
                let _gone = reply.send(Ok(started));
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Result<ScanId, RunFailure>), JoinError>) {
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome.map_err(|e| Chain(&e).to_string())),
            // A runner that panics has failed like any other; the scheduler goes on.
            Err(error) => (error.id(), Err("the scan broke off; this is a bug".to_owned())),
        };
        let Some(name) = self.names.remove(&task) else {
            return;
        };
        match &outcome {
            Ok(scan) => tracing::info!(scan = name, id = %scan, "scan stored"),
            Err(error) => tracing::error!(scan = name, error = ?error, "scan failed"),
        }
        let finished_at = self.clock.now();
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        if let Some((id, started_at)) = entry.running.take() {
            entry.last = Some(LastRun { id, started_at, finished_at, outcome });
        }
    }

    fn replace(&mut self, scans: Vec<ScanConfig>, last_success: &BTreeMap<String, UnixTime>) {
        let now = self.clock.now();
        let mut before = std::mem::take(&mut self.entries);
        for scan in scans {
            let name = scan.spec.name.clone();
            let old = before.remove(&name);
            let remembered = last_success.get(&name).copied();
            let last_start = old.as_ref().and_then(|e| e.schedule.last_start()).or(remembered);
            let entry = Entry {
                schedule: Schedule::new(scan.cadence, last_start, now),
                spec: scan.spec,
                running: old.as_ref().and_then(|e| e.running),
                last: old.and_then(|e| e.last),
            };
            self.entries.insert(name, entry);
        }
    }

    fn publish(&self) {
        let now = self.clock.now();
        let status = self.entries.values().map(|entry| ScanStatus {
            spec: Arc::clone(&entry.spec),
            cadence: entry.schedule.cadence().to_string(),
            running: entry.running.map(|(id, _)| id),
            next_due: entry.schedule.next_due(now).filter(|_| entry.running.is_none()),
            last: entry.last.clone(),
        });
        self.status.send_replace(Arc::new(status.collect()));
    }
}

/// The site of a scan's status, for those who group by it.
impl ScanStatus {
    /// The address space that it scans.
    pub fn site(&self) -> &SiteName {
        &self.spec.site
    }
}
