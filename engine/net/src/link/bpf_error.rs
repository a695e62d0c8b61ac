//! Why a program in the kernel can't be used.

use super::LinkError;
use crate::sys::SyscallError;

/// A program in the kernel can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BpfError {
    /// The program does not know how to do this.
    #[error("the scan {0}")]
    Plan(&'static str),
    /// The kernel refuses this process.
    #[error("needs CAP_BPF and CAP_NET_ADMIN outside of user namespaces")]
    NotPermitted(#[source] SyscallError),
    /// The kernel can't.
    #[error("the kernel refuses it")]
    Kernel(#[source] SyscallError),
}

impl BpfError {
    /// What would help.
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::NotPermitted(_) => {
                "run as root, or setcap cap_net_raw,cap_net_admin,cap_bpf+ep on the program"
            }
            _ => "Linux 5.18 or later, with CONFIG_BPF_SYSCALL and the BPF compiler",
        }
    }
}

impl From<SyscallError> for BpfError {
    fn from(error: SyscallError) -> Self {
        if error.errno() == libc::EPERM { Self::NotPermitted(error) } else { Self::Kernel(error) }
    }
}

impl From<BpfError> for LinkError {
    fn from(error: BpfError) -> Self {
        match error {
            BpfError::Kernel(source) => Self::Syscall(source),
            other => Self::Unusable { link: "bpf", why: other.to_string() },
        }
    }
}
