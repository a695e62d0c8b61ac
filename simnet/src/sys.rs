//! The kernel interface of the lab: every `unsafe` block of this crate is here.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Makes `command` start as root of a user and network namespace of its own, and die with the
/// calling thread.
///
/// Where user namespaces are refused, a network namespace alone is tried (that takes real root).
pub(crate) fn in_new_namespaces(command: &mut Command, uid: u32, gid: u32) {
    let uid_map = format!("0 {uid} 1");
    let gid_map = format!("0 {gid} 1");
    let enter = move || -> io::Result<()> {
        // SAFETY: prctl and unshare take integers only.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
        // SAFETY: as above; the forked child has one thread, as a new user namespace demands.
        if check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) }).is_ok() {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", &uid_map)?;
            return fs::write("/proc/self/gid_map", &gid_map);
        }
        // SAFETY: as above.
        check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
    };
    // SAFETY: between fork and exec the closure makes system calls alone; its strings were
    // formatted before, and paths this short are not copied to the heap.
    unsafe { command.pre_exec(enter) };
}

/// Makes `command` start in a network namespace of its own with all the rights of the caller, and
/// die with the calling thread. Takes real root.
pub(crate) fn in_new_network(command: &mut Command) {
    let enter = || -> io::Result<()> {
        // SAFETY: prctl and unshare take integers only.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
        unshare_network()
    };
    // SAFETY: between fork and exec the closure makes system calls alone.
    unsafe { command.pre_exec(enter) };
}

/// Waits at most `timeout` for the child `pid` to end, and takes its remains: the status and what
/// it and its own children used. `None` when it runs on.
///
/// Whoever waits for it after that waits for nobody.
pub(crate) fn wait_with_usage(
    pid: u32,
    timeout: Duration,
) -> io::Result<Option<(ExitStatus, Usage)>> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: takes integers only.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = libc::c_int::try_from(returned).map_err(io::Error::other)?;
    check(fd)?;
    // SAFETY: the descriptor is new and nobody else's.
    let handle = unsafe { OwnedFd::from_raw_fd(fd) };
    if !readable(&handle, timeout) {
        return Ok(None);
    }
    let mut status = 0;
    // SAFETY: a `rusage` is integers alone; zeros are a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both are writable and live across the call.
    check(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) })?;
    let span = |time: libc::timeval| {
        let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
        seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    let usage = Usage {
        cpu: span(usage.ru_utime) + span(usage.ru_stime),
        memory_max: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1_024),
    };
    Ok(Some((ExitStatus::from_raw(status), usage)))
}

/// What a process used.
pub(crate) struct Usage {
    /// Of the user and of the kernel on its behalf.
    pub(crate) cpu: Duration,
    /// Resident at most, octets.
    pub(crate) memory_max: u64,
}

/// Moves the calling thread into a new network namespace.
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: takes an integer, affects the calling thread's namespace only.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// Moves the calling thread into the network namespace `namespace`.
pub(crate) fn enter_network(namespace: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open across the call.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Lets the calling thread run before others as far as the kernel allows: what stands for a
/// network must not wait for who uses it.
pub(crate) fn hurry() {
    const FOREMOST: libc::c_int = -20;
    // SAFETY: takes integers only; 0 is the calling thread. A refusal leaves things as they are.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, FOREMOST) };
}

/// Lets `interface` compute checksums in software, before its frames are seen by anyone.
pub(crate) fn disable_checksum_offload(interface: &str) -> io::Result<()> {
    const ETHTOOL_STXCSUM: u32 = 0x17;
    ethtool(interface, ETHTOOL_STXCSUM, 0)
}

/// Lets a virtual `interface` take frames in as hardware does, by polling: only then may frames
/// come to it from an XDP program.
pub(crate) fn enable_polling(interface: &str) -> io::Result<()> {
    const ETHTOOL_SGRO: u32 = 0x2c;
    ethtool(interface, ETHTOOL_SGRO, 1)
}

/// Asks the driver of `interface` to set one value.
fn ethtool(interface: &str, command: u32, data: u32) -> io::Result<()> {
    #[repr(C)]
    struct EthtoolValue {
        command: u32,
        data: u32,
    }
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        value: *mut EthtoolValue,
        rest: [u8; 16],
    }
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    let mut value = EthtoolValue { command, data };
    let mut request = Request { name: [0; libc::IFNAMSIZ], value: &raw mut value, rest: [0; 16] };
    for (to, from) in request.name.iter_mut().zip(interface.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from;
    }
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: `request` is an `ifreq` (16 octets of name, then a union as long as 24) whose
    // pointer is valid across the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) })
}

