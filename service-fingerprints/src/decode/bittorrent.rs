//! The DHT of `BitTorrent`: the client's version.
//!
//! Source: BEP 5, BEP 20 (client ids).

use super::reader::find;
use super::{Part, SCORE_PRODUCT, structure};

const CLIENTS: &[(&[u8], &str)] = &[
    (b"LT", "libtorrent"),
    (b"UT", "uTorrent"),
    (b"TR", "Transmission"),
    (b"A2", "aria2"),
    (b"ML", "MLDonkey"),
    (b"KT", "KTorrent"),
];

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let dictionary = matches!(reply, [b'd', b'0'..=b'9', ..]);
    let says = |needle: &[u8]| find(reply, needle).is_some();
    if !(dictionary && reply.ends_with(b"e") && (says(b"1:y1:r") || says(b"1:y1:e"))) {
        return Vec::new();
    }
    let mut service = structure("bittorrent");
    let client = find(reply, b"1:v4:").and_then(|at| reply.get(at + 5..));
    let known = client.and_then(|id| CLIENTS.iter().find(|(begin, _)| id.starts_with(begin)));
    if let Some((_, name)) = known {
        service.product = Some((*name).to_owned());
        service.score = SCORE_PRODUCT;
    }
    service.extra = Some("DHT".to_owned());
    vec![service.into()]
}
