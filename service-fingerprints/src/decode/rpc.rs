//! ONC RPC over UDP and TCP: accepted replies, and the port mapper's list.
//!
//! Sources: RFC 5531 §9, §11; RFC 1833 §3; IANA's registry of RPC program numbers.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::{Part, structure};

/// Entries of the list that are read.
const ENTRIES_MAX: usize = 512;
/// Programs that are named.
const NAMED_MAX: usize = 16;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let message = match reply {
        // A record mark: the last fragment.
        [0x80, _, _, _, rest @ ..] if reply.len() >= 28 => rest,
        _ => reply,
    };
    read(message).or_else(|| read(reply)).unwrap_or_default()
}

fn read(message: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut reader = Reader::new(message);
    reader.u32()?;
    // A reply, accepted; the verifier of no flavour, empty.
    if reader.u32()? != 1 || reader.u32()? != 0 || reader.u32()? != 0 || reader.u32()? != 0 {
        return None;
    }
    let status = reader.u32()?;
    let mut service = structure("rpcbind");
    service.score = 50;
    match status {
        0 => {
            let programs = list(reader);
            if let Some(programs) = programs.filter(|programs| !programs.is_empty()) {
                service.score = 62;
                service.extra = Some(told(&programs));
            }
        }
        1 => service.extra = Some("another program".to_owned()),
        2 => {
            let (low, high) = (reader.u32()?, reader.u32()?);
            service.extra = Some(format!("versions {low} to {high}"));
        }
        3..=5 => {}
        _ => return None,
    }
    Some(vec![service.into()])
}

/// Versions by program, in the list that the reader is at.
fn list(mut reader: Reader<'_>) -> Option<BTreeMap<u32, (u32, u32)>> {
    let mut programs: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for _ in 0..ENTRIES_MAX {
        match reader.u32() {
            Some(1) => {}
            Some(0) | None => break,
            Some(_) => return None,
        }
        let (program, version) = (reader.u32()?, reader.u32()?);
        let (_protocol, port) = (reader.u32()?, reader.u32()?);
        if port > 65_535 {
            return None;
        }
        let (low, high) = programs.entry(program).or_insert((version, version));
        (*low, *high) = ((*low).min(version), (*high).max(version));
    }
    Some(programs)
}

fn told(programs: &BTreeMap<u32, (u32, u32)>) -> String {
    let one = |(program, (low, high)): (&u32, &(u32, u32))| {
        let name = name(*program).map_or_else(|| program.to_string(), ToOwned::to_owned);
        if low == high { format!("{name} {low}") } else { format!("{name} {low}-{high}") }
    };
    programs.iter().take(NAMED_MAX).map(one).collect::<Vec<_>>().join(", ")
}

fn name(program: u32) -> Option<&'static str> {
    Some(match program {
        100_000 => "rpcbind",
        100_001 => "rstatd",
        100_002 => "rusersd",
        100_003 => "nfs",
        100_004 => "ypserv",
        100_005 => "mountd",
        100_007 => "ypbind",
        100_008 => "rwalld",
        100_009 => "yppasswdd",
        100_011 => "rquotad",
        100_012 => "sprayd",
        100_021 => "nlockmgr",
        100_024 => "status",
        100_026 => "bootparam",
        100_069 => "ypxfrd",
        100_227 => "nfs_acl",
        391_002 => "sgi_fam",
        395_183 => "vxi-11",
        _ => return None,
    })
}
