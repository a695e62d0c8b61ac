//! The generator: an XDP program that makes the probes inside the kernel.
//!
//! No frame ever arrives at it. bpf(2) runs it on pages of its own (`BPF_PROG_TEST_RUN` with live
//! frames, Linux 5.18), and what it has written leaves through the driver's XDP transmit path: no
//! socket buffer is made, and a thousand probes cost one system call.
//! The same octets leave as from [`Transmitter`](portolan_core::transmit::Transmitter); the program
//! is `bpf/generator.bpf.c`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;

use super::{Ask, BpfError, Emitted, LinkError, PositionLink};
use crate::sys::bpf::{Array, Attached, Code, Program, Reference};
use crate::wire::{WireCount, WireMeter};

/// A plan as arrays.
mod layout;

use layout::Layout;

/// Frames that are made before the driver is told of them. A veth's ring holds 256; larger batches
/// were not faster.
const BATCH_LEN: u32 = 64;
/// Runs in one system call, at most: some milliseconds, skipped positions included.
const RUNS_MAX: u32 = 4_096;
/// Probes that prove that the driver takes them.
const PROOFS: u32 = 64;
/// How often the counter is looked at for these, a millisecond apart.
const LOOKS: u32 = 50;

/// The program, compiled by the build script.
static CODE: Code = Code {
    instructions: include_bytes!(concat!(env!("OUT_DIR"), "/generator.bin")),
    places: include!(concat!(env!("OUT_DIR"), "/generator_places.rs")),
};

/// Has the kernel verify the program, with arrays of nothing.
///
/// # Errors
/// [`BpfError`] as [`Generator::open`].
pub fn try_loading() -> Result<(), BpfError> {
    let task = array(u32::try_from(layout::TASK_WORDS).unwrap_or(0), 1)?;
    let (ranges, other) = (array(layout::RANGE_WORDS, 1)?, array(1, 1)?);
    let [task, ranges] = [Reference::Value(&task), Reference::Lookups(&ranges)];
    let other = Reference::Lookups(&other);
    Program::load(&CODE, &[task, ranges, other, other, other])?;
    Ok(())
}

/// A set of bits that programs in the kernel read too.
#[derive(Debug, Clone)]
pub struct SharedBits(Arc<Array>);

impl SharedBits {
    /// `len` clear bits.
    ///
    /// # Errors
    /// [`BpfError`] without permission or memory.
    pub fn new(len: u64) -> Result<Self, BpfError> {
        let words = u32::try_from(len.div_ceil(64)).unwrap_or(u32::MAX).max(1);
        Ok(Self(Arc::new(array(1, words)?)))
    }
}

impl AsRef<[std::sync::atomic::AtomicU64]> for SharedBits {
    fn as_ref(&self) -> &[std::sync::atomic::AtomicU64] {
        self.0.words()
    }
}

/// One stride of a scan through one interface, made in the kernel.
///
/// Belongs to the network namespace of the thread that uses it.
#[derive(Debug)]
pub struct Generator {
    program: Program,
    /// `None` where the kernel does not let us: then each call costs two RCU grace periods.
    _kept: Option<Attached>,
    task: Array,
    frame: Vec<u8>,
    shard: Shard,
    /// Whether there are bits of what has answered at all: scans beyond 2³³ endpoints have none.
    has_bits: bool,
    meter: WireMeter,
    proven: bool,
    /// Probes made until then, and what the interface had counted before.
    unproven: u32,
    unproven_since: Option<WireCount>,
    /// Whether positions were skipped the last time.
    sparse: bool,
}

impl Generator {
    /// Loads the program for what of `shard` of `plan` leaves by link number `link`, which is the
    /// interface of `interface`. `answered` is read in passes after the first.
    ///
    /// # Errors
    /// [`BpfError`]: a plan that it can't do, no permission, or a kernel that is too old.
    pub fn open(
        plan: &ScanPlan,
        link: usize,
        interface: &crate::route::Interface,
        shard: Shard,
        answered: Option<&SharedBits>,
    ) -> Result<Self, BpfError> {
        let index = interface.index;
        let layout = Layout::new(plan, link, index, shard)?;
        let task = filled(u32::try_from(layout::TASK_WORDS).unwrap_or(0), &layout.task)?;
        let ranges = filled(layout::RANGE_WORDS, &layout.ranges)?;
        let ports = filled(1, &layout.ports)?;
        let neighbors = filled(1, &layout.neighbors)?;
        let has_bits = answered.is_some();
        let answered = match answered {
            Some(bits) => SharedBits::clone(bits),
            None => SharedBits::new(1)?,
        };
        let arrays = [
            Reference::Value(&task),
            Reference::Lookups(&ranges),
            Reference::Lookups(&ports),
            Reference::Lookups(&answered.0),
            Reference::Lookups(&neighbors),
        ];
        // The program holds on to the arrays that it names.
        let program = Program::load(&CODE, &arrays)?;
        let kept = program.keep_dispatched();
        if let Err(error) = &kept {
            tracing::debug!(%error, "each call makes the kernel patch its XDP dispatcher");
        }
        Ok(Self {
            program,
            _kept: kept.ok(),
            task,
            frame: layout.frame,
            shard,
            has_bits,
            meter: WireMeter::new(&interface.name),
            proven: false,
            unproven: 0,
            unproven_since: None,
            sparse: false,
        })
    }

