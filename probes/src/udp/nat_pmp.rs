//! NAT Port Mapping.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// What the external address is; a server of the successor, PCP, answers too.
pub(super) static NAT_PMP: UdpProbe = UdpProbe {
    name: "nat-pmp",
    source: "RFC 6886 §3.2; RFC 6887 §9",
    reply_port: ReplyPort::Same,
    template: b"\0\0",
    patch: patch_nothing,
    check: check_nothing,
};
