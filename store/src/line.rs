//! One record of the store as one line of an export, and back.

use std::net::IpAddr;

use portolan_core::target::AddrRange;
use portolan_core::{Endpoint, Transport};
use serde::{Deserialize, Serialize};

use crate::apply::transition_endpoint;
use crate::codec::{envelope, hex, seal, unseal};
use crate::coverage::{BlockRec, seal_blocks, unseal_blocks};
use crate::error::StoreError;
use crate::expected::Selector;
use crate::key::{self, Key, Parts};
use crate::record::{
    ClosedRec, Code, CurrentRec, ExpectRec, HostRec, QuietRec, RowRec, ScanRec, SignRec,
    TransitionRec,
};
use crate::report::{ScanId, SiteName};
use crate::scan_rows::row_endpoint;
use crate::service_rec::MoreRec;
use crate::tree::Pair;
use crate::wide::{Wide, seal_list, unseal_list};

/// The format's name in an export's first line.
pub(crate) const FORMAT: &str = "portolan-store";

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Line {
    Header {
        format: String,
        version: u32,
    },
    Site {
        number: u32,
        name: String,
    },
    Scan {
        id: i64,
        scan: ScanRec,
    },
    Coverage {
        id: i64,
        chunk: u32,
        blocks: Vec<BlockRec>,
    },
    Rows {
        id: i64,
        rows: Vec<RowRec>,
    },
    ClosedPorts {
        id: i64,
        lists: Vec<ClosedRec>,
    },
    Signs {
        id: i64,
        chunk: u32,
        signs: Vec<SignRec>,
    },
    Current {
        site: u32,
        addr: IpAddr,
        transport: Code<Transport>,
        rows: Vec<CurrentRec>,
    },
    Listed {
        site: u32,
        addr: IpAddr,
        transport: Code<Transport>,
        listed: QuietRec,
    },
    Host {
        site: u32,
        addr: IpAddr,
        host: HostRec,
    },
    Facts {
        site: u32,
        addr: IpAddr,
        transport: Code<Transport>,
        port: u16,
        facts: Box<MoreRec>,
    },
    Transitions {
        id: i64,
        site: u32,
        transitions: Vec<TransitionRec>,
    },
    Expected {
        site: u32,
        first: IpAddr,
        last: IpAddr,
        transport: Code<Transport>,
        ports: (u16, u16),
        expected: ExpectRec,
    },
    Info {
        name: String,
        text: String,
    },
    End {
        lines: u64,
        crc32: String,
    },
}

