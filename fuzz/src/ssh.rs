//! What SSH servers say before anything is encrypted, and about users.

use portolan_identify::ssh::{
    host_key, identification, kex_init, kex_reply, packet, userauth, weak,
};

/// Names that are kept of one list.
const NAMES_MAX: usize = 256;
/// Octets of one name.
const NAME_LEN_MAX: usize = 64;

/// `parser ‖ octets`: nothing is longer than what was read, names are short and printable, and
/// what ends early is not taken for whole.
///
/// # Panics
/// Where that does not hold.
pub fn octets(data: &[u8]) {
    let Some((parser, data)) = data.split_first() else { return };
    match parser % 6 {
        0 => {
            let Ok(Some((found, len))) = identification::parse(data) else { return };
            assert!(len <= data.len());
            assert!(found.line.starts_with(b"SSH-"));
            assert!(found.line.len() < identification::IDENTIFICATION_LEN_MAX);
            assert!(!found.line.contains(&b'\n'));
        }
        1 => {
            let Ok(Some((payload, len))) = packet::parse(data) else { return };
            assert!(!payload.is_empty() && payload.len() < len && len <= data.len());
            assert!(len <= packet::PACKET_LEN_MAX + 4);
        }
        2 => offer(data),
        3 => {
            let Ok(reply) = kex_reply::parse(data, 31) else { return };
            let parts = [reply.host_key, reply.public, reply.signature];
            assert!(parts.iter().map(|part| part.len() + 4).sum::<usize>() < data.len());
            let _ = host_key::parse(reply.host_key);
        }
        4 => {
            let Ok(key) = host_key::parse(data) else { return };
            assert!(name(&key.algorithm) && key.bits != Some(0));
            assert_eq!(key.fingerprint.len(), "SHA256:".len() + 43);
        }
        _ => {
            let Ok(userauth::Answer::MayContinue(methods)) = userauth::parse(data) else { return };
            assert!(methods.len() <= NAMES_MAX && methods.iter().all(|method| name(method)));
        }
    }
}

fn offer(data: &[u8]) {
    let Ok(offer) = kex_init::parse(data) else { return };
    let lists = [
        offer.kex.as_slice(),
        &offer.host_key,
        offer.ciphers.to_server(),
        offer.ciphers.to_client(),
        offer.macs.to_server(),
        offer.macs.to_client(),
        offer.compression.to_server(),
        offer.compression.to_client(),
    ];
    for list in lists {
        assert!(list.len() <= NAMES_MAX && list.iter().all(|offered| name(offered)));
    }
    let _ = weak::terrapin(&offer);
    let names = lists.iter().flat_map(|list| list.iter());
    assert!(weak::algorithms(&offer).iter().all(|weak| names.clone().any(|n| *n == weak.name)));
}

/// RFC 4251 §6.
fn name(name: &str) -> bool {
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic())
}
