//! GPRS tunnelling.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// Echo request, version 1: the path's own ping.
pub(super) static GTP: UdpProbe = UdpProbe {
    name: "gtp",
    source: "3GPP TS 29.060 §6, §7.2.1; TS 29.281 §7.2.1",
    reply_port: ReplyPort::Same,
    template: b"\x32\x01\0\x04\0\0\0\0\0\0\0\0",
    patch,
    check,
};

const SEQUENCE_AT: usize = 8;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, SEQUENCE_AT, low16(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<10>(reply, 0) {
        // Version 1, protocol type GTP, sequence number present; echo response.
        Some([flags, 2, .., a, b]) if flags & 0xf2 == 0x32 => judge([a, b] == low16(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_sequence_number_comes_back() {
        round_trip(&GTP, |request| {
            [&[0x32, 2, 0, 6, 0, 0, 0, 0], &request[8..12], &[14, 0]].concat()
        });
    }
}
