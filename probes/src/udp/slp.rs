//! The Service Location Protocol.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// Which types of service there are: the shortest of its lists.
pub(super) static SLP: UdpProbe = UdpProbe {
    name: "slp",
    source: "RFC 2608 §8, §10.1",
    reply_port: ReplyPort::Same,
    template: b"\x02\x09\0\0\x1d\0\0\0\0\0\0\0\0\x02en\0\0\xff\xff\0\x07default",
    patch,
    check,
};

const XID_AT: usize = 10;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, XID_AT, low16(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<2>(reply, XID_AT) {
        // Version 2, service type reply.
        Some(id) if reply.starts_with(&[2, 10]) => judge(id == low16(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_length_is_the_datagrams() {
        assert_eq!(usize::from(SLP.template()[4]), SLP.template().len());
    }

    #[test]
    fn the_transaction_id_comes_back() {
        round_trip(&SLP, |request| [&[2, 10, 0, 0, 20], &request[5..16], &[0, 0, 0, 0]].concat());
    }
}
