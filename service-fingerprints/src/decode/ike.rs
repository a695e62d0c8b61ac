//! Internet Key Exchange: vendor ids.
//!
//! Sources: RFC 2408 §3, RFC 7296 §3. A vendor id is mostly the MD5 sum of a text that its maker
//! published.

use super::reader::{Reader, is_at};
use super::{Part, SCORE_PRODUCT, structure};
use crate::template::text;

const HEADER_LEN: usize = 28;
/// RFC 3948 §2.2: four zero octets on port 4500.
const MARKER: [u8; 4] = [0; 4];
const VENDOR_ID: [u8; 2] = [13, 43];
const PAYLOADS_MAX: usize = 32;

/// How a vendor id begins, and the product that sends it.
const VENDORS: &[(&[u8], &str)] = &[
    // MD5 of "strongSwan".
    (&[0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc], "strongSwan"),
    (b"strongSwan", "strongSwan"),
    (b"OE", "Libreswan"),
    // MD5 of "MS NT5 ISAKMPOAKLEY", a version behind it.
    (&[0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d], "Microsoft Windows"),
    (b"CISCO", "Cisco IOS"),
    (b"FLEXVPN", "Cisco IOS"),
];

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let message = reply.strip_prefix(&MARKER).filter(|rest| is_ike(rest));
    read(message.unwrap_or(reply)).unwrap_or_default()
}

/// Whether a header of IKE says the right length, of a response.
fn is_ike(message: &[u8]) -> bool {
    header(message).is_some()
}

fn header(message: &[u8]) -> Option<()> {
    let mut reader = Reader::new(message);
    let (initiator, responder) = (reader.array::<8>()?, reader.array::<8>()?);
    let [_next, version, exchange, flags] = reader.array()?;
    let (_id, len) = (reader.u32()?, reader.u32()?);
    let whole = usize::try_from(len).ok()? == message.len();
    let right = match version {
        0x20 => flags & 0x20 != 0 && matches!(exchange, 34 | 37),
        0x10 => matches!(exchange, 2 | 4 | 5) && (responder != [0; 8] || exchange == 5),
        _ => false,
    };
    (right && whole && initiator != [0; 8]).then_some(())
}

fn read(message: &[u8]) -> Option<Vec<Part<'_>>> {
    if !is_ike(message) {
        return None;
    }
    let mut service = structure("isakmp");
    let two = is_at(message, 17, &[0x20]);
    let mut said = vec![if two { "IKEv2".to_owned() } else { "IKEv1".to_owned() }];
    let mut next = *message.get(16)?;
    let mut reader = Reader::new(message.get(HEADER_LEN..)?);
    for _ in 0..PAYLOADS_MAX {
        let Some([after, _, a, b]) = reader.array() else { break };
        let len = usize::from(u16::from_be_bytes([a, b])).checked_sub(4);
        let Some(value) = len.and_then(|len| reader.take(len)) else { break };
        if VENDOR_ID.contains(&next) {
            let known = VENDORS.iter().find(|(begin, _)| value.starts_with(begin));
            if let Some((_, product)) = known {
                service.product = Some((*product).to_owned());
                service.score = SCORE_PRODUCT;
            } else if value.len() > 3 && value.iter().all(|o| (b' '..=b'~').contains(o)) {
                said.push(text(value));
            }
        }
        next = after;
        if next == 0 {
            break;
        }
    }
    said.truncate(6);
    service.extra = Some(said.join(", "));
    Some(vec![service.into()])
}
