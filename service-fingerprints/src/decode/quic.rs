//! QUIC: Version Negotiation.
//!
//! Sources: RFC 9000 §17.2.1, RFC 9369, IANA's registry of QUIC versions.

use super::reader::Reader;
use super::{Part, structure};

const VERSIONS_MAX: usize = 16;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader::new(reply);
    let first = reader.u8()?;
    if first & 0x80 == 0 || reader.u32()? != 0 {
        return None;
    }
    // Connection ids are up to 20 octets long in version 1.
    for _ in 0..2 {
        reader.counted().filter(|id| id.len() <= 20)?;
    }
    let list = reader.rest();
    if list.is_empty() || !list.len().is_multiple_of(4) {
        return None;
    }
    let versions = list.chunks_exact(4).filter_map(|word| word.first_chunk::<4>());
    let versions: Vec<String> =
        versions.filter_map(|word| name(u32::from_be_bytes(*word))).take(VERSIONS_MAX).collect();
    if versions.is_empty() {
        return None;
    }
    let mut service = structure("quic");
    service.extra = Some(versions.join(", "));
    Some(vec![service.into()])
}

/// The name of a version; none for those that are reserved to be unknown.
fn name(version: u32) -> Option<String> {
    Some(match version {
        1 => "v1".to_owned(),
        0x6b33_43cf => "v2".to_owned(),
        0xff00_0000..=0xff00_00ff => format!("draft-{}", version & 0xff),
        _ if version & 0x0f0f_0f0f == 0x0a0a_0a0a => return None,
        _ => match version.to_be_bytes() {
            // Google's: `Q046`, `T051`.
            [kind @ (b'Q' | b'T'), a, b, c] if [a, b, c].iter().all(u8::is_ascii_digit) => {
                [kind, a, b, c].iter().map(|octet| char::from(*octet)).collect()
            }
            _ => format!("{version:#010x}"),
        },
    })
}
