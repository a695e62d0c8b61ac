//! `AF_XDP` sockets, as in the kernel's `Documentation/networking/af_xdp.rst`: frames lie in memory
//! that both sides see, and go back and forth as addresses in rings.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use super::map::Map;
use super::packet::length_of;
use super::{SyscallError, check};

/// Octets that a frame may take; the kernel wants a power of two of at least 2,048.
pub(crate) const CHUNK_LEN: u32 = 2_048;
/// Frames of a socket, and places in each of its rings: a power of two.
const CHUNKS: u32 = 2_048;
/// `XDP_MAX_TX_SKB_BUDGET`, Linux 6.17: frames that one call may send in copy mode.
const MAX_TX_BUDGET: libc::c_int = 9;

/// How a socket hands frames to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Where the driver can, without a copy.
    BestEffort,
    /// The kernel copies each frame into a buffer of its own: every driver can.
    Copy,
}

/// What became of the frames that wait in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kick {
    /// The kernel goes on with them, or there were none.
    Moving,
    /// It can't take them at the moment.
    Busy,
    /// It took one and threw it away: the interface has no carrier.
    Thrown,
}

/// A socket that sends through one queue of one interface.
pub(crate) struct XskTx {
    // Rings and frames are unmapped after the socket is closed, which the kernel does not mind.
    socket: OwnedFd,
    waiting: Ring<libc::xdp_desc>,
    done: Ring<u64>,
    frames: Map,
    free: Vec<u64>,
}