/// Makes a tun device called `interface`; reads and writes carry bare IP packets.
pub(crate) fn open_tun(interface: &str) -> io::Result<File> {
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: u16,
        rest: [u8; 22],
    }
    const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
    /// `IFF_TUN | IFF_NO_PI`.
    const FLAGS: u16 = 0x1001;
    let device = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; libc::IFNAMSIZ], flags: FLAGS, rest: [0; 22] };
    for (to, from) in request.name.iter_mut().zip(interface.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from;
    }
    // SAFETY: `request` is an `ifreq` of 40 octets that lives across the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) })?;
    Ok(device)
}

/// The index of `interface` in the calling thread's network namespace.
pub(crate) fn interface_index(interface: &str) -> io::Result<u32> {
    let name = CString::new(interface)?;
    // SAFETY: the name ends in zero and lives across the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(io::Error::last_os_error()) } else { Ok(index) }
}

/// An XDP program that says `verdict` of every frame. Takes `CAP_BPF` and `CAP_NET_ADMIN`.
///
/// The instructions are those of RFC 9669: `r0 = verdict; exit`.
pub(crate) fn xdp_verdict(verdict: u32) -> io::Result<OwnedFd> {
    /// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`, `linux/bpf.h`.
    #[repr(C)]
    struct Load {
        kind: u32,
        instructions_len: u32,
        instructions: u64,
        license: u64,
        rest: [u64; 4],
    }
    const BPF_PROG_LOAD: libc::c_long = 5;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    const MOVE_TO_R0: u64 = 0xb7;
    const EXIT: u64 = 0x95;
    let instructions = [MOVE_TO_R0 | u64::from(verdict) << 32, EXIT];
    let license = c"MIT";
    let load = Load {
        kind: BPF_PROG_TYPE_XDP,
        instructions_len: 2,
        instructions: std::ptr::from_ref(&instructions) as u64,
        license: license.as_ptr() as u64,
        rest: [0; 4],
    };
    let len = size_of::<Load>();
    // SAFETY: `load` is a valid beginning of `bpf_attr`, of the length given; what it points at
    // lives across the call, which only reads.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, len) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    check(fd)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A packet socket on one interface with a large ring of slots: what arrives there is seen even
/// if the reader is late. Frames that this namespace sends through the interface are not seen.
pub(crate) struct Tap {
    socket: OwnedFd,
    base: NonNull<u8>,
    next: usize,
}

/// Octets in a slot: a header, and the frame up to the rest.
const SLOT_LEN: usize = 2_048;
/// Slots in the ring.
const SLOT_COUNT: usize = 16_384;
const MAP_LEN: usize = SLOT_LEN * SLOT_COUNT;
const STATUS_USER: u32 = 1;
/// The kernel has taken an 802.1Q tag out of the frame, and noted it in the slot's header.
const STATUS_TAGGED: u32 = 1 << 4;

// SAFETY: the mapping belongs to this value alone and is used through `&mut self` only.
unsafe impl Send for Tap {}

impl Tap {
    /// Opens it on the interface with index `interface` of the calling thread's namespace.
    pub(crate) fn open(interface: u32) -> io::Result<Self> {
        let socket = packet_socket()?;
        set_packet_option(&socket, libc::PACKET_VERSION, &1_i32)?;
        set_packet_option(&socket, 23, &1_i32)?;
        let request = libc::tpacket_req {
            tp_block_size: 1 << 20,
            tp_block_nr: u32::try_from(MAP_LEN >> 20).unwrap_or(1),
            tp_frame_size: u32::try_from(SLOT_LEN).unwrap_or(1),
            tp_frame_nr: u32::try_from(SLOT_COUNT).unwrap_or(1),
        };
        set_packet_option(&socket, libc::PACKET_RX_RING, &request)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = socket.as_raw_fd();
        // SAFETY: a fresh mapping, of the length of the ring just made.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), MAP_LEN, protection, libc::MAP_SHARED, fd, 0)
        };
        let base = NonNull::new(base.cast::<u8>())
            .filter(|base| base.as_ptr().cast() != libc::MAP_FAILED)
            .ok_or_else(io::Error::last_os_error)?;
        let tap = Self { socket, base, next: 0 };
        bind(&tap.socket, interface, libc::ETH_P_ALL)?;
        Ok(tap)
    }

    /// Hands the next frame to `handler`; `false` when there is none.
    pub(crate) fn next(&mut self, handler: &mut dyn FnMut(&[u8])) -> bool {
        // SAFETY: `next` is below SLOT_COUNT: the slot is inside the mapping.
        let slot = unsafe { self.base.add(self.next * SLOT_LEN) };
        // SAFETY: the status word is the first of the slot, aligned, and accessed on our side
        // through this atomic alone.
        let status = unsafe { AtomicU32::from_ptr(slot.cast().as_ptr()) };
        let flags = status.load(Ordering::Acquire);
        if flags & STATUS_USER == 0 {
            return false;
        }
        // SAFETY: the slot is ours until its status is reset below.
        let octets = unsafe { std::slice::from_raw_parts(slot.as_ptr(), SLOT_LEN) };
        let captured = octets.get(8..).and_then(|o| o.first_chunk()).copied();
        let offset = octets.get(12..).and_then(|o| o.first_chunk()).copied();
        let len = usize::try_from(u32::from_ne_bytes(captured.unwrap_or_default())).unwrap_or(0);
        let start = usize::from(u16::from_ne_bytes(offset.unwrap_or_default()));
        let rest = octets.get(start..).unwrap_or_default();
        let frame = rest.get(..len).unwrap_or(rest);
        let tag = octets.get(24..).and_then(|o| o.first_chunk()).copied();
        match (tag, frame.split_at_checked(12)) {
            (Some(tag), Some((addresses, rest))) if flags & STATUS_TAGGED != 0 => {
                let tag = [[0x81, 0x00], u16::from_ne_bytes(tag).to_be_bytes()].concat();
                handler(&[addresses, &tag, rest].concat());
            }
            _ => handler(frame),
        }
        status.store(0, Ordering::Release);
        self.next = (self.next + 1) % SLOT_COUNT;
        true
    }

    /// Waits until a frame is there, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) {
        readable(&self.socket, timeout);
    }

    /// Frames lost for want of a slot since this was last asked.
    pub(crate) fn take_drops(&self) -> io::Result<u32> {
        let mut stats = [0_u32; 2];
        let mut len = socklen_of::<[u32; 2]>();
        // SAFETY: `stats` is writable for `len` octets; both live across the call.
        check(unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut stats).cast(),
                &raw mut len,
            )
        })?;
        let [_, drops] = stats;
        Ok(drops)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this base and length, and nothing borrows from it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), MAP_LEN) };
    }
}

