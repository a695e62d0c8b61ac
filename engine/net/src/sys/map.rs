//! Memory shared with the kernel.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use super::SyscallError;

/// A mapping, readable and, but for those that say otherwise, writable; unmapped on drop.
#[derive(Debug)]
pub(crate) struct Map {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread.
unsafe impl Send for Map {}
// SAFETY: a shared reference gives the base address only; whoever uses that answers for it.
unsafe impl Sync for Map {}

impl Map {
    /// `len` octets of `descriptor` from `offset` on, shared with whoever else has them.
    pub(crate) fn shared(
        call: &'static str,
        descriptor: BorrowedFd<'_>,
        offset: libc::off_t,
        len: usize,
    ) -> Result<Self, SyscallError> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        Self::new(call, len, protection, libc::MAP_SHARED, descriptor.as_raw_fd(), offset)
    }

    /// The same, for reading alone: who writes to it is stopped by the processor.
    #[cfg(feature = "bpf")]
    pub(crate) fn read_only(
        call: &'static str,
        descriptor: BorrowedFd<'_>,
        offset: libc::off_t,
        len: usize,
    ) -> Result<Self, SyscallError> {
        let (flags, descriptor) = (libc::MAP_SHARED, descriptor.as_raw_fd());
        Self::new(call, len, libc::PROT_READ, flags, descriptor, offset)
    }

    /// `len` octets of zeros.
    pub(crate) fn anonymous(len: usize) -> Result<Self, SyscallError> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        Self::new("mmap of memory", len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    }

    fn new(
        call: &'static str,
        len: usize,
        protection: libc::c_int,
        flags: libc::c_int,
        descriptor: libc::c_int,
        offset: libc::off_t,
    ) -> Result<Self, SyscallError> {
        // SAFETY: a fresh mapping at an address of the kernel's choice; nothing else is touched.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, descriptor, offset) };
        let base = NonNull::new(base.cast::<u8>())
            .filter(|base| base.as_ptr().cast() != libc::MAP_FAILED)
            .ok_or_else(|| SyscallError::last(call))?;
        Ok(Self { base, len })
    }

    /// The first octet; page-aligned.
    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Octets.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Where `len` octets from `at` on lie; `None` when they are not all in the mapping.
    pub(crate) fn at(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        let inside = at.checked_add(len).is_some_and(|end| end <= self.len);
        // SAFETY: just checked to be inside.
        inside.then(|| unsafe { self.base.add(at) })
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this base and length, and nothing borrows from it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_not_given() {
        let map = Map::anonymous(4_096).unwrap();
        assert_eq!(map.at(0, 4_096), Some(map.base()));
        assert!(map.at(4_095, 1).is_some());
        assert!(map.at(4_095, 2).is_none());
        assert!(map.at(usize::MAX, 2).is_none());
        assert_eq!(map.len(), 4_096);
    }
}
