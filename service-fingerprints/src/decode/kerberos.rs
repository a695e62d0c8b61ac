//! Kerberos: what an error tells.
//!
//! Source: RFC 4120 §5.9.1.

use super::ber::{self, SEQUENCE};
use super::{Part, some_text, structure};
use crate::service::Service;

/// Application 30, constructed.
const KRB_ERROR: u8 = 0x7e;
/// Context tags, constructed.
const REALM: u8 = 0xa9;
const TEXT: u8 = 0xab;
const FIELDS_MAX: usize = 16;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let message = match reply {
        // Over TCP a length of four octets comes first.
        [0, 0, _, _, rest @ ..] => rest,
        _ => reply,
    };
    read(message).map(|service| vec![service.into()]).unwrap_or_default()
}

fn read(message: &[u8]) -> Option<Service> {
    let (error, _) = ber::expect(message, KRB_ERROR)?;
    let (mut fields, _) = ber::expect(error, SEQUENCE)?;
    let mut service = structure("kerberos");
    // Above the signature that knows no realm.
    service.score = 68;
    for _ in 0..FIELDS_MAX {
        let Some((tag, value, rest)) = ber::element(fields) else { break };
        fields = rest;
        let value = ber::element(value).map(|(_, value, _)| value);
        match tag {
            REALM => {
                // Of a realm that it does not serve it tells nothing of its own.
                let own = value.filter(|realm| !realm.ends_with(b".INVALID"));
                let realm = own.and_then(some_text);
                service.extra = realm.map(|realm| format!("realm {realm}"));
            }
            TEXT => service.product = value.and_then(program),
            _ => {}
        }
    }
    Some(service)
}

/// Whose words an error's text has: MIT's are names in capitals, Heimdal's are sentences.
fn program(text: &[u8]) -> Option<String> {
    let capitals = |octet: &u8| octet.is_ascii_uppercase() || *octet == b'_';
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    if text.len() > 5 && text.contains(&b'_') && text.iter().all(capitals) {
        return Some("MIT Kerberos".to_owned());
    }
    let heimdal = [b"Client (".as_slice(), b"Server (", b"No such entry in the database"];
    heimdal.iter().any(|begin| text.starts_with(begin)).then(|| "Heimdal Kerberos".to_owned())
}
