//! The directory that a store lives in: one process at a time, and never to its last byte.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::StoreError;

const LOCK_NAME: &str = "lock";
/// What an opening may write.
const OPENING_BYTES: u64 = 8 << 20;

/// A store's directory, locked for as long as this lives.
pub(crate) struct Disk {
    dir: PathBuf,
    reserve_bytes: u64,
    _lock: File,
}

/// How long a lock that this process has let go may seem to be held: a child that another thread
/// is starting has inherited it until it becomes the other program.
pub(crate) const INHERITED: Duration = Duration::from_millis(200);
/// The pause between two attempts.
pub(crate) const NAP: Duration = Duration::from_millis(2);

impl Disk {
    /// Makes the directory where there is none, and locks it.
    pub(crate) fn lock(dir: &Path, reserve_bytes: u64) -> Result<Self, StoreError> {
        let io = |verb: &str| StoreError::io(format!("{verb} {}", dir.display()));
        std::fs::create_dir_all(dir).map_err(io("making the directory"))?;
        let path = dir.join(LOCK_NAME);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(io("opening the lock file in"))?;
        let deadline = Instant::now() + INHERITED;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { dir: dir.to_owned(), reserve_bytes, _lock: lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(NAP),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { dir: dir.to_owned() });
                }
                Err(TryLockError::Error(source)) => return Err(io("locking")(source)),
            }
        }
    }

    /// Refuses to go on when the disk is nearly full: sled does not recover from a full one.
    pub(crate) fn check_space(&self) -> Result<(), StoreError> {
        self.check(self.reserve_bytes)
    }

    /// The same for opening a store that is there: it may be read on a fuller disk, but opening
    /// writes a little.
    pub(crate) fn check_space_to_open(&self) -> Result<(), StoreError> {
        self.check(self.reserve_bytes.min(OPENING_BYTES))
    }

    fn check(&self, reserve: u64) -> Result<(), StoreError> {
        let stat = rustix::fs::statvfs(&self.dir)
            .map_err(|e| StoreError::io("asking for the free space")(e.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < reserve {
            return Err(StoreError::Full { free, reserve });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let first = Disk::lock(dir.path(), 0).unwrap();
        assert!(matches!(Disk::lock(dir.path(), 0), Err(StoreError::Locked { .. })));
        drop(first);
        Disk::lock(dir.path(), 0).unwrap();
    }

    #[test]
    fn a_reserve_larger_than_the_disk_is_never_free() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::lock(dir.path(), u64::MAX).unwrap();
        assert!(matches!(disk.check_space(), Err(StoreError::Full { .. })));
    }
}