impl XskTx {
    /// A socket bound to `queue` of `interface`.
    ///
    /// # Errors
    /// `EBUSY` when another socket has the queue, `EINVAL` when there is no such queue, `EPERM`
    /// without `CAP_NET_RAW`.
    pub(crate) fn open(interface: u32, queue: u32, mode: Mode) -> Result<Self, SyscallError> {
        let socket = open_socket()?;
        let frames = Map::anonymous(chunk_at(CHUNKS))?;
        let registration = libc::xdp_umem_reg {
            addr: u64::try_from(frames.base().as_ptr().addr()).unwrap_or(0),
            len: u64::try_from(frames.len()).unwrap_or(0),
            chunk_size: CHUNK_LEN,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        let fd = socket.as_fd();
        set(fd, "XDP_UMEM_REG", libc::XDP_UMEM_REG, &registration)?;
        // The kernel wants a ring for arriving frames too.
        set(fd, "XDP_UMEM_FILL_RING", libc::XDP_UMEM_FILL_RING, &1_u32)?;
        set(fd, "XDP_UMEM_COMPLETION_RING", libc::XDP_UMEM_COMPLETION_RING, &CHUNKS)?;
        set(fd, "XDP_TX_RING", libc::XDP_TX_RING, &CHUNKS)?;
        // Older kernels send 32 frames a call.
        let _older = set(fd, "XDP_MAX_TX_SKB_BUDGET", MAX_TX_BUDGET, &256_u32);
        let at = offsets(fd)?;
        let waiting = Ring::map(fd, libc::XDP_PGOFF_TX_RING, at.tx)?;
        let completion_at =
            libc::off_t::try_from(libc::XDP_UMEM_PGOFF_COMPLETION_RING).unwrap_or(0);
        let done = Ring::map(fd, completion_at, at.cr)?;
        bind(fd, interface, queue, mode)?;
        let free = (0..CHUNKS).map(|i| u64::from(i) * u64::from(CHUNK_LEN)).collect();
        Ok(Self { socket, waiting, done, frames, free })
    }

    /// Puts copies of as many of `frames` into the ring as there is room for; returns how many.
    /// They leave once the kernel is [kicked](Self::kick).
    pub(crate) fn put(&mut self, frames: impl Iterator<Item: AsRef<[u8]>>) -> usize {
        self.reclaim();
        let mut put = 0;
        for frame in frames {
            if self.waiting.room() == 0 {
                break;
            }
            let Some(at) = self.free.pop() else { break };
            let Some(descriptor) = self.write(at, frame.as_ref()) else {
                self.free.push(at);
                break;
            };
            self.waiting.push(descriptor);
            put += 1;
        }
        self.waiting.publish();
        put
    }

    /// Whether all that was put has been handed to the driver.
    pub(crate) fn is_drained(&self) -> bool {
        self.waiting.pending() == 0
    }

    /// Has the kernel go on with what waits.
    ///
    /// # Errors
    /// What trying again would not mend.
    pub(crate) fn kick(&mut self) -> Result<Kick, SyscallError> {
        loop {
            let before = self.waiting.pending();
            if before == 0 || !self.waiting.wants_waking() {
                return Ok(Kick::Moving);
            }
            match wake(self.socket.as_fd()) {
                Ok(()) => {}
                Err(error) if error.errno() == libc::EBUSY => {
                    return Ok(if self.put_again() { Kick::Thrown } else { Kick::Busy });
                }
                Err(error) => match error.errno() {
                    libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR => {}
                    _ => return Err(error),
                },
            }
            if self.waiting.pending() == before {
                return Ok(Kick::Busy);
            }
        }
    }

    /// Whether the driver reads the frames where they lie.
    pub(crate) fn is_zero_copy(&self) -> bool {
        let mut options = libc::xdp_options { flags: 0 };
        get(self.socket.as_fd(), "XDP_OPTIONS", libc::XDP_OPTIONS, &mut options).is_ok()
            && options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0
    }

    /// Wakes the driver though nothing waits: one that can't send says so.
    pub(crate) fn try_waking(&self) -> Result<(), SyscallError> {
        wake(self.socket.as_fd())
    }

    /// The frame that was consumed last goes back to the end of the ring; `false` without room.
    fn put_again(&mut self) -> bool {
        let thrown = self.waiting.last_consumed();
        self.reclaim();
        let (len, from) = (thrown.len, usize::try_from(thrown.addr).unwrap_or(usize::MAX));
        let Some(at) = self.free.pop().filter(|_| self.waiting.room() > 0) else { return false };
        let octets = usize::try_from(len).unwrap_or(usize::MAX);
        let to = usize::try_from(at).unwrap_or(usize::MAX);
        let (Some(from), Some(to)) = (self.frames.at(from, octets), self.frames.at(to, octets))
        else {
            return false;
        };
        // SAFETY: both lie in the mapping; the kernel only reads them, and may be the same chunk.
        unsafe { std::ptr::copy(from.as_ptr(), to.as_ptr(), octets) };
        self.waiting.push(libc::xdp_desc { addr: at, len, options: 0 });
        self.waiting.publish();
        true
    }

    /// Takes back what has been sent.
    fn reclaim(&mut self) {
        while let Some(at) = self.done.pop() {
            self.free.push(at);
        }
        self.done.release();
    }

    /// Copies `frame` to the chunk at `at`, which is ours; `None` when it is too long.
    fn write(&self, at: u64, frame: &[u8]) -> Option<libc::xdp_desc> {
        let len = u32::try_from(frame.len()).ok().filter(|len| *len <= CHUNK_LEN)?;
        let to = self.frames.at(usize::try_from(at).ok()?, frame.len())?;
        // SAFETY: the chunk lies in the mapping and is free: the kernel does not look at it.
        unsafe { std::ptr::copy_nonoverlapping(frame.as_ptr(), to.as_ptr(), frame.len()) };
        Some(libc::xdp_desc { addr: at, len, options: 0 })
    }
}

impl AsFd for XskTx {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A ring of [`CHUNKS`] places with one producer and one consumer, of which one is the kernel.
struct Ring<T> {
    map: Map,
    offsets: libc::xdp_ring_offset,
    /// How far we have come: as producer ahead of what is published, as consumer of what is
    /// released.
    ours: u32,
    _of: std::marker::PhantomData<T>,
}

impl<T: Copy> Ring<T> {
    fn map(
        socket: BorrowedFd<'_>,
        page: libc::off_t,
        offsets: libc::xdp_ring_offset,
    ) -> Result<Self, SyscallError> {
        let places = usize::try_from(CHUNKS).unwrap_or(0);
        let len = usize::try_from(offsets.desc).unwrap_or(0) + places * size_of::<T>();
        let map = Map::shared("mmap of an AF_XDP ring", socket, page, len)?;
        Ok(Self { map, offsets, ours: 0, _of: std::marker::PhantomData })
    }

    fn producer(&self) -> &AtomicU32 {
        self.word(self.offsets.producer)
    }

    fn consumer(&self) -> &AtomicU32 {
        self.word(self.offsets.consumer)
    }

    fn wants_waking(&self) -> bool {
        self.word(self.offsets.flags).load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }

    /// Places that we may produce into.
    fn room(&self) -> u32 {
        CHUNKS.saturating_sub(self.ours.wrapping_sub(self.consumer().load(Ordering::Acquire)))
    }

    /// Produced by us and not consumed.
    fn pending(&self) -> u32 {
        self.ours.wrapping_sub(self.consumer().load(Ordering::Acquire))
    }

    /// Writes the next entry; there must be room.
    fn push(&mut self, entry: T) {
        // SAFETY: the place lies in the mapping, aligned for `T`, and is ours until published.
        unsafe { self.place(self.ours).write(entry) };
        self.ours = self.ours.wrapping_add(1);
    }

    fn publish(&self) {
        self.producer().store(self.ours, Ordering::Release);
    }

    /// Reads the next entry that the kernel has produced.
    fn pop(&mut self) -> Option<T> {
        if self.producer().load(Ordering::Acquire) == self.ours {
            return None;
        }
        // SAFETY: the place lies in the mapping, aligned for `T`, and was published by the kernel.
        let entry = unsafe { self.place(self.ours).read() };
        self.ours = self.ours.wrapping_add(1);
        Some(entry)
    }

