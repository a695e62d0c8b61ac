//! The X Display Manager Control Protocol.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// `Query` without authentication names: version 1, operation 2, one octet of data.
pub(super) static XDMCP: UdpProbe = UdpProbe {
    name: "xdmcp",
    source: "X Display Manager Control Protocol 1.1, \"Packet formats\"",
    reply_port: ReplyPort::Same,
    template: b"\0\x01\0\x02\0\x01\0",
    patch: patch_nothing,
    check: check_nothing,
};
