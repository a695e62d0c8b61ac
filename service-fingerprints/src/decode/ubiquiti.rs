//! Ubiquiti's discovery: name, model and firmware.
//!
//! Source: the device discovery that Ubiquiti's own tools speak: version, command, length, then
//! fields of type and length.

use super::reader::Reader;
use super::{Part, product, some_text, structure};

const FIRMWARE: u8 = 0x03;
const HOST_NAME: u8 = 0x0b;
const PLATFORM: u8 = 0x0c;
const MODEL: u8 = 0x14;
const FIELDS_MAX: usize = 64;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader::new(reply);
    let [1 | 2, 0 | 6] = reader.array()? else { return None };
    let len = usize::from(reader.u16()?);
    if len == 0 || len != reader.rest().len() {
        return None;
    }
    let (mut firmware, mut host, mut platform, mut model) = (None, None, None, None);
    for _ in 0..FIELDS_MAX {
        let Some(kind) = reader.u8() else { break };
        let len = reader.u16()?;
        let value = reader.take(usize::from(len))?;
        match kind {
            FIRMWARE => firmware = some_text(value),
            HOST_NAME => host = some_text(value),
            PLATFORM => platform = some_text(value),
            MODEL => model = some_text(value),
            _ => {}
        }
    }
    let mut service = match model.or(platform) {
        Some(model) => product("ubiquiti-discovery", model, firmware),
        None => structure("ubiquiti-discovery"),
    };
    service.vendor = Some("Ubiquiti".to_owned());
    service.extra = host.map(|host| format!("host {host}"));
    Some(vec![service.into()])
}
