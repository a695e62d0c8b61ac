//! When each probe left, remembered by position: round-trip times without a table of probes.
//!
//! A sender works through positions in rising order, so "position p left at time t", noted once a
//! batch, dates every probe; the permutation's inverse gives an answer's position.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Timestamp;

/// Notes kept; older ones are overwritten, and answers to older probes carry no time.
const NOTES_LEN: usize = 1 << 15;

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
    notes: Box<[Note]>,
    written: AtomicU64,
    pass: AtomicU8,
}

impl Default for Timeline {
    fn default() -> Self {
        let note = || Note { position: AtomicU64::new(0), nanos: AtomicU64::new(0) };
        Self {
            notes: (0..NOTES_LEN).map(|_| note()).collect(),
            written: AtomicU64::new(0),
            pass: AtomicU8::new(0),
        }
    }
}

impl Timeline {
    /// Notes that the probe at `position`, and those after it up to the next note, left at `at`.
    /// Positions must not fall within a pass.
    pub fn note(&self, position: u64, at: Timestamp) {
        let count = self.written.load(Ordering::Relaxed);
        if let Some(note) = self.slot(count) {
            note.position.store(position, Ordering::Relaxed);
            note.nanos.store(at.as_nanos(), Ordering::Relaxed);
            self.written.store(count + 1, Ordering::Release);
        }
    }

    /// Forgets everything: pass `pass` begins.
    pub fn begin_pass(&self, pass: u8) {
        self.written.store(0, Ordering::Release);
        self.pass.store(pass, Ordering::Release);
    }

    /// How long before `now` the probe at `position` of pass `pass` left; `None` where that is
    /// not known, and for passes that are over.
    pub fn age(&self, pass: u8, position: u64, now: Timestamp) -> Option<Duration> {
        if self.pass.load(Ordering::Acquire) != pass {
            return None;
        }
        let count = self.written.load(Ordering::Acquire);
        let oldest = count.saturating_sub(NOTES_LEN as u64 - 1);
        let (mut low, mut high) = (oldest, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.slot(middle)?.position.load(Ordering::Relaxed) <= position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = low.checked_sub(1).filter(|at| *at >= oldest)?;
        let left = self.slot(found)?.nanos.load(Ordering::Relaxed);
        now.as_nanos().checked_sub(left).map(Duration::from_nanos)
    }

    fn slot(&self, count: u64) -> Option<&Note> {
        usize::try_from(count).ok().and_then(|c| self.notes.get(c % NOTES_LEN))
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
        assert_eq!(line.age(0, 63, at(100)), None);
    }

    #[test]
    fn what_was_overwritten_is_not_known() {
        let line = Timeline::default();
        let notes = NOTES_LEN as u64 + 10;
        for position in 0..notes {
            line.note(position, at(position));
        }
        assert_eq!(line.age(0, 3, at(notes)), None);
        assert_eq!(line.age(0, notes - 1, at(notes)), Some(Duration::from_micros(1)));
    }
}
