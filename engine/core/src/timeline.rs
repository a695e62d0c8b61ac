//! When each probe left, remembered by position: round-trip times without a table of probes.
//!
//! A sender works through positions in rising order, so "position p left at time t", noted once a
//! batch, dates every probe; the permutation's inverse gives an answer's position.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::plan::PASSES_MAX;
use crate::time::Timestamp;

/// Notes kept of every batch; older ones are overwritten.
const NOTES_LEN: usize = 1 << 15;
/// Notes kept of one batch a millisecond: the last sixteen seconds at any rate, so that answers
/// that take many seconds are dated too.
const COARSE_LEN: usize = 1 << 14;
/// The least distance of two coarse notes.
const COARSE_STEP: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Note {
    position: AtomicU64,
    nanos: AtomicU64,
}

/// The notes of one sending thread: one writer, any readers.
///
/// A reader that meets a note while it is overwritten may be told a time that is wrong; readers
/// discard times outside what is plausible, and nothing but the reported round trip depends on it.
#[derive(Debug)]
pub struct Timeline {
    fine: Ring,
    coarse: Ring,
    coarse_due: AtomicU64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            fine: Ring::new(NOTES_LEN),
            coarse: Ring::new(COARSE_LEN),
            coarse_due: AtomicU64::new(0),
        }
    }
}

impl Timeline {
    /// Notes that the probe at `position`, and those after it up to the next note, left at `at`.
    /// Neither positions within a pass nor times may fall.
    pub fn note(&self, position: u64, at: Timestamp) {
        self.fine.note(position, at);
        if at.as_nanos() >= self.coarse_due.load(Ordering::Relaxed) {
            self.coarse.note(position, at);
            self.coarse_due.store((at + COARSE_STEP).as_nanos(), Ordering::Relaxed);
        }
    }

    /// Pass `pass` begins; passes must not fall.
    pub fn begin_pass(&self, pass: u8) {
        self.fine.begin_pass(pass);
        self.coarse.begin_pass(pass);
        // The first probe of a pass has a note of its own.
        self.coarse_due.store(0, Ordering::Relaxed);
    }

    /// How long before `now` the probe at `position` of pass `pass` left, to a millisecond where
    /// that was long ago; `None` where it is not known.
    pub fn age(&self, pass: u8, position: u64, now: Timestamp) -> Option<Duration> {
        let left = |ring: &Ring| ring.find(pass, position);
        let nanos = left(&self.fine).or_else(|| left(&self.coarse))?;
        now.as_nanos().checked_sub(nanos).map(Duration::from_nanos)
    }
}

/// The last notes, and where among all that were ever written each pass began.
#[derive(Debug)]
struct Ring {
    notes: Box<[Note]>,
    written: AtomicU64,
    begun: [AtomicU64; PASSES_MAX as usize],
}

/// In the place of a pass that has not begun.
const NOT_BEGUN: u64 = u64::MAX;

impl Ring {
    fn new(len: usize) -> Self {
        let note = || Note { position: AtomicU64::new(0), nanos: AtomicU64::new(0) };
        let ring = Self {
            notes: (0..len).map(|_| note()).collect(),
            written: AtomicU64::new(0),
            begun: [const { AtomicU64::new(NOT_BEGUN) }; PASSES_MAX as usize],
        };
        ring.begin_pass(0);
        ring
    }

    fn note(&self, position: u64, at: Timestamp) {
        let count = self.written.load(Ordering::Relaxed);
        if let Some(note) = self.slot(count) {
            note.position.store(position, Ordering::Relaxed);
            note.nanos.store(at.as_nanos(), Ordering::Relaxed);
            self.written.store(count + 1, Ordering::Release);
        }
    }

    fn begin_pass(&self, pass: u8) {
        if let Some(begun) = self.begun.get(usize::from(pass)) {
            begun.store(self.written.load(Ordering::Relaxed), Ordering::Release);
        }
    }

    /// The number of the first note of `pass` and of the first one after it.
    fn span(&self, pass: u8) -> Option<(u64, u64)> {
        let passes = self.begun.iter().skip(usize::from(pass));
        let mut begun = passes.map(|count| count.load(Ordering::Acquire));
        let first = begun.next().filter(|count| *count != NOT_BEGUN)?;
        let end = begun.find(|count| *count != NOT_BEGUN);
        Some((first, end.unwrap_or_else(|| self.written.load(Ordering::Acquire))))
    }

    /// When the probe at `position` of `pass` left, in nanoseconds.
    fn find(&self, pass: u8, position: u64) -> Option<u64> {
        let (first, end) = self.span(pass)?;
        let len = u64::try_from(self.notes.len()).ok()?;
        let kept = (self.written.load(Ordering::Acquire) + 1).saturating_sub(len);
        let oldest = first.max(kept);
        let (mut low, mut high) = (oldest, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.slot(middle)?.position.load(Ordering::Relaxed) <= position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = low.checked_sub(1).filter(|at| (oldest..end).contains(at))?;
        Some(self.slot(found)?.nanos.load(Ordering::Relaxed))
    }

    fn slot(&self, count: u64) -> Option<&Note> {
        usize::try_from(count).ok().and_then(|c| self.notes.get(c % self.notes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_nanos(micros * 1_000)
    }

    #[test]
    fn positions_are_dated_by_the_note_before_them() {
        let line = Timeline::default();
        assert_eq!(line.age(0, 5, at(100)), None);
        line.note(0, at(10));
        line.note(64, at(20));
        assert_eq!(line.age(0, 63, at(100)), Some(Duration::from_micros(90)));
        assert_eq!(line.age(0, 64, at(100)), Some(Duration::from_micros(80)));
        assert_eq!(line.age(0, 9_999, at(19)), None, "an answer before its probe");
        line.begin_pass(1);
        line.note(0, at(30));
        assert_eq!(line.age(0, 63, at(100)), Some(Duration::from_micros(90)), "a late answer");
        assert_eq!(line.age(1, 63, at(100)), Some(Duration::from_micros(70)));
        assert_eq!(line.age(2, 63, at(100)), None);
    }

    #[test]
    fn what_was_overwritten_is_known_to_a_millisecond_and_in_the_end_not_at_all() {
        let line = Timeline::default();
        let notes = NOTES_LEN as u64 + 10;
        for position in 0..notes {
            line.note(position, at(position));
        }
        assert_eq!(line.age(0, notes - 1, at(notes)), Some(Duration::from_micros(1)));
        assert_eq!(line.age(0, 3, at(notes)), Some(Duration::from_micros(notes)));
        let seconds = COARSE_LEN as u64 / 1_000 + 1;
        for millis in 0..seconds * 1_000 {
            for part in 0..4 {
                line.note(notes + millis * 4 + part, at(notes + millis * 1_000 + part));
            }
        }
        assert_eq!(line.age(0, 3, at(notes)), None);
        let late = line.age(0, notes + 4_003, at(notes + 9_000_000)).unwrap();
        assert_eq!(late, Duration::from_secs(8));
    }
}
