//! Game servers: Mumble, `RakNet`, Quake III and its kin, Teeworlds, Minetest.
//!
//! Sources: Mumble protocol documentation, "UDP ping packet"; `RakNet` (BSD licence),
//! Source/MessageIdentifiers.h; ioquake3, code/server/sv_main.c (what a status is made of); DDNet,
//! "Server info"; Luanti documentation, "Network protocol".

use super::reader::{Reader, is_at};
use super::{Part, SCORE_STRUCTURE, named_version, product, some_text, structure};

/// What marks `RakNet`'s messages outside a connection.
const OFFLINE_MESSAGE: [u8; 16] =
    [0, 0xff, 0xff, 0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfd, 0xfd, 0xfd, 0xfd, 0x12, 0x34, 0x56, 0x78];
/// Fields of a text that are read.
const FIELDS_MAX: usize = 128;

pub(super) fn parts(reply: &[u8]) -> Vec<Part<'_>> {
    let service = match reply {
        [0, 1, 2..=9, _, ..] if reply.len() == 24 => mumble(reply),
        [0x1c, ..] if is_at(reply, 17, &OFFLINE_MESSAGE) => raknet(reply),
        [0xff, 0xff, 0xff, 0xff, rest @ ..] => quake3(rest).or_else(|| teeworlds(rest)),
        [0x4f, 0x45, 0x74, 0x03, ..] => {
            let mut service = product("minetest", "Minetest".to_owned(), None);
            service.cpe = vec!["cpe:2.3:a:minetest:minetest:*:*:*:*:*:*:*:*".to_owned()];
            Some(service)
        }
        _ => None,
    };
    service.into_iter().map(Part::from).collect()
}

/// Version in octets 0 to 3; users, most users, bandwidth in the last twelve.
fn mumble(reply: &[u8]) -> Option<crate::Service> {
    let mut reader = Reader::new(reply);
    let [_, major, minor, patch] = reader.array()?;
    reader.take(8)?;
    let (users, most, bandwidth) = (reader.u32()?, reader.u32()?, reader.u32()?);
    if users > most || most > 100_000 || !(1_000..10_000_000).contains(&bandwidth) {
        return None;
    }
    let version = format!("{major}.{minor}.{patch}");
    let mut service = product("murmur", "Mumble".to_owned(), Some(version.clone()));
    // Above the signature that knows the shape but not the version.
    service.score = SCORE_STRUCTURE + 25;
    service.extra = Some(format!("{users} of {most} users"));
    service.cpe = vec![format!("cpe:2.3:a:mumble:mumble:{version}:*:*:*:*:*:*:*")];
    Some(service)
}

/// `MCPE;name;protocol;version;…`.
fn raknet(reply: &[u8]) -> Option<crate::Service> {
    let mut reader = Reader::new(reply.get(33..)?);
    let len = reader.u16()?;
    let text = reader.take(usize::from(len)).unwrap_or_else(|| reader.rest());
    let mut fields = text.split(|octet| *octet == b';');
    let edition = match fields.next()? {
        b"MCPE" => "Minecraft Bedrock Edition",
        b"MCEE" => "Minecraft Education Edition",
        _ => return Some(structure("raknet")),
    };
    let name = fields.next().and_then(some_text);
    let version = fields.nth(1).and_then(some_text);
    let mut service = product("minecraft", edition.to_owned(), version);
    service.extra = name;
    Some(service)
}

/// Keys and values of an information string, each behind a backslash.
fn value<'a>(information: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let line = information.split(|octet| *octet == b'\n').next()?;
    let mut fields = line.split(|octet| *octet == b'\\').skip(1).take(FIELDS_MAX);
    while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
        if key.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
    None
}

fn quake3(rest: &[u8]) -> Option<crate::Service> {
    let answers: [&[u8]; 2] = [b"statusResponse", b"infoResponse"];
    let rest = answers.iter().find_map(|answer| rest.strip_prefix(*answer))?;
    let at = rest.iter().position(|octet| *octet == b'\\')?;
    let information = rest.get(at..)?;
    let mut service = structure("quake3");
    service.extra = value(information, b"gamename").and_then(some_text);
    // `ioq3 1.36_GIT… linux-x86_64 …`, `ioq3+oa 1.36 …`.
    if let Some(said) = value(information, b"version").and_then(some_text)
        && let Some((name, Some(version))) = named_version(&said)
    {
        let name = match name.as_str() {
            "ioq3" => "ioquake3".to_owned(),
            "ioq3+oa" => "OpenArena".to_owned(),
            _ => name,
        };
        (service.product, service.version) = (Some(name), Some(version));
        service.score = super::SCORE_PRODUCT;
    }
    Some(service)
}

/// `inf3`, token, version, name, map, ….
fn teeworlds(rest: &[u8]) -> Option<crate::Service> {
    let mut reader = Reader::new(rest.strip_prefix(&[0xff; 6])?);
    if reader.take(4)? != b"inf3" {
        return None;
    }
    let _token = reader.text();
    let version = some_text(reader.text())?;
    // DDNet says the version of the protocol first, its own behind it.
    let (product_name, version) = match version.split_once(", ") {
        Some((_, own)) => ("DDNet", own.to_owned()),
        None => ("Teeworlds", version),
    };
    let mut service = product("teeworlds", product_name.to_owned(), Some(version));
    service.extra = some_text(reader.text());
    Some(service)
}
