//! Echo, and the other small services that answer anything.

use super::field::{check_nothing, contains, hex, judge, patch_nothing, put};
use super::{Echo, ReplyPort, UdpProbe};

/// Sixteen digits, which come back as they are.
pub(super) static ECHO: UdpProbe = UdpProbe {
    name: "echo",
    source: "RFC 862",
    reply_port: ReplyPort::Same,
    template: b"0000000000000000",
    patch: |payload, cookie| put(payload, 0, hex(cookie)),
    check: |reply, cookie| match reply.len() {
        16 => judge(contains(reply, &hex(cookie))),
        _ => Echo::Unknown,
    },
};

/// One empty line, for services that answer whatever comes: systat, daytime, qotd, chargen, time.
pub(super) static ANY_DATAGRAM: UdpProbe = UdpProbe {
    name: "any-datagram",
    source: "RFC 866; RFC 867; RFC 865; RFC 864; RFC 868",
    reply_port: ReplyPort::Same,
    template: b"\r\n",
    patch: patch_nothing,
    check: check_nothing,
};

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_payload_comes_back() {
        round_trip(&ECHO, <[u8]>::to_vec);
    }
}
