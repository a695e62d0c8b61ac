//! An answerer of frames, for what no kernel here answers by itself.

use std::io;
use std::time::Duration;

use super::worker::{Stop, Worker};
use crate::sys::{self, Outlet, Tap};

/// Answers frames until dropped.
#[derive(Debug)]
pub struct Responder {
    _worker: Worker,
}

impl Responder {
    /// Starts answering what arrives at `interface` in the calling thread's namespace. Frames are
    /// whole, with an 802.1Q tag where they had one; so are the answers.
    ///
    /// # Errors
    /// When the kernel refuses the sockets.
    pub fn start(
        interface: &str,
        mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> io::Result<Self> {
        let index = sys::interface_index(interface)?;
        let (mut tap, outlet) = (Tap::open(index)?, Outlet::open(index)?);
        let work = move |stop: &Stop| {
            while !stop.is_asked() {
                while tap.next(&mut |frame| {
                    if let Some(frame) = answer(frame) {
                        // An answer that the cable refuses is lost, as any may be.
                        let _lost = outlet.send(&frame);
                    }
                }) {}
                tap.wait(Duration::from_millis(5));
            }
        };
        Ok(Self { _worker: Worker::start("responder", work)? })
    }
}
