//! Packet sockets, packet(7): frames to and from one interface, past the host's own IP stack.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::{Arrival, Encapsulation, FrameBatch, LinkError, RxLink, TxLink};
use crate::filter::{Filter, SNAP_LEN};
use crate::sys::SyscallError;
use crate::sys::packet as sys;
use crate::sys::poll::{Ready, poll};
use crate::sys::ring::RxRing;
use crate::sys::sendmmsg::{Destination, MessageTable};

/// How a [`PacketTx`] is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketTxOptions {
    /// Send buffer asked for, octets.
    pub buffer_len: i32,
    /// Past the queueing discipline, straight to the driver: fewer cycles a frame, but no fair
    /// share for the rest of the host, and some virtual drivers drop instead of pushing back.
    pub bypass_qdisc: bool,
}

impl Default for PacketTxOptions {
    fn default() -> Self {
        Self { buffer_len: 8 << 20, bypass_qdisc: false }
    }
}

/// Sends whole frames through one interface.
///
/// The socket is of protocol 0: it is no tap, so the kernel copies no arriving frame for it.
pub struct PacketTx {
    socket: Socket,
    table: MessageTable,
    interface: u32,
    encapsulation: Encapsulation,
    buffer_full: bool,
}

impl PacketTx {
    /// Opens a socket on the interface with index `interface`.
    ///
    /// # Errors
    /// [`LinkError::NotPermitted`] without `CAP_NET_RAW`; [`LinkError::Down`] when the interface
    /// is not up.
    pub fn open(
        interface: u32,
        encapsulation: Encapsulation,
        options: PacketTxOptions,
    ) -> Result<Self, LinkError> {
        let socket = open_socket(Type::RAW).map_err(|e| refine(e, interface))?;
        sys::set_send_buffer(&socket, options.buffer_len)?;
        if options.bypass_qdisc {
            sys::bypass_qdisc(socket.as_fd())?;
        }
        sys::bind(&socket, interface, 0).map_err(|e| refine(e, interface))?;
        Ok(Self {
            socket,
            table: MessageTable::new(),
            interface,
            encapsulation,
            buffer_full: false,
        })
    }
}

impl TxLink for PacketTx {
    fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }

    fn send(&mut self, batch: &FrameBatch, from: usize) -> Result<usize, LinkError> {
        let (interface, encapsulation) = (self.interface, self.encapsulation);
        let sent = self.table.send(self.socket.as_fd(), batch, from, |frame| match encapsulation {
            Encapsulation::Ethernet => Destination::Bound,
            // The driver has no header to read the protocol from.
            Encapsulation::Ip => Destination::Link { interface, protocol: ip_protocol(frame) },
        });
        match sent {
            Err(error) if error.errno() == libc::ENOBUFS => {
                self.buffer_full = true;
                Ok(0)
            }
            Err(error) if error.errno() == libc::EAGAIN => Ok(0),
            other => other.map_err(|e| refine(e, interface)),
        }
    }

    fn wait_writable(&mut self, timeout: Duration) -> Result<(), LinkError> {
        if std::mem::take(&mut self.buffer_full) {
            // The device's queue is full while the socket is writable: poll would not wait.
            std::thread::sleep(timeout.min(Duration::from_micros(50)));
            return Ok(());
        }
        poll(self.socket.as_fd(), Ready::Write, timeout)?;
        Ok(())
    }
}

/// How a [`PacketRx`] is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketRxOptions {
    /// Octets of the ring shared with the kernel, rounded down to blocks of 64 KiB, at least two.
    /// Zero means none: frames are copied one by one.
    pub ring_len: u32,
    /// After this long a block that holds frames is handed over though it is not full.
    pub retire: Duration,
}

impl Default for PacketRxOptions {
    fn default() -> Self {
        Self { ring_len: 16 << 20, retire: Duration::from_millis(5) }
    }
}

