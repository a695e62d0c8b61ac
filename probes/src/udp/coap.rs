//! The Constrained Application Protocol.

use super::field::{get, judge, low16, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A confirmable `GET /` with a token of eight octets: mostly a 4.04 of twelve.
///
/// Not `/.well-known/core`, whose answer is many times its question.
pub(super) static COAP: UdpProbe = UdpProbe {
    name: "coap",
    source: "RFC 7252 §3, §4.2, §5.3.1",
    reply_port: ReplyPort::Same,
    template: b"\x48\x01\0\0\0\0\0\0\0\0\0\0",
    patch,
    check,
};

const MESSAGE_ID_AT: usize = 2;
const TOKEN_AT: usize = 4;

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, MESSAGE_ID_AT, low16(cookie));
    put(payload, TOKEN_AT, cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let Some([first, code, id @ ..]) = get::<4>(reply, 0) else {
        return Echo::Unknown;
    };
    if first >> 6 != 1 {
        return Echo::Unknown;
    }
    match (first >> 4 & 3, first & 0x0f) {
        // An acknowledgement or a reset repeats the message id, a response the token.
        (2 | 3, 0) => judge(id == low16(cookie)),
        // Code classes 2 to 5; a lower one is a request.
        (_, 8) if code >> 5 >= 2 => judge(get::<8>(reply, TOKEN_AT) == Some(cookie.to_be_bytes())),
        (2 | 3, _) if code >> 5 >= 2 => Echo::Contradicted,
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_token_comes_back_in_responses() {
        // Piggybacked 4.04, and a separate confirmable response with its own message id.
        round_trip(&COAP, |request| [&[0x68, 0x84], &request[2..]].concat());
        round_trip(&COAP, |request| [&[0x48, 0x84, 0xab, 0xcd], &request[4..]].concat());
    }

    #[test]
    fn the_message_id_comes_back_in_a_reset() {
        round_trip(&COAP, |request| [&[0x70, 0], &request[2..4]].concat());
    }
}
