//! Remote Management Control (IPMI's carrier).

use super::field::{get, judge, low8, put};
use super::{Echo, ReplyPort, UdpProbe};

/// ASF presence ping, which every baseboard controller answers with a pong of 28 octets.
pub(super) static RMCP: UdpProbe = UdpProbe {
    name: "rmcp",
    source: "DMTF DSP0136 (ASF 2.0) §3.2.4.2; IPMI 2.0 §13.2.3",
    reply_port: ReplyPort::Same,
    template: b"\x06\0\xff\x06\0\0\x11\xbe\x80\0\0\0",
    patch,
    check,
};

const TAG_AT: usize = 9;

/// Tag 255 would ask for no answer.
const fn tag(cookie: u64) -> u8 {
    low8(cookie) & 0x7f
}

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, TAG_AT, [tag(cookie)]);
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<10>(reply, 0) {
        Some([6, _, _, 6, 0, 0, 0x11, 0xbe, 0x40, found]) => judge(found == tag(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_tag_comes_back() {
        round_trip(&RMCP, |request| {
            [&request[..8], &[0x40], &request[9..10], &[0, 16], &[0; 16]].concat()
        });
    }
}
