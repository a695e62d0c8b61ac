//! What scans for the daemon: declared here, implemented by whoever has an engine.

use std::error::Error;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use portolan_core::Endpoint;
use portolan_store::ScanReport;
use tokio::sync::watch;

use crate::config::ScanSpec;

/// Runs scans.
pub trait ScanRunner: Send + Sync + 'static {
    /// Runs `job` to its end, or until it is cancelled.
    ///
    /// A cancelled job returns what it found so far, with `complete` false and the coverage that
    /// was really asked. With `recheck` it asks only those endpoints, and covers only them.
    ///
    /// # Errors
    /// Why nothing was scanned.
    fn run(&self, job: ScanJob) -> BoxFuture<'static, Result<ScanReport, RunnerError>>;
}

/// One scan to run now.
#[derive(Debug, Clone)]
pub struct ScanJob {
    /// The configured scan's name.
    pub name: String,
    /// What to scan, and how.
    pub spec: Arc<ScanSpec>,
    /// Only these endpoints: the confirmation of what an earlier pass found gone.
    pub recheck: Option<Vec<Endpoint>>,
    /// Becomes cancelled when the daemon drains.
    pub cancel: CancelToken,
}

/// A scan that did not take place.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RunnerError {
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl RunnerError {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// The same, caused by `source`.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Tells a job to stop; clones share one state.
#[derive(Debug, Clone)]
pub struct CancelToken {
    state: Arc<watch::Sender<bool>>,
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(false)) }
    }

    /// Cancels, once and for all clones.
    pub fn cancel(&self) {
        self.state.send_replace(true);
    }

    /// Whether it was cancelled. Cheap enough to be asked in a loop.
    pub fn is_cancelled(&self) -> bool {
        *self.state.borrow()
    }

    /// Completes when it is cancelled.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut receiver = self.state.subscribe();
        let keep_alive = Arc::clone(&self.state);
        async move {
            // The sender lives in `keep_alive`, so waiting can't fail.
            let _cancelled = receiver.wait_for(|cancelled| *cancelled).await;
            drop(keep_alive);
        }
    }
}
