//! The store as its users see it.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use portolan_core::{Endpoint, UnixTime};

use crate::diff::{DiffOptions, DiffRow, Side};
use crate::error::{ExpectError, ExportError, ImportError, StoreError};
use crate::expected::{Expectation, Selector};
use crate::filter::Filter;
use crate::page::{Page, PageRequest};
use crate::report::{CurrentRow, EndpointRow, HostRow, ScanId, ScanRecord, ScanReport, Transition};
use crate::summary::Summary;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Memory for cached pages, bytes.
    pub cache_bytes: u64,
    /// Nothing is written when less than this is free on the disk, bytes.
    pub reserve_bytes: u64,
}

impl Default for StoreOptions {
    /// 64 MiB of cache; 128 MiB of the disk stay free.
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            reserve_bytes: 128 << 20,
        }
    }
}

/// What pruning took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneOutcome {
    /// Whole scans.
    pub scans: u64,
    /// Superseded endpoints inside scans that stay.
    pub endpoints: u64,
    /// Transitions.
    pub transitions: u64,
}

/// What an import brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportOutcome {
    /// Records read.
    pub records: u64,
    /// Scans among them.
    pub scans: u64,
}

/// What a check of the whole store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Records that were read.
    pub records: u64,
    /// What is wrong, one sentence each; at most 1,000.
    pub problems: Vec<String>,
}

/// The import counter of failures in [`Store::info`].
pub const IMPORTS_FAILED_TOTAL: &str = "imports_failed_total";
/// The time of the last successful import in [`Store::info`], UNIX seconds with fraction.
pub const IMPORTS_LAST: &str = "imports_last";

/// A store on disk. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    _inner: Arc<()>,
}

impl Store {
    /// Opens the store in `dir`, making it where there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(_dir: &Path, _options: StoreOptions) -> Result<Self, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Stores a scan; durable when it returns.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn commit_scan(&self, _report: &ScanReport) -> Result<ScanId, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// A scan's header.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn scan(&self, _id: ScanId) -> Result<Option<ScanRecord>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// The scans in the order of their ids.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn scans(&self, _page: &PageRequest) -> Result<Page<ScanRecord>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// The endpoints of a scan; `None` when there is no such scan.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn scan_states(
        &self,
        _id: ScanId,
        _filter: &Filter,
        _page: &PageRequest,
    ) -> Result<Option<Page<EndpointRow>>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// The current state.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn current(
        &self,
        _filter: &Filter,
        _page: &PageRequest,
    ) -> Result<Page<CurrentRow>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// The hosts.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn hosts(
        &self,
        _filter: &Filter,
        _page: &PageRequest,
    ) -> Result<Page<HostRow>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// The transitions, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn transitions(
        &self,
        _filter: &Filter,
        _page: &PageRequest,
    ) -> Result<Page<Transition>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Endpoints that were open, or are expected open, are covered by `report`, and are not open in it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn unconfirmed(&self, _report: &ScanReport) -> Result<Vec<Endpoint>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// The expected state.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn expected(
        &self,
        _filter: &Filter,
        _page: &PageRequest,
    ) -> Result<Page<Expectation>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Adds or replaces expectations, all or none.
    ///
    /// # Errors
    /// See [`ExpectError`].
    pub fn expect(&self, _expectations: &[Expectation]) -> Result<(), ExpectError> {
        Err(StoreError::ReadOnly.into())
    }
    /// Removes expectations; says how many there were.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn unexpect(&self, _selectors: &[Selector]) -> Result<usize, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Makes the current state the expected one, for the rows of the current diff that match.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn accept(&self, _filter: &Filter, _comment: Option<&str>) -> Result<usize, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// What differs between two sides; `None` when one is an unknown scan.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn diff(
        &self,
        _from: Side,
        _to: Side,
        _filter: &Filter,
        _options: &DiffOptions,
        _page: &PageRequest,
    ) -> Result<Option<Page<DiffRow>>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Takes away what scans before `keep_from` no longer add to the current state.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn prune(&self, _keep_from: UnixTime) -> Result<PruneOutcome, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Figures of the whole store.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn summary(&self) -> Result<Arc<Summary>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// A small text kept under `key`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn info(&self, _key: &str) -> Result<Option<String>, StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Keeps a small text under `key`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn set_info(&self, _key: &str, _value: &str) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Counts an import that succeeded at `Some(time)` or failed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn count_import(&self, _succeeded_at: Option<UnixTime>) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }
    /// Bytes on disk.
    pub fn size_bytes(&self) -> u64 {
        0
    }
    /// Whether a failed write has made it read-only.
    pub fn is_read_only(&self) -> bool {
        true
    }
    /// Writes the whole store as NDJSON.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn export(&self, _out: &mut dyn Write) -> Result<(), ExportError> {
        Err(StoreError::ReadOnly.into())
    }
    /// Reads an export into an empty store, whole or not at all.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn import(&self, _input: &mut dyn BufRead) -> Result<ImportOutcome, ImportError> {
        Err(StoreError::ReadOnly.into())
    }
    /// Reads every record and checks it against the others.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        Err(StoreError::ReadOnly)
    }
}
