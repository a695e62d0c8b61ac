//! Internet Key Exchange, versions 2 and 1.

use super::field::{concat, get, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `IKE_SA_INIT` with the algorithms that most gateways still know; a refusal is an answer too.
pub(super) static IKE_V2: UdpProbe = UdpProbe {
    name: "ike",
    source: "RFC 7296 §1.2, §3",
    reply_port: ReplyPort::Same,
    template: &SA_INIT,
    patch: |payload, cookie| patch(payload, 0, cookie),
    check: |reply, cookie| check(reply, 0, cookie),
};

/// Main mode of version 1, for gateways that know no other.
pub(super) static IKE_V1: UdpProbe = UdpProbe {
    name: "ike",
    source: "RFC 2408 §3; RFC 2409 §5; RFC 2407 §4.6",
    reply_port: ReplyPort::Same,
    template: &MAIN_MODE,
    patch: |payload, cookie| patch(payload, 0, cookie),
    check: |reply, cookie| check(reply, 0, cookie),
};

/// `IKE_SA_INIT` behind the four zero octets that tell it from ESP on port 4500.
pub(super) static IKE_V2_NAT: UdpProbe = UdpProbe {
    name: "ike-nat-t",
    source: "RFC 3948 §2.2; RFC 7296 §2.23",
    reply_port: ReplyPort::Same,
    template: &NAT_SA_INIT,
    patch: |payload, cookie| patch(payload, NON_ESP_MARKER.len(), cookie),
    check: |reply, cookie| check(reply, NON_ESP_MARKER.len(), cookie),
};

const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// RFC 7296 §3.1.
const RESPONSE_FLAG: u8 = 0x20;
/// RFC 2408 §3.1: the exchange that carries a refusal.
const INFORMATIONAL_V1: u8 = 5;

/// Header: SPIs, next payload 33 (SA), version 2.0, exchange 34, initiator, message 0, length.
const SA_INIT: [u8; 420] = concat(&[
    &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0x20, 34, 8, 0, 0, 0, 0, 0, 0, 1, 0xa4],
    // Security association, then 34 (key exchange): one proposal of nine transforms for IKE.
    &[34, 0, 0, 92, 0, 0, 0, 88, 1, 1, 0, 9],
    &[3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 1, 0], // AES-CBC, 256 bits
    &[3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 0, 128], // AES-CBC, 128 bits
    &[3, 0, 0, 8, 1, 0, 0, 3],                   // 3DES
    &[3, 0, 0, 8, 2, 0, 0, 5],                   // PRF_HMAC_SHA2_256
    &[3, 0, 0, 8, 2, 0, 0, 2],                   // PRF_HMAC_SHA1
    &[3, 0, 0, 8, 3, 0, 0, 12],                  // AUTH_HMAC_SHA2_256_128
    &[3, 0, 0, 8, 3, 0, 0, 2],                   // AUTH_HMAC_SHA1_96
    &[3, 0, 0, 8, 4, 0, 0, 14],                  // 2048-bit MODP
    &[0, 0, 0, 8, 4, 0, 0, 2],                   // 1024-bit MODP
    // Key exchange, then 40 (nonce): group 14; any number below the prime is a public value.
    &[40, 0, 1, 8, 0, 14, 0, 0],
    &[0x5a; 256],
    // Nonce, the last payload.
    &[0, 0, 0, 36],
    &[0xa5; 32],
]);

const NAT_SA_INIT: [u8; 424] = concat(&[&NON_ESP_MARKER, &SA_INIT]);

/// Header: cookies, next payload 1 (SA), version 1.0, main mode, no flags, message 0, length.
const MAIN_MODE: [u8; 116] = concat(&[
    &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 116],
    // Security association: IPsec DOI, identity only; one ISAKMP proposal of two transforms.
    &[0, 0, 0, 88, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 76, 1, 1, 0, 2],
    // AES of 128 bits, SHA-1, pre-shared key, group 14, 28,800 seconds.
    &[3, 0, 0, 36, 1, 1, 0, 0, 0x80, 1, 0, 7, 0x80, 14, 0, 128, 0x80, 2, 0, 2],
    &[0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 11, 0, 1, 0x80, 12, 0x70, 0x80],
    // 3DES, SHA-1, pre-shared key, group 2, 28,800 seconds.
    &[0, 0, 0, 32, 2, 1, 0, 0, 0x80, 1, 0, 5, 0x80, 2, 0, 2],
    &[0x80, 3, 0, 1, 0x80, 4, 0, 2, 0x80, 11, 0, 1, 0x80, 12, 0x70, 0x80],
]);

/// The initiator's SPI must not be zero (RFC 7296 §2.6).
const fn spi(cookie: u64) -> [u8; 8] {
    if cookie == 0 { 1_u64.to_be_bytes() } else { cookie.to_be_bytes() }
}

fn patch(payload: &mut [u8], at: usize, cookie: u64) {
    put(payload, at, spi(cookie));
}

fn check(reply: &[u8], at: usize, cookie: u64) -> Echo {
    let (Some(initiator), Some(responder), Some([_, version, exchange, flags, ..])) =
        (get::<8>(reply, at), get::<8>(reply, at + 8), get::<12>(reply, at + 16))
    else {
        return Echo::Unknown;
    };
    // What tells an answer from our own request come back.
    let answers = match version >> 4 {
        2 => flags & RESPONSE_FLAG != 0,
        1 => exchange == INFORMATIONAL_V1 || responder != [0; 8],
        _ => false,
    };
    if answers { judge(initiator == spi(cookie)) } else { Echo::Unknown }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    /// Payload types in order; lengths must add up to the message's.
    fn payloads(message: &[u8]) -> Vec<u8> {
        let len = u32::from_be_bytes(message[24..28].try_into().unwrap());
        assert_eq!(usize::try_from(len).unwrap(), message.len());
        let mut next = message[16];
        let mut rest = &message[28..];
        let mut found = Vec::new();
        while next != 0 {
            found.push(next);
            next = rest[0];
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        found
    }

    /// Transforms of the first proposal, whose lengths must add up to the proposal's.
    fn transforms(proposal: &[u8]) -> usize {
        let len = usize::from(u16::from_be_bytes([proposal[2], proposal[3]]));
        assert_eq!(len, proposal.len());
        let mut rest = &proposal[8..];
        let mut count = 0;
        while !rest.is_empty() {
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            assert_eq!(rest[0] == 0, rest.len() == len, "only the last is marked as last");
            rest = &rest[len..];
            count += 1;
        }
        assert_eq!(usize::from(proposal[7]), count);
        count
    }

    #[test]
    fn payloads_chain_to_the_end() {
        assert_eq!(payloads(&SA_INIT), [33, 34, 40]);
        assert_eq!(payloads(&MAIN_MODE), [1]);
        assert_eq!(transforms(&SA_INIT[32..120]), 9);
        assert_eq!(transforms(&MAIN_MODE[40..]), 2);
        assert_eq!(payloads(&NAT_SA_INIT[4..]), [33, 34, 40]);
    }

    #[test]
    fn the_initiators_spi_comes_back() {
        for (probe, skip) in [(&IKE_V2, 0), (&IKE_V1, 0), (&IKE_V2_NAT, 4)] {
            round_trip(probe, |request| {
                let mut reply = request.to_vec();
                reply[skip + 8..skip + 16].copy_from_slice(b"responds");
                reply[skip + 19] = RESPONSE_FLAG;
                reply
            });
        }
    }
}
