//! One run of one scan: scan, ask again what seems gone, store.

use std::sync::Arc;
use std::time::Duration;

use portolan_core::Endpoint;
use portolan_store::{ScanId, ScanReport, Store, StoreError};

use crate::clock::Clock;
use crate::config::ScanSpec;
use crate::metrics::{Metrics, RunResult};
use crate::runner::{CancelToken, RunnerError, ScanJob, ScanRunner};

/// Why a run stored nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// The scan did not take place.
    #[error("the scan could not run")]
    Runner(#[source] RunnerError),
    /// What seemed gone could not be asked again, so nothing is said of anything.
    #[error("what seemed gone could not be asked again")]
    Confirmation(#[source] RunnerError),
    /// It was cancelled before what seemed gone could be asked again.
    #[error("cancelled before it was confirmed that {0} endpoints are gone")]
    Cancelled(usize),
    /// The store could not take it.
    #[error("the scan could not be stored")]
    Store(#[source] StoreError),
    /// The task that spoke to the store broke off.
    #[error("the store's task broke off")]
    Broken,
}

/// Runs scans and stores what they find.
pub struct Runs {
    /// Does the scanning.
    pub runner: Arc<dyn ScanRunner>,
    /// Remembers.
    pub store: Store,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Runs {
    /// Runs `spec` once and counts how it went.
    ///
    /// # Errors
    /// See [`RunFailure`]; then nothing was stored.
    pub async fn run(
        self: Arc<Self>,
        spec: Arc<ScanSpec>,
        cancel: CancelToken,
    ) -> Result<ScanId, RunFailure> {
        let started = self.clock.now();
        let result = self.scan_and_store(&spec, &cancel).await;
        let elapsed = self.clock.now().as_millis().saturating_sub(started.as_millis());
        let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or(0));
        match result {
            Ok((id, report)) => {
                let how = if report.complete { RunResult::Success } else { RunResult::Partial };
                self.metrics.run_ended(&spec.name, how, elapsed);
                self.metrics.count_report(&spec.name, &report);
                Ok(id)
            }
            Err(failure) => {
                let cancelled = matches!(failure, RunFailure::Cancelled(_));
                let how = if cancelled { RunResult::Cancelled } else { RunResult::Failed };
                self.metrics.run_ended(&spec.name, how, elapsed);
                Err(failure)
            }
        }
    }

    async fn scan_and_store(
        &self,
        spec: &Arc<ScanSpec>,
        cancel: &CancelToken,
    ) -> Result<(ScanId, ScanReport), RunFailure> {
        let mut report = self.scan(spec, cancel, None).await.map_err(RunFailure::Runner)?;
        let store = self.store.clone();
        let (gone, returned) = blocking(move || {
            let gone = store.unconfirmed(&report);
            (gone, report)
        })
        .await?;
        report = returned;
        let gone = gone.map_err(RunFailure::Store)?;
        if !gone.is_empty() {
            if cancel.is_cancelled() {
                return Err(RunFailure::Cancelled(gone.len()));
            }
            let count = gone.len();
            tracing::info!(scan = spec.name, endpoints = count, "asking again what seems gone");
            let again = self.scan(spec, cancel, Some(gone)).await;
            let again = again.map_err(RunFailure::Confirmation)?;
            if !again.complete {
                return Err(RunFailure::Cancelled(count));
            }
            report.absorb(again);
        }
        let (store, now) = (self.store.clone(), self.clock.now());
        blocking(move || {
            let id = store.commit_scan(&report).map_err(RunFailure::Store)?;
            // Whoever watched portmantool's imports watches these scans in their place.
            store.count_import(Some(now)).map_err(RunFailure::Store)?;
            Ok((id, report))
        })
        .await?
    }

    async fn scan(
        &self,
        spec: &Arc<ScanSpec>,
        cancel: &CancelToken,
        recheck: Option<Vec<Endpoint>>,
    ) -> Result<ScanReport, RunnerError> {
        let job = ScanJob {
            name: spec.name.clone(),
            spec: Arc::clone(spec),
            recheck,
            cancel: cancel.clone(),
        };
        let mut report = self.runner.run(job).await?;
        report.name = Some(spec.name.clone());
        report.site = spec.site.clone();
        Ok(report)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunFailure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RunFailure::Broken)
}