/// Receives the frames of one interface that pass a [`Filter`], through a ring shared with the
/// kernel, or one by one where the kernel has no memory for a ring.
///
/// Frames that this host sends are not seen; the interface is not made promiscuous.
pub struct PacketRx {
    // Before the socket: the ring is unmapped first.
    intake: Intake,
    socket: Socket,
    interface: u32,
    encapsulation: Encapsulation,
    dropped: u64,
}

/// The way frames come from the kernel.
enum Intake {
    Ring(RxRing),
    Copy(Box<[u8]>),
}

impl PacketRx {
    /// Opens a socket on the interface with index `interface`.
    ///
    /// Frames begin as `filter` says; for [`Encapsulation::Ip`] on an Ethernet device or on
    /// loopback the kernel takes the link header off. No frame that the filter refuses is ever
    /// delivered, not even before this returns.
    ///
    /// # Errors
    /// [`LinkError::NotPermitted`] without `CAP_NET_RAW`; [`LinkError::Down`] when the interface
    /// is not up.
    pub fn open(
        interface: u32,
        filter: &Filter,
        options: PacketRxOptions,
    ) -> Result<Self, LinkError> {
        let kind = match filter.encapsulation() {
            Encapsulation::Ethernet => Type::RAW,
            Encapsulation::Ip => Type::DGRAM,
        };
        let socket = open_socket(kind).map_err(|e| refine(e, interface))?;
        attach(&socket, filter)?;
        sys::ignore_outgoing(socket.as_fd())?;
        let intake = intake(&socket, options)?;
        sys::bind(&socket, interface, sys::ETH_P_ALL).map_err(|e| refine(e, interface))?;
        let encapsulation = filter.encapsulation();
        Ok(Self { intake, socket, interface, encapsulation, dropped: 0 })
    }

    /// Opens as [`PacketRx::open`] does, and more sockets of which each takes a part: all that
    /// comes from one address goes to the same of them. They share the memory of one.
    ///
    /// Fewer than `count`, but one, where the kernel does not divide frames so.
    ///
    /// # Errors
    /// As [`PacketRx::open`].
    pub fn open_group(
        interface: u32,
        filter: &Filter,
        options: PacketRxOptions,
        count: u32,
    ) -> Result<Vec<Self>, LinkError> {
        let options = PacketRxOptions { ring_len: options.ring_len / count.max(1), ..options };
        let mut group = vec![Self::open(interface, filter, options)?];
        for _ in 1..count {
            group.push(Self::open(interface, filter, options)?);
        }
        if let Err(error) = divide(&group) {
            tracing::debug!(%error, "one socket takes all that arrives");
            group.truncate(1);
        }
        Ok(group)
    }

    /// Replaces the filter; frames already in the ring stay.
    ///
    /// # Errors
    /// [`LinkError`] when the kernel refuses the program.
    pub fn set_filter(&mut self, filter: &Filter) -> Result<(), LinkError> {
        attach(&self.socket, filter)
    }

