//! The Layer Two Tunnelling Protocol: vendor, host and firmware.
//!
//! Source: RFC 2661 §3.1, §4.4.

use super::reader::Reader;
use super::{Part, SCORE_PRODUCT, some_text, structure};

const FIRMWARE: u16 = 6;
const HOST_NAME: u16 = 7;
const VENDOR_NAME: u16 = 8;
const PAIRS_MAX: usize = 32;
/// Octets of a control message's header.
const HEADER_LEN: usize = 12;

/// Vendor names, and the product that says so.
const VENDORS: &[(&str, &str)] = &[
    ("xelerance.com", "xl2tpd"),
    ("MikroTik", "MikroTik RouterOS"),
    ("accel-ppp", "accel-ppp"),
    ("Microsoft", "Microsoft Routing and Remote Access"),
    ("Cisco Systems, Inc.", "Cisco IOS"),
    ("prol2tp", "ProL2TP"),
    ("katalix", "OpenL2TP"),
];

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    // Control: type, length and sequence bits; version 2.
    if !matches!(reply, [0xc8, 2, ..]) {
        return None;
    }
    let mut reader = Reader::new(reply.get(HEADER_LEN..)?);
    let mut service = structure("l2tp");
    let mut said = Vec::new();
    for at in 0..PAIRS_MAX {
        let Some(head) = reader.u16() else { break };
        let len = usize::from(head & 0x03ff).checked_sub(6);
        let (Some(len), Some(vendor), Some(kind)) = (len, reader.u16(), reader.u16()) else {
            return None;
        };
        let Some(value) = reader.take(len) else { break };
        match (vendor, kind) {
            // The first is the type of message.
            (0, 0) if at == 0 && len == 2 => {}
            _ if at == 0 => return None,
            (0, HOST_NAME) => said.extend(some_text(value).map(|host| format!("host {host}"))),
            (0, FIRMWARE) => {
                let revision = value.first_chunk().map(|r| u16::from_be_bytes(*r));
                said.extend(revision.map(|revision| format!("firmware {revision:04x}")));
            }
            (0, VENDOR_NAME) => service.vendor = some_text(value),
            _ => {}
        }
    }
    if let Some(vendor) = &service.vendor {
        let known = VENDORS.iter().find(|(begin, _)| vendor.starts_with(begin));
        if let Some((_, product)) = known {
            service.product = Some((*product).to_owned());
            service.score = SCORE_PRODUCT;
        }
    }
    service.extra = (!said.is_empty()).then(|| said.join(", "));
    Some(vec![service.into()])
}
