//! A network namespace, and threads that run in it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::panic;
use std::thread;

use crate::sys;

/// A network namespace; it lives as long as this, a thread in it, or a socket from it.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// The one that the calling thread is in.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn current() -> io::Result<Self> {
        File::open("/proc/thread-self/ns/net").map(Self)
    }

    /// A new, empty one: a loopback interface that is down.
    ///
    /// # Errors
    /// When the kernel refuses (the caller is not root of its user namespace).
    pub fn create() -> io::Result<Self> {
        let made = thread::spawn(|| {
            sys::unshare_network()?;
            Self::current()
        });
        made.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
    }

    /// Runs `work` on a thread of this namespace and waits for it.
    ///
    /// Threads and sockets that it makes stay in the namespace. A panic inside is passed on.
    ///
    /// # Errors
    /// When the namespace can't be entered, and what `work` returns.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                sys::enter_network(&self.0)?;
                work()
            });
            worker.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Sets a switch of the calling thread's namespace, `net/ipv4/ip_forward` for example.
///
/// # Errors
/// When the kernel has no such switch, or `/proc/sys` is read-only.
pub fn sysctl(name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/{name}"), value)
}
