//! SIP, and UPnP's answers to a search: texts with headers.
//!
//! Sources: RFC 3261 §20.35, §20.41; UPnP Device Architecture 1.1 §1.3.3.

use super::{Part, named_version, product, some_text, structure};
use crate::kind::Kind;

const LINES_MAX: usize = 64;

/// The values of the headers of that name.
fn headers<'a>(head: &'a [u8], wanted: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = head.split(|octet| *octet == b'\n').skip(1).take(LINES_MAX);
    lines.filter_map(move |line| {
        let at = line.iter().position(|octet| *octet == b':')?;
        let (name, value) = line.split_at_checked(at)?;
        let named = name.trim_ascii().eq_ignore_ascii_case(wanted);
        named.then(|| value.get(1..).unwrap_or_default().trim_ascii())
    })
}

/// A response of SIP.
pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let software = headers(reply, b"server").chain(headers(reply, b"user-agent"));
    let texts = software.take(2).map(|value| Part::Text(Kind::SipServer, value.into()));
    std::iter::once(structure("sip").into()).chain(texts).collect()
}

/// An answer to a search: none where it is another response of HTTP.
///
/// `SERVER: Linux/5.10 UPnP/1.0 MiniUPnPd/2.2.1` names system, standard and product.
pub(super) fn ssdp(reply: &[u8]) -> Vec<Part<'_>> {
    let is_answer =
        headers(reply, b"st").next().is_some() && headers(reply, b"usn").next().is_some();
    if !is_answer {
        return Vec::new();
    }
    let server = headers(reply, b"server").next().and_then(some_text);
    let own = server.as_deref().and_then(|server| {
        let at = server.find("UPnP/")?;
        let (system, rest) = server.split_at(at);
        let (_, own) = rest.split_once(' ')?;
        let (name, version) = named_version(own.trim_start_matches([',', ' ']))?;
        // `DLNADOC/1.50` is a standard too.
        let system = system.split("DLNADOC/").next().unwrap_or(system);
        Some((system.trim_end_matches([',', ' ']).to_owned(), name, version))
    });
    let mut service = match own {
        Some((system, name, version)) => {
            let mut service = product("ssdp", name, version);
            service.os = (!system.is_empty()).then(|| system.replace('/', " "));
            service
        }
        None => structure("ssdp"),
    };
    service.extra = server;
    vec![service.into()]
}
