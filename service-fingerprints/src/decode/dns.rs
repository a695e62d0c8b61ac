//! The Domain Name System over UDP and TCP, and multicast DNS.
//!
//! Sources: RFC 1035 §4, RFC 4892 (`version.bind`), RFC 6762 §6.7.

use super::reader::{Reader, u16_at};
use super::{Part, structure};
use crate::kind::Kind;

/// Octets of a message's header.
const HEADER_LEN: usize = 12;
/// Records of each section that a reply to our questions may have.
const RECORDS_MAX: u16 = 256;
/// Records that are looked at.
const READ_MAX: usize = 32;
/// Labels of one name (RFC 1035 §3.1: 255 octets).
const LABELS_MAX: usize = 128;
const TXT: u16 = 16;
const PTR: u16 = 12;
const NODE_STATUS: u16 = 33;
const CHAOS: u16 = 3;

/// A question's name, as its labels with a dot behind each, lower case; its type and its class.
struct Question {
    name: Vec<u8>,
    kind: u16,
}

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let message = over_tcp(reply).unwrap_or(reply);
    read(message).unwrap_or_default()
}

/// The message behind a length of two octets that is right.
fn over_tcp(reply: &[u8]) -> Option<&[u8]> {
    let message = reply.get(2..)?;
    (usize::from(u16_at(reply, 0)?) == message.len() && message.len() >= HEADER_LEN)
        .then_some(message)
}

fn read(message: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader::new(message);
    let [_, _, flags, codes] = reader.array()?;
    let opcode = flags >> 3 & 0x0f;
    // A response (QR) to a query or to what the server does not know, with a code that exists.
    if flags & 0x80 == 0 || opcode > 6 || codes & 0x40 != 0 || codes & 0x0f > 10 {
        return None;
    }
    let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    let [questions, answers, ..] = counts;
    if questions > 1 || counts.iter().any(|count| *count > RECORDS_MAX) {
        return None;
    }
    let failed = codes & 0x0f != 0;
    let question = if questions == 1 { Some(question(&mut reader)?) } else { None };
    let mut service = structure("dns");
    match &question {
        Some(question) if question.kind == NODE_STATUS => return None,
        Some(question) if question.name.ends_with(b".local.") && !failed => {
            "mdns".clone_into(&mut service.name);
        }
        Some(_) => {}
        // A header alone is a refusal; multicast answers have no question.
        None if answers == 0 && failed && message.len() == HEADER_LEN => service.score = 45,
        None if answers > 0 && codes == 0 => {}
        None => return None,
    }
    let mut parts = Vec::new();
    for at in 0..usize::from(answers).min(READ_MAX) {
        let Some((kind, class, data, owner)) = record(&mut reader) else {
            if at == 0 && question.is_none() {
                return None;
            }
            break;
        };
        match (kind, class & 0x7fff) {
            (TXT, CHAOS) if parts.is_empty() => {
                let text = strings(data);
                parts.push(Part::Text(Kind::DnsVersionBind, text.into()));
            }
            (NODE_STATUS, _) => return None,
            (PTR, _) if owner.ends_with(b".local.") => "mdns".clone_into(&mut service.name),
            _ if question.is_none() && !owner.ends_with(b".local.") => return None,
            _ if question.is_none() => "mdns".clone_into(&mut service.name),
            _ => {}
        }
    }
    parts.insert(0, service.into());
    Some(parts)
}

fn question(reader: &mut Reader<'_>) -> Option<Question> {
    let name = name(reader)?;
    let kind = reader.u16()?;
    let class = reader.u16()?;
    // The highest bit is mDNS's wish for a unicast answer.
    matches!(class & 0x7fff, 1 | 3 | 254 | 255).then_some(Question { name, kind })
}

/// Type, class, data and owner of the next record.
fn record<'a>(reader: &mut Reader<'a>) -> Option<(u16, u16, &'a [u8], Vec<u8>)> {
    let owner = name(reader)?;
    let (kind, class) = (reader.u16()?, reader.u16()?);
    reader.u32()?;
    let len = reader.u16()?;
    let data = reader.take(usize::from(len)).or_else(|| {
        // Cut short; what is there may still tell.
        let rest = reader.rest();
        reader.take(rest.len())
    })?;
    Some((kind, class, data, owner))
}

/// The next name; a pointer ends it, unfollowed.
fn name(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    for _ in 0..LABELS_MAX {
        match reader.u8()? {
            0 => return Some(name),
            len @ 1..=63 => {
                let label = reader.take(usize::from(len))?;
                name.extend(label.iter().map(u8::to_ascii_lowercase));
                name.push(b'.');
            }
            192.. => {
                reader.u8()?;
                // What the pointer leads to is not known; only names of our own questions are.
                return Some(name);
            }
            _ => return None,
        }
    }
    None
}

/// The character strings of a TXT record, one after the other.
fn strings(data: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(data);
    let mut text = Vec::new();
    while let Some(string) = reader.counted() {
        text.extend_from_slice(string);
    }
    // A string that is cut short goes as far as it does.
    text.extend_from_slice(reader.rest());
    text
}
