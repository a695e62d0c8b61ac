//! Remote Management Control (IPMI's carrier).

use super::field::{confirmed_if, get, is_at, judge, low8, patch_nothing, put};
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

/// Get Channel Authentication Capabilities, which needs no session: which versions of IPMI, and
/// whose extensions.
pub(super) static IPMI: UdpProbe = UdpProbe {
    name: "ipmi",
    source: "IPMI 2.0 §13.6, §22.13",
    reply_port: ReplyPort::Same,
    // RMCP, IPMI class; no authentication, sequence and session 0, nine octets: to the controller
    // 0x20 for application 6, from 0x81, sequence 0, command 0x38 of channel 14 (this one, with
    // version 2.0 data) for an administrator.
    template: b"\x06\0\xff\x07\0\0\0\0\0\0\0\0\0\x09\x20\x18\xc8\x81\0\x38\x8e\x04\xb5",
    patch: patch_nothing,
    check: |reply, _| {
        // To our address 0x81, with the number of the response function.
        let answers = is_at(reply, 0, &[6, 0, 0xff, 7]) && is_at(reply, 14, &[0x81, 0x1c]);
        confirmed_if(answers && is_at(reply, 19, &[0x38]))
    },
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
