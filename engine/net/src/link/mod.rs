//! Links: where frames leave and arrive, in batches.

use std::time::Duration;

pub use portolan_core::link::{BATCH_LEN_MAX, Encapsulation, FRAME_LEN_MAX, FrameBatch};

use crate::sys::SyscallError;

/// TCP answers taken out of the driver.
#[cfg(feature = "bpf")]
pub mod answers;
/// Why a program in the kernel can't be used.
#[cfg(feature = "bpf")]
pub mod bpf_error;
/// Probes made inside the kernel.
#[cfg(feature = "bpf")]
pub mod generator;
/// The links by name.
pub mod kind;
/// Which link a scan sends by.
pub mod ladder;
/// In their place where they are not built in.
#[cfg(not(feature = "bpf"))]
mod no_bpf;
/// The link that leads nowhere.
pub mod null;
/// Packet sockets: one interface, whole frames.
pub mod packet;
/// Raw IP sockets: loopback and this host's own addresses.
pub mod raw_ip;
/// `AF_XDP` sockets: one queue of one interface, past the queueing discipline.
pub mod xdp;

#[cfg(feature = "bpf")]
pub use answers::AnswersRx;
#[cfg(feature = "bpf")]
pub use bpf_error::BpfError;
#[cfg(feature = "bpf")]
pub use generator::{Generator, SharedBits};
pub use kind::LinkKind;
pub use ladder::{LinkReport, survey};
pub use null::NullTx;
pub use packet::{PacketRx, PacketRxOptions, PacketTx, PacketTxOptions};
pub use raw_ip::RawIpTx;
pub use xdp::XdpTx;

/// A link could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The interface went away or was taken down.
    #[error("interface {interface} is down or gone")]
    Down {
        /// Its kernel index.
        interface: u32,
        /// What the kernel said.
        #[source]
        source: SyscallError,
    },
    /// The kernel refuses this process.
    #[error("not permitted: raw sockets need CAP_NET_RAW (root, or `setcap cap_net_raw+ep`)")]
    NotPermitted(#[source] SyscallError),
    /// A link that was asked for can't do this scan here.
    #[error("the link `{link}` can't be used: {why}")]
    Unusable {
        /// As in `--link`.
        link: &'static str,
        /// In one sentence.
        why: String,
    },
    /// Anything else the kernel refused.
    #[error("packet socket failed")]
    Syscall(#[from] SyscallError),
}

/// The sending half of a link.
pub trait TxLink: Send {
    /// How the frames must begin.
    fn encapsulation(&self) -> Encapsulation;

    /// Offers the frames of `batch` from index `from` on; returns how many the kernel took.
    ///
    /// Zero is back-pressure: nothing was sent, nothing is lost, call again after
    /// [`TxLink::wait_writable`]. Never blocks.
    ///
    /// # Errors
    /// [`LinkError`] for what trying again would not mend.
    fn send(&mut self, batch: &FrameBatch, from: usize) -> Result<usize, LinkError>;

    /// Waits until the kernel may take frames again, at most `timeout`.
    ///
    /// # Errors
    /// [`LinkError`] when waiting itself fails.
    fn wait_writable(&mut self, timeout: Duration) -> Result<(), LinkError>;

    /// Whether every frame that was taken has been handed to the driver; goes on with those that
    /// have not.
    ///
    /// # Errors
    /// As [`TxLink::send`].
    fn flush(&mut self) -> Result<bool, LinkError> {
        Ok(true)
    }

    /// Frames counted by [`TxLink::send`] as taken that the kernel refused for their destination
    /// alone (no route to it, or a local firewall), since the link was opened.
    fn refused(&self) -> u64 {
        0
    }
}

/// What a [`PositionLink`] is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Of which pass.
    pub pass: u8,
    /// Whether what has answered is passed over.
    pub looks_at_answers: bool,
    /// The first position.
    pub position: u64,
    /// Probes, at most.
    pub frames_max: u32,
}

/// What a [`PositionLink`] made of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitted {
    /// Positions of the stride that are done with.
    pub positions: u64,
    /// Probes that were handed to the driver for them; the other positions had none to send.
    pub frames: u32,
}

/// A link that is handed positions of a plan rather than frames, and makes the frames itself.
pub trait PositionLink: Send {
    /// Does with positions of the link's stride as `ask` says, and tells how far it came: that
    /// far, and no probe twice.
    ///
    /// # Errors
    /// [`LinkError`] for what trying again would not mend; [`LinkError::Unusable`] where it turns
    /// out that the first frames have not left: another link then begins where this one began.
    fn emit(&mut self, ask: Ask) -> Result<Emitted, LinkError>;
}

/// A frame that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Its octets.
    pub frame: &'a [u8],
    /// How long ago the kernel took it in; zero where that is not known.
    pub age: Duration,
}

/// The receiving half of a link.
pub trait RxLink: Send {
    /// How the frames begin.
    fn encapsulation(&self) -> Encapsulation;

    /// Calls `handler` for each frame that is ready, and returns how many there were.
    ///
    /// Waits at most `timeout` for the first. The frames of one call are bounded by what the
    /// kernel's buffer holds. Checksums of the payload may be unset: the sender may have been
    /// this very kernel, which leaves them to hardware that a virtual link does not have.
    ///
    /// # Errors
    /// [`LinkError`] when the interface is gone or the socket broke.
    fn recv(
        &mut self,
        timeout: Duration,
        handler: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, LinkError>;

    /// Frames that passed the filter and were lost for want of buffer, since the link was opened.
    fn dropped(&mut self) -> u64;
}
