//! Keeping this host's own TCP from answering what is not meant for it.
//!
//! A scan's SYN is unknown to the kernel, so it answers the SYN-ACK with RST. For a plain SYN scan
//! that is polite: it closes what was half open. Where the scanner goes on to speak to the port, or
//! a firewall on the way watches, the RST has to be kept back.
//! So SYN-ACKs to the scan's source ports are dropped in the netdev ingress hook of its interfaces:
//! packet sockets see a frame before that hook does, the kernel's TCP after it.
//!
//! The rules stand in a table of their own, and go with it:
//!
//! - when the [`Suppression`] is dropped, panics included;
//! - with the process, however it ends, where the kernel knows tables that belong to a socket
//!   (Linux 5.12);
//! - elsewhere at the next start: `sweep` finds by its name whose table it was.

use std::os::fd::AsRawFd as _;

use portolan_core::cookie::SourcePorts;

use crate::sys::SyscallError;

/// Messages of the kernel's packet filter, octet by octet.
mod message;
/// Whose table it is.
mod owner;
/// The rules.
mod rules;

use message::{Batch, Nfnetlink};
use owner::Owner;

/// Reads octets as the kernel's answer about its tables; how many of them are named as ours.
pub fn check_answers(octets: &[u8]) -> usize {
    message::table_names(octets).filter(|name| Owner::of_table(name).is_some()).count()
}

/// The rules could not be put in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuppressError {
    /// The capability is missing.
    #[error("not permitted: packet filter rules need CAP_NET_ADMIN")]
    NotPermitted(#[source] SyscallError),
    /// This kernel has no nftables, or not for this hook.
    #[error("this kernel has no nftables with a netdev ingress hook")]
    NotSupported(#[source] SyscallError),
    /// An interface is gone.
    #[error("no interface is called {name:?}")]
    NoInterface {
        /// Its name.
        name: String,
        /// What the kernel said.
        #[source]
        source: SyscallError,
    },
    /// Anything else the kernel said.
    #[error("the packet filter refused")]
    Refused(#[from] SyscallError),
}

/// What ends the life of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its socket: the kernel removes it when the process ends. Since Linux 5.12.
    Socket,
    /// Its name alone: a killed process leaves it to [`sweep`].
    Name,
}

/// The kernel's TCP keeps quiet as long as this lives.
#[derive(Debug)]
pub struct Suppression {
    socket: Nfnetlink,
    table: String,
}

impl Suppression {
    /// Drops SYN-ACKs to `ports` that arrive on `interfaces`, for the kernel's TCP alone: IPv4 and
    /// IPv6, on links with and without hardware addresses, and on loopback.
    ///
    /// # Errors
    /// [`SuppressError`]; nothing is left in place then.
    pub fn install(interfaces: &[&str], ports: SourcePorts) -> Result<Self, SuppressError> {
        match Self::install_held(Hold::Socket, interfaces, ports) {
            // A kernel that does not know the flag says so in one of two ways.
            Err(SuppressError::Refused(e)) if e.errno() == libc::EINVAL => {
                Self::install_held(Hold::Name, interfaces, ports)
            }
            Err(SuppressError::NotSupported(_)) => {
                Self::install_held(Hold::Name, interfaces, ports)
            }
            other => other,
        }
    }

    /// As [`Suppression::install`], held as `hold` says.
    ///
    /// # Errors
    /// As [`Suppression::install`].
    pub fn install_held(
        hold: Hold,
        interfaces: &[&str],
        ports: SourcePorts,
    ) -> Result<Self, SuppressError> {
        let table = Owner::this_process()?.table();
        let mut batch = Batch::new();
        rules::table(&mut batch, &table, hold);
        let mut named = Vec::new();
        for (index, interface) in interfaces.iter().enumerate() {
            let chain = format!("ingress{index}");
            named.push((batch.sequence(), *interface));
            rules::chain(&mut batch, &table, &chain, interface);
            rules::drop_syn_acks(&mut batch, &table, &chain, ports);
        }
        let mut socket = Nfnetlink::open()?;
        match socket.commit(batch) {
            Ok(()) => Ok(Self { socket, table }),
            Err((at, error)) => {
                let interface = named.iter().find(|(sequence, _)| Some(*sequence) == at);
                Err(refine(error, interface.map(|(_, name)| *name)))
            }
        }
    }

    /// The table's name, in the netdev family.
    pub fn table(&self) -> &str {
        &self.table
    }
}

impl Drop for Suppression {
    fn drop(&mut self) {
        let mut batch = Batch::new();
        rules::delete_table(&mut batch, &self.table);
        if let Err((_, error)) = self.socket.commit(batch) {
            let (table, fd) = (&self.table, self.socket.as_raw_fd());
            tracing::debug!(%table, fd, %error, "the filter's table was gone already");
        }
    }
}

/// Removes the tables of scans whose process is gone, and returns their names.
///
/// Tables of other programs, of processes that live, and of processes in other PID namespaces
/// (of which nobody here can tell whether they live) are left alone.
///
/// # Errors
/// [`SuppressError`], most likely for want of `CAP_NET_ADMIN`.
pub fn sweep() -> Result<Vec<String>, SuppressError> {
    let mut socket = Nfnetlink::open()?;
    let own = Owner::this_process()?;
    let mut gone = Vec::new();
    for table in socket.tables().map_err(|e| refine(e, None))? {
        if Owner::of_table(&table).is_some_and(|owner| owner.is_gone(&own)) {
            let mut batch = Batch::new();
            rules::delete_table(&mut batch, &table);
            match socket.commit(batch) {
                Ok(()) => gone.push(table),
                // Someone else was as quick.
                Err((_, error)) if error.errno() == libc::ENOENT => {}
                Err((_, error)) => return Err(refine(error, None)),
            }
        }
    }
    Ok(gone)
}

/// The names of all tables of the netdev family, whoever made them.
///
/// # Errors
/// [`SuppressError`], most likely for want of `CAP_NET_ADMIN`.
pub fn tables() -> Result<Vec<String>, SuppressError> {
    Nfnetlink::open()?.tables().map_err(|e| refine(e, None))
}

/// Whether resets can be suppressed here: the rules are made on loopback, for one port that nobody
/// uses, and removed.
///
/// # Errors
/// [`SuppressError`]: why not.
pub fn trial() -> Result<(), SuppressError> {
    let port = SourcePorts::new(1, 1).ok_or_else(|| {
        SyscallError::new("a port of 1", std::io::Error::from(std::io::ErrorKind::InvalidInput))
    })?;
    Suppression::install(&["lo"], port).map(drop)
}

fn refine(error: SyscallError, interface: Option<&str>) -> SuppressError {
    match (error.errno(), interface) {
        (libc::EPERM | libc::EACCES, _) => SuppressError::NotPermitted(error),
        (libc::ENOENT, Some(name)) => {
            SuppressError::NoInterface { name: name.to_owned(), source: error }
        }
        (libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::ENOENT, _) => {
            SuppressError::NotSupported(error)
        }
        _ => SuppressError::Refused(error),
    }
}
