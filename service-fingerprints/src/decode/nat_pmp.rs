//! Port mapping: NAT-PMP and its successor, PCP.
//!
//! Sources: RFC 6886 §3.2, §3.5; RFC 6887 §7.2, §9.

use super::{Part, structure};

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let extra = match reply {
        // The external address: version 0, operation 128, result 0 to 5.
        [0, 128, 0, 0..=5, ..] if matches!(reply.len(), 8 | 12) => None,
        // Unsupported version, from a server of PCP alone.
        [2, 128..=131, _, 1, ..] if reply.len() >= 24 => Some("PCP".to_owned()),
        _ => return Vec::new(),
    };
    let mut service = structure("nat-pmp");
    service.score = 48;
    service.extra = extra;
    vec![service.into()]
}
