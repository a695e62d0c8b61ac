//! Connectionless LDAP.

use super::field::{ber30, judge, put};
use super::{Echo, ReplyPort, UdpProbe, ber};

/// A search for the root entry with no attributes (`1.1`): the answer names it and no more.
///
/// Asking for all attributes is what makes directory servers amplifiers.
pub(super) static CLDAP: UdpProbe = UdpProbe {
    name: "cldap",
    source: "RFC 1798; RFC 4511 §4.1.1, §4.5.1",
    reply_port: ReplyPort::Same,
    template: b"\x30\x2d\x02\x04\x40\0\0\0\
        \x63\x25\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\
        \x87\x0bobjectClass\x30\x05\x04\x031.1",
    patch,
    check,
};

const MESSAGE_ID_AT: usize = 4;
/// Application tags 4 and 5, constructed.
const SEARCH_RESULT: [u8; 2] = [0x64, 0x65];

fn patch(payload: &mut [u8], cookie: u64) {
    put(payload, MESSAGE_ID_AT, ber30(cookie));
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    let found = ber::expect(reply, ber::SEQUENCE)
        .and_then(|(message, _)| ber::expect(message, ber::INTEGER));
    match found {
        Some((id, [operation, ..])) if SEARCH_RESULT.contains(operation) => {
            judge(id == ber30(cookie))
        }
        _ => Echo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_request_is_well_formed() {
        ber::assert_well_formed(CLDAP.template());
    }

    #[test]
    fn the_message_id_comes_back() {
        round_trip(&CLDAP, |request| {
            [&[0x30, 0x0c], &request[2..8], &[0x64, 4, 4, 0, 0x30, 0]].concat()
        });
    }
}
