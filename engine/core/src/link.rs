//! Frames in bulk, on paper: how they begin on a link, and the batch they travel in.

use std::ops::Range;

/// How the frames of a link begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encapsulation {
    /// With a 14-octet Ethernet II header.
    Ethernet,
    /// With the IP header itself: loopback, tun, WireGuard.
    Ip,
}

impl Encapsulation {
    /// Octets before the IP header.
    pub const fn header_len(self) -> usize {
        match self {
            Self::Ethernet => 14,
            Self::Ip => 0,
        }
    }
}

/// Frames in one batch, at most.
pub const BATCH_LEN_MAX: usize = 256;

/// Octets in one frame, at most: an Ethernet header and 1,500 octets.
pub const FRAME_LEN_MAX: usize = 1_514;

/// Up to [`BATCH_LEN_MAX`] frames, back to back in one allocation that lasts for the whole scan.
///
/// Frame `i` occupies `ends[i - 1]..ends[i]` of the storage, so 256 SYN probes touch 14 KiB.
#[derive(Debug, Clone)]
pub struct FrameBatch {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl FrameBatch {
    /// An empty batch with all the memory it will ever need (379 KiB, touched only as it is used).
    pub fn new() -> Self {
        Self {
            octets: Vec::with_capacity(BATCH_LEN_MAX * FRAME_LEN_MAX),
            ends: Vec::with_capacity(BATCH_LEN_MAX),
        }
    }

    /// Frames in it.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds no frame.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether no further frame fits.
    pub const fn is_full(&self) -> bool {
        self.ends.len() >= BATCH_LEN_MAX
    }

    /// Appends a copy of `frame` and returns the copy, to be patched in place.
    ///
    /// `None`, and nothing appended, when the batch is full or the frame is longer than
    /// [`FRAME_LEN_MAX`].
    pub fn push(&mut self, frame: &[u8]) -> Option<&mut [u8]> {
        if self.is_full() || frame.len() > FRAME_LEN_MAX {
            return None;
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(frame);
        self.ends.push(self.octets.len());
        self.octets.get_mut(start..)
    }

    /// Frame `index`.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        self.octets.get(self.bounds(index)?)
    }

    /// Frame `index`, to be patched in place.
    pub fn frame_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        let bounds = self.bounds(index)?;
        self.octets.get_mut(bounds)
    }

    /// The frames in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.frame(index).unwrap_or_default())
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    /// Drops the first `sent` frames; the rest move to the front.
    pub fn keep_from(&mut self, sent: usize) {
        if sent >= self.len() {
            self.clear();
            return;
        }
        let Some(cut) = sent.checked_sub(1).and_then(|last| self.ends.get(last)).copied() else {
            return;
        };
        self.octets.drain(..cut);
        self.ends.drain(..sent);
        for end in &mut self.ends {
            *end -= cut;
        }
    }

    fn bounds(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(start..end)
    }
}

impl Default for FrameBatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_went_in() {
        let mut batch = FrameBatch::new();
        assert!(batch.push(b"one").is_some());
        batch.push(b"").unwrap();
        batch.push(b"three").unwrap()[0] = b'T';
        assert_eq!(batch.frames().collect::<Vec<_>>(), [&b"one"[..], b"", b"Three"]);
        batch.keep_from(0);
        assert_eq!(batch.len(), 3);
        batch.keep_from(1);
        assert_eq!(batch.frames().collect::<Vec<_>>(), [&b""[..], b"Three"]);
        batch.frame_mut(1).unwrap()[1] = b'H';
        assert_eq!(batch.frame(1), Some(&b"THree"[..]));
        batch.keep_from(9);
        assert!(batch.is_empty());
        assert_eq!(batch.frame(0), None);
    }

    #[test]
    fn a_full_batch_and_an_oversized_frame_are_refused() {
        let mut batch = FrameBatch::new();
        assert!(batch.push(&[0; FRAME_LEN_MAX + 1]).is_none());
        assert!(batch.is_empty());
        for _ in 0..BATCH_LEN_MAX {
            assert!(batch.push(&[7; FRAME_LEN_MAX]).is_some());
        }
        let capacity = batch.octets.capacity();
        assert!(batch.is_full());
        assert!(batch.push(b"x").is_none());
        assert_eq!(batch.octets.capacity(), capacity);
    }
}
