//! EtherNet/IP: the identity that a device lists.
//!
//! Source: ODVA, The CIP Networks Library, volume 2, §2-4.2.2; vendor numbers as their owners
//! publish them.

use super::reader::Reader;
use super::{Part, product, some_text};

/// Identity item.
const IDENTITY: u16 = 0x0c;
/// Octets of the encapsulation's header.
const HEADER_LEN: usize = 24;

const VENDORS: &[(u16, &str)] = &[
    (1, "Rockwell Automation"),
    (40, "WAGO"),
    (44, "Bosch Rexroth"),
    (46, "ABB"),
    (47, "Omron"),
    (90, "HMS Industrial Networks"),
    (243, "Schneider Electric"),
    (283, "Hilscher"),
    (367, "Siemens"),
    (808, "SICK"),
];

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    if !matches!(reply, [0x63, 0, ..]) {
        return None;
    }
    let mut reader = Reader::new(reply.get(HEADER_LEN..)?);
    let little = |reader: &mut Reader<'_>| reader.array().map(u16::from_le_bytes);
    let _count = little(&mut reader)?;
    if little(&mut reader)? != IDENTITY {
        return None;
    }
    // Length, encapsulation's version, socket address.
    reader.take(2 + 2 + 16)?;
    let vendor = little(&mut reader)?;
    let (_device, _code) = (little(&mut reader)?, little(&mut reader)?);
    let [major, minor] = reader.array()?;
    // Status and serial number.
    reader.take(2 + 4)?;
    let name = some_text(reader.counted()?)?;
    let mut service = product("ethernet-ip", name, Some(format!("{major}.{minor:03}")));
    // Above signatures, which know vendor and name but not the revision.
    service.score = 82;
    let known = VENDORS.iter().find(|(number, _)| *number == vendor);
    service.vendor = known.map(|(_, name)| (*name).to_owned());
    service.device = Some("industrial controller".to_owned());
    Some(vec![service.into()])
}
