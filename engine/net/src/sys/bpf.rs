//! Programs, arrays and rings in the kernel, bpf(2).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SyscallError;
use super::map::Map;

const MAP_CREATE: libc::c_long = 0;
const PROG_LOAD: libc::c_long = 5;
const PROG_TEST_RUN: libc::c_long = 10;
const MAP_TYPE_ARRAY: u32 = 2;
/// Linux 5.8.
const MAP_TYPE_RINGBUF: u32 = 27;
/// `BPF_F_MMAPABLE`, Linux 5.5.
const MAP_MMAPABLE: u32 = 1 << 10;
const PROG_TYPE_XDP: u32 = 6;
/// `BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18.
const LIVE_FRAMES: u32 = 1 << 1;

/// `union bpf_attr` for `BPF_MAP_CREATE`, as far as it is used; zeros beyond it are implied.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_len: u32,
    value_len: u32,
    len: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
}

/// The same for `BPF_PROG_LOAD`.
#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    instructions_len: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The same for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    verdict: u32,
    data_in_len: u32,
    data_out_len: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration_nanos: u32,
    context_in_len: u32,
    context_out_len: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_len: u32,
    /// Octets that the compiler would add; the kernel wants them zero.
    rest: u32,
}

/// The name that `bpftool` shows.
const NAME: [u8; 16] = *b"portolan\0\0\0\0\0\0\0\0";

/// An array in the kernel, mapped into this process: 64-bit words that both sides read and write.
#[derive(Debug)]
pub(crate) struct Array {
    descriptor: OwnedFd,
    map: Map,
    words: usize,
}

impl Array {
    /// `len` values of `value_words` words each, all zero.
    pub(crate) fn new(value_words: u32, len: u32) -> Result<Self, SyscallError> {
        let descriptor = create(&MapCreate {
            map_type: MAP_TYPE_ARRAY,
            key_len: 4,
            value_len: value_words.saturating_mul(8),
            len,
            flags: MAP_MMAPABLE,
            inner_map: 0,
            numa_node: 0,
            name: NAME,
        })?;
        let words = u64::from(value_words).saturating_mul(u64::from(len));
        let words = usize::try_from(words).unwrap_or(0);
        let octets = words.saturating_mul(8).next_multiple_of(page_len());
        let map = Map::shared("mmap of a BPF array", descriptor.as_fd(), 0, octets)?;
        Ok(Self { descriptor, map, words })
    }

    /// Writes `words` into its first words.
    pub(crate) fn fill(&self, words: &[u64]) {
        for (to, from) in self.words().iter().zip(words) {
            to.store(*from, Ordering::Relaxed);
        }
    }

    /// Its words.
    pub(crate) const fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, zero or valid words, at least this long, and lasts
        // as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.base().as_ptr().cast(), self.words) }
    }
}

/// A ring of records that programs in the kernel write and this process reads, in order.
///
/// Layout as in the kernel's `Documentation/bpf/ringbuf.rst`: a page with how far the reader has
/// come, a page with how far writers have, and the records, each behind a header of 8 octets.
#[derive(Debug)]
pub(crate) struct Ring {
    descriptor: OwnedFd,
    consumed: Map,
    records: Map,
    octets: usize,
}

impl Ring {
    /// A ring of `octets`, a power of two and a multiple of the page.
    pub(crate) fn new(octets: u32) -> Result<Self, SyscallError> {
        let descriptor = create(&MapCreate {
            map_type: MAP_TYPE_RINGBUF,
            key_len: 0,
            value_len: 0,
            len: octets,
            flags: 0,
            inner_map: 0,
            numa_node: 0,
            name: NAME,
        })?;
        let (page, octets) = (page_len(), usize::try_from(octets).unwrap_or(0));
        let after = libc::off_t::try_from(page).unwrap_or(0);
        let consumed = Map::shared("mmap of a BPF ring", descriptor.as_fd(), 0, page)?;
        let readable = page.saturating_add(octets);
        let records = Map::read_only("mmap of a BPF ring", descriptor.as_fd(), after, readable)?;
        Ok(Self { descriptor, consumed, records, octets })
    }

