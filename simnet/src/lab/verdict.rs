//! XDP programs of two instructions.

use std::io;
use std::os::fd::AsRawFd;

use super::netlink::Rtnl;
use crate::sys;

/// What becomes of every frame that arrives at an interface, before any stack sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is counted and forgotten: the cheapest far end there is.
    Drop,
    /// It goes on to the stack.
    Pass,
}

impl Verdict {
    /// Attaches the program to `interface` of the calling thread's namespace, in its driver.
    pub(super) fn attach(self, interface: &str) -> io::Result<()> {
        // XDP_DROP and XDP_PASS of linux/bpf.h.
        let program = sys::xdp_verdict(match self {
            Self::Drop => 1,
            Self::Pass => 2,
        })?;
        // The interface holds on to the program; the descriptor may go.
        Rtnl::open()?.attach_xdp(interface, program.as_raw_fd())
    }

    /// Takes the program of `interface` away again.
    pub(super) fn detach(interface: &str) -> io::Result<()> {
        const NO_PROGRAM: i32 = -1;
        Rtnl::open()?.attach_xdp(interface, NO_PROGRAM)
    }
}
