//! Waiting on a descriptor.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::SyscallError;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    Read,
    Write,
}

/// Waits until `fd` is ready, at most `timeout`; `false` when time ran out or a signal came.
pub(crate) fn poll(
    fd: BorrowedFd<'_>,
    ready: Ready,
    timeout: Duration,
) -> Result<bool, SyscallError> {
    let events = match ready {
        Ready::Read => libc::POLLIN,
        Ready::Write => libc::POLLOUT,
    };
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // SAFETY: `entry` and `limit` live across the call, the count is that of `entry`, and a null
    // signal mask leaves the mask alone.
    let count = unsafe { libc::ppoll(&raw mut entry, 1, &raw const limit, std::ptr::null()) };
    if count >= 0 {
        return Ok(count > 0);
    }
    let error = SyscallError::last("ppoll");
    if error.errno() == libc::EINTR { Ok(false) } else { Err(error) }
}
