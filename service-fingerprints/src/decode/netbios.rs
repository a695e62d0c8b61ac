//! NetBIOS node status: which names a host goes by.
//!
//! Source: RFC 1002 §4.2.18.

use portolan_core::MacAddr;

use super::reader::{Reader, is_at};
use super::{Part, SCORE_PRODUCT, some_text, structure};

/// Suffix of a machine's name, and of its file service.
const WORKSTATION: u8 = 0x00;
const FILE_SERVER: u8 = 0x20;
const DOMAIN_CONTROLLERS: u8 = 0x1c;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    // A response with one answer, whose owner is an encoded name, of type 33 and class 1.
    let head = is_at(reply, 4, &[0, 0, 0, 1, 0, 0, 0, 0, 0x20]);
    if !(head && reply.get(2).is_some_and(|flags| flags & 0x80 != 0)) {
        return None;
    }
    let mut reader = Reader::new(reply.get(13 + 32..)?);
    if reader.take(5)? != [0, 0, 33, 0, 1] {
        return None;
    }
    reader.u32()?;
    reader.u16()?;
    let count = reader.u8()?;
    let (mut host, mut group, mut serves, mut controls) = (None, None, false, false);
    for _ in 0..count {
        let Some(name) = reader.take(15) else { break };
        let (Some(suffix), Some(flags)) = (reader.u8(), reader.u16()) else { break };
        let is_group = flags & 0x8000 != 0;
        match suffix {
            WORKSTATION if is_group => group = group.or_else(|| some_text(name)),
            WORKSTATION => host = host.or_else(|| some_text(name)),
            FILE_SERVER => serves = true,
            DOMAIN_CONTROLLERS => controls = true,
            _ => {}
        }
    }
    let mac = reader.array::<6>();
    let mut service = structure("netbios-ns");
    let mut said = Vec::new();
    said.extend(host.map(|host| format!("host {host}")));
    said.extend(group.map(|group| format!("workgroup {group}")));
    if controls {
        said.push("domain controller".to_owned());
    } else if serves {
        said.push("file server".to_owned());
    }
    match mac {
        // Samba has no adapter to tell of.
        Some([0, 0, 0, 0, 0, 0]) => {
            service.product = Some("Samba nmbd".to_owned());
            service.vendor = Some("Samba".to_owned());
            service.cpe = vec!["cpe:2.3:a:samba:samba:*:*:*:*:*:*:*:*".to_owned()];
            service.score = SCORE_PRODUCT;
        }
        Some(octets) => said.push(format!("MAC {}", MacAddr(octets))),
        None => {}
    }
    service.extra = (!said.is_empty()).then(|| said.join(", "));
    Some(vec![service.into()])
}
