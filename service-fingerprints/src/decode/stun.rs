//! Session Traversal Utilities for NAT: the attribute SOFTWARE.
//!
//! Source: RFC 8489 §5, §14, §14.14.

use super::reader::{Reader, is_at};
use super::{Part, named_version, product, some_text, structure};

const SOFTWARE: u16 = 0x8022;
const ATTRIBUTES_MAX: usize = 32;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    if !(is_at(reply, 0, &[1]) && is_at(reply, 4, &[0x21, 0x12, 0xa4, 0x42])) {
        return None;
    }
    let mut reader = Reader::new(reply.get(20..)?);
    for _ in 0..ATTRIBUTES_MAX {
        let (Some(kind), Some(len)) = (reader.u16(), reader.u16()) else { break };
        let Some(value) = reader.take(usize::from(len)) else { break };
        if kind == SOFTWARE
            && let Some(software) = some_text(value)
            && software != "None"
            && let Some((name, version)) = named_version(&software)
        {
            let mut service = product("stun", name, version);
            service.extra = Some(software);
            return Some(vec![service.into()]);
        }
        // Values are padded to four octets.
        let padding = (4 - usize::from(len) % 4) % 4;
        if reader.take(padding).is_none() {
            break;
        }
    }
    Some(vec![structure("stun").into()])
}
