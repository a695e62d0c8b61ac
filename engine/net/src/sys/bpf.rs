//! Programs and arrays in the kernel, bpf(2).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::AtomicU64;

use super::SyscallError;
use super::map::Map;

const MAP_CREATE: libc::c_long = 0;
const PROG_LOAD: libc::c_long = 5;
const PROG_TEST_RUN: libc::c_long = 10;
const MAP_TYPE_ARRAY: u32 = 2;
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
        let attributes = MapCreate {
            map_type: MAP_TYPE_ARRAY,
            key_len: 4,
            value_len: value_words.saturating_mul(8),
            len,
            flags: MAP_MMAPABLE,
            inner_map: 0,
            numa_node: 0,
            name: NAME,
        };
        // SAFETY: `attributes` is a valid beginning of `bpf_attr` for this command.
        let descriptor = unsafe { bpf("BPF_MAP_CREATE", MAP_CREATE, &attributes) }?;
        let words = u64::from(value_words).saturating_mul(u64::from(len));
        let words = usize::try_from(words).unwrap_or(0);
        let octets = words.saturating_mul(8).next_multiple_of(page_len());
        let map = Map::shared("mmap of a BPF array", descriptor.as_fd(), 0, octets)?;
        Ok(Self { descriptor, map, words })
    }

    /// Its words.
    pub(crate) const fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, zero or valid words, at least this long, and lasts
        // as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.base().as_ptr().cast(), self.words) }
    }
}

impl AsRef<[AtomicU64]> for Array {
    fn as_ref(&self) -> &[AtomicU64] {
        self.words()
    }
}

/// What an instruction that loads an address is to be given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reference<'a> {
    /// The address of the array's only value.
    Value(&'a Array),
    /// The array, for look-ups.
    Lookups(&'a Array),
}

impl Reference<'_> {
    /// `src_reg`: `BPF_PSEUDO_MAP_VALUE` or `BPF_PSEUDO_MAP_FD`; and the descriptor.
    pub(crate) fn encode(self) -> (u8, u32) {
        let (kind, array) = match self {
            Self::Value(array) => (2, array),
            Self::Lookups(array) => (1, array),
        };
        (kind, u32::try_from(array.descriptor.as_raw_fd()).unwrap_or(u32::MAX))
    }
}

/// A loaded XDP program. The kernel forgets it when this is dropped, or the process ends.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

impl Program {
    /// Has the kernel verify and compile `instructions`, 8 octets each.
    pub(crate) fn load(instructions: &[u8]) -> Result<Self, SyscallError> {
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
    pub(crate) fn keep_dispatched(&self) -> Result<Kept, SyscallError> {
        let program = u32::try_from(self.0.as_raw_fd()).unwrap_or(u32::MAX);
        let worker = std::thread::Builder::new().name("portolan-bpf".to_owned());
        let spawned = worker.spawn(move || attach_nowhere(program));
        let failed = |e| SyscallError::new("starting a thread", e);
        let joined = spawned.map_err(failed)?.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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

/// An attachment in a namespace of its own; both go when this does, or the process.
#[derive(Debug)]
pub(crate) struct Kept {
    // Before the namespace.
    _link: OwnedFd,
    _namespace: File,
}

/// Moves the calling thread into a new network namespace and attaches `program` to its loopback.
fn attach_nowhere(program: u32) -> Result<Kept, SyscallError> {
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
    /// `XDP_FLAGS_SKB_MODE`: loopback has no other.
    const GENERIC: u32 = 1 << 1;
    // SAFETY: takes an integer; affects the calling thread alone, which was made for it.
    super::check("unshare", unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    let failed = |e| SyscallError::new("opening a network namespace", e);
    let namespace = File::open("/proc/thread-self/ns/net").map_err(failed)?;
    // Loopback is the first interface of every namespace.
    let attributes = LinkCreate { program, interface: 1, attach_type: ATTACH_XDP, flags: GENERIC };
    // SAFETY: `attributes` is a valid beginning of `bpf_attr` for this command.
    let link = unsafe { bpf("BPF_LINK_CREATE", LINK_CREATE, &attributes) }?;
    Ok(Kept { _link: link, _namespace: namespace })
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
