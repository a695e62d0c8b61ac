//! What the parts of the store share: the tree, who may read and write it now, and the sites.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{seal, unseal};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::expected::ExpectedIndex;
use crate::key::{self, Key, Parts};
use crate::record::IntentRec;
use crate::report::SiteName;
use crate::summary::Summary;
use crate::tree::{BATCH_BYTES, BATCH_OPS, Batch, Kv, KvError, Op};

/// The version of the layout: keys, records and what they mean together.
pub(crate) const SCHEMA_VERSION: u32 = 1;

const SOUND: u8 = 0;
const READ_ONLY: u8 = 1;
const UNFINISHED: u8 = 2;

/// The store behind its handle.
pub(crate) struct Inner {
    // Dropped before the lock on the directory is.
    pub(crate) kv: Box<dyn Kv>,
    disk: Option<Disk>,
    /// One writer at a time.
    writer: Mutex<()>,
    /// Held for writing while what readers see moves from one whole state to the next.
    visible: RwLock<()>,
    health: AtomicU8,
    generation: AtomicU64,
    pub(crate) sites: RwLock<Sites>,
    pub(crate) summary: Mutex<Option<Arc<Summary>>>,
    pub(crate) expected: Mutex<Option<Arc<ExpectedIndex>>>,
}

impl From<KvError> for StoreError {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::Full { free: 0, reserve: 0 }
            }
            KvError::Io(source) => {
                Self::Io { action: "reading or writing the database".to_owned(), source }
            }
            KvError::Corrupt(what) => Self::Corrupt { what },
        }
    }
}

impl Inner {
    pub(crate) fn new(kv: Box<dyn Kv>, disk: Option<Disk>) -> Self {
        Self {
            kv,
            disk,
            writer: Mutex::default(),
            visible: RwLock::default(),
            health: AtomicU8::new(SOUND),
            generation: AtomicU64::new(0),
            sites: RwLock::default(),
            summary: Mutex::default(),
            expected: Mutex::default(),
        }
    }

    /// The right to read one whole state.
    pub(crate) fn read(&self) -> Result<RwLockReadGuard<'_, ()>, StoreError> {
        let guard = self.visible.read().unwrap_or_else(PoisonError::into_inner);
        if self.health.load(Ordering::SeqCst) == UNFINISHED {
            return Err(StoreError::Unfinished);
        }
        Ok(guard)
    }

    /// The right to write, one holder at a time.
    pub(crate) fn write(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        let guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        if let Some(disk) = &self.disk {
            disk.check_space()?;
        }
        Ok(guard)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.health.load(Ordering::SeqCst) != SOUND
    }

    /// Shuts readers out, runs `change` and syncs. When that fails in the middle, readers stay
    /// out until the store is opened again and the change is completed or taken back.
    pub(crate) fn publish<T>(
        &self,
        change: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _visible: RwLockWriteGuard<'_, ()> =
            self.visible.write().unwrap_or_else(PoisonError::into_inner);
        let result = change();
        if result.is_err() {
            self.health.store(UNFINISHED, Ordering::SeqCst);
        }
        self.generation.fetch_add(1, Ordering::SeqCst);
        let done = result?;
        self.sync()?;
        Ok(done)
    }

    /// Waits for stable storage; after a failure nothing is written any more.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.kv.sync().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: KvError) -> StoreError {
        // What the kernel failed to write once, later successes do not bring back.
        let _ = self.health.compare_exchange(SOUND, READ_ONLY, Ordering::SeqCst, Ordering::SeqCst);
        tracing::error!(%error, "the store is read-only from now on");
        error.into()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Applies one batch.
    pub(crate) fn apply(&self, batch: Batch) -> Result<bool, StoreError> {
        self.kv.apply(batch).map_err(|error| self.failed(error))
    }

    /// The record under `key`.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.kv.get(key)?.map(|value| unseal(key, &value)).transpose()
    }

    /// The records with `from <= key < to`.
    pub(crate) fn range<T: DeserializeOwned>(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, T), StoreError>> + use<'_, T> {
        self.kv.range(from, to).map(|pair| {
            let (key, value) = pair?;
            let record = unseal(&key, &value)?;
            Ok((key, record))
        })
    }

    /// The records with `from <= key < to`, whose values are read by `unseal`.
    pub(crate) fn range_by<T>(
        &self,
        from: &[u8],
        to: &[u8],
        unseal: fn(&[u8], &[u8]) -> Result<T, StoreError>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, T), StoreError>> + use<'_, T> {
        self.kv.range(from, to).map(move |pair| {
            let (key, value) = pair?;
            let record = unseal(&key, &value)?;
            Ok((key, record))
        })
    }

    /// The keys with `from <= key < to`.
    pub(crate) fn keys(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + use<'_> {
        self.kv.range(from, to).map(|pair| Ok(pair?.0))
    }

    pub(crate) fn intent(&self) -> Result<Option<IntentRec>, StoreError> {
        self.get(&intent_key())
    }

    /// The number of a site; given out where there is none yet. The caller is the writer.
    pub(crate) fn site_number(&self, name: &SiteName) -> Result<u32, StoreError> {
        if let Some(number) = self.site(name) {
            return Ok(number);
        }
        let number = {
            let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
            sites.by_number.keys().next_back().map_or(1, |last| last.saturating_add(1))
        };
        let mut writer = Writer::new(self);
        writer.put(key::site(name), &number)?;
        writer.flush()?;
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        sites.by_number.insert(number, name.clone());
        sites.by_name.insert(name.clone(), number);
        Ok(number)
    }

    pub(crate) fn site(&self, name: &SiteName) -> Option<u32> {
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        sites.by_name.get(name).copied()
    }

    pub(crate) fn site_name(&self, number: u32) -> Result<SiteName, StoreError> {
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        let name = sites.by_number.get(&number).cloned();
        name.ok_or_else(|| StoreError::corrupt(format!("site {number} has no name")))
    }

    /// The sites that a filter admits, in the order of their numbers.
    pub(crate) fn sites_for(&self, wanted: Option<&SiteName>) -> Vec<(u32, SiteName)> {
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        let all = sites.by_number.iter().filter(|(_, name)| wanted.is_none_or(|w| w == *name));
        all.map(|(number, name)| (*number, name.clone())).collect()
    }

    /// Reads the sites from the tree.
    pub(crate) fn load_sites(&self) -> Result<(), StoreError> {
        let mut sites = Sites::default();
        let prefix = Key::new(key::SITE);
        for pair in self.range::<u32>(&prefix.clone().done(), &prefix.end()) {
            let (bytes, number) = pair?;
            let name = Parts::of(&bytes, key::SITE)
                .and_then(|parts| std::str::from_utf8(parts.rest()).ok())
                .and_then(|text| text.parse::<SiteName>().ok())
                .ok_or_else(|| StoreError::corrupt("a site without a proper name"))?;
            sites.by_number.insert(number, name.clone());
            sites.by_name.insert(name, number);
        }
        *self.sites.write().unwrap_or_else(PoisonError::into_inner) = sites;
        Ok(())
    }
}