    /// Copies the next record into `record`, as much of it as fits; `false` where there is none.
    pub(crate) fn pop(&mut self, record: &mut [u64]) -> bool {
        /// In the header, beside the length: still being written; thrown away.
        const BUSY: u64 = 1 << 31;
        const DISCARDED: u64 = 1 << 30;
        loop {
            let at = self.consumer().load(Ordering::Relaxed);
            if self.word(0).is_none_or(|end| end.load(Ordering::Acquire) == at) {
                return false;
            }
            let header = self.record_word(at).map_or(BUSY, |word| word.load(Ordering::Acquire));
            if header & BUSY != 0 {
                return false;
            }
            let len = header & 0x3fff_ffff;
            let taken = header & DISCARDED == 0;
            if taken {
                for (number, to) in (1..).zip(record.iter_mut()) {
                    let within = number <= len.div_ceil(8);
                    let word = self.record_word(at.wrapping_add(number * 8)).filter(|_| within);
                    *to = word.map_or(0, |word| word.load(Ordering::Relaxed));
                }
            }
            let next = at.wrapping_add(8).wrapping_add(len.next_multiple_of(8));
            self.consumer().store(next, Ordering::Release);
            if taken {
                return true;
            }
        }
    }

    fn consumer(&self) -> &AtomicU64 {
        // SAFETY: the first word of a page that is mapped as long as `self`, aligned, zero or a
        // position, and used through atomics alone.
        unsafe { AtomicU64::from_ptr(self.consumed.base().as_ptr().cast()) }
    }

    /// The word at position `at` of the endless row of records.
    fn record_word(&self, at: u64) -> Option<&AtomicU64> {
        let within = usize::try_from(at).ok()? & self.octets.wrapping_sub(1);
        self.word(within.checked_add(page_len())?)
    }

    /// The word `at` octets into what writers write: their position's page, then the records.
    fn word(&self, at: usize) -> Option<&AtomicU64> {
        let word = self.records.at(at & !7, 8)?;
        // SAFETY: inside the mapping, aligned, and only ever read here, through atomics.
        Some(unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) })
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What an instruction that loads an address is to be given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reference<'a> {
    /// The address of the array's only value.
    Value(&'a Array),
    /// The array, for look-ups.
    Lookups(&'a Array),
    /// The ring, to write into.
    Ring(&'a Ring),
}

impl Reference<'_> {
    /// `src_reg`: `BPF_PSEUDO_MAP_VALUE` or `BPF_PSEUDO_MAP_FD`; and the descriptor.
    fn encode(self) -> (u8, u32) {
        let (kind, descriptor) = match self {
            Self::Value(array) => (2, &array.descriptor),
            Self::Lookups(array) => (1, &array.descriptor),
            Self::Ring(ring) => (1, &ring.descriptor),
        };
        (kind, u32::try_from(descriptor.as_raw_fd()).unwrap_or(u32::MAX))
    }
}

/// A program as the build script made it of its source.
#[derive(Debug)]
pub(crate) struct Code {
    /// Eight octets each.
    pub(crate) instructions: &'static [u8],
    /// Which instruction names which map.
    pub(crate) places: &'static [(usize, usize)],
}

impl Code {
    /// The instructions with the descriptors of `maps` where they name them.
    ///
    /// From the lowest bit: opcode (8), destination (4) and source (4) registers, offset (16),
    /// immediate (32); an address takes two of these.
    fn linked(&self, maps: &[Reference<'_>]) -> Vec<u8> {
        let word = |octets: &[u8]| {
            octets.iter().rev().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet))
        };
        let mut words: Vec<u64> = self.instructions.chunks_exact(8).map(word).collect();
        for (at, slot) in self.places {
            if let (Some(map), Some([first, second])) =
                (maps.get(*slot), words.get_mut(*at..*at + 2))
            {
                let (kind, descriptor) = map.encode();
                // What clang added to the symbol's address is what is added to the value's.
                *second = *first >> 32 << 32;
                *first = *first & 0xffff_0fff | u64::from(kind) << 12 | u64::from(descriptor) << 32;
            }
        }
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }
}

