//! The store as its users see it.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use portolan_core::{Endpoint, UnixTime};

use crate::codec::seal;
use crate::diff::{DiffOptions, DiffRow, Side};
use crate::disk::Disk;
use crate::error::{ExpectError, ExportError, ImportError, StoreError};
use crate::expected::{self, Expectation, Selector};
use crate::filter::Filter;
use crate::inner::Inner;
use crate::key::{self, Key};
use crate::page::{Page, PageRequest};
use crate::recover::recover;
use crate::report::{CurrentRow, EndpointRow, HostRow, ScanId, ScanRecord, ScanReport, Transition};
use crate::summary::Summary;
use crate::tree::{Kv, SledTree};
use crate::{commit, list, prune, redo, scan_rows, summary, transfer, verify};

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
        Self { cache_bytes: 64 << 20, reserve_bytes: 128 << 20 }
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
/// The database's directory inside the store's.
const DATABASE: &str = "db";
/// The longest small text with its key, bytes.
const MAX_INFO_LEN: usize = 4 << 10;

/// A store on disk. Clones share it; the last one dropped closes it.
///
/// Everything blocks: call it from threads that may. Reading and writing go on side by side, but
/// for the moment in which a commit becomes visible.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, making it where there is none.
    ///
    /// What was cut short by a crash is completed or taken back before it returns.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::WrongVersion`], [`StoreError::Corrupt`],
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let disk = Disk::lock(dir, options.reserve_bytes)?;
        if dir.join(DATABASE).exists() {
            disk.check_space_to_open()?;
        } else {
            disk.check_space()?;
        }
        let tree = SledTree::open(dir, DATABASE, options.cache_bytes)?;
        Self::over(Box::new(tree), Some(disk))
    }

    /// A store over a tree.
    pub(crate) fn over(kv: Box<dyn Kv>, disk: Option<Disk>) -> Result<Self, StoreError> {
        let inner = Inner::new(kv, disk);
        recover(&inner)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Stores a scan. When it returns the scan is whole, visible and on stable storage; when it
    /// fails, or the process dies, nothing of it is visible, or all of it.
    ///
    /// Its number is the second it started in, or the next one that is free.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::ReadOnly`], [`StoreError::Io`].
    pub fn commit_scan(&self, report: &ScanReport) -> Result<ScanId, StoreError> {
        commit::commit(&self.inner, report)
    }

    /// A scan's header; `None` when there is no such scan.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn scan(&self, id: ScanId) -> Result<Option<ScanRecord>, StoreError> {
        let _read = self.inner.read()?;
        let head = scan_rows::header(&self.inner, id)?;
        head.map(|head| scan_rows::scan_record(&self.inner, id, head)).transpose()
    }

    /// The scans in the order of their numbers, the newest last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn scans(&self, page: &PageRequest) -> Result<Page<ScanRecord>, StoreError> {
        let _read = self.inner.read()?;
        list::scans(&self.inner, page)
    }

    /// The endpoints of a scan that have an answer, closed ports included, in order; `None` when
    /// there is no such scan.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn scan_states(
        &self,
        id: ScanId,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Option<Page<EndpointRow>>, StoreError> {
        let _read = self.inner.read()?;
        list::scan_states(&self.inner, id, filter, page)
    }

    /// The current state, by site and endpoint: of every endpoint what the last scan that asked
    /// it found. Silent ports of hosts that answered are among them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn current(
        &self,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<CurrentRow>, StoreError> {
        let _read = self.inner.read()?;
        list::current(&self.inner, filter, page)
    }

    /// The hosts that ever answered, by site and address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hosts(&self, filter: &Filter, page: &PageRequest) -> Result<Page<HostRow>, StoreError> {
        let _read = self.inner.read()?;
        list::hosts(&self.inner, filter, page)
    }

    /// The transitions by scan, then site and endpoint, the newest last. The filter's states are
    /// those that were gone over to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn transitions(
        &self,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Transition>, StoreError> {
        let _read = self.inner.read()?;
        list::transitions(&self.inner, filter, page)
    }

    /// Endpoints that were open, or are expected open, are covered by `report`, and are not open
    /// in it: to be probed again before anyone is told. In order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unconfirmed(&self, report: &ScanReport) -> Result<Vec<Endpoint>, StoreError> {
        let _read = self.inner.read()?;
        list::unconfirmed(&self.inner, report)
    }

    /// The expected state, by site, addresses, transport and ports.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn expected(
        &self,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Expectation>, StoreError> {
        let _read = self.inner.read()?;
        list::expected(&self.inner, filter, page)
    }

    /// Adds expectations, or replaces those with the same selector: all or none. Durable when it
    /// returns.
    ///
    /// # Errors
    /// [`ExpectError::Invalid`] with the index and problem of each bad entry; nothing is changed
    /// then.
    pub fn expect(&self, expectations: &[Expectation]) -> Result<(), ExpectError> {
        expected::check(expectations)?;
        let _writer = self.inner.write()?;
        let ops = expected::put_ops(&self.inner, expectations)?;
        Ok(expected::change(&self.inner, ops)?)
    }

    /// Makes `expectations` all that is expected, anywhere: whatever else was is removed in the
    /// same transaction. Says how many were removed. Durable when it returns.
    ///
    /// # Errors
    /// [`ExpectError::Invalid`] with the index and problem of each bad entry; nothing is changed
    /// then.
    pub fn expect_only(&self, expectations: &[Expectation]) -> Result<usize, ExpectError> {
        expected::check(expectations)?;
        let _writer = self.inner.write()?;
        let mut ops = expected::put_ops(&self.inner, expectations)?;
        let kept: BTreeSet<Vec<u8>> = ops.iter().map(|(place, _)| place.clone()).collect();
        let stale = expected::places(&self.inner)?.into_iter().filter(|p| !kept.contains(p));
        let put = ops.len();
        ops.extend(stale.map(|place| (place, None)));
        let removed = ops.len() - put;
        expected::change(&self.inner, ops)?;
        Ok(removed)
    }

    /// Removes the expectations with exactly these selectors, all at once; says how many of them
    /// there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unexpect(&self, selectors: &[Selector]) -> Result<usize, StoreError> {
        let _writer = self.inner.write()?;
        let mut keys = BTreeSet::new();
        for selector in selectors {
            let Some(site) = self.inner.site(&selector.site) else {
                continue;
            };
            let place = key::expected(site, selector);
            if self.inner.kv.get(&place)?.is_some() {
                keys.insert(place);
            }
        }
        let count = keys.len();
        expected::change(&self.inner, keys.into_iter().map(|key| (key, None)).collect())?;
        Ok(count)
    }

    /// Makes the current state the expected one, for the rows of the difference between them
    /// that match; all at once. Without `comment`, comments stay. Says how many rows there were.
    ///
    /// An endpoint that was expected and never seen is no longer expected.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn accept(&self, filter: &Filter, comment: Option<&str>) -> Result<usize, StoreError> {
        let _writer = self.inner.write()?;
        list::accept(&self.inner, filter, comment)
    }

    /// What differs between two sides, by site and endpoint; `None` when one of them is a scan
    /// that is not there.
    ///
    /// Compared with the current or the expected state, a scan's side speaks only of what the
    /// scan asked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn diff(
        &self,
        from: Side,
        to: Side,
        filter: &Filter,
        options: &DiffOptions,
        page: &PageRequest,
    ) -> Result<Option<Page<DiffRow>>, StoreError> {
        let _read = self.inner.read()?;
        list::diff(&self.inner, (from, to), filter, *options, page)
    }

    /// Takes away, of scans with numbers below `keep_from`, what later scans have superseded:
    /// whole scans, endpoints inside others, and their transitions. The current state stays as
    /// it is. One change; durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn prune(&self, keep_from: UnixTime) -> Result<PruneOutcome, StoreError> {
        let _writer = self.inner.write()?;
        prune::prune(&self.inner, keep_from.as_seconds())
    }

    /// Figures of the whole store, computed once after each change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn summary(&self) -> Result<Arc<Summary>, StoreError> {
        let _read = self.inner.read()?;
        summary::summary(&self.inner)
    }

    /// The small text kept under `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn info(&self, key: &str) -> Result<Option<String>, StoreError> {
        let _read = self.inner.read()?;
        self.inner.get(&info_key(key))
    }

    /// Keeps a small text (up to 4 KiB) under `key`; durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_info(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let _writer = self.inner.write()?;
        self.put_info(&[(key, value)])
    }

    /// Counts an import: one that succeeded at that time, or one that failed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_import(&self, succeeded_at: Option<UnixTime>) -> Result<(), StoreError> {
        let _writer = self.inner.write()?;
        if let Some(at) = succeeded_at {
            let (seconds, millis) = (at.as_seconds(), at.as_millis().rem_euclid(1000));
            return self.put_info(&[(IMPORTS_LAST, &format!("{seconds}.{millis:03}"))]);
        }
        let before: Option<String> = self.inner.get(&info_key(IMPORTS_FAILED_TOTAL))?;
        let count = before.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        self.put_info(&[(IMPORTS_FAILED_TOTAL, &count.saturating_add(1).to_string())])
    }

    fn put_info(&self, texts: &[(&str, &str)]) -> Result<(), StoreError> {
        let mut ops = Vec::new();
        for (key, text) in texts {
            if key.len() + text.len() > MAX_INFO_LEN {
                let len = key.len() + text.len();
                return Err(StoreError::TooLarge { what: "the text", len });
            }
            let place = info_key(key);
            let value = seal(&place, &(*text).to_owned())?;
            ops.push((place, Some(value)));
        }
        redo::change(&self.inner, ops)
    }

    /// Bytes on disk.
    pub fn size_bytes(&self) -> u64 {
        self.inner.kv.size_bytes()
    }

    /// Whether a failed write has made the store read-only, until it is opened again.
    pub fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }

    /// Writes the whole store as NDJSON: a header line, a line per record, a last line with
    /// count and checksum. Commits wait meanwhile, so write to a file rather than a slow peer.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn export(&self, out: &mut dyn Write) -> Result<(), ExportError> {
        let _read = self.inner.read()?;
        transfer::export(&self.inner, out)
    }

    /// Reads an export into an empty store, whole or not at all.
    ///
    /// # Errors
    /// [`ImportError`] with the line; the store is as empty as before.
    pub fn import(&self, input: &mut dyn BufRead) -> Result<ImportOutcome, ImportError> {
        let _writer = self.inner.write()?;
        let outcome = transfer::import(&self.inner, input);
        *self.inner.expected.lock().unwrap_or_else(PoisonError::into_inner) = None;
        outcome
    }

    /// Reads every record and checks it against the others.
    ///
    /// # Errors
    /// [`StoreError`] when reading itself fails; damage is in the report.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let _read = self.inner.read()?;
        verify::verify(&self.inner)
    }
}

fn info_key(key: &str) -> Vec<u8> {
    Key::new(key::INFO).bytes(key.as_bytes()).done()
}
