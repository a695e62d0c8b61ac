//! Kerberos.

use super::field::{concat, confirmed_if, contains, hex, put};
use super::{Echo, ReplyPort, UdpProbe};

/// An `AS-REQ` for a realm that can't exist (RFC 6761 §6.4): the answer is a small `KRB-ERROR`,
/// and no principal's counter of failures moves.
pub(super) static KERBEROS: UdpProbe = UdpProbe {
    name: "kerberos",
    source: "RFC 4120 §5.4.1, §5.9.1, §7.2.1",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

/// Up to the second component of the server's name.
const HEAD: &[u8] = b"\x6a\x81\x96\x30\x81\x93\
    \xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\
    \xa4\x81\x86\x30\x81\x83\
    \xa0\x07\x03\x05\0\0\0\0\0\
    \xa1\x15\x30\x13\xa0\x03\x02\x01\x01\xa1\x0c\x30\x0a\x1b\x08portolan\
    \xa2\x12\x1b\x10PORTOLAN.INVALID\
    \xa3\x25\x30\x23\xa0\x03\x02\x01\x02\xa1\x1c\x30\x1a\x1b\x06krbtgt\x1b\x10";
/// End of validity, nonce, and AES-256, AES-128, RC4.
const TAIL: &[u8] = b"\xa5\x11\x18\x0f20370101000000Z\
    \xa7\x06\x02\x04\x40\0\0\0\
    \xa8\x0b\x30\x09\x02\x01\x12\x02\x01\x11\x02\x01\x17";
const TEMPLATE: [u8; 153] = concat(&[HEAD, b"0000000000000000", TAIL]);

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, HEAD.len(), hex(cookie));
}

/// A `KRB-ERROR` names the server that was asked for.
fn check(reply: &[u8], cookie: u64) -> Echo {
    confirmed_if(reply.starts_with(&[KRB_ERROR]) && contains(reply, &hex(cookie)))
}

/// Application tag 30, constructed.
const KRB_ERROR: u8 = 0x7e;

#[cfg(test)]
mod tests {
    use super::super::ber;
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_request_is_well_formed() {
        ber::assert_well_formed(&TEMPLATE);
    }

    #[test]
    fn the_servers_name_comes_back() {
        round_trip(&KERBEROS, |request| [&[KRB_ERROR, 0x60], &request[80..125]].concat());
    }
}
