//! Many messages in one system call, sendmmsg(2).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use portolan_core::link::{BATCH_LEN_MAX, FrameBatch};

use super::SyscallError;
use super::packet::{length_of, link_address};

/// Where one message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Where the socket is bound.
    Bound,
    /// Out of this interface, as this protocol (host byte order).
    Link { interface: u32, protocol: u16 },
    /// To this IPv4 address.
    V4(Ipv4Addr),
    /// To this IPv6 address, through this interface where it is link-local.
    V6(Ipv6Addr, u32),
}

/// One address of each kind: a message points at the one that it uses.
#[derive(Clone, Copy)]
struct Names {
    link: libc::sockaddr_ll,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// The message headers of a batch, allocated once and filled anew for each call.
pub(crate) struct MessageTable {
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    names: Box<[Names]>,
}

// SAFETY: the pointers inside are written at the start of each `send`, from borrows that last for
// that call, and are read by the kernel within that call alone.
unsafe impl Send for MessageTable {}

impl MessageTable {
    /// Room for one whole batch.
    pub(crate) fn new() -> Self {
        // SAFETY: `mmsghdr` is plain data; null pointers with zero lengths are valid in it.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let names = Names {
            link: link_address(0, 0),
            v4: libc::sockaddr_in {
                sin_family: AF_INET,
                sin_port: 0,
                sin_addr: libc::in_addr { s_addr: 0 },
                sin_zero: [0; 8],
            },
            v6: libc::sockaddr_in6 {
                sin6_family: AF_INET6,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
                sin6_scope_id: 0,
            },
        };
        Self {
            headers: vec![header; BATCH_LEN_MAX].into_boxed_slice(),
            vectors: vec![vector; BATCH_LEN_MAX].into_boxed_slice(),
            names: vec![names; BATCH_LEN_MAX].into_boxed_slice(),
        }
    }

    /// Sends the frames from index `from` on without blocking; returns how many the kernel took.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        batch: &FrameBatch,
        from: usize,
        destination: impl Fn(&[u8]) -> Destination,
    ) -> Result<usize, SyscallError> {
        let slots = self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.names);
        let mut count: libc::c_uint = 0;
        for (((header, vector), names), frame) in slots.zip(batch.frames().skip(from)) {
            vector.iov_base = frame.as_ptr().cast_mut().cast();
            vector.iov_len = frame.len();
            let (name, len) = point_at(names, destination(frame));
            header.msg_hdr.msg_name = name;
            header.msg_hdr.msg_namelen = len;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let (fd, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT);
        // SAFETY: the first `count` headers point at vectors and names of this table and at frames
        // of `batch`; all of them stay borrowed until the call returns, and the kernel only reads
        // them (it writes `msg_len` into the headers, which are ours).
        let sent = unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr(), count, flags) };
        usize::try_from(sent).map_err(|_| SyscallError::new("sendmmsg", io::Error::last_os_error()))
    }
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Writes `destination` into `names` and says where it lies.
fn point_at(names: &mut Names, destination: Destination) -> (*mut libc::c_void, libc::socklen_t) {
    match destination {
        Destination::Bound => (ptr::null_mut(), 0),
        Destination::Link { interface, protocol } => {
            names.link = link_address(interface, protocol);
            (ptr::from_mut(&mut names.link).cast(), length_of::<libc::sockaddr_ll>())
        }
        Destination::V4(addr) => {
            names.v4.sin_addr.s_addr = addr.to_bits().to_be();
            (ptr::from_mut(&mut names.v4).cast(), length_of::<libc::sockaddr_in>())
        }
        Destination::V6(addr, scope) => {
            names.v6.sin6_addr.s6_addr = addr.octets();
            names.v6.sin6_scope_id = scope;
            (ptr::from_mut(&mut names.v6).cast(), length_of::<libc::sockaddr_in6>())
        }
    }
}
