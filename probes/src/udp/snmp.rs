//! Simple Network Management, versions 1, 2c and 3.

use super::field::{ber30, judge, put};
use super::{Echo, ReplyPort, UdpProbe, ber};

/// `sysDescr.0` of the community `public`, in version 1, which every agent that has communities
/// speaks.
pub(super) static SNMP_V1: UdpProbe = UdpProbe {
    name: "snmp",
    source: "RFC 1157 §4.1; RFC 3418",
    reply_port: ReplyPort::Same,
    template: b"\x30\x29\x02\x01\0\x04\x06public\
        \xa0\x1c\x02\x04\x40\0\0\0\x02\x01\0\x02\x01\0\
        \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x05\0",
    patch: patch_v1,
    check,
};

/// The same in version 2c, for agents that have left version 1 behind.
pub(super) static SNMP_V2C: UdpProbe = UdpProbe {
    name: "snmp",
    source: "RFC 1901 §3; RFC 3416 §4.2.1",
    reply_port: ReplyPort::Same,
    template: b"\x30\x29\x02\x01\x01\x04\x06public\
        \xa0\x1c\x02\x04\x40\0\0\0\x02\x01\0\x02\x01\0\
        \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x05\0",
    patch: patch_v1,
    check,
};

/// Discovery of the engine id, which a version 3 agent answers to anyone with a report.
pub(super) static SNMP_V3: UdpProbe = UdpProbe {
    name: "snmp",
    source: "RFC 3412 §6; RFC 3414 §4",
    reply_port: ReplyPort::Same,
    template: b"\x30\x3e\x02\x01\x03\
        \x30\x11\x02\x04\x40\0\0\0\x02\x03\0\xff\xe3\x04\x01\x04\x02\x01\x03\
        \x04\x10\x30\x0e\x04\0\x02\x01\0\x02\x01\0\x04\0\x04\0\x04\0\
        \x30\x14\x04\0\x04\0\xa0\x0e\x02\x04\x40\0\0\0\x02\x01\0\x02\x01\0\x30\0",
    patch: patch_v3,
    check,
};

/// Version 1's request-id.
const V1_REQUEST_ID_AT: usize = 17;
/// Version 3's msgID, and the request-id in its scoped PDU.
const V3_IDS_AT: [usize; 2] = [9, 52];

fn patch_v1(payload: &mut [u8], cookie: u64) {
    put(payload, V1_REQUEST_ID_AT, ber30(cookie));
}

fn patch_v3(payload: &mut [u8], cookie: u64) {
    for at in V3_IDS_AT {
        put(payload, at, ber30(cookie));
    }
}

fn check(reply: &[u8], cookie: u64) -> Echo {
    id(reply).map_or(Echo::Unknown, |id| judge(id == ber30(cookie)))
}

/// The id of a message that an agent sent: request-id of a response, or version 3's msgID.
fn id(reply: &[u8]) -> Option<&[u8]> {
    let (message, _) = ber::expect(reply, ber::SEQUENCE)?;
    let (version, rest) = ber::expect(message, ber::INTEGER)?;
    if version == [3] {
        let (header, _) = ber::expect(rest, ber::SEQUENCE)?;
        return Some(ber::expect(header, ber::INTEGER)?.0);
    }
    let (_community, rest) = ber::expect(rest, ber::OCTET_STRING)?;
    let (pdu, _) = ber::expect(rest, GET_RESPONSE)?;
    Some(ber::expect(pdu, ber::INTEGER)?.0)
}

/// Context tag 2, constructed: `GetResponse-PDU`.
const GET_RESPONSE: u8 = 0xa2;

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn requests_are_well_formed() {
        ber::assert_well_formed(SNMP_V1.template());
        ber::assert_well_formed(SNMP_V2C.template());
        ber::assert_well_formed(SNMP_V3.template());
        // The security parameters are BER within an octet string.
        let (inner, _) = ber::expect(&SNMP_V3.template()[24..], ber::OCTET_STRING).unwrap();
        ber::assert_well_formed(inner);
    }

    #[test]
    fn ids_come_back() {
        round_trip(&SNMP_V1, |request| {
            let mut reply = request.to_vec();
            reply[13] = GET_RESPONSE;
            reply
        });
        round_trip(&SNMP_V3, <[u8]>::to_vec);
    }

    #[test]
    fn long_form_lengths_are_read() {
        let mut reply = vec![0x30, 0x82, 0, 0x2b, 2, 0x81, 1, 0];
        reply.extend_from_slice(&SNMP_V1.template()[5..]);
        reply[16] = GET_RESPONSE;
        assert_eq!(SNMP_V1.check(&reply, 0), Echo::Confirmed);
        assert_eq!(SNMP_V1.check(&reply, 1), Echo::Contradicted);
    }

    /// What Net-SNMP 5.9.3 answers to the discovery: a report of `usmStatsUnknownEngineIDs`.
    #[test]
    fn a_real_agents_report_confirms() {
        const REPORT: [u8; 115] = [
            0x30, 0x71, 0x02, 0x01, 0x03, 0x30, 0x11, 0x02, 0x04, 0x55, 0x66, 0x77, 0x88, 0x02,
            0x03, 0x00, 0xff, 0xe3, 0x04, 0x01, 0x00, 0x02, 0x01, 0x03, 0x04, 0x21, 0x30, 0x1f,
            0x04, 0x11, 0x80, 0x00, 0x1f, 0x88, 0x80, 0x49, 0x49, 0xe3, 0x16, 0xc8, 0x1c, 0x02,
            0x6b, 0x00, 0x00, 0x00, 0x00, 0x02, 0x01, 0x01, 0x02, 0x01, 0x02, 0x04, 0x00, 0x04,
            0x00, 0x04, 0x00, 0x30, 0x36, 0x04, 0x11, 0x80, 0x00, 0x1f, 0x88, 0x80, 0x49, 0x49,
            0xe3, 0x16, 0xc8, 0x1c, 0x02, 0x6b, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0xa8, 0x1f,
            0x02, 0x04, 0x55, 0x66, 0x77, 0x88, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x11,
            0x30, 0x0f, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x06, 0x03, 0x0f, 0x01, 0x01, 0x04, 0x00,
            0x41, 0x01, 0x01,
        ];
        assert_eq!(SNMP_V3.check(&REPORT, 0x1566_7788), Echo::Confirmed);
        assert_eq!(SNMP_V3.check(&REPORT, 0x1566_7789), Echo::Contradicted);
    }
}
