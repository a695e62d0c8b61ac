//! `KNXnet/IP`.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// Description request; the all-zero return address means the datagram's own.
pub(super) static KNX: UdpProbe = UdpProbe {
    name: "knxnet-ip",
    source: "ISO 22510 (EN 13321-2), KNXnet/IP core: DESCRIPTION_REQUEST, HPAI",
    reply_port: ReplyPort::Same,
    template: b"\x06\x10\x02\x03\0\x0e\x08\x01\0\0\0\0\0\0",
    patch: patch_nothing,
    check: check_nothing,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        let request = KNX.template();
        assert_eq!(usize::from(u16::from_be_bytes([request[4], request[5]])), request.len());
        assert_eq!(usize::from(request[0]) + usize::from(request[6]), request.len());
    }
}
