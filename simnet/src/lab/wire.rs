//! An interface's frames, in and out: for a test that answers itself.

use std::io;
use std::time::Duration;

use crate::sys::{self, Outlet, Tap};

/// The frames of one interface, past its namespace's own stack.
pub struct Wire {
    tap: Tap,
    outlet: Outlet,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire(..)")
    }
}

impl Wire {
    /// Opens it on `interface` of the calling thread's namespace.
    ///
    /// # Errors
    /// When there is no such interface, or the kernel refuses.
    pub fn open(interface: &str) -> io::Result<Self> {
        let index = sys::interface_index(interface)?;
        Ok(Self { tap: Tap::open(index)?, outlet: Outlet::open(index)? })
    }

    /// Hands the frames that are there to `handler`, at most `most`; waits at most `timeout` for
    /// the first. Returns how many there were.
    pub fn receive(
        &mut self,
        most: usize,
        timeout: Duration,
        handler: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let mut count = 0;
        while count < most {
            if self.tap.next(handler) {
                count += 1;
            } else if count > 0 || timeout.is_zero() {
                break;
            } else {
                self.tap.wait(timeout);
                if !self.tap.next(handler) {
                    break;
                }
                count += 1;
            }
        }
        count
    }

    /// Lets the calling thread run before others as far as the kernel allows: for a thread that
    /// stands for a network, which must not wait for its users.
    pub fn hurry() {
        sys::hurry();
    }

    /// Sends `frame` out of the interface.
    ///
    /// # Errors
    /// What the kernel says, a full queue included.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.outlet.send(frame)
    }

    /// Frames lost since this was last asked, because they were not received in time.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn take_drops(&self) -> io::Result<u32> {
        self.tap.take_drops()
    }
}