/// A loaded XDP program. The kernel forgets it when this is dropped, or the process ends.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

impl Program {
    /// Has the kernel verify and compile `code`, which uses `maps` and holds on to them.
    pub(crate) fn load(code: &Code, maps: &[Reference<'_>]) -> Result<Self, SyscallError> {
        let instructions = code.linked(maps);
        let license = c"MIT";
        let mut log = vec![0_u8; 0];
        loop {
            let attributes = ProgLoad {
                prog_type: PROG_TYPE_XDP,
                instructions_len: u32::try_from(instructions.len() / 8).unwrap_or(u32::MAX),
                instructions: address(instructions.as_ptr()),
                license: address(license.as_ptr()),
                log_level: u32::from(!log.is_empty()),
                log_len: u32::try_from(log.len()).unwrap_or(0),
                log: if log.is_empty() { 0 } else { address(log.as_mut_ptr()) },
                kernel_version: 0,
                flags: 0,
                name: NAME,
            };
            // SAFETY: `attributes` is a valid beginning of `bpf_attr` for this command; what it
            // points at lives across the call, and only `log` is written, within its length.
            match unsafe { bpf("BPF_PROG_LOAD", PROG_LOAD, &attributes) } {
                Ok(descriptor) => return Ok(Self(descriptor)),
                Err(error) if log.is_empty() && error.errno() != libc::EPERM => {
                    // Once more, to hear what the verifier has to say.
                    log = vec![0; 1 << 22];
                }
                Err(error) => return Err(explain(error, &log)),
            }
        }
    }

    /// Runs it `repeat` times, each on a page that begins with what `frame` was when the page was
    /// new; what it redirects leaves. Batches of `batch` frames share one look at the clock.
    pub(crate) fn run_live(
        &self,
        frame: &[u8],
        repeat: u32,
        batch: u32,
    ) -> Result<(), SyscallError> {
        let mut run = self.run(frame);
        run.repeat = repeat;
        run.flags = LIVE_FRAMES;
        run.batch_len = batch;
        // SAFETY: `run` is a valid beginning of `bpf_attr` for this command; `frame` lives across
        // the call and is only read.
        unsafe { bpf_call("BPF_PROG_TEST_RUN", PROG_TEST_RUN, &raw mut run) }.map(drop)
    }

    /// Keeps the program among those that the kernel calls directly, for as long as the value
    /// lives.
    ///
    /// A run puts it there and takes it out again, each with a wait for all processors, unless it
    /// is there already. Being attached somewhere is being there: so it is attached to the
    /// loopback interface of an empty network namespace, where no frame ever arrives.
    /// Needs `CAP_SYS_ADMIN`.
    pub(crate) fn keep_dispatched(&self) -> Result<Attached, SyscallError> {
        let program = u32::try_from(self.0.as_raw_fd()).unwrap_or(u32::MAX);
        let worker = std::thread::Builder::new().name("portolan-bpf".to_owned());
        let spawned = worker.spawn(move || attach_nowhere(program));
        let failed = |e| SyscallError::new("starting a thread", e);
        let joined = spawned.map_err(failed)?.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Has it see every frame that arrives at `interface`, before anybody else does: in the driver
    /// where that can, else behind it.
    ///
    /// # Errors
    /// `EBUSY` where another program does so already.
    pub(crate) fn attach(&self, interface: u32) -> Result<Attached, SyscallError> {
        let program = u32::try_from(self.0.as_raw_fd()).unwrap_or(u32::MAX);
        Ok(Attached { _link: create_link(program, interface, 0)?, _namespace: None })
    }

    /// Runs it once on a copy of `frame`, puts the outcome there, and returns the verdict. Nothing
    /// leaves.
    pub(crate) fn run_once(&self, frame: &mut [u8]) -> Result<u32, SyscallError> {
        let mut run = self.run(frame);
        run.repeat = 1;
        run.data_out = address(frame.as_mut_ptr());
        run.data_out_len = run.data_in_len;
        // SAFETY: as in `run_live`; the kernel has copied the frame before it writes the outcome
        // back, within the length given.
        unsafe { bpf_call("BPF_PROG_TEST_RUN", PROG_TEST_RUN, &raw mut run) }?;
        Ok(run.verdict)
    }

    fn run(&self, frame: &[u8]) -> TestRun {
        TestRun {
            program: u32::try_from(self.0.as_raw_fd()).unwrap_or(u32::MAX),
            data_in_len: u32::try_from(frame.len()).unwrap_or(0),
            data_in: address(frame.as_ptr()),
            ..TestRun::default()
        }
    }
}

/// An attachment; gone when this is, or the process, however it ends.
#[derive(Debug)]
pub(crate) struct Attached {
    // Before the namespace.
    _link: OwnedFd,
    /// Where the interface lives, if nobody else keeps that.
    _namespace: Option<File>,
}

/// Moves the calling thread into a new network namespace and attaches `program` to its loopback.
fn attach_nowhere(program: u32) -> Result<Attached, SyscallError> {
    /// `XDP_FLAGS_SKB_MODE`: loopback has no other.
    const GENERIC: u32 = 1 << 1;
    // SAFETY: takes an integer; affects the calling thread alone, which was made for it.
    super::check("unshare", unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    let failed = |e| SyscallError::new("opening a network namespace", e);
    let namespace = File::open("/proc/thread-self/ns/net").map_err(failed)?;
    // Loopback is the first interface of every namespace.
    let link = create_link(program, 1, GENERIC)?;
    Ok(Attached { _link: link, _namespace: Some(namespace) })
}

fn create_link(program: u32, interface: u32, flags: u32) -> Result<OwnedFd, SyscallError> {
    /// `union bpf_attr` for `BPF_LINK_CREATE`.
    #[repr(C)]
    struct LinkCreate {
        program: u32,
        interface: u32,
        attach_type: u32,
        flags: u32,
    }
    const LINK_CREATE: libc::c_long = 28;
    const ATTACH_XDP: u32 = 37;
    let attributes = LinkCreate { program, interface, attach_type: ATTACH_XDP, flags };
    // SAFETY: `attributes` is a valid beginning of `bpf_attr` for this command.
    unsafe { bpf("BPF_LINK_CREATE", LINK_CREATE, &attributes) }
}

fn create(attributes: &MapCreate) -> Result<OwnedFd, SyscallError> {
    // SAFETY: `attributes` is a valid beginning of `bpf_attr` for this command.
    unsafe { bpf("BPF_MAP_CREATE", MAP_CREATE, attributes) }
}

/// Adds the verifier's last words.
fn explain(error: SyscallError, log: &[u8]) -> SyscallError {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.trim_end_matches('\0').lines().rev().take(4).collect();
    if lines.is_empty() {
        return error;
    }
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    let said = format!("{}: {}", error.source, lines.join("; "));
    SyscallError::new(error.call, io::Error::new(error.source.kind(), said))
}

fn address<T>(pointer: *const T) -> u64 {
    u64::try_from(pointer.addr()).unwrap_or(0)
}

fn page_len() -> usize {
    // SAFETY: takes an integer.
    let len = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(len).unwrap_or(4_096)
}

/// A command that returns a descriptor.
///
/// # Safety
/// As [`bpf_call`], and the command only reads `attributes`.
unsafe fn bpf<T>(
    call: &'static str,
    command: libc::c_long,
    attributes: &T,
) -> Result<OwnedFd, SyscallError> {
    // SAFETY: passed on; the command only reads.
    let returned = unsafe { bpf_call(call, command, ptr::from_ref(attributes).cast_mut()) }?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(returned) })
}

/// # Safety
/// `attributes` must be a valid beginning of `bpf_attr` for `command`, and all that it points at
/// must live across the call, writable where the command writes.
unsafe fn bpf_call<T>(
    call: &'static str,
    command: libc::c_long,
    attributes: *mut T,
) -> Result<i32, SyscallError> {
    // SAFETY: promised by the caller.
    let returned = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if returned < 0 {
        return Err(SyscallError::last(call));
    }
    Ok(i32::try_from(returned).unwrap_or(-1))
}
