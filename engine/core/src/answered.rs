//! One bit per endpoint: whether it has answered.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest set that gets a bit per member: 2^33 bits are 1 GiB.
pub const ANSWERED_LEN_MAX: u64 = 1 << 33;

/// A fixed set of bits that the receiving side sets and, in passes after the first, the sending
/// side reads.
///
/// The first pass never reads it, so while it runs the halves of the engine share no cache line.
/// A bit that is read late costs one probe more within the allowed number, never a wrong result;
/// so the weakest memory ordering serves.
pub struct Answered {
    words: Words,
    len: u64,
}

/// Where the bits are kept.
type Words = Box<dyn AsRef<[AtomicU64]> + Send + Sync>;

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Answered {
    /// A set of `len` clear bits; `None` above [`ANSWERED_LEN_MAX`].
    pub fn new(len: u64) -> Option<Self> {
        if len > ANSWERED_LEN_MAX {
            return None;
        }
        let words = usize::try_from(len.div_ceil(64)).ok()?;
        let words: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self::over(Box::new(words), len)
    }

    /// The same, kept in `words`: clear, 64 bits each, and read by someone else too. `None` where
    /// they are too few for `len` bits.
    pub fn over(words: Words, len: u64) -> Option<Self> {
        let enough = usize::try_from(len.div_ceil(64)).is_ok_and(|n| n <= (*words).as_ref().len());
        (enough && len <= ANSWERED_LEN_MAX).then_some(Self { words, len })
    }

    /// How many bits there are.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no bit at all.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a bit; whether it was clear before. Out of range is never clear.
    pub fn insert(&self, index: u64) -> bool {
        let mask = 1 << (index % 64);
        self.word(index).is_some_and(|w| w.fetch_or(mask, Ordering::Relaxed) & mask == 0)
    }

    /// Whether a bit is set. Out of range counts as set.
    pub fn contains(&self, index: u64) -> bool {
        let mask = 1 << (index % 64);
        self.word(index).is_none_or(|w| w.load(Ordering::Relaxed) & mask != 0)
    }

    /// How many bits are set.
    pub fn count(&self) -> u64 {
        self.words().iter().map(|w| u64::from(w.load(Ordering::Relaxed).count_ones())).sum()
    }

    /// The bits as little-endian octets, for a checkpoint.
    pub fn to_octets(&self) -> Vec<u8> {
        self.words().iter().flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes()).collect()
    }

    /// Sets what [`Answered::to_octets`] wrote; octets beyond the length are ignored.
    pub fn fill(&self, octets: &[u8]) {
        for (word, chunk) in self.words().iter().zip(octets.chunks(8)) {
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            word.fetch_or(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    fn words(&self) -> &[AtomicU64] {
        (*self.words).as_ref()
    }

    fn word(&self, index: u64) -> Option<&AtomicU64> {
        let at = usize::try_from(index / 64).ok()?;
        if index < self.len { self.words().get(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_once_and_survive_a_checkpoint() {
        let set = Answered::new(130).unwrap();
        assert!(set.insert(0) && set.insert(129));
        assert!(!set.insert(129), "a second time");
        assert!(!set.insert(130), "out of range");
        assert!(set.contains(0) && !set.contains(1));
        let copy = Answered::new(130).unwrap();
        copy.fill(&set.to_octets());
        assert_eq!(copy.count(), 2);
        assert!(copy.contains(129));
        assert!(Answered::new(ANSWERED_LEN_MAX + 1).is_none());
    }
}
