//! The receive ring shared with the kernel, format `TPACKET_V3`.
//!
//! Layout as in `linux/if_packet.h`: blocks of equal size; each begins with a descriptor, and
//! frames follow, linked by offsets. A block belongs to one side at a time, by its status word.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::map::Map;
use super::packet::{length_of, ring_version_3};
use super::{SyscallError, check};
use crate::link::Arrival;

/// Octets in a block.
///
/// A slow trickle closes a block every time the retirement runs out, however little is in it; so it
/// is the number of blocks that says for how long the reader may be kept from the processor.
const BLOCK_LEN: u32 = 1 << 16;
/// What the kernel wants as a multiple; frames are packed, so it bounds nothing else.
const FRAME_STEP: u32 = 1 << 11;

/// Offset of `block_status` in a block descriptor.
const STATUS_AT: usize = 8;
const STATUS_KERNEL: u32 = 0;
const STATUS_USER: u32 = 1;

/// A mapped receive ring. Unmapped on drop; the socket must outlive it.
pub(crate) struct RxRing {
    map: Map,
    block_count: u32,
    next: u32,
}

impl RxRing {
    /// Gives `socket` a ring of about `octets`; blocks that hold frames are handed over after
    /// `retire` at the latest.
    pub(crate) fn map(
        socket: BorrowedFd<'_>,
        octets: u32,
        retire: Duration,
    ) -> Result<Self, SyscallError> {
        ring_version_3(socket)?;
        let block_count = (octets / BLOCK_LEN).max(2);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_LEN,
            tp_block_nr: block_count,
            tp_frame_size: FRAME_STEP,
            tp_frame_nr: block_count.saturating_mul(BLOCK_LEN / FRAME_STEP),
            tp_retire_blk_tov: u32::try_from(retire.as_millis()).unwrap_or(60).max(1),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        let (fd, len) = (socket.as_raw_fd(), length_of::<libc::tpacket_req3>());
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_RX_RING);
        // SAFETY: `request` is a whole `tpacket_req3` that lives across the call.
        let returned =
            unsafe { libc::setsockopt(fd, level, name, (&raw const request).cast(), len) };
        check("PACKET_RX_RING", returned)?;
        let map = Map::shared("mmap of the receive ring", socket, 0, map_len(block_count))?;
        Ok(Self { map, block_count, next: 0 })
    }

    /// Blocks in the ring.
    pub(crate) const fn block_count(&self) -> u32 {
        self.block_count
    }

    /// Hands each frame of the next block to `handler` and gives the block back to the kernel.
    ///
    /// `None` when the next block is still the kernel's.
    pub(crate) fn take_block(&mut self, handler: &mut dyn FnMut(Arrival<'_>)) -> Option<usize> {
        if self.status().load(Ordering::Acquire) & STATUS_USER == 0 {
            return None;
        }
        // The kernel stamps frames with civil time; one reading serves the whole block.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let frames = visit(self.block(), now, handler);
        self.status().store(STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.block_count;
        Some(frames)
    }

    fn block_base(&self) -> NonNull<u8> {
        let offset = usize::try_from(self.next).unwrap_or(0) * block_len();
        // SAFETY: `next` is below `block_count`, so the offset is inside the mapping.
        unsafe { self.map.base().add(offset) }
    }

    fn status(&self) -> &AtomicU32 {
        let base = self.block_base();
        // SAFETY: the descriptor is part of the block.
        let word = unsafe { base.add(STATUS_AT) }.cast::<u32>();
        // SAFETY: the word is aligned (blocks are page-aligned, the offset is 8), mapped as long as
        // `self` lives, and accessed on our side through this atomic alone.
        unsafe { AtomicU32::from_ptr(word.as_ptr()) }
    }

    /// The block whose turn it is; to be called while it is ours.
    fn block(&self) -> &[u8] {
        // SAFETY: the block lies in the mapping, and its status says that the kernel does not
        // write to it until `take_block` hands it back, after this borrow has ended.
        unsafe { std::slice::from_raw_parts(self.block_base().as_ptr(), block_len()) }
    }
}

fn block_len() -> usize {
    usize::try_from(BLOCK_LEN).unwrap_or(0)
}

fn map_len(block_count: u32) -> usize {
    usize::try_from(block_count).unwrap_or(0) * block_len()
}

/// Walks the frames of a block at civil time `now`; offsets that lead outside end the walk.
fn visit(block: &[u8], now: Duration, handler: &mut dyn FnMut(Arrival<'_>)) -> usize {
    let count = word(block, 12).unwrap_or(0);
    let mut at = word(block, 16).unwrap_or(0);
    let mut seen = 0;
    for _ in 0..count {
        let Some((frame, stamp, next)) = frame_at(block, at) else { break };
        // A clock that was set back since makes the age zero, not negative.
        handler(Arrival { frame, age: now.saturating_sub(stamp) });
        seen += 1;
        if next == 0 {
            break;
        }
        at = at.saturating_add(next);
    }
    seen
}

/// The frame whose `tpacket3_hdr` is at `at`, its stamp, and the distance to the next one.
fn frame_at(block: &[u8], at: usize) -> Option<(&[u8], Duration, usize)> {
    let header = block.get(at..)?;
    let next = word(header, 0)?;
    let seconds = u32::from_ne_bytes(*header.get(4..)?.first_chunk()?);
    let nanos = u32::from_ne_bytes(*header.get(8..)?.first_chunk()?);
    let stamp = Duration::new(u64::from(seconds), nanos % 1_000_000_000);
    let captured = word(header, 12)?;
    let mac = usize::from(u16::from_ne_bytes(*header.get(24..)?.first_chunk()?));
    let frame = header.get(mac..)?.get(..captured)?;
    Some((frame, stamp, next))
}

fn word(octets: &[u8], at: usize) -> Option<usize> {
    let value = u32::from_ne_bytes(*octets.get(at..)?.first_chunk()?);
    usize::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with the frames `first` and `second`.
    fn block(first: &[u8], second: &[u8]) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, value: u32| {
            block[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        put(12, 2);
        put(16, 48);
        put(48, 128);
        put(48 + 4, 1_000);
        put(48 + 8, 500_000);
        put(48 + 12, u32::try_from(first.len()).unwrap());
        put(48 + 24, u32::from(82_u16));
        put(176 + 12, u32::try_from(second.len()).unwrap());
        put(176 + 24, u32::from(82_u16));
        block[130..130 + first.len()].copy_from_slice(first);
        block[258..258 + second.len()].copy_from_slice(second);
        block
    }

    #[test]
    fn both_frames_of_a_block_are_seen() {
        let mut seen = Vec::new();
        let now = Duration::from_secs(1_000) + Duration::from_millis(2);
        let count = visit(&block(b"syn-ack", b"rst"), now, &mut |arrival| {
            if seen.is_empty() {
                assert_eq!(arrival.age, Duration::from_micros(1_500));
            }
            seen.push(arrival.frame.to_vec());
        });
        assert_eq!(count, 2);
        assert_eq!(seen, [b"syn-ack".to_vec(), b"rst".to_vec()]);
    }

    #[test]
    fn offsets_that_lead_outside_end_the_walk() {
        for at in [16, 48, 48 + 12, 48 + 24] {
            let mut damaged = block(b"syn-ack", b"rst");
            damaged[at..at + 2].copy_from_slice(&u16::MAX.to_ne_bytes());
            assert!(visit(&damaged, Duration::ZERO, &mut |_| {}) <= 1);
        }
        assert_eq!(visit(&[], Duration::ZERO, &mut |_| {}), 0);
    }
}