/// The line of a record; `None` for records that are the store's own business.
pub(crate) fn of_pair((bytes, value): &Pair) -> Result<Option<Line>, StoreError> {
    let odd = || StoreError::corrupt(format!("key {} makes no sense", hex(bytes)));
    let (&prefix, rest) = bytes.split_first().ok_or_else(odd)?;
    let mut parts = Parts::new(rest);
    let line = match prefix {
        key::META | key::STAGING | key::REDO => return Ok(None),
        key::INFO => {
            let name = String::from_utf8(rest.to_vec()).map_err(|_| odd())?;
            Line::Info { name, text: unseal(bytes, value)? }
        }
        key::SITE => {
            let name = String::from_utf8(rest.to_vec()).map_err(|_| odd())?;
            Line::Site { name, number: unseal(bytes, value)? }
        }
        key::SCAN | key::COVERAGE | key::ROWS | key::CLOSED | key::SCAN_HOSTS => {
            let id = parts.scan().ok_or_else(odd)?.as_i64();
            scan_line(prefix, id, parts, bytes, value)?.ok_or_else(odd)?
        }
        key::TRANSITIONS => {
            let id = parts.scan().ok_or_else(odd)?.as_i64();
            let site = parts.u32().ok_or_else(odd)?;
            Line::Transitions { id, site, transitions: unseal_list(bytes, value)? }
        }
        key::FACTS => {
            let site = parts.u32().ok_or_else(odd)?;
            let endpoint = parts.endpoint().ok_or_else(odd)?;
            let Endpoint { addr, transport, port } = endpoint;
            let transport = Code(transport);
            Line::Facts { site, addr, transport, port, facts: unseal(bytes, value)? }
        }
        key::EXPECTED => {
            let site = parts.u32().ok_or_else(odd)?;
            let range = parts.addr_range().ok_or_else(odd)?;
            let transport = Code(parts.transport().ok_or_else(odd)?);
            let ports = (parts.u16().ok_or_else(odd)?, parts.u16().ok_or_else(odd)?);
            let (first, last) = (range.first(), range.last());
            Line::Expected { site, first, last, transport, ports, expected: unseal(bytes, value)? }
        }
        key::WINDOW | key::QUIET | key::HOST => {
            let site = parts.u32().ok_or_else(odd)?;
            let addr = parts.addr().ok_or_else(odd)?;
            if prefix == key::HOST {
                Line::Host { site, addr, host: unseal(bytes, value)? }
            } else {
                let transport = Code(parts.transport().ok_or_else(odd)?);
                if prefix == key::WINDOW {
                    Line::Current { site, addr, transport, rows: unseal(bytes, value)? }
                } else {
                    Line::Listed { site, addr, transport, listed: unseal(bytes, value)? }
                }
            }
        }
        _ => return Err(odd()),
    };
    Ok(Some(line))
}

fn scan_line(
    prefix: u8,
    id: i64,
    mut parts: Parts<'_>,
    bytes: &[u8],
    value: &[u8],
) -> Result<Option<Line>, StoreError> {
    Ok(Some(match prefix {
        key::SCAN => Line::Scan { id, scan: unseal(bytes, value)? },
        key::ROWS => Line::Rows { id, rows: unseal_list(bytes, value)? },
        key::CLOSED => Line::ClosedPorts { id, lists: unseal(bytes, value)? },
        _ => {
            let Some(chunk) = parts.u32() else {
                return Ok(None);
            };
            if prefix == key::COVERAGE {
                Line::Coverage { id, chunk, blocks: unseal_blocks(bytes, value)? }
            } else {
                Line::Signs { id, chunk, signs: unseal(bytes, value)? }
            }
        }
    }))
}

