//! The Domain Name System, and its multicast twin.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `version.bind CH TXT`: answered or refused by resolvers and authorities alike, in few octets.
///
/// The name is BIND's; RFC 4892 §3 tells its history.
pub(super) static DNS: UdpProbe = UdpProbe {
    name: "dns",
    source: "RFC 1035 §4.1; RFC 4892",
    reply_port: ReplyPort::Same,
    template: b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03",
    patch,
    check,
};

/// Which services there are, as a legacy unicast query: the answer repeats our id.
pub(super) static MDNS: UdpProbe = UdpProbe {
    name: "mdns",
    source: "RFC 6762 §6.7; RFC 6763 §9",
    reply_port: ReplyPort::Same,
    template: b"\0\0\0\0\0\x01\0\0\0\0\0\0\
        \x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\0\x01",
    patch,
    check,
};

/// Octets of a message's header.
const HEADER_LEN: usize = 12;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, 0, low16(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<HEADER_LEN>(reply, 0) {
        // The QR bit: a response.
        Some([a, b, flags, ..]) if flags & 0x80 != 0 => judge([a, b] == low16(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    /// Labels, type and class of the one question.
    fn question(message: &[u8]) -> (Vec<String>, u16, u16) {
        assert_eq!(message[4..12], [0, 1, 0, 0, 0, 0, 0, 0], "one question and nothing else");
        let mut rest = &message[12..];
        let mut labels = Vec::new();
        loop {
            let (len, tail) = (usize::from(rest[0]), &rest[1..]);
            rest = tail;
            if len == 0 {
                break;
            }
            labels.push(String::from_utf8(rest[..len].to_vec()).unwrap());
            rest = &rest[len..];
        }
        let [t1, t2, c1, c2] = rest.try_into().expect("type and class end the message");
        (labels, u16::from_be_bytes([t1, t2]), u16::from_be_bytes([c1, c2]))
    }

    #[test]
    fn questions_read_back() {
        let (labels, kind, class) = question(DNS.template());
        assert_eq!((labels.join(".").as_str(), kind, class), ("version.bind", 16, 3));
        let (labels, kind, class) = question(MDNS.template());
        assert_eq!(labels.join("."), "_services._dns-sd._udp.local");
        assert_eq!((kind, class), (12, 1));
    }

    #[test]
    fn the_id_comes_back() {
        for probe in [&DNS, &MDNS] {
            round_trip(probe, |request| {
                let mut reply = request.to_vec();
                reply[2] |= 0x80;
                reply
            });
            // A reflected query is not an answer.
            assert_eq!(probe.check(probe.template(), 0), Echo::Unknown);
        }
    }
}
