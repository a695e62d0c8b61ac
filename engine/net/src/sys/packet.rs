//! Socket options and addresses of packet sockets, packet(7).

use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::{SyscallError, check};

/// `AF_PACKET` as it stands in an address.
pub(crate) const AF_PACKET: u16 = 17;
/// Every protocol, in host byte order.
pub(crate) const ETH_P_ALL: u16 = 0x0003;
/// IPv4, in host byte order.
pub(crate) const ETH_P_IP: u16 = 0x0800;
/// IPv6, in host byte order.
pub(crate) const ETH_P_IPV6: u16 = 0x86dd;

/// Ancillary option numbers that libc lacks on some targets, from `linux/if_packet.h`.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// The address of `interface` for frames of `protocol` (host byte order).
pub(crate) fn link_address(interface: u32, protocol: u16) -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: AF_PACKET,
        sll_protocol: protocol.to_be(),
        sll_ifindex: libc::c_int::try_from(interface).unwrap_or(libc::c_int::MAX),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

/// Binds `socket` to `interface`; from then on frames of `protocol` arrive (none for 0).
pub(crate) fn bind(socket: &Socket, interface: u32, protocol: u16) -> Result<(), SyscallError> {
    let address = link_address(interface, protocol);
    let len = length_of::<libc::sockaddr_ll>();
    // SAFETY: the address is a whole `sockaddr_ll` that lives across the call, of the length given.
    let returned = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
    check("bind of a packet socket", returned)
}

/// Sets an integer option of level `SOL_PACKET`.
fn set_int(
    socket: BorrowedFd<'_>,
    call: &'static str,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> Result<(), SyscallError> {
    let len = length_of::<libc::c_int>();
    // SAFETY: `value` is a whole int that lives across the call, of the length given.
    let returned = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len)
    };
    check(call, returned)
}

/// Frames that this host sends itself no longer arrive (Linux 4.20).
pub(crate) fn ignore_outgoing(socket: BorrowedFd<'_>) -> Result<(), SyscallError> {
    set_int(socket, "PACKET_IGNORE_OUTGOING", libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
}

/// Frames go to the driver without passing the queueing discipline (Linux 3.14).
pub(crate) fn bypass_qdisc(socket: BorrowedFd<'_>) -> Result<(), SyscallError> {
    set_int(socket, "PACKET_QDISC_BYPASS", libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)
}

/// Chooses ring format version 3.
pub(crate) fn ring_version_3(socket: BorrowedFd<'_>) -> Result<(), SyscallError> {
    const TPACKET_V3: libc::c_int = 2;
    set_int(socket, "PACKET_VERSION", libc::SOL_PACKET, libc::PACKET_VERSION, TPACKET_V3)
}

/// How a group of sockets divides what arrives: by what a program of its own makes of each frame.
const FANOUT_BY_PROGRAM: libc::c_int = libc::PACKET_FANOUT_CBPF.cast_signed();
/// `PACKET_FANOUT_FLAG_UNIQUEID`, Linux 4.12: the kernel numbers the group.
const FANOUT_UNIQUE: libc::c_int = 0x2000;

/// Begins a group of sockets of which each frame goes to one, and returns its number.
pub(crate) fn begin_fanout(socket: BorrowedFd<'_>) -> Result<u16, SyscallError> {
    let kind = FANOUT_BY_PROGRAM | FANOUT_UNIQUE;
    set_int(socket, "PACKET_FANOUT", libc::SOL_PACKET, libc::PACKET_FANOUT, kind << 16)?;
    let (mut value, mut len): (libc::c_int, _) = (0, length_of::<libc::c_int>());
    let (fd, level, name) = (socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_FANOUT);
    // SAFETY: `value` is a whole int, writable for `len` octets, and both live across the call.
    let returned =
        unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len) };
    check("PACKET_FANOUT", returned)?;
    Ok(u16::try_from(value & 0xffff).unwrap_or(0))
}

