//! The Routing Information Protocol.

use super::field::{confirmed_if, get, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A request for one documentation network, 192.0.2.0/24: never for the whole table.
///
/// A router fills in the metric and sends the datagram back, the next hop as it was.
pub(super) static RIP: UdpProbe = UdpProbe {
    name: "rip",
    source: "RFC 2453 §3.9.1, §4",
    reply_port: ReplyPort::Same,
    template: b"\x01\x02\0\0\0\x02\0\0\xc0\0\x02\0\xff\xff\xff\0\0\0\0\0\0\0\0\x10",
    patch,
    check,
};

const NEXT_HOP_AT: usize = 16;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, NEXT_HOP_AT, low32(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let found = reply.starts_with(&[2]) && get(reply, NEXT_HOP_AT) == Some(low32(cookie));
    confirmed_if(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_request_is_for_one_network() {
        let [command, version, _, _, family_1, family_2, ..] = RIP.template() else {
            panic!("a header and an entry");
        };
        // Family 0 with metric 16 alone would ask for everything.
        assert_eq!((*command, *version, *family_1, *family_2), (1, 2, 0, 2));
        assert_eq!(RIP.template().len(), 4 + 20);
    }

    #[test]
    fn the_next_hop_comes_back() {
        round_trip(&RIP, |request| [&[2], &request[1..]].concat());
    }
}
