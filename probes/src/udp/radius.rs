//! The Remote Authentication Dial-In User Service.

use super::field::{concat, get, judge, low8, put};
use super::{Echo, ReplyPort, UdpProbe};

/// An Access-Request for a user that nobody has: a server that knows us as a client rejects it,
/// others say nothing.
///
/// Without the shared secret the hidden password is noise; no account is asked about.
pub(super) static RADIUS: UdpProbe = UdpProbe {
    name: "radius",
    source: "RFC 2865 §3, §4.1, §5.1, §5.2, §5.32",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

const ID_AT: usize = 1;
const AUTHENTICATOR_AT: usize = 4;
/// Code, identifier, length, authenticator; user name, user password, NAS identifier.
const TEMPLATE: [u8; 66] = concat(&[
    &[1, 0, 0, 66],
    &[0; 16],
    b"\x01\x12portolan@invalid",
    b"\x02\x12portolan-probe-0",
    b"\x20\x0aportolan",
]);

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, ID_AT, [low8(cookie)]);
    put(payload, AUTHENTICATOR_AT, cookie.to_be_bytes());
    put(payload, AUTHENTICATOR_AT + 8, cookie.to_be_bytes());
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    match get::<4>(reply, 0) {
        // Access-Accept, Access-Reject or Access-Challenge, as long as it says.
        Some([2 | 3 | 11, id, a, b]) if usize::from(u16::from_be_bytes([a, b])) == reply.len() => {
            judge(id == low8(cookie))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn attributes_fill_the_length() {
        let (head, mut rest) = TEMPLATE.split_at(20);
        assert_eq!(usize::from(head[3]), TEMPLATE.len());
        let mut types = Vec::new();
        while let [kind, len, ..] = rest {
            types.push(*kind);
            rest = &rest[usize::from(*len)..];
        }
        assert_eq!(types, [1, 2, 32]);
    }

    #[test]
    fn the_identifier_comes_back() {
        round_trip(&RADIUS, |request| [&[3, request[1], 0, 20], &[7; 16][..]].concat());
    }
}
