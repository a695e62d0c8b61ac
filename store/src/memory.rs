//! The same tree in memory, for tests of everything above it, with faults on demand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::tree::{Batch, Kv, KvError, Pairs};

/// A tree in memory. Clones share their contents, so that a "crashed" store can be opened again.
#[derive(Clone)]
pub(crate) struct MemoryTree {
    map: Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>,
    /// Writes and syncs that still succeed; below zero, without end.
    lives: Arc<AtomicI64>,
}

impl MemoryTree {
    pub(crate) fn new() -> Self {
        Self { map: Arc::default(), lives: Arc::new(AtomicI64::new(-1)) }
    }

    /// Lets `writes` more writes and syncs succeed, and none after; -1 for no end.
    pub(crate) fn fail_after(&self, writes: i64) {
        self.lives.store(writes, Ordering::SeqCst);
    }

    /// Changes one stored value.
    pub(crate) fn tamper(&self, change: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>)) {
        change(&mut self.map.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn spend(&self) -> Result<(), KvError> {
        let left = self.lives.load(Ordering::SeqCst);
        if left == 0 {
            return Err(KvError::Io(std::io::Error::from_raw_os_error(28)));
        }
        if left > 0 {
            self.lives.store(left - 1, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Kv for MemoryTree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8]) -> Pairs<'_> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<_> = map
            .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)))
            .map(|(key, value)| Ok((key.clone(), value.clone())))
            .collect();
        Box::new(pairs.into_iter())
    }

    fn apply(&self, batch: Batch) -> Result<bool, KvError> {
        self.spend()?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if batch.absent.as_ref().is_some_and(|key| map.contains_key(key)) {
            return Ok(false);
        }
        for (key, value) in batch.ops {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(true)
    }

    fn sync(&self) -> Result<(), KvError> {
        self.spend()
    }

    fn size_bytes(&self) -> u64 {
        0
    }
}
