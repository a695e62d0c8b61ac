//! The Session Initiation Protocol.

use super::field::{concat, contains, hex, judge, put};
use super::{Echo, ReplyPort, UdpProbe};

/// `OPTIONS` with `Max-Forwards: 0`, so that whoever receives it answers and nobody passes it on.
pub(super) static SIP: UdpProbe = UdpProbe {
    name: "sip",
    source: "RFC 3261 §11, §8.1.1; RFC 3581 §3",
    reply_port: ReplyPort::Same,
    template: &TEMPLATE,
    patch,
    check,
};

const TO_BRANCH: &[u8] = b"OPTIONS sip:portolan.invalid SIP/2.0\r\n\
    Via: SIP/2.0/UDP portolan.invalid;rport;branch=z9hG4bK";
const TO_TAG: &[u8] = b"\r\nMax-Forwards: 0\r\n\
    From: <sip:probe@portolan.invalid>;tag=";
const TO_CALL_ID: &[u8] = b"\r\nTo: <sip:portolan.invalid>\r\nCall-ID: ";
const TAIL: &[u8] = b"@portolan.invalid\r\nCSeq: 1 OPTIONS\r\n\
    Accept: application/sdp\r\nContent-Length: 0\r\n\r\n";
const ZERO: &[u8] = b"0000000000000000";

const BRANCH_AT: usize = TO_BRANCH.len();
const TAG_AT: usize = BRANCH_AT + ZERO.len() + TO_TAG.len();
const CALL_ID_AT: usize = TAG_AT + ZERO.len() + TO_CALL_ID.len();
const TEMPLATE: [u8; CALL_ID_AT + ZERO.len() + TAIL.len()] =
    concat(&[TO_BRANCH, ZERO, TO_TAG, ZERO, TO_CALL_ID, ZERO, TAIL]);

fn patch(payload: &mut [u8], cookie: u64) {
    for at in [BRANCH_AT, TAG_AT, CALL_ID_AT] {
        put(payload, at, hex(cookie));
    }
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    if !reply.starts_with(b"SIP/2.0 ") {
        return Echo::Unknown;
    }
    // Via, From and Call-ID are all copied (§8.2.6.2); one of them is proof enough.
    judge(contains(reply, &hex(cookie)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn every_mandatory_header_is_there_once() {
        let text = str::from_utf8(&TEMPLATE).unwrap();
        assert!(text.ends_with("\r\n\r\n"));
        assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Content-Length"] {
            let lines = text.lines().filter(|l| l.starts_with(&format!("{name}: "))).count();
            assert_eq!(lines, 1, "{name}");
        }
        assert!(text.contains(";branch=z9hG4bK0000000000000000\r\n"));
        assert!(text.contains("\r\nCall-ID: 0000000000000000@"));
    }

    #[test]
    fn the_branch_comes_back() {
        round_trip(&SIP, |request| {
            let text = str::from_utf8(request).unwrap();
            let via = text.lines().find(|line| line.starts_with("Via")).unwrap();
            format!("SIP/2.0 483 Too Many Hops\r\n{via};received=10.0.0.1\r\n\r\n").into_bytes()
        });
    }
}
