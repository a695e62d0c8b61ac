//! Raw IP sockets, raw(7): frames to this host's own addresses.
//!
//! A frame injected into loopback by a packet socket is dropped as martian; the same octets sent
//! through the IP layer are delivered.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use portolan_core::endpoint::Family;
use socket2::{Domain, Protocol, Socket, Type};

use super::packet::refine;
use super::{Encapsulation, FrameBatch, LinkError, TxLink};
use crate::sys::SyscallError;
use crate::sys::packet::set_send_buffer;
use crate::sys::poll::{Ready, poll};
use crate::sys::sendmmsg::{Destination, MessageTable};

/// Sends frames that begin with an IP header by way of the host's own IP layer.
///
/// All frames of one link are of one [`Family`]; the destination is read from each frame's header,
/// and a frame too short to hold one, or of the other family, is counted as refused.
pub struct RawIpTx {
    socket: Socket,
    table: MessageTable,
    family: Family,
    interface: u32,
    refused: u64,
    buffer_full: bool,
}

impl RawIpTx {
    /// Opens a socket for `family`; `interface` is where link-local destinations are.
    ///
    /// # Errors
    /// [`LinkError::NotPermitted`] without `CAP_NET_RAW`.
    pub fn open(family: Family, interface: u32) -> Result<Self, LinkError> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        // IPPROTO_RAW: sends any protocol, receives none, and takes our header as it is (for IPv6
        // too, since Linux 4.5 by option and always by this protocol number).
        let failed = |e| refine(SyscallError::new("socket(SOCK_RAW)", e), interface);
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))
            .map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        if family == Family::V4 {
            socket.set_header_included_v4(true).map_err(failed)?;
        }
        set_send_buffer(&socket, 4 << 20)?;
        Ok(Self {
            socket,
            table: MessageTable::new(),
            family,
            interface,
            refused: 0,
            buffer_full: false,
        })
    }
}

impl TxLink for RawIpTx {
    fn encapsulation(&self) -> Encapsulation {
        Encapsulation::Ip
    }

    fn send(&mut self, batch: &FrameBatch, from: usize) -> Result<usize, LinkError> {
        let (family, interface) = (self.family, self.interface);
        let sent = self
            .table
            .send(self.socket.as_fd(), batch, from, |frame| destination(family, interface, frame));
        match sent {
            Ok(count) => Ok(count),
            Err(error) => match error.errno() {
                libc::EAGAIN => Ok(0),
                libc::ENOBUFS => {
                    self.buffer_full = true;
                    Ok(0)
                }
                // Refused for this one frame's destination: it is passed over, and counted.
                libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EINVAL
                | libc::EACCES
                | libc::EPERM
                | libc::EMSGSIZE
                | libc::EADDRNOTAVAIL
                | libc::EAFNOSUPPORT => {
                    self.refused += 1;
                    Ok(1)
                }
                _ => Err(refine(error, self.interface)),
            },
        }
    }

    fn wait_writable(&mut self, timeout: Duration) -> Result<(), LinkError> {
        if std::mem::take(&mut self.buffer_full) {
            std::thread::sleep(timeout.min(Duration::from_micros(50)));
            return Ok(());
        }
        poll(self.socket.as_fd(), Ready::Write, timeout)?;
        Ok(())
    }

    fn refused(&self) -> u64 {
        self.refused
    }
}

/// The destination in the IP header of `frame`; the unspecified address where there is none, which
/// the kernel refuses.
fn destination(family: Family, interface: u32, frame: &[u8]) -> Destination {
    let version = frame.first().map_or(0, |octet| octet >> 4);
    match family {
        Family::V4 => {
            let octets = frame.get(16..).and_then(|rest| rest.first_chunk::<4>());
            let known = octets.filter(|_| version == 4).map(|o| Ipv4Addr::from(*o));
            // 0.0.0.0 would mean this host: 255.255.255.255 is refused without SO_BROADCAST.
            Destination::V4(known.unwrap_or(Ipv4Addr::BROADCAST))
        }
        Family::V6 => {
            let octets = frame.get(24..).and_then(|rest| rest.first_chunk::<16>());
            let known = octets.filter(|_| version == 6).map(|o| Ipv6Addr::from(*o));
            let addr = known.unwrap_or(Ipv6Addr::UNSPECIFIED);
            let scope = if addr.is_unicast_link_local() { interface } else { 0 };
            Destination::V6(addr, scope)
        }
    }
}
