//! Other programs' reports become scans.

use std::io::{BufRead, Error};

use portolan_core::UnixTime;
use portolan_store::import::{self, Limits, ReportError};
use portolan_store::{ScanId, SiteName, Source, Store, StoreError};

use crate::metrics::Metrics;
use crate::problem::Chain;

/// Why a report became no scan.
#[derive(Debug, thiserror::Error)]
pub enum ImportFailure {
    /// It is none of the formats that are known.
    #[error("neither nmap XML nor masscan JSON nor a masscan list")]
    Unknown,
    /// It breaks off or makes no sense.
    #[error("the report can't be read")]
    Report(#[source] ReportError),
    /// It could not be read from where it is.
    #[error("the report could not be opened")]
    Read(#[source] Error),
    /// The store could not take it.
    #[error("the report could not be stored")]
    Store(#[source] StoreError),
}

/// Finds out what wrote the report, reads it and stores it; durable when it returns.
///
/// # Errors
/// See [`ImportFailure`]; nothing is stored then but the count of failures.
pub fn import(
    store: &Store,
    metrics: &Metrics,
    reader: impl BufRead,
    site: SiteName,
    now: UnixTime,
) -> Result<ScanId, ImportFailure> {
    let mut source = None;
    let outcome = read_and_commit(store, reader, site, &mut source);
    metrics.import_ended(source, outcome.is_ok());
    match (&outcome, store.count_import(outcome.is_ok().then_some(now))) {
        // The scan is in; that it was not counted is no reason to say that it is not.
        (Ok(_), Err(error)) => tracing::warn!(%error, "the import could not be counted"),
        (Err(failure), _) => tracing::warn!(error = %Chain(failure), "report refused"),
        (Ok(id), Ok(())) => tracing::info!(id = %id, "report imported"),
    }
    outcome
}

fn read_and_commit(
    store: &Store,
    mut reader: impl BufRead,
    site: SiteName,
    found: &mut Option<Source>,
) -> Result<ScanId, ImportFailure> {
    let head = reader.fill_buf().map_err(ImportFailure::Read)?;
    let source = import::detect(head).ok_or(ImportFailure::Unknown)?;
    *found = Some(source);
    let limits = Limits::default();
    let report = match source {
        Source::NmapXml => import::nmap_xml(reader, site, limits),
        Source::MasscanJson => import::masscan_json(reader, site, limits),
        Source::MasscanList => import::masscan_list(reader, site, limits),
        Source::Engine | Source::Ndjson => return Err(ImportFailure::Unknown),
    }
    .map_err(ImportFailure::Report)?;
    store.commit_scan(&report).map_err(ImportFailure::Store)
}