    /// The frames that are there now.
    fn take(&mut self, handler: &mut dyn FnMut(Arrival<'_>)) -> Result<usize, LinkError> {
        let mut total = 0;
        match &mut self.intake {
            Intake::Ring(ring) => {
                // One turn of the ring at most, so that a flood can't keep the caller here.
                for _ in 0..ring.block_count() {
                    let Some(frames) = ring.take_block(handler) else {
                        break;
                    };
                    total += frames;
                }
            }
            Intake::Copy(buffer) => {
                for _ in 0..COPY_BURST {
                    match (&self.socket).read(buffer) {
                        Ok(len) => {
                            let frame = buffer.get(..len).unwrap_or_default();
                            handler(Arrival { frame, age: Duration::ZERO });
                        }
                        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => break,
                        Err(e) => {
                            return Err(refine(SyscallError::new("recv", e), self.interface));
                        }
                    }
                    total += 1;
                }
            }
        }
        Ok(total)
    }
}

/// Has each frame go to one socket of `group` alone, by the address that it comes from.
fn divide(group: &[PacketRx]) -> Result<(), SyscallError> {
    let [first, others @ ..] = group else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    let number = sys::begin_fanout(first.socket.as_fd())?;
    sys::divide_fanout(first.socket.as_fd(), &mut by_source())?;
    others.iter().try_for_each(|rx| sys::join_fanout(rx.socket.as_fd(), number))
}

/// A program that returns the last 32 bits of a packet's source address.
fn by_source() -> [libc::sock_filter; 6] {
    // BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_A; and the kernel's own offsets,
    // SKF_AD_OFF + SKF_AD_PROTOCOL and SKF_NET_OFF, of linux/filter.h.
    const LOAD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x16;
    const PROTOCOL: u32 = 0xffff_f000;
    const NETWORK: u32 = 0xfff0_0000;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [
        step(LOAD, 0, 0, PROTOCOL),
        step(JUMP_EQUAL, 0, 2, u32::from(sys::ETH_P_IPV6)),
        step(LOAD, 0, 0, NETWORK + 20),
        step(RETURN, 0, 0, 0),
        step(LOAD, 0, 0, NETWORK + 12),
        step(RETURN, 0, 0, 0),
    ]
}

/// A ring where one is wanted and the kernel has the memory for it.
fn intake(socket: &Socket, options: PacketRxOptions) -> Result<Intake, LinkError> {
    if options.ring_len > 0 {
        match RxRing::map(socket.as_fd(), options.ring_len, options.retire) {
            Ok(ring) => return Ok(Intake::Ring(ring)),
            Err(error) => {
                tracing::debug!(%error, "no receive ring, frames are copied one by one");
            }
        }
    }
    let buffer_len = i32::try_from(options.ring_len).unwrap_or(i32::MAX);
    sys::set_receive_buffer(socket, buffer_len.max(8 << 20))?;
    Ok(Intake::Copy(vec![0; usize::try_from(SNAP_LEN).unwrap_or(0)].into()))
}

/// Frames copied in one call, at most.
const COPY_BURST: usize = 4_096;

impl RxLink for PacketRx {
    fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }

    fn recv(
        &mut self,
        timeout: Duration,
        handler: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, LinkError> {
        let ready = self.take(handler)?;
        if ready > 0 || timeout.is_zero() {
            return Ok(ready);
        }
        if poll(self.socket.as_fd(), Ready::Read, timeout)? {
            if let Some(source) = self.socket.take_error().ok().flatten() {
                return Err(refine(SyscallError::new("recv", source), self.interface));
            }
            return self.take(handler);
        }
        Ok(0)
    }

    fn dropped(&mut self) -> u64 {
        match sys::take_drops(self.socket.as_fd()) {
            Ok(drops) => self.dropped += u64::from(drops),
            Err(error) => tracing::debug!(%error, "drops could not be read"),
        }
        self.dropped
    }
}

/// A packet socket that receives nothing until it is bound.
fn open_socket(kind: Type) -> Result<Socket, SyscallError> {
    let failed = |e| SyscallError::new("socket(AF_PACKET)", e);
    let socket = Socket::new(Domain::PACKET, kind, Some(Protocol::from(0))).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

/// Puts `filter` in front of `socket`.
fn attach(socket: &Socket, filter: &Filter) -> Result<(), LinkError> {
    let program: Vec<SockFilter> = filter
        .program()
        .into_iter()
        .map(|i| SockFilter::new(i.code, i.jump_true, i.jump_false, i.operand))
        .collect();
    let attached = socket.attach_filter(&program);
    attached.map_err(|e| SyscallError::new("SO_ATTACH_FILTER", e).into())
}

/// The `sll_protocol` of a frame that begins with an IP header.
fn ip_protocol(frame: &[u8]) -> u16 {
    match frame.first().map(|octet| octet >> 4) {
        Some(6) => sys::ETH_P_IPV6,
        _ => sys::ETH_P_IP,
    }
}

/// What a failed call on `interface` means.
pub(super) fn refine(error: SyscallError, interface: u32) -> LinkError {
    match error.errno() {
        libc::EPERM | libc::EACCES => LinkError::NotPermitted(error),
        libc::ENETDOWN | libc::ENODEV | libc::ENXIO => LinkError::Down { interface, source: error },
        _ => LinkError::Syscall(error),
    }
}
