//! The gossip of memberlist, which Serf, Consul and Nomad speak.

use super::field::{concat, get, judge, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A ping to whichever node this is; members that encrypt their gossip say nothing.
pub(super) static MEMBERLIST: UdpProbe = UdpProbe {
    name: "memberlist",
    source: "memberlist (MPL-2.0), net.go: message types, ping, ackResp; MessagePack specification",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch: |payload, cookie| put(payload, SEQUENCE_AT, low32(cookie)),
    check,
};

const HEAD: &[u8] = b"\0\x82\xa5SeqNo\xce";
const SEQUENCE_AT: usize = HEAD.len();
const TEMPLATE: [u8; HEAD.len() + 4 + 6] = concat(&[HEAD, &[0; 4], b"\xa4Node\xa0"]);

/// An acknowledgement has the sequence number as an integer of whatever width it needs.
fn check(reply: &[u8], cookie: u64) -> Echo {
    let [2, rest @ ..] = reply else { return Echo::Unknown };
    let name = b"\xa5SeqNo";
    let at = rest.windows(name.len()).take(256).position(|window| window == name);
    let Some(value) = at.and_then(|at| rest.get(at + name.len()..)) else {
        return Echo::Unknown;
    };
    let number = match value {
        [0xce, ..] => get::<4>(value, 1),
        [0xcd, a, b, ..] => Some([0, 0, *a, *b]),
        [0xcc, a, ..] | [a @ 0..=0x7f, ..] => Some([0, 0, 0, *a]),
        _ => None,
    };
    number.map_or(Echo::Unknown, |number| judge(number == low32(cookie)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_sequence_number_comes_back() {
        round_trip(&MEMBERLIST, |request| {
            [b"\x02\x82\xa5SeqNo\xce", &request[SEQUENCE_AT..SEQUENCE_AT + 4], b"\xa7Payload\xc0"]
                .concat()
        });
    }
}
