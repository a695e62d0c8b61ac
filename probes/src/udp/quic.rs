//! QUIC.

use super::field::{concat, get, is_at, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A long header of a version that is reserved to be unknown, padded to 1,200 octets: the server
/// must answer with Version Negotiation, some thirty octets, and keeps no state.
pub(super) static QUIC: UdpProbe = UdpProbe {
    name: "quic",
    source: "RFC 9000 §6, §14.1, §15, §17.2.1; RFC 8999 §6",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

/// Shorter datagrams get no answer.
const LEN: usize = 1_200;
const DESTINATION_ID_AT: usize = 6;
const SOURCE_ID_AT: usize = 15;

const TEMPLATE: [u8; LEN] = concat(&[
    &[0xc0, 0x1a, 0x2a, 0x3a, 0x4a],
    &[8, 0, 0, 0, 0, 0, 0, 0, 0],
    &[8, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0; LEN - 23],
]);

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, DESTINATION_ID_AT, cookie.to_be_bytes());
    put(payload, SOURCE_ID_AT, cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let negotiates =
        reply.first().is_some_and(|first| first & 0x80 != 0) && is_at(reply, 1, &[0, 0, 0, 0]);
    if !negotiates {
        return Echo::Unknown;
    }
    // Each of our ids comes back as the other one.
    let ours = |at| {
        get::<9>(reply, at).is_some_and(|[len, id @ ..]| len == 8 && id == cookie.to_be_bytes())
    };
    judge(ours(DESTINATION_ID_AT - 1) && ours(SOURCE_ID_AT - 1))
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_version_is_reserved() {
        // RFC 9000 §15: versions 0x?a?a?a?a are for forcing negotiation.
        assert!(TEMPLATE[1..5].iter().all(|octet| octet & 0x0f == 0x0a));
    }

    #[test]
    fn connection_ids_come_back_swapped() {
        round_trip(&QUIC, |request| {
            let (destination, source) = (&request[5..14], &request[14..23]);
            [&[0x80, 0, 0, 0, 0], source, destination, &[0, 0, 0, 1]].concat()
        });
    }
}
