//! The Layer Two Tunnelling Protocol.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// Start-Control-Connection-Request; the answer is addressed to the tunnel id that we assign.
pub(super) static L2TP: UdpProbe = UdpProbe {
    name: "l2tp",
    source: "RFC 2661 §3.1, §4.4, §6.1",
    reply_port: ReplyPort::Any,
    template: b"\xc8\x02\0\x3c\0\0\0\0\0\0\0\0\
        \x80\x08\0\0\0\0\0\x01\x80\x08\0\0\0\x02\x01\0\
        \x80\x0e\0\0\0\x07portolan\x80\x0a\0\0\0\x03\0\0\0\x03\
        \x80\x08\0\0\0\x09\0\x01",
    patch,
    check,
};

/// The value of the last pair, Assigned Tunnel ID.
const ASSIGNED_AT: usize = 58;

/// A tunnel id must not be zero.
const fn tunnel(cookie: u64) -> [u8; 2] {
    match low16(cookie) {
        [0, 0] => [0, 1],
        id => id,
    }
}

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, ASSIGNED_AT, tunnel(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<6>(reply, 0) {
        // A control message (type and length bits) of version 2.
        Some([flags, version, _, _, a, b]) if flags & 0xc0 == 0xc0 && version & 0x0f == 2 => {
            judge([a, b] == tunnel(cookie))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn attribute_value_pairs_fill_the_message() {
        let message = L2TP.template();
        assert_eq!(usize::from(u16::from_be_bytes([message[2], message[3]])), message.len());
        let mut rest = &message[12..];
        let mut kinds = Vec::new();
        while !rest.is_empty() {
            kinds.push(rest[5]);
            rest = &rest[usize::from(rest[1])..];
        }
        // Message type, protocol version, host name, framing capabilities, assigned tunnel id.
        assert_eq!(kinds, [0, 2, 7, 3, 9]);
    }

    #[test]
    fn the_assigned_tunnel_comes_back() {
        round_trip(&L2TP, |request| {
            [&[0xc8, 2, 0, 12], &request[ASSIGNED_AT..], &[0, 0, 0, 0, 0, 1]].concat()
        });
    }
}
