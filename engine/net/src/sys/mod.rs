//! The kernel interface: every `unsafe` block of the engine is in this folder.
//!
//! What leaves here is safe to use in any way the types allow.

use std::io;

/// Programs and arrays in the kernel.
#[cfg(feature = "bpf")]
pub(crate) mod bpf;
/// Capability sets.
pub(crate) mod caps;
/// Memory shared with the kernel.
pub(crate) mod map;
/// Socket options and addresses of packet sockets.
pub(crate) mod packet;
/// Waiting on a descriptor.
pub(crate) mod poll;
/// The receive ring shared with the kernel.
pub(crate) mod ring;
/// Many messages in one system call.
pub(crate) mod sendmmsg;
/// Rings of `AF_XDP` sockets.
pub(crate) mod xsk;

/// A system call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct SyscallError {
    /// Which call, and what for.
    pub call: &'static str,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

impl SyscallError {
    /// `source` as the outcome of `call`.
    pub(crate) const fn new(call: &'static str, source: io::Error) -> Self {
        Self { call, source }
    }

    /// The `errno` of the calling thread as the outcome of `call`.
    pub(crate) fn last(call: &'static str) -> Self {
        Self::new(call, io::Error::last_os_error())
    }

    /// The error number, zero where there is none.
    pub(crate) fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}

/// What the kernel's programs take for the time: since the host started, without its sleep.
#[cfg(feature = "bpf")]
pub(crate) fn monotonic_now() -> std::time::Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a whole `timespec` that lives across the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    std::time::Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// `Ok` for a return value of zero or more.
pub(crate) fn check(call: &'static str, returned: libc::c_int) -> Result<(), SyscallError> {
    if returned < 0 { Err(SyscallError::last(call)) } else { Ok(()) }
}
