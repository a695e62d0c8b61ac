//! `OpenVPN`.

use super::field::{get, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A client's hard reset, version 2, key 0. Servers with `tls-auth` or `tls-crypt` stay silent.
pub(super) static OPENVPN: UdpProbe = UdpProbe {
    name: "openvpn",
    source: "OpenVPN, \"Network protocol\": reliability layer, P_CONTROL_HARD_RESET_CLIENT_V2",
    reply_port: ReplyPort::Same,
    template: b"\x38\0\0\0\0\0\0\0\0\0\0\0\0\0",
    patch,
    check,
};

/// The opcode is the first octet's upper five bits.
const HARD_RESET_SERVER_V2: u8 = 8;
const SESSION_ID_AT: usize = 1;
/// Number of acknowledged packet ids; the ids follow, then the session id they belong to: ours.
const ACK_COUNT_AT: usize = 9;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, SESSION_ID_AT, cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match (reply.first(), reply.get(ACK_COUNT_AT)) {
        (Some(first), Some(&acks @ 1..=8)) if first >> 3 == HARD_RESET_SERVER_V2 => {
            let at = ACK_COUNT_AT + 1 + 4 * usize::from(acks);
            get::<8>(reply, at).map_or(Echo::Unknown, |id| judge(id == cookie.to_be_bytes()))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_session_id_comes_back_with_the_acknowledgement() {
        round_trip(&OPENVPN, |request| {
            assert_eq!((request[0] >> 3, request[0] & 7, request.len()), (7, 0, 14));
            [&[0x40][..], b"SRVRSESS", &[1, 0, 0, 0, 0], &request[1..9], &[0; 4]].concat()
        });
    }
}
