//! Ordered bytes: the small trait that the store is written against, and sled behind it.
//!
//! This is the only file that knows sled. What 0.34.7 does not do by itself is done here: stale
//! snapshots are cleared before opening, the database is made beside its place and renamed, and
//! a sync reaches the disk through a descriptor of our own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::disk::{INHERITED, NAP};

/// The largest value, bytes.
pub(crate) const MAX_VALUE_LEN: usize = 64 << 10;
/// How many operations a batch should not exceed by much.
pub(crate) const BATCH_OPS: usize = 128;
/// How many bytes a batch should not exceed by much.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// The tree could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KvError {
    /// The operating system refused.
    #[error("the database could not be read or written")]
    Io(#[source] std::io::Error),
    /// What is on the disk makes no sense.
    #[error("{0}")]
    Corrupt(String),
}

/// One key's new value; `None` removes it.
pub(crate) type Op = (Vec<u8>, Option<Vec<u8>>);
/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);
/// Pairs in the order of their keys.
pub(crate) type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, KvError>> + 'a>;

/// Changes that become visible together, also after a crash.
#[derive(Debug, Default, Clone)]
pub(crate) struct Batch {
    /// The batch is refused unless this key has no value.
    pub(crate) absent: Option<Vec<u8>>,
    /// The changes.
    pub(crate) ops: Vec<Op>,
}

/// Ordered bytes.
///
/// A distributed ordered key-value store can stand behind it: values are at most
/// [`MAX_VALUE_LEN`], batches some [`BATCH_OPS`] operations, the compare is one key's absence.
pub(crate) trait Kv: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;
    /// The pairs with `from <= key < to`. Not a snapshot.
    fn range(&self, from: &[u8], to: &[u8]) -> Pairs<'_>;
    /// Applies all of `batch` or nothing; false when its compare failed.
    fn apply(&self, batch: Batch) -> Result<bool, KvError>;
    /// Returns when everything applied so far is on stable storage.
    fn sync(&self) -> Result<(), KvError>;
    /// Bytes on disk.
    fn size_bytes(&self) -> u64;
}

/// sled 0.34.7.
pub(crate) struct SledTree {
    db: sled::Db,
    dir: PathBuf,
    log: File,
    compare: Mutex<()>,
}

impl From<sled::Error> for KvError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(source) => Self::Io(source),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl SledTree {
    /// Opens the database `parent/name`, making it where there is none. The caller holds the
    /// store's lock.
    pub(crate) fn open(parent: &Path, name: &str, cache_bytes: u64) -> Result<Self, KvError> {
        let dir = parent.join(name);
        if !dir.exists() {
            create(parent, &dir, &parent.join(format!("{name}.new")), cache_bytes)?;
        }
        clear_stale_snapshots(&dir).map_err(KvError::Io)?;
        let db = match open_db(&dir, cache_bytes) {
            // A snapshot only saves the replay of the log: without it the log says the same.
            Err(KvError::Corrupt(what)) if set_snapshots_aside(&dir).map_err(KvError::Io)? => {
                tracing::warn!(%what, "opening the database again without its snapshot");
                open_db(&dir, cache_bytes)?
            }
            other => other?,
        };
        let log =
            File::options().read(true).write(true).open(dir.join("db")).map_err(KvError::Io)?;
        sync_dir(&dir).map_err(KvError::Io)?;
        Ok(Self { db, dir, log, compare: Mutex::new(()) })
    }
}

/// Makes an empty database under a name that is not looked for, and renames it when it is whole:
/// sled writes its configuration file in place, and a crash would leave half of one.
fn create(parent: &Path, dir: &Path, new: &Path, cache_bytes: u64) -> Result<(), KvError> {
    let io = KvError::Io;
    if new.exists() {
        std::fs::remove_dir_all(new).map_err(io)?;
    }
    let db = open_db(new, cache_bytes)?;
    db.flush()?;
    drop(db);
    for entry in std::fs::read_dir(new).map_err(io)? {
        File::open(entry.map_err(io)?.path()).and_then(|f| f.sync_all()).map_err(io)?;
    }
    sync_dir(new).map_err(io)?;
    std::fs::rename(new, dir).map_err(io)?;
    sync_dir(parent).map_err(io)
}

/// Opens the database. The caller holds the store's lock, so sled's own can only be held by what
/// [`INHERITED`] speaks of, and is waited for.
fn open_db(dir: &Path, cache_bytes: u64) -> Result<sled::Db, KvError> {
    let deadline = Instant::now() + INHERITED;
    loop {
        match try_open_db(dir, cache_bytes) {
            Err(KvError::Io(source))
                if source.to_string().contains(SLED_LOCKED) && Instant::now() < deadline =>
            {
                std::thread::sleep(NAP);
            }
            outcome => return outcome,
        }
    }
}

/// What sled says when its lock is held; the kind of the error does not tell.
const SLED_LOCKED: &str = "could not acquire lock";