/// A packet socket that sends through one interface and receives nothing.
pub(crate) struct Outlet(OwnedFd);

impl Outlet {
    /// Opens it on the interface with index `interface` of the calling thread's namespace.
    pub(crate) fn open(interface: u32) -> io::Result<Self> {
        let socket = packet_socket()?;
        bind(&socket, interface, 0)?;
        Ok(Self(socket))
    }

    /// Sends `frame` out of the interface.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let (fd, data) = (self.0.as_raw_fd(), frame.as_ptr().cast());
        // SAFETY: the frame lives across the call, of the length given.
        let sent = unsafe { libc::send(fd, data, frame.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Waits at most `timeout` for something to read.
fn readable(fd: &OwnedFd, timeout: Duration) -> bool {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(1),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // SAFETY: `entry` and `limit` live across the call; a null mask leaves the mask alone.
    unsafe { libc::ppoll(&raw mut entry, 1, &raw const limit, std::ptr::null()) > 0 }
}

/// A packet socket that is bound to nothing yet.
fn packet_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes integers only.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    check(fd)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bind(socket: &OwnedFd, interface: u32, protocol: libc::c_int) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: 17,
        sll_protocol: u16::try_from(protocol).unwrap_or(0).to_be(),
        sll_ifindex: libc::c_int::try_from(interface).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = socklen_of::<libc::sockaddr_ll>();
    // SAFETY: the address is whole and lives across the call, of the length given.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })
}

fn set_packet_option<T>(socket: &OwnedFd, name: libc::c_int, value: &T) -> io::Result<()> {
    let (fd, len) = (socket.as_raw_fd(), socklen_of::<T>());
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: `value` is whole and lives across the call, of the length given.
    check(unsafe { libc::setsockopt(fd, libc::SOL_PACKET, name, value, len) })
}

fn socklen_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

fn check(returned: libc::c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
