//! `AF_XDP` sockets: frames are handed to the driver past the queueing discipline, without a copy
//! where the driver can, else with one and still at less cost than through a packet socket.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::packet::refine;
use super::{Encapsulation, FrameBatch, LinkError, TxLink};
use crate::prepare::{Exit, LinkSpec};
use crate::sys::SyscallError;
use crate::sys::poll::{Ready, poll};
use crate::sys::xsk::{Kick, Mode, XskTx};

/// How long the kernel may take to let go of a queue that another socket had: it does so after
/// the socket is closed.
const RELEASE_TIME: Duration = Duration::from_millis(200);

/// Sends whole frames through one queue of one Ethernet interface. Needs `CAP_NET_RAW` alone.
pub struct XdpTx {
    socket: XskTx,
    interface: u32,
    busy: bool,
}

impl XdpTx {
    /// Opens queue `queue` of the interface of `spec`: without a copy where the driver can, else
    /// with one.
    ///
    /// # Errors
    /// [`LinkError::Unusable`] when the interface has no such queue or another socket has it;
    /// [`LinkError::NotPermitted`] without `CAP_NET_RAW`.
    pub(crate) fn open(spec: &LinkSpec, queue: u32) -> Result<Self, LinkError> {
        let interface = spec.interface.index;
        if spec.exit != Exit::Packet || spec.interface.encapsulation != Encapsulation::Ethernet {
            return Err(unusable(format!("{} takes no Ethernet frames", spec.interface.name)));
        }
        let socket = match open(interface, queue, Mode::BestEffort) {
            // A driver may want an XDP program of its own before it sends without a copy.
            Ok(socket) if socket.is_zero_copy() && socket.try_waking().is_err() => {
                drop(socket);
                open(interface, queue, Mode::Copy)
            }
            other => other,
        };
        let socket = socket.map_err(|error| explain(error, interface, queue))?;
        Ok(Self { socket, interface, busy: false })
    }

    fn kick(&mut self) -> Result<(), LinkError> {
        let kick = self.socket.kick().map_err(|e| refine(e, self.interface))?;
        self.busy = kick != Kick::Moving;
        Ok(())
    }
}

impl TxLink for XdpTx {
    fn encapsulation(&self) -> Encapsulation {
        Encapsulation::Ethernet
    }

    fn send(&mut self, batch: &FrameBatch, from: usize) -> Result<usize, LinkError> {
        let put = self.socket.put(batch.frames().skip(from));
        self.kick()?;
        Ok(put)
    }

    fn wait_writable(&mut self, timeout: Duration) -> Result<(), LinkError> {
        if self.busy {
            // The ring may have room while the device has none: poll would not wait.
            std::thread::sleep(timeout.min(Duration::from_micros(50)));
            return self.kick();
        }
        poll(self.socket.as_fd(), Ready::Write, timeout)?;
        Ok(())
    }

    fn flush(&mut self) -> Result<bool, LinkError> {
        self.kick()?;
        Ok(self.socket.is_drained())
    }
}

fn open(interface: u32, queue: u32, mode: Mode) -> Result<XskTx, SyscallError> {
    let until = Instant::now() + RELEASE_TIME;
    loop {
        match XskTx::open(interface, queue, mode) {
            Err(error) if error.errno() == libc::EBUSY && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

/// Whether this process may have such a socket on this kernel.
pub(super) fn try_opening() -> Result<(), LinkError> {
    crate::sys::xsk::try_opening().map_err(|error| explain(error, 0, 0))
}

fn explain(error: SyscallError, interface: u32, queue: u32) -> LinkError {
    unusable(match error.errno() {
        libc::EBUSY => format!("another socket has the interface's queue {queue}"),
        libc::EINVAL | libc::EOPNOTSUPP => format!(
            "the interface has no queue {queue} for it (as many --threads as it has queues)"
        ),
        libc::EAFNOSUPPORT => "the kernel, or what this process may do, has no AF_XDP".to_owned(),
        libc::ENOBUFS => "4 MiB a thread can't be locked in memory (ulimit -l)".to_owned(),
        _ => return refine(error, interface),
    })
}

const fn unusable(why: String) -> LinkError {
    LinkError::Unusable { link: "xdp", why }
}
