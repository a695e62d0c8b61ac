//! An answerer of frames, for what no kernel here answers by itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::sys::{self, Outlet, Tap};

/// Answers frames until dropped.
#[derive(Debug)]
pub struct Responder {
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
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
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let worker = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                while tap.next(&mut |frame| {
                    if let Some(frame) = answer(frame) {
                        // An answer that the cable refuses is lost, as any may be.
                        let _lost = outlet.send(&frame);
                    }
                }) {}
                tap.wait(Duration::from_millis(5));
            }
        });
        Ok(Self { stop, worker: Some(worker) })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _panicked = worker.join();
        }
    }
}
