//! Inter-Asterisk eXchange.

use super::field::{get, judge, low16, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `POKE`, the call-less ping: a full frame, answered by `PONG` with the same timestamp.
pub(super) static IAX2: UdpProbe = UdpProbe {
    name: "iax2",
    source: "RFC 5456 §6.7, §8.1.1",
    reply_port: ReplyPort::Same,
    template: b"\x80\x01\0\0\0\0\0\0\0\0\x06\x1e",
    patch,
    check,
};

const TIMESTAMP_AT: usize = 4;

/// Fifteen bits, not zero, beneath the full frame's bit.
const fn source_call(cookie: u64) -> [u8; 2] {
    match low16(cookie) {
        [0 | 0x80, 0] => [0x80, 1],
        [a, b] => [a | 0x80, b],
    }
}

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, 0, source_call(cookie));
    put(payload, TIMESTAMP_AT, low32(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<12>(reply, 0) {
        // A full IAX frame: our call number is its destination.
        Some([first, _, a, b, _, _, _, _, _, _, 6, _]) if first & 0x80 != 0 => {
            judge([a | 0x80, b] == source_call(cookie))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_call_number_comes_back() {
        round_trip(&IAX2, |request| {
            let destination = [request[0] & 0x7f, request[1]];
            [&[0x80, 7], &destination[..], &request[4..8], &[0, 1, 6, 3]].concat()
        });
    }
}