/// The key of the one intent.
pub(crate) fn intent_key() -> Vec<u8> {
    Key::new(key::META).bytes(b"intent").done()
}

/// The key of the layout's version.
pub(crate) fn schema_key() -> Vec<u8> {
    Key::new(key::META).bytes(b"schema").done()
}

/// Sites by name and by number.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    by_number: BTreeMap<u32, SiteName>,
    by_name: BTreeMap<SiteName, u32>,
}

/// Writes in bounded batches; what belongs together is put between two calls of
/// [`Writer::part`].
pub(crate) struct Writer<'a> {
    inner: &'a Inner,
    ops: Vec<Op>,
    bytes: usize,
    /// Every key that was put, where that is wanted.
    written: Option<BTreeSet<Vec<u8>>>,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(inner: &'a Inner) -> Self {
        Self { inner, ops: Vec::new(), bytes: 0, written: None }
    }

    /// A writer that remembers the keys that it puts.
    pub(crate) const fn remembering(inner: &'a Inner) -> Self {
        Self { inner, ops: Vec::new(), bytes: 0, written: Some(BTreeSet::new()) }
    }

    /// The keys that were put.
    pub(crate) fn written(&mut self) -> BTreeSet<Vec<u8>> {
        self.written.take().unwrap_or_default()
    }

    pub(crate) fn put<T: Serialize>(&mut self, key: Vec<u8>, record: &T) -> Result<(), StoreError> {
        let value = seal(&key, record)?;
        self.put_sealed(key, value);
        Ok(())
    }

    /// Puts a record that is sealed already.
    pub(crate) fn put_sealed(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        if let Some(written) = &mut self.written {
            written.insert(key.clone());
        }
        self.ops.push((key, Some(value)));
    }

    pub(crate) fn put_value(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.ops.push((key, value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.ops.push((key, None));
    }

    /// Whether the batch has become as large as batches should be.
    pub(crate) const fn is_full(&self) -> bool {
        self.ops.len() >= BATCH_OPS || self.bytes >= BATCH_BYTES
    }

    /// Ends what belongs together: a full batch is written.
    pub(crate) fn part(&mut self) -> Result<(), StoreError> {
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Writes what is left.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_if_absent(None).map(|_| ())
    }

    /// Writes what is left unless `key` has a value; false when it has.
    pub(crate) fn flush_if_absent(&mut self, key: Option<Vec<u8>>) -> Result<bool, StoreError> {
        self.bytes = 0;
        let ops = std::mem::take(&mut self.ops);
        if ops.is_empty() {
            return Ok(true);
        }
        self.inner.apply(Batch { absent: key, ops })
    }
}
