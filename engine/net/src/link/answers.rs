//! Answers taken out of the driver: an XDP program that keeps them from this host's own stack.
//!
//! It takes the TCP answers that prove themselves and puts them into a ring; everything else goes
//! on to the stack and its taps, so that a packet socket beside it hears what it does not take.
//! The stack, which knows of no connection, then has nothing to reset.
//! The program is `bpf/answers.bpf.c`.

use std::os::fd::AsFd;
use std::time::Duration;

use portolan_core::plan::ScanPlan;
use portolan_core::probe::TcpScan;

use super::{Arrival, BpfError, Encapsulation, LinkError, RxLink};
use crate::sys::bpf::{Array, Attached, Code, Program, Reference, Ring};
use crate::sys::monotonic_now;
use crate::sys::poll::{Ready, poll};

/// Octets of the ring: some 50,000 answers. What finds it full is left to the packet socket.
const RING_LEN: u32 = 8 << 20;
/// Passes whose cookies the program tries.
const PASSES_MAX: u8 = 16;
/// Octets of a frame that are kept.
const FRAME_LEN_MAX: usize = 128;
/// Words of `struct record`.
const RECORD_WORDS: usize = 2 + FRAME_LEN_MAX / 8;
/// Words of `struct scan`.
const SCAN_WORDS: u32 = 4 + 3;
/// Frames handed over in one call, at most.
const BURST: usize = 4_096;

/// The program, compiled by the build script.
static CODE: Code = Code {
    instructions: include_bytes!(concat!(env!("OUT_DIR"), "/answers.bin")),
    places: include!(concat!(env!("OUT_DIR"), "/answers_places.rs")),
};

/// The TCP answers of one scan, from one interface.
#[derive(Debug)]
pub struct AnswersRx {
    // Before the ring, that nothing arrives for nobody.
    _attached: Option<Attached>,
    program: Program,
    ring: Ring,
}

impl AnswersRx {
    /// Takes the answers to the TCP probes of `plan` out of the Ethernet interface with index
    /// `interface`, from now on until it is dropped or the process ends, however it ends.
    ///
    /// # Errors
    /// [`BpfError`]: no permission, an older kernel, another program on the interface, or a
    /// scan whose answers it does not know.
    pub fn open(plan: &ScanPlan, interface: u32) -> Result<Self, BpfError> {
        let unattached = Self::load(plan)?;
        let attached = unattached.program.attach(interface)?;
        Ok(Self { _attached: Some(attached), ..unattached })
    }

    /// The same, without an interface: nothing arrives.
    ///
    /// # Errors
    /// As [`AnswersRx::open`].
    pub fn load(plan: &ScanPlan) -> Result<Self, BpfError> {
        let config = plan.config();
        if config.tcp_scan == TcpScan::Ack {
            return Err(BpfError::Plan("asks TCP ports by ACK"));
        }
        let scan = Array::new(SCAN_WORDS, 1)?;
        let ports = config.source_ports;
        let last = [
            u64::from(ports.first()),
            u64::from(ports.span()) + 1,
            u64::from(config.passes.min(PASSES_MAX)),
        ];
        scan.fill(&[&config.key.initial_state()[..], &last].concat());
        let ring = Ring::new(RING_LEN)?;
        let maps = [Reference::Value(&scan), Reference::Ring(&ring)];
        Ok(Self { _attached: None, program: Program::load(&CODE, &maps)?, ring })
    }

    /// Whether the program takes `frame`, as it takes those that arrive.
    ///
    /// # Errors
    /// [`LinkError`] when the kernel refuses to try.
    pub fn takes(&self, frame: &[u8]) -> Result<bool, LinkError> {
        const XDP_DROP: u32 = 1;
        Ok(self.program.run_once(&mut frame.to_vec())? == XDP_DROP)
    }

    fn take(&mut self, handler: &mut dyn FnMut(Arrival<'_>)) -> usize {
        let now = monotonic_now();
        let mut record = [0; RECORD_WORDS];
        for number in 0..BURST {
            if !self.ring.pop(&mut record) {
                return number;
            }
            let [at_nanos, len, words @ ..] = &record;
            let mut octets = [0; FRAME_LEN_MAX];
            for (to, word) in octets.chunks_exact_mut(8).zip(words) {
                to.copy_from_slice(&word.to_ne_bytes());
            }
            let len = usize::try_from(*len).unwrap_or(FRAME_LEN_MAX).min(FRAME_LEN_MAX);
            let age = now.saturating_sub(Duration::from_nanos(*at_nanos));
            handler(Arrival { frame: octets.get(..len).unwrap_or_default(), age });
        }
        BURST
    }
}

impl RxLink for AnswersRx {
    fn encapsulation(&self) -> Encapsulation {
        Encapsulation::Ethernet
    }

    fn recv(
        &mut self,
        timeout: Duration,
        handler: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, LinkError> {
        let ready = self.take(handler);
        if ready == 0 && !timeout.is_zero() && poll(self.ring.as_fd(), Ready::Read, timeout)? {
            return Ok(self.take(handler));
        }
        Ok(ready)
    }

    fn dropped(&mut self) -> u64 {
        0
    }
}
