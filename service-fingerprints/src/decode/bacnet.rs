//! BACnet/IP: a device's properties.
//!
//! Source: ANSI/ASHRAE 135, clauses 15.7, 20.2, 21, Annex J.

use super::reader::Reader;
use super::{Part, SCORE_PRODUCT, some_text, structure};

const VENDOR: u8 = 121;
const MODEL: u8 = 70;
const FIRMWARE: u8 = 44;
const APPLICATION: u8 = 12;
const OBJECT_NAME: u8 = 77;
const PROPERTIES_MAX: usize = 16;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    // BVLC, a network layer without addresses, a complex acknowledgement of ReadPropertyMultiple
    // about an object.
    let [0x81, 0x0a, _, _, 1, 0, 0x30, _id, 0x0e, 0x0c, _, _, _, _, 0x1e, rest @ ..] = reply else {
        return None;
    };
    let mut service = structure("bacnet");
    service.score = 66;
    service.device = Some("building automation".to_owned());
    let mut reader = Reader::new(rest);
    let mut name = None;
    for _ in 0..PROPERTIES_MAX {
        // Property 2, opening tag 4, the value, closing tag 4; an error has tags 5.
        let Some([0x29, property]) = reader.array() else { break };
        let Some(open) = reader.u8() else { break };
        if open == 0x5e {
            let end = reader.rest().iter().position(|octet| *octet == 0x5f);
            if end.and_then(|end| reader.take(end + 1)).is_none() {
                break;
            }
            continue;
        }
        let Some(text) = characters(&mut reader) else { break };
        let text = some_text(text);
        match property {
            VENDOR => service.vendor = text,
            MODEL => service.product = text,
            FIRMWARE => service.version = text,
            APPLICATION if service.version.is_none() => service.version = text,
            OBJECT_NAME => name = text,
            _ => {}
        }
        if reader.u8() != Some(0x4f) {
            break;
        }
    }
    if service.product.is_some() {
        service.score = SCORE_PRODUCT;
    }
    service.extra = name;
    Some(vec![service.into()])
}

/// An application-tagged character string, without its character set.
fn characters<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = match reader.u8()? {
        0x75 => usize::from(reader.u8()?),
        short @ 0x71..=0x74 => usize::from(short & 7),
        _ => return None,
    };
    reader.take(len)?.get(1..)
}
