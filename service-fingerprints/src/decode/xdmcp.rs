//! The X Display Manager Control Protocol: who is willing.
//!
//! Source: X Display Manager Control Protocol 1.1, "Packet formats".

use super::reader::Reader;
use super::{Part, some_text, structure};

const WILLING: u16 = 5;
const UNWILLING: u16 = 6;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    read(reply).unwrap_or_default()
}

fn read(reply: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader::new(reply);
    let (version, operation) = (reader.u16()?, reader.u16()?);
    let len = usize::from(reader.u16()?);
    if version != 1 || len != reader.rest().len() {
        return None;
    }
    let mut field = || {
        let len = reader.u16()?;
        reader.take(usize::from(len))
    };
    if operation == WILLING {
        field()?;
    } else if operation != UNWILLING {
        return None;
    }
    let (host, status) = (some_text(field()?), some_text(field()?));
    let mut service = structure("xdmcp");
    let said: Vec<String> = [host, status].into_iter().flatten().collect();
    service.extra = (!said.is_empty()).then(|| said.join(", "));
    Some(vec![service.into()])
}