    fn release(&self) {
        self.consumer().store(self.ours, Ordering::Release);
    }

    /// The entry that the kernel has consumed last.
    fn last_consumed(&self) -> T {
        let last = self.consumer().load(Ordering::Acquire).wrapping_sub(1);
        // SAFETY: the place lies in the mapping, aligned for `T`, and we wrote it.
        unsafe { self.place(last).read() }
    }

    fn place(&self, number: u32) -> *mut T {
        let places = self.map.base().as_ptr();
        let at = usize::try_from(self.offsets.desc).unwrap_or(0);
        let index = usize::try_from(number % CHUNKS).unwrap_or(0);
        // SAFETY: the mapping was made to hold the kernel's offset and `CHUNKS` entries behind it.
        unsafe { places.add(at + index * size_of::<T>()) }.cast()
    }

    fn word(&self, offset: u64) -> &AtomicU32 {
        let at = usize::try_from(offset).unwrap_or(0);
        // SAFETY: the kernel's offsets lie before the entries, so in the mapping.
        let word = unsafe { self.map.base().add(at) }.cast::<u32>();
        // SAFETY: aligned by the kernel, mapped as long as `self`, used through atomics alone.
        unsafe { AtomicU32::from_ptr(word.as_ptr()) }
    }
}

/// Whether this process may have such a socket at all.
///
/// # Errors
/// `EAFNOSUPPORT` from a kernel without them, `EPERM` without `CAP_NET_RAW`.
pub(crate) fn try_opening() -> Result<(), SyscallError> {
    open_socket().map(drop)
}

fn open_socket() -> Result<OwnedFd, SyscallError> {
    // SAFETY: takes integers.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    check("socket(AF_XDP)", fd)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bind(
    socket: BorrowedFd<'_>,
    interface: u32,
    queue: u32,
    mode: Mode,
) -> Result<(), SyscallError> {
    let copy = if mode == Mode::Copy { libc::XDP_COPY } else { 0 };
    let address = libc::sockaddr_xdp {
        sxdp_family: u16::try_from(libc::AF_XDP).unwrap_or(0),
        sxdp_flags: libc::XDP_USE_NEED_WAKEUP | copy,
        sxdp_ifindex: interface,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let len = length_of::<libc::sockaddr_xdp>();
    // SAFETY: the address is a whole `sockaddr_xdp` that lives across the call.
    let returned = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
    check("bind of an AF_XDP socket", returned)
}

fn wake(socket: BorrowedFd<'_>) -> Result<(), SyscallError> {
    let (fd, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT);
    // SAFETY: sends no octets and names nobody.
    let returned = unsafe { libc::sendto(fd, std::ptr::null(), 0, flags, std::ptr::null(), 0) };
    if returned < 0 {
        return Err(SyscallError::new("sendto of an AF_XDP socket", io::Error::last_os_error()));
    }
    Ok(())
}

/// Where the kernel has put what in the rings.
fn offsets(socket: BorrowedFd<'_>) -> Result<libc::xdp_mmap_offsets, SyscallError> {
    let none = || libc::xdp_ring_offset { producer: 0, consumer: 0, desc: 0, flags: 0 };
    let mut at = libc::xdp_mmap_offsets { rx: none(), tx: none(), fr: none(), cr: none() };
    get(socket, "XDP_MMAP_OFFSETS", libc::XDP_MMAP_OFFSETS, &mut at)?;
    Ok(at)
}

fn set<T>(
    socket: BorrowedFd<'_>,
    call: &'static str,
    name: libc::c_int,
    value: &T,
) -> Result<(), SyscallError> {
    let (fd, level, len) = (socket.as_raw_fd(), libc::SOL_XDP, length_of::<T>());
    // SAFETY: `value` is whole and lives across the call; the kernel reads as much as it knows.
    let returned =
        unsafe { libc::setsockopt(fd, level, name, std::ptr::from_ref(value).cast(), len) };
    check(call, returned)
}

fn get<T>(
    socket: BorrowedFd<'_>,
    call: &'static str,
    name: libc::c_int,
    value: &mut T,
) -> Result<(), SyscallError> {
    let (fd, mut len) = (socket.as_raw_fd(), length_of::<T>());
    let value = std::ptr::from_mut(value).cast();
    // SAFETY: `value` is plain numbers, writable for `len` octets, and lives across the call.
    let returned = unsafe { libc::getsockopt(fd, libc::SOL_XDP, name, value, &raw mut len) };
    check(call, returned)
}

fn chunk_at(number: u32) -> usize {
    usize::try_from(u64::from(number) * u64::from(CHUNK_LEN)).unwrap_or(usize::MAX)
}
