//! The Trivial File Transfer Protocol: whose words an error has.
//!
//! Source: RFC 1350 §5; what servers are seen to say.

use super::reader::{Reader, find};
use super::{Part, product, structure};

const ERROR: u16 = 5;
/// RFC 1350 and RFC 2347.
const CODE_MAX: u16 = 8;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader::new(reply);
    let (operation, code) = (reader.u16()?, reader.u16()?);
    let text = reader.text();
    let printable = text.iter().all(|octet| (b' '..=b'~').contains(octet));
    let whole = reply.ends_with(&[0]) && reader.rest().is_empty();
    if operation != ERROR || code > CODE_MAX || !printable || !whole {
        return None;
    }
    let dnsmasq = text.starts_with(b"file /") && find(text, b" not found").is_some();
    let service = if dnsmasq {
        let mut service = product("tftp", "dnsmasq".to_owned(), None);
        service.cpe = vec!["cpe:2.3:a:thekelleys:dnsmasq:*:*:*:*:*:*:*:*".to_owned()];
        service
    } else {
        structure("tftp")
    };
    Some(vec![service.into()])
}
