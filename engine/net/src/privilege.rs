//! What this process may do.

use socket2::{Domain, Protocol, Socket, Type};

use crate::sys::SyscallError;
use crate::sys::caps;

/// `CAP_NET_ADMIN`, capabilities(7).
const CAP_NET_ADMIN: u32 = 12;
/// `CAP_NET_RAW`, capabilities(7).
const CAP_NET_RAW: u32 = 13;

/// What this process may do with the network, in its network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privilege {
    /// Packet and raw sockets could be opened (tried, not inferred).
    pub raw_sockets: bool,
    /// `CAP_NET_RAW` is effective.
    pub net_raw: bool,
    /// `CAP_NET_ADMIN` is effective: larger buffers, firewall rules.
    pub net_admin: bool,
}

/// Raw scans are not possible here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// The capability is missing.
    #[error(
        "raw scans need CAP_NET_RAW: run as root, or once \
         `setcap cap_net_raw,cap_net_admin+ep` on the program; without it, `-sT` scans by connecting"
    )]
    Missing,
    /// The capability is there, and the kernel refuses all the same.
    #[error(
        "this process has CAP_NET_RAW, but the kernel refuses packet sockets \
         (a container's seccomp or LSM profile?); `-sT` scans by connecting"
    )]
    Refused,
}

impl Privilege {
    /// Finds out, by trying.
    ///
    /// # Errors
    /// [`SyscallError`] when the capabilities can't be read.
    pub fn detect() -> Result<Self, SyscallError> {
        let effective = caps::effective()?;
        let has = |capability: u32| effective >> capability & 1 == 1;
        let opened = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))).is_ok();
        Ok(Self { raw_sockets: opened, net_raw: has(CAP_NET_RAW), net_admin: has(CAP_NET_ADMIN) })
    }

    /// Whether raw scans can run, and if not, in one sentence why.
    ///
    /// # Errors
    /// [`PrivilegeError`], whose text tells the user what to do.
    pub const fn require_raw(self) -> Result<(), PrivilegeError> {
        match self {
            Self { raw_sockets: true, .. } => Ok(()),
            Self { net_raw: true, .. } => Err(PrivilegeError::Refused),
            Self { .. } => Err(PrivilegeError::Missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_from_the_attempt() {
        let privilege = Privilege::detect().unwrap();
        assert_eq!(privilege.require_raw().is_ok(), privilege.raw_sockets);
        let without = Privilege { raw_sockets: false, net_raw: false, net_admin: false };
        assert_eq!(without.require_raw(), Err(PrivilegeError::Missing));
        let confined = Privilege { net_raw: true, ..without };
        assert_eq!(confined.require_raw(), Err(PrivilegeError::Refused));
    }
}