fn try_open_db(dir: &Path, cache_bytes: u64) -> Result<sled::Db, KvError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes)
        // Our own commits sync; sled's flusher would hide its errors in a log line.
        .flush_every_ms(None);
    // sled asserts on some kinds of damage instead of returning an error.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()))
        .unwrap_or_else(|_| Err(sled::Error::Corruption { at: None, bt: () }))
        .map_err(KvError::from)
}

/// A kill while a snapshot is written leaves `snap.*.generating`, which sled takes for the newest
/// snapshot and fails on.
fn clear_stale_snapshots(dir: &Path) -> std::io::Result<()> {
    for path in snapshots(dir)? {
        if path.extension().is_some_and(|e| e == "generating") {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Renames every snapshot so that sled does not see it; false when there was none.
fn set_snapshots_aside(dir: &Path) -> std::io::Result<bool> {
    let mut any = false;
    for path in snapshots(dir)? {
        let Some(name) = path.file_name() else {
            continue;
        };
        let mut aside = std::ffi::OsString::from("aside.");
        aside.push(name);
        std::fs::rename(&path, dir.join(aside))?;
        any = true;
    }
    Ok(any)
}

fn snapshots(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Pages that grew beyond a quarter of a segment lie in files of their own, which sled does not
/// sync. Our values are kept small so that there are none; if there are, they are synced.
fn sync_blobs(dir: &Path) -> std::io::Result<()> {
    let blobs = dir.join("blobs");
    if !blobs.is_dir() {
        return Ok(());
    }
    let mut any = false;
    for entry in std::fs::read_dir(&blobs)? {
        match File::open(entry?.path()) {
            Ok(file) => file.sync_all()?,
            // Collected by sled meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        any = true;
    }
    if any { sync_dir(&blobs) } else { Ok(()) }
}

impl Kv for SledTree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.db.get(key)?.map(|value| value.to_vec()))
    }

    fn range(&self, from: &[u8], to: &[u8]) -> Pairs<'_> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let pairs = self.db.range::<&[u8], _>(from..to);
        Box::new(pairs.map(|pair| match pair {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(error.into()),
        }))
    }

    fn apply(&self, batch: Batch) -> Result<bool, KvError> {
        let _compare = self.compare.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &batch.absent
            && self.db.contains_key(key)?
        {
            return Ok(false);
        }
        let mut writes = sled::Batch::default();
        for (key, value) in batch.ops {
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        self.db.apply_batch(writes)?;
        Ok(true)
    }

    /// `flush` hands everything to the kernel; on Linux it asks `sync_file_range` for the rest,
    /// which flushes no disk cache and no file size. So `fdatasync` follows, on our descriptor of
    /// the same file.
    fn sync(&self) -> Result<(), KvError> {
        self.db.flush()?;
        sync_blobs(&self.dir).map_err(KvError::Io)?;
        self.log.sync_data().map_err(KvError::Io)
    }

    fn size_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_snapshot_does_not_stop_the_opening() {
        let dir = tempfile::tempdir().unwrap();
        let tree = SledTree::open(dir.path(), "db", 1 << 20).unwrap();
        let ops = vec![(b"k".to_vec(), Some(b"v".to_vec()))];
        assert!(tree.apply(Batch { absent: None, ops }).unwrap());
        tree.sync().unwrap();
        drop(tree);
        let stale = dir.path().join("db/snap.ffffffffffffffff.generating");
        std::fs::write(&stale, [1, 2, 3]).unwrap();
        let tree = SledTree::open(dir.path(), "db", 1 << 20).unwrap();
        assert_eq!(tree.get(b"k").unwrap(), Some(b"v".to_vec()));
        assert!(!stale.exists());
        drop(tree);
        // A snapshot that is broken under its final name is set aside.
        std::fs::write(dir.path().join("db/snap.ffffffffffffffff"), [9; 64]).unwrap();
        let tree = SledTree::open(dir.path(), "db", 1 << 20).unwrap();
        assert_eq!(tree.get(b"k").unwrap(), Some(b"v".to_vec()));
    }

    #[test]
    fn a_half_made_database_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("db.new")).unwrap();
        std::fs::write(dir.path().join("db.new/conf"), "half").unwrap();
        let tree = SledTree::open(dir.path(), "db", 1 << 20).unwrap();
        assert_eq!(tree.get(b"k").unwrap(), None);
        assert!(!dir.path().join("db.new").exists());
    }

    #[test]
    fn a_compare_that_fails_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tree = SledTree::open(dir.path(), "db", 1 << 20).unwrap();
        let put = |value: u8| Batch {
            absent: Some(b"k".to_vec()),
            ops: vec![(b"k".to_vec(), Some(vec![value]))],
        };
        assert!(tree.apply(put(1)).unwrap());
        assert!(!tree.apply(put(2)).unwrap());
        assert_eq!(tree.get(b"k").unwrap(), Some(vec![1]));
    }
}