/// Joins group `number`.
pub(crate) fn join_fanout(socket: BorrowedFd<'_>, number: u16) -> Result<(), SyscallError> {
    let value = FANOUT_BY_PROGRAM << 16 | libc::c_int::from(number);
    set_int(socket, "PACKET_FANOUT", libc::SOL_PACKET, libc::PACKET_FANOUT, value)
}

/// Has the group of `socket` divide frames by `program`: what it returns, modulo their number.
pub(crate) fn divide_fanout(
    socket: BorrowedFd<'_>,
    program: &mut [libc::sock_filter],
) -> Result<(), SyscallError> {
    let program = libc::sock_fprog {
        len: libc::c_ushort::try_from(program.len()).unwrap_or(0),
        filter: program.as_mut_ptr(),
    };
    let (fd, level, name) = (socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_FANOUT_DATA);
    let len = length_of::<libc::sock_fprog>();
    // SAFETY: `program` and the instructions that it points at live across the call, which only
    // reads them.
    let returned = unsafe { libc::setsockopt(fd, level, name, (&raw const program).cast(), len) };
    check("PACKET_FANOUT_DATA", returned)
}

/// Asks for a send buffer of `octets`: beyond the system's limit where the caller may, else up to
/// it.
pub(crate) fn set_send_buffer(socket: &Socket, octets: i32) -> Result<(), SyscallError> {
    use std::os::fd::AsFd;
    let fd = socket.as_fd();
    set_int(fd, "SO_SNDBUFFORCE", libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, octets)
        .or_else(|_| set_int(fd, "SO_SNDBUF", libc::SOL_SOCKET, libc::SO_SNDBUF, octets))
}

/// Asks for a receive buffer of `octets`, as [`set_send_buffer`] does.
pub(crate) fn set_receive_buffer(socket: &Socket, octets: i32) -> Result<(), SyscallError> {
    use std::os::fd::AsFd;
    let fd = socket.as_fd();
    set_int(fd, "SO_RCVBUFFORCE", libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, octets)
        .or_else(|_| set_int(fd, "SO_RCVBUF", libc::SOL_SOCKET, libc::SO_RCVBUF, octets))
}

/// Frames dropped for want of buffer since this was last asked.
pub(crate) fn take_drops(socket: BorrowedFd<'_>) -> Result<u32, SyscallError> {
    // `tpacket_stats_v3`: packets, drops, times the queue froze. Version 1 sockets fill the first
    // two.
    let mut stats = [0_u32; 3];
    let mut len = length_of::<[u32; 3]>();
    // SAFETY: `stats` is writable for `len` octets and both live across the call.
    let returned = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut len,
        )
    };
    check("PACKET_STATISTICS", returned)?;
    let [_, drops, _] = stats;
    Ok(drops)
}

/// While it lives, an interface takes in the frames of all multicast groups.
pub(crate) struct Multicast {
    /// The membership ends with it.
    _socket: Socket,
}

impl Multicast {
    /// For the interface with index `interface`.
    pub(crate) fn all(interface: u32) -> Result<Self, SyscallError> {
        let index = libc::c_int::try_from(interface).unwrap_or(libc::c_int::MAX);
        let kind = libc::c_ushort::try_from(libc::PACKET_MR_ALLMULTI).unwrap_or(0);
        let request =
            libc::packet_mreq { mr_ifindex: index, mr_type: kind, mr_alen: 0, mr_address: [0; 8] };
        let call = "PACKET_ADD_MEMBERSHIP";
        // Of protocol 0: no frame arrives at it.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))
            .map_err(|e| SyscallError::new(call, e))?;
        let len = length_of::<libc::packet_mreq>();
        // SAFETY: `request` is a whole `packet_mreq` that lives across the call, and of the length
        // given.
        let returned = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const request).cast(),
                len,
            )
        };
        check(call, returned)?;
        Ok(Self { _socket: socket })
    }
}

/// The size of `T` as the kernel wants it.
pub(crate) fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}
