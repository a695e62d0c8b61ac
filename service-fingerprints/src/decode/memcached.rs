//! memcached over UDP: a frame of eight octets in front of the text.
//!
//! Source: memcached, doc/protocol.txt, "UDP protocol".

use super::reader::is_at;
use super::{Part, SCORE_STRUCTURE, product, some_text, structure};

const HEADER_LEN: usize = 8;
/// Sequence number 0 of one datagram.
const ALONE: &[u8] = &[0, 0, 0, 1, 0, 0];

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let Some(text) = reply.get(HEADER_LEN..).filter(|_| is_at(reply, 2, ALONE)) else {
        return Vec::new();
    };
    if let Some(version) = text.strip_prefix(b"VERSION ") {
        let version = version.split(|octet| b"\r\n ".contains(octet)).next();
        let mut service = product("memcached", "Memcached".to_owned(), version.and_then(some_text));
        service.score = SCORE_STRUCTURE + 20;
        let version = service.version.as_deref().unwrap_or("*");
        if version.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".*-_".contains(&octet)) {
            let version = version.to_ascii_lowercase();
            service.cpe = vec![format!("cpe:2.3:a:memcached:memcached:{version}:*:*:*:*:*:*:*")];
        }
        return vec![service.into()];
    }
    let errors: [&[u8]; 3] = [b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"];
    if errors.iter().any(|error| text.starts_with(error)) {
        return vec![structure("memcached").into()];
    }
    Vec::new()
}
