//! Rx, the remote procedure call of AFS.

use super::field::{get, judge, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A version packet, which every Rx endpoint answers with a text of its version.
pub(super) static RX: UdpProbe = UdpProbe {
    name: "afs3-rx",
    source: "Zeldovich, \"Rx protocol specification draft\": packet type 13",
    reply_port: ReplyPort::Same,
    // Epoch, connection, call, sequence, serial; type 13, client-initiated and last; the rest zero.
    template: b"\0\0\x03\xe7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0d\x05\0\0\0\0\0\0\0",
    patch: |payload, cookie| put(payload, CALL_AT, low32(cookie)),
    check,
};

const CALL_AT: usize = 8;
const TYPE_AT: usize = 20;

fn check(reply: &[u8], cookie: u64) -> Echo {
    match (get::<2>(reply, TYPE_AT), get::<4>(reply, CALL_AT)) {
        // From the server: not client-initiated.
        (Some([13, flags]), Some(call)) if flags & 1 == 0 => judge(call == low32(cookie)),
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_calls_number_comes_back() {
        round_trip(&RX, |request| {
            [&request[..20], &[13, 4], &request[22..28], b" OpenAFS 1.8.9\0"].concat()
        });
    }
}