    /// The frame for `position` in pass `pass`, without sending it; `None` where none would leave.
    ///
    /// # Errors
    /// [`LinkError`] when the kernel refuses.
    pub fn frame_at(&mut self, pass: u8, position: u64) -> Result<Option<Vec<u8>>, LinkError> {
        self.aim(Ask { pass, looks_at_answers: pass > 0, position, frames_max: 1 });
        let mut frame = self.frame.clone();
        self.program.run_once(&mut frame)?;
        Ok((self.read(layout::FRAMES_AT) == 1).then_some(frame))
    }

    fn aim(&self, ask: Ask) {
        self.write(layout::NEXT_AT, ask.position);
        self.write(layout::FRAMES_AT, 0);
        self.write(layout::FRAMES_MAX_AT, u64::from(ask.frames_max));
        self.write(layout::PASS_AT, u64::from(ask.pass));
        self.write(layout::LOOKS_AT, u64::from(ask.looks_at_answers && self.has_bits));
    }

    fn run(&mut self, ask: Ask) -> Result<Emitted, LinkError> {
        self.aim(ask);
        let runs = if self.sparse { RUNS_MAX } else { ask.frames_max.min(RUNS_MAX) };
        match self.program.run_live(&self.frame, runs, BATCH_LEN) {
            // A signal, or no page at the moment: what was done until then is done.
            Err(error) if ![libc::EINTR, libc::ENOMEM, libc::EAGAIN].contains(&error.errno()) => {
                return Err(error.into());
            }
            _ => {}
        }
        let frames = self.read(layout::FRAMES_AT);
        let taken = self.read(layout::NEXT_AT).saturating_sub(ask.position);
        let positions = taken / u64::from(self.shard.count.max(1));
        self.sparse = positions > frames;
        Ok(Emitted { positions, frames: u32::try_from(frames).unwrap_or(u32::MAX) })
    }

    /// Sends the first probes, and sees whether the interface counts most of them: a few alone
    /// could be taken for other programs' frames.
    fn prove(&mut self, ask: Ask) -> Result<Emitted, LinkError> {
        let before = match self.unproven_since {
            Some(count) => count,
            None => *self.unproven_since.insert(self.meter.read()?),
        };
        let left = PROOFS.saturating_sub(self.unproven).max(1);
        let emitted = self.run(Ask { frames_max: ask.frames_max.min(left), ..ask })?;
        self.unproven += emitted.frames;
        let wanted = u64::from(self.unproven - self.unproven / 4);
        if !self.has_counted(before, wanted)? {
            let why = "the interface's driver (or a veth's far end) takes no frames from XDP";
            return Err(LinkError::Unusable { link: "bpf", why: why.to_owned() });
        }
        self.proven = self.unproven >= PROOFS;
        Ok(emitted)
    }

    /// Whether the interface soon counts `packets` more than `before`: the driver's side of it may
    /// run a little later, on this processor.
    fn has_counted(&self, before: WireCount, packets: u64) -> Result<bool, LinkError> {
        for _ in 0..LOOKS {
            if self.meter.read()?.since(before).packets >= packets {
                return Ok(true);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(false)
    }

    fn read(&self, at: usize) -> u64 {
        self.task.words().get(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn write(&self, at: usize, value: u64) {
        if let Some(word) = self.task.words().get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

impl PositionLink for Generator {
    fn emit(&mut self, ask: Ask) -> Result<Emitted, LinkError> {
        if self.proven { self.run(ask) } else { self.prove(ask) }
    }
}

/// An array with `words`, one value at least.
fn filled(value_words: u32, words: &[u64]) -> Result<Array, BpfError> {
    let len = u32::try_from(words.len()).unwrap_or(u32::MAX) / value_words.max(1);
    let array = array(value_words, len.max(1))?;
    array.fill(words);
    Ok(array)
}

fn array(value_words: u32, len: u32) -> Result<Array, BpfError> {
    Ok(Array::new(value_words, len)?)
}
