//! The `NetBIOS` name service.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// Node status of the wildcard name `*`: which names the host goes by.
///
/// The name is `*` and fifteen NULs in first-level encoding: each half octet as a letter from `A`.
pub(super) static NETBIOS: UdpProbe = UdpProbe {
    name: "netbios-ns",
    source: "RFC 1001 §14.1; RFC 1002 §4.2.17",
    reply_port: ReplyPort::Same,
    template: b"\0\0\0\0\0\x01\0\0\0\0\0\0\
        \x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01",
    patch,
    check,
};

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, 0, low16(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<12>(reply, 0) {
        Some([a, b, flags, ..]) if flags & 0x80 != 0 => judge([a, b] == low16(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_name_decodes_to_an_asterisk() {
        let encoded = &NETBIOS.template()[13..45];
        let name: Vec<u8> =
            encoded.chunks(2).map(|pair| (pair[0] - b'A') << 4 | (pair[1] - b'A')).collect();
        assert_eq!(name, [b"*".as_slice(), &[0; 15]].concat());
        assert_eq!(NETBIOS.template()[45..], [0, 0, 0x21, 0, 1]);
    }

    #[test]
    fn the_transaction_id_comes_back() {
        round_trip(&NETBIOS, |request| [&request[..2], &[0x84, 0, 0, 0, 0, 1], &[0; 4]].concat());
    }
}
