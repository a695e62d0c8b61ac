//! Ubiquiti's discovery.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// Who is there: the answer lists name, model and firmware.
pub(super) static UBIQUITI: UdpProbe = UdpProbe {
    name: "ubiquiti-discovery",
    source: "Ubiquiti device discovery: version 1, command 0, no data",
    reply_port: ReplyPort::Same,
    template: b"\x01\0\0\0",
    patch: patch_nothing,
    check: check_nothing,
};
