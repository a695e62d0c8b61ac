//! Capability sets, capabilities(7), and the descriptor limit.

use std::os::fd::AsRawFd;

use super::{SyscallError, check};

/// The effective capabilities of the calling thread: bit `n` is capability number `n`.
pub(crate) fn effective() -> Result<u64, SyscallError> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = Header { version: VERSION_3, pid: 0 };
    // Two rounds of (effective, permitted, inheritable): capabilities 0 to 31, then 32 to 63.
    let mut data = [[0_u32; 3]; 2];
    // SAFETY: version 3 reads one header and writes two data structures; both live across the call.
    let returned = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut data) };
    if returned < 0 {
        return Err(SyscallError::last("capget"));
    }
    let [[low, ..], [high, ..]] = data;
    Ok(u64::from(high) << 32 | u64::from(low))
}

/// Raises the soft limit of open descriptors to the hard one, and returns it.
///
/// # Errors
/// The system does not tell its limit.
pub fn raise_descriptor_limit() -> Result<u64, SyscallError> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable and lives across the call.
    let returned = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    check("getrlimit", returned)?;
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        // SAFETY: `raised` lives across the call.
        let returned = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
        if returned == 0 {
            limit = raised;
        }
    }
    Ok(limit.rlim_cur)
}

/// Makes `close` answer established connections with RST, so that no TIME-WAIT remains.
pub(crate) fn reset_on_close(socket: &impl AsRawFd) -> Result<(), SyscallError> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let len = super::packet::length_of::<libc::linger>();
    let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
    // SAFETY: `linger` is whole and lives across the call.
    let returned = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const linger).cast(), len)
    };
    check("SO_LINGER", returned)
}
