//! Datagram TLS.

use super::field::{concat, confirmed_if, get, is_at, low32, put};
use super::{Echo, ReplyPort, UdpProbe};

/// A `ClientHello` of version 1.2 without a cookie: the server answers with a short
/// `HelloVerifyRequest` under the same record sequence number.
pub(super) static DTLS: UdpProbe = UdpProbe {
    name: "dtls",
    source: "RFC 6347 §4.2.1; RFC 5246 §7.4.1.2",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

const SEQUENCE_AT: usize = 5;
const RANDOM_AT: usize = 27;

const TEMPLATE: [u8; 117] = concat(&[
    // Record: handshake, version 1.0 as initial records have, epoch 0, sequence number, length.
    &[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 104],
    // Handshake: ClientHello, length, message 0, fragment offset and length.
    &[1, 0, 0, 92, 0, 0, 0, 0, 0, 0, 0, 92],
    // Version 1.2, random, no session id, no cookie.
    &[0xfe, 0xfd],
    &[0; 32],
    &[0, 0],
    // Nine suites: ECDHE and RSA with AES, CCM-8 as constrained devices have, secure renegotiation.
    &[0, 18, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x0a, 0xc0, 0x14, 0, 0x9c, 0, 0x2f],
    &[0xc0, 0xae, 0xc0, 0xa8, 0, 0xff],
    // Compression: none.
    &[1, 0],
    // Extensions: groups, point formats, signature algorithms.
    &[0, 32],
    &[0, 10, 0, 8, 0, 6, 0, 0x1d, 0, 0x17, 0, 0x18],
    &[0, 11, 0, 2, 1, 0],
    &[0, 13, 0, 10, 0, 8, 4, 3, 8, 4, 4, 1, 2, 1],
]);

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, SEQUENCE_AT + 2, low32(cookie));
    put(payload, RANDOM_AT, cookie.to_be_bytes());
}

/// Only a match says anything: a server that skips the verification counts from zero.
fn check(reply: &[u8], cookie: u64) -> Echo {
    let verifies = is_at(reply, 0, &[22, 0xfe]) && is_at(reply, 13, &[3]);
    let [a, b, c, d] = low32(cookie);
    confirmed_if(verifies && get(reply, SEQUENCE_AT) == Some([0, 0, a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn lengths_nest() {
        let len = |at: usize| usize::from(u16::from_be_bytes([TEMPLATE[at], TEMPLATE[at + 1]]));
        assert_eq!(13 + len(11), TEMPLATE.len());
        assert_eq!(25 + len(15), TEMPLATE.len());
        assert_eq!(TEMPLATE[14..17], TEMPLATE[22..25], "one fragment is the whole");
        let suites_at = RANDOM_AT + 32 + 2;
        let extensions_at = suites_at + 2 + len(suites_at) + 2;
        let mut at = extensions_at + 2;
        assert_eq!(at + len(extensions_at), TEMPLATE.len());
        let mut kinds = Vec::new();
        while at < TEMPLATE.len() {
            kinds.push(len(at));
            at += 4 + len(at + 2);
        }
        assert_eq!((at, kinds), (TEMPLATE.len(), vec![10, 11, 13]));
    }

    #[test]
    fn the_record_number_comes_back() {
        round_trip(&DTLS, |request| {
            [&[22, 0xfe, 0xff], &request[3..11], &[0, 15, 3, 0, 0, 3]].concat()
        });
    }

    /// The beginning of what OpenSSL 3.0 answers while it listens.
    #[test]
    fn a_real_servers_verification_confirms() {
        const REPLY: [u8; 40] = [
            0x16, 0xfe, 0xff, 0x00, 0x00, 0x00, 0x00, 0xde, 0xad, 0xbe, 0xef, 0x00, 0x23, 0x03,
            0x00, 0x00, 0x17, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x17, 0xfe, 0xff, 0x14,
            0xf5, 0x33, 0x7b, 0x7c, 0xb0, 0xb1, 0x2b, 0xf7, 0x46, 0x34, 0xc3, 0xc9,
        ];
        assert_eq!(DTLS.check(&REPLY, 0xdead_beef), Echo::Confirmed);
        assert_eq!(DTLS.check(&REPLY, 0xdead_beee), Echo::Unknown);
    }
}
