//! Every frame that arrives at an interface, recorded: the witness for what was on the wire.

use std::io;
use std::time::Duration;

use super::worker::{Stop, Worker};
use crate::sys::{self, Tap};

/// Frames kept, at most; beyond it a capture counts them as lost.
const FRAMES_MAX: usize = 1 << 22;
/// Octets of a frame that are kept: headers, and some of what they carry.
const KEPT_LEN: usize = 160;

/// A recording under way.
#[derive(Debug)]
pub struct Capture {
    worker: Worker<Captured>,
}

/// What was recorded.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Captured {
    /// The frames in the order of arrival, link header first, cut after 160 octets.
    pub frames: Vec<Vec<u8>>,
    /// Frames that arrived and could not be recorded; a test that counts asserts zero.
    pub lost: u64,
}

impl Capture {
    /// Starts recording what arrives at `interface` in the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn start(interface: &str) -> io::Result<Self> {
        let mut tap = Tap::open(sys::interface_index(interface)?)?;
        let work = move |stop: &Stop| {
            let mut captured = Captured::default();
            loop {
                // Read before the ring is emptied: what arrived before `stop` is recorded.
                let last = stop.is_asked();
                while tap.next(&mut |frame| captured.keep(frame)) {}
                if last {
                    break;
                }
                tap.wait(Duration::from_millis(5));
            }
            captured.lost += tap.take_drops().map_or(u64::MAX / 2, u64::from);
            captured
        };
        Ok(Self { worker: Worker::start("capture", work)? })
    }

    /// Ends the recording. Everything that had arrived is in it.
    ///
    /// # Errors
    /// When the recorder panicked.
    pub fn stop(self) -> io::Result<Captured> {
        self.worker.finish()
    }
}

impl Captured {
    fn keep(&mut self, frame: &[u8]) {
        if self.frames.len() >= FRAMES_MAX {
            self.lost += 1;
        } else {
            self.frames.push(frame.get(..KEPT_LEN).unwrap_or(frame).to_vec());
        }
    }
}