impl Line {
    /// The key and value that the line stands for; the text says what is wrong with it.
    pub(crate) fn to_pair(&self) -> Result<Pair, String> {
        let scan = |prefix: u8, id: i64| Key::new(prefix).scan(ScanId::new(id));
        match self {
            Self::Header { .. } | Self::End { .. } => Err("not a record".to_owned()),
            Self::Site { number, name } => {
                let name: SiteName = name.parse().map_err(|e| format!("{e}"))?;
                sealed(key::site(&name), number)
            }
            Self::Scan { id, scan: rec } => sealed(scan(key::SCAN, *id).done(), rec),
            Self::Coverage { id, chunk, blocks } => {
                if blocks
                    .iter()
                    .flat_map(|b| &b.addrs)
                    .any(|(a, b)| AddrRange::new(*a, *b).is_none())
                {
                    return Err("a reversed address range".to_owned());
                }
                let key = scan(key::COVERAGE, *id).u32(*chunk).done();
                let value = seal_blocks(&key, blocks).map_err(|e| e.to_string())?;
                Ok((key, value))
            }
            Self::Rows { id, rows } => {
                let last = rows.last().map(row_endpoint).ok_or("no rows")?;
                rising(rows.iter().map(row_endpoint))?;
                sealed_list(scan(key::ROWS, *id).endpoint(&last).done(), rows)
            }
            Self::ClosedPorts { id, lists } => {
                let last = lists.last().ok_or("no lists")?;
                rising(lists.iter().map(|l| (l.addr, l.transport.0)))?;
                let place = scan(key::CLOSED, *id).addr(last.addr).transport(last.transport.0);
                sealed(place.done(), lists)
            }
            Self::Signs { id, chunk, signs } => {
                sealed(scan(key::SCAN_HOSTS, *id).u32(*chunk).done(), signs)
            }
            Self::Current { site, addr, transport, rows } => {
                let window = rows.first().map(|row| row.port >> 6).ok_or("no rows")?;
                rising(rows.iter().map(|row| row.port))?;
                if rows.iter().any(|row| row.port >> 6 != window) {
                    return Err("rows that do not belong together".to_owned());
                }
                sealed(key::window(*site, *addr, transport.0, window), rows)
            }
            Self::Listed { site, addr, transport, listed } => {
                sealed(key::quiet(*site, *addr, transport.0), listed)
            }
            Self::Host { site, addr, host } => sealed(key::host(*site, *addr), host),
            Self::Facts { site, addr, transport, port, facts } => {
                let endpoint = Endpoint::new(*addr, transport.0, *port);
                sealed(crate::facts::place(*site, &endpoint), facts)
            }
            Self::Transitions { id, site, transitions } => {
                let last = transitions.last().map(transition_endpoint).ok_or("no transitions")?;
                rising(transitions.iter().map(transition_endpoint))?;
                let place = scan(key::TRANSITIONS, *id).u32(*site).endpoint(&last);
                sealed_list(place.done(), transitions)
            }
            Self::Expected { site, first, last, transport, ports, expected } => {
                let addrs = AddrRange::new(*first, *last).ok_or("a reversed address range")?;
                let selector = Selector {
                    site: SiteName::default(),
                    addrs,
                    transport: transport.0,
                    ports: *ports,
                };
                sealed(key::expected(*site, &selector), expected)
            }
            Self::Info { name, text } => {
                sealed(Key::new(key::INFO).bytes(name.as_bytes()).done(), text)
            }
        }
    }

    /// The site that the line speaks of.
    pub(crate) const fn site(&self) -> Option<u32> {
        match self {
            Self::Current { site, .. }
            | Self::Listed { site, .. }
            | Self::Host { site, .. }
            | Self::Facts { site, .. }
            | Self::Transitions { site, .. }
            | Self::Expected { site, .. } => Some(*site),
            Self::Scan { scan, .. } => Some(scan.site),
            _ => None,
        }
    }

    /// The scan whose part the line is.
    pub(crate) const fn part_of(&self) -> Option<i64> {
        match self {
            Self::Coverage { id, .. }
            | Self::Rows { id, .. }
            | Self::ClosedPorts { id, .. }
            | Self::Signs { id, .. } => Some(*id),
            _ => None,
        }
    }
}

fn sealed<T: Serialize>(key: Vec<u8>, record: &T) -> Result<Pair, String> {
    let value = seal(&key, record).map_err(|e| e.to_string())?;
    Ok((key, value))
}

fn sealed_list<T: Wide>(key: Vec<u8>, records: &[T]) -> Result<Pair, String> {
    let value = seal_list(&key, records).map_err(|e| e.to_string())?;
    Ok((key, value))
}

fn rising<T: PartialOrd>(items: impl Iterator<Item = T>) -> Result<(), String> {
    if items.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err("rows out of order".to_owned()) }
}

/// Reads bytes as a stored value under a key, whatever they are; true when they make sense.
///
/// The checksum would keep a fuzzer out of the records, so it is put right first.
pub fn check_record(key: &[u8], body: &[u8]) -> bool {
    let sound = |version| of_pair(&(key.to_vec(), envelope(version, key, body))).is_ok();
    // Both are read: neither may panic because the other was fine.
    let versions = [1, 2].map(sound);
    versions.contains(&true)
}

/// Reads bytes as a line of an export and makes the record of it that an import would store;
/// true when they make sense.
pub fn check_line(text: &[u8]) -> bool {
    serde_json::from_slice::<Line>(text).is_ok_and(|line| line.to_pair().is_ok())
}
