//! Rx, of AFS: the text of a version packet.
//!
//! Source: Zeldovich, "Rx protocol specification draft": header, packet type 13.

use super::reader::{Reader, is_at};
use super::{Part, named_version, product, some_text, structure};

const HEADER_LEN: usize = 28;
const TYPE_AT: usize = 20;
const VERSION: u8 = 13;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    // Sequence and serial number zero, not client-initiated.
    let head = is_at(reply, 12, &[0; 8]) && is_at(reply, TYPE_AT, &[VERSION]);
    let served = reply.get(TYPE_AT + 1).is_some_and(|flags| flags & 1 == 0);
    let Some(rest) = reply.get(HEADER_LEN..).filter(|_| head && served) else {
        return Vec::new();
    };
    let said = some_text(Reader::new(rest).text());
    let named = said.as_deref().and_then(named_version);
    let service = match named {
        Some((name, version)) => {
            let mut service = product("afs3-rx", name, version);
            service.extra = said;
            service
        }
        None => structure("afs3-rx"),
    };
    vec![service.into()]
}
