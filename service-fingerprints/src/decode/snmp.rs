//! Simple Network Management: sysDescr of versions 1 and 2c, the engine of version 3.
//!
//! Sources: RFC 1157 §4.1, RFC 3416 §3, RFC 3412 §6, RFC 3414 §2.4, RFC 3411 §5 (engine ids), and
//! IANA's registry of private enterprise numbers.

use super::ber::{self, INTEGER, OBJECT_ID, OCTET_STRING, SEQUENCE};
use super::{Part, SCORE_PRODUCT, structure};
use crate::kind::Kind;

/// `sysDescr.0`, 1.3.6.1.2.1.1.1.0.
const SYS_DESCR: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
const GET_RESPONSE: u8 = 0xa2;
/// The enterprise number of Net-SNMP.
const NET_SNMP: u32 = 8_072;
/// Variables of a response that are looked at, at most.
const VARIABLES_MAX: usize = 16;

/// Enterprise numbers of makers whose devices speak SNMP, and their names.
const ENTERPRISES: &[(u32, &str)] = &[
    (2, "IBM"),
    (9, "Cisco"),
    (11, "HP"),
    (36, "DEC"),
    (42, "Sun Microsystems"),
    (43, "3Com"),
    (63, "Apple"),
    (89, "Radware"),
    (94, "Nokia"),
    (111, "Oracle"),
    (171, "D-Link"),
    (207, "Allied Telesis"),
    (232, "Compaq"),
    (236, "Samsung"),
    (253, "Xerox"),
    (311, "Microsoft"),
    (318, "APC"),
    (343, "Intel"),
    (367, "Ricoh"),
    (476, "Vertiv"),
    (534, "Eaton"),
    (641, "Lexmark"),
    (664, "Adtran"),
    (674, "Dell"),
    (789, "NetApp"),
    (800, "Alcatel"),
    (890, "ZyXEL"),
    (1_588, "Brocade"),
    (1_602, "Canon"),
    (1_872, "Alteon"),
    (1_916, "Extreme Networks"),
    (1_991, "Foundry"),
    (2_011, "Huawei"),
    (2_021, "UCD-SNMP"),
    (2_435, "Brother"),
    (2_636, "Juniper"),
    (2_620, "Check Point"),
    (3_224, "NetScreen"),
    (3_375, "F5"),
    (3_902, "ZTE"),
    (3_955, "Linksys"),
    (4_413, "Broadcom"),
    (4_526, "Netgear"),
    (5_624, "Enterasys"),
    (6_027, "Force10"),
    (6_486, "Alcatel-Lucent"),
    (6_527, "Nokia"),
    (6_574, "Synology"),
    (6_876, "VMware"),
    (8_741, "SonicWall"),
    (10_002, "Frogfoot"),
    (10_704, "Barracuda"),
    (10_876, "Supermicro"),
    (11_863, "TP-Link"),
    (12_325, "FreeBSD"),
    (12_356, "Fortinet"),
    (14_179, "Airespace"),
    (14_823, "Aruba"),
    (14_988, "MikroTik"),
    (24_681, "QNAP"),
    (25_461, "Palo Alto Networks"),
    (25_506, "H3C"),
    (30_065, "Arista"),
    (30_155, "OpenBSD"),
    (35_265, "Eltex"),
    (41_112, "Ubiquiti"),
    (47_196, "Aruba"),
];

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    message(reply).unwrap_or_default()
}

fn message(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    let (message, _) = ber::expect(reply, SEQUENCE)?;
    let (version, rest) = ber::expect(message, INTEGER)?;
    match version {
        [0 | 1] => community(rest),
        [3] => engine(rest),
        _ => None,
    }
}

/// A response of versions 1 and 2c.
fn community(rest: &[u8]) -> Option<Vec<Part<'_>>> {
    let (_community, rest) = ber::expect(rest, OCTET_STRING)?;
    let (pdu, _) = ber::expect(rest, GET_RESPONSE)?;
    let (_id, rest) = ber::expect(pdu, INTEGER)?;
    let (_error, rest) = ber::expect(rest, INTEGER)?;
    let (_index, rest) = ber::expect(rest, INTEGER)?;
    let (mut variables, _) = ber::expect(rest, SEQUENCE)?;
    let mut parts = vec![structure("snmp").into()];
    for _ in 0..VARIABLES_MAX {
        let Some((variable, others)) = ber::expect(variables, SEQUENCE) else { break };
        variables = others;
        let Some((name, value)) = ber::expect(variable, OBJECT_ID) else { break };
        if let (SYS_DESCR, Some((text, _))) = (name, ber::expect(value, OCTET_STRING)) {
            parts.push(Part::Text(Kind::SnmpSysdescr, text.into()));
        }
    }
    Some(parts)
}

/// A report of version 3, whose security parameters name the engine.
fn engine(rest: &[u8]) -> Option<Vec<Part<'_>>> {
    let (_header, rest) = ber::expect(rest, SEQUENCE)?;
    let (security, _) = ber::expect(rest, OCTET_STRING)?;
    let (parameters, _) = ber::expect(security, SEQUENCE)?;
    let (id, _) = ber::expect(parameters, OCTET_STRING)?;
    let mut service = structure("snmp");
    service.extra = Some("SNMPv3".to_owned());
    // RFC 3411: the first bit says that the format follows the enterprise number.
    if let Some(enterprise) = id.first_chunk().map(|id| u32::from_be_bytes(*id) & 0x7fff_ffff) {
        let known = ENTERPRISES.iter().find(|(number, _)| *number == enterprise);
        service.vendor = known.map(|(_, name)| (*name).to_owned());
        if enterprise == NET_SNMP {
            service.product = Some("Net-SNMP".to_owned());
            service.cpe = vec!["cpe:2.3:a:net-snmp:net-snmp:*:*:*:*:*:*:*:*".to_owned()];
            service.score = SCORE_PRODUCT;
        }
    }
    Some(vec![service.into()])
}
