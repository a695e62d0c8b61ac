//! The Network Time Protocol's control messages: who the server says it is.
//!
//! Source: RFC 9327 §2, §3.2; what ntpd and NTPsec are seen to say.

use super::{Part, named_version, product, some_text};

const HEADER_LEN: usize = 12;
/// Variables that are read.
const VARIABLES_MAX: usize = 64;
/// Above signatures, which know the product but for one order of variables not the system.
const SCORE: u8 = 85;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    // Mode 6, a response without error to the reading of variables.
    let (first, operation) = (reply.first()?, reply.get(1)?);
    if first & 7 != 6 || *operation & 0xdf != 0x82 {
        return None;
    }
    let text = reply.get(HEADER_LEN..)?;
    let said = value(text, b"version").and_then(some_text)?;
    // `ntpd 4.2.8p15@1.3728-o Wed …`, `ntpd ntpsec-1.2.2`.
    let (name, version) = match said.split_once("ntpsec-") {
        Some((_, version)) => ("NTPsec".to_owned(), some_text(version.as_bytes())),
        None => named_version(&said)?,
    };
    let mut service = product("ntp", name, version);
    service.score = SCORE;
    service.os = value(text, b"system").and_then(some_text).map(|os| os.replace('/', " "));
    service.extra = value(text, b"processor").and_then(some_text);
    let version = service.version.as_deref().unwrap_or("*").to_ascii_lowercase();
    service.cpe = match service.product.as_deref() {
        Some("NTPsec") => vec![format!("cpe:2.3:a:ntpsec:ntpsec:{version}:*:*:*:*:*:*:*")],
        Some("ntpd") => vec![format!("cpe:2.3:a:ntp:ntp:{version}:*:*:*:*:*:*:*")],
        _ => Vec::new(),
    };
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b".*-_".contains(&octet);
    if !version.bytes().all(plain) {
        service.cpe.clear();
    }
    Some(vec![service.into()])
}

/// The value of `name="…"`.
fn value<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let variables = text.split(|octet| *octet == b',').take(VARIABLES_MAX);
    variables.map(<[u8]>::trim_ascii).find_map(|variable| {
        let quoted = variable.strip_prefix(name)?.strip_prefix(b"=\"")?;
        let end = quoted.iter().position(|octet| *octet == b'"');
        quoted.get(..end.unwrap_or(quoted.len()))
    })
}
