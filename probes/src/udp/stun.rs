//! Session Traversal Utilities for NAT.

use super::field::{get, is_at, judge, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A Binding request without attributes.
pub(super) static STUN: UdpProbe = UdpProbe {
    name: "stun",
    source: "RFC 8489 §5",
    reply_port: ReplyPort::Same,
    template: b"\0\x01\0\0\x21\x12\xa4\x42\0\0\0\0\0\0\0\0\0\0\0\0",
    patch,
    check,
};

const MAGIC_AT: usize = 4;
const TRANSACTION_ID_AT: usize = 8;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, TRANSACTION_ID_AT, cookie.to_be_bytes());
    put(payload, TRANSACTION_ID_AT + 8, low32(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let answers = reply.starts_with(&[1, 1]) || reply.starts_with(&[1, 0x11]);
    match get::<12>(reply, TRANSACTION_ID_AT) {
        Some(id) if answers && is_at(reply, MAGIC_AT, &[0x21, 0x12, 0xa4, 0x42]) => {
            let mut expected = [0; 12];
            put(&mut expected, 0, cookie.to_be_bytes());
            put(&mut expected, 8, low32(cookie));
            judge(id == expected)
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_transaction_id_comes_back() {
        assert_eq!(STUN.template().len(), 20);
        for kind in [1, 0x11] {
            round_trip(&STUN, |request| [&[1, kind], &request[2..]].concat());
        }
    }
}
