//! A scan in the tree: its header, and its parts in chunks of some 4 KiB.
//!
//! A chunk's key ends with the last thing in it, so that the first chunk at or behind a place
//! holds what comes next. sled keeps up to 16 values in a page; small chunks keep pages small.

use std::net::IpAddr;
use std::time::Duration;

use portolan_core::target::{AddrRange, AddrSet, Block, TargetSet};
use portolan_core::{Endpoint, HostObservation, PortState, Reason, Transport, UnixTime};

use crate::cover;
use crate::coverage::{BlockRec, seal_blocks, unseal_blocks};
use crate::error::StoreError;
use crate::inner::{Inner, Writer};
use crate::key::{self, Key, Parts};
use crate::record::{Blob, ClosedRec, Code, CountersRec, Mac, Ports, RowRec, ScanRec, SignRec};
use crate::report::{EndpointState, HostPorts, ScanCounters, ScanId, ScanRecord, ScanReport};
use crate::service_rec::{ServiceRec, cut};
use crate::wide::{seal_list, unseal_list};

const CHUNK_BYTES: usize = 4 << 10;
const MAX_BANNER_LEN: usize = 4 << 10;
/// Bytes of a service's texts.
const TEXT_LEN_MAX: usize = 255;
const CPES_MAX: usize = 8;
const RANGES_A_BLOCK: usize = 100;

/// Writes all of a scan but its header. `report` is normalised.
pub(crate) fn stage(inner: &Inner, id: ScanId, report: &ScanReport) -> Result<(), StoreError> {
    let mut writer = Writer::new(inner);
    stage_coverage(&mut writer, id, &report.coverage)?;
    stage_rows(&mut writer, id, report.states.iter().map(row_rec))?;
    stage_closed(&mut writer, id, report.closed.iter().map(closed_rec))?;
    let mut chunks = Chunks::new();
    for host in &report.hosts {
        if let Some((n, chunk)) = chunks.push(sign_rec(host), 48) {
            writer.put(Key::new(key::SCAN_HOSTS).scan(id).u32(n).done(), &chunk)?;
            writer.part()?;
        }
    }
    if let Some((n, chunk)) = chunks.last() {
        writer.put(Key::new(key::SCAN_HOSTS).scan(id).u32(n).done(), &chunk)?;
    }
    writer.flush()
}

/// Writes a coverage under a scan.
pub(crate) fn stage_coverage(
    writer: &mut Writer<'_>,
    id: ScanId,
    coverage: &TargetSet,
) -> Result<(), StoreError> {
    let mut chunks = Chunks::new();
    for block in coverage.blocks() {
        for ranges in block.addrs.ranges().chunks(RANGES_A_BLOCK) {
            let rec = BlockRec {
                addrs: ranges.iter().map(|r| (r.first(), r.last())).collect(),
                tcp: Ports(block.tcp.clone()),
                udp: Ports(block.udp.clone()),
                sctp: Ports(block.sctp.clone()),
            };
            let sets = [&block.tcp, &block.udp, &block.sctp];
            let ports = sets.map(|set| set.ranges().len() * 4).iter().sum::<usize>();
            let size = ranges.len() * 36 + ports.min(16 << 10);
            if let Some((n, chunk)) = chunks.push(rec, size) {
                put_blocks(writer, id, n, &chunk)?;
                writer.part()?;
            }
        }
    }
    if let Some((n, chunk)) = chunks.last() {
        put_blocks(writer, id, n, &chunk)?;
    }
    writer.part()
}

fn put_blocks(
    writer: &mut Writer<'_>,
    id: ScanId,
    number: u32,
    chunk: &[BlockRec],
) -> Result<(), StoreError> {
    let key = Key::new(key::COVERAGE).scan(id).u32(number).done();
    let value = seal_blocks(&key, chunk)?;
    writer.put_sealed(key, value);
    Ok(())
}

/// Writes endpoints under a scan; they come in order.
pub(crate) fn stage_rows(
    writer: &mut Writer<'_>,
    id: ScanId,
    rows: impl Iterator<Item = RowRec>,
) -> Result<(), StoreError> {
    let place = |rows: &[RowRec]| {
        let key = Key::new(key::ROWS).scan(id);
        rows.last().map_or_else(Vec::new, |row| key.endpoint(&row_endpoint(row)).done())
    };
    let mut put = |chunk: &[RowRec]| {
        let key = place(chunk);
        let value = seal_list(&key, chunk)?;
        writer.put_sealed(key, value);
        writer.part()
    };
    let mut chunks = Chunks::new();
    for row in rows {
        let size = row_size(&row);
        if let Some((_, chunk)) = chunks.push(row, size) {
            put(&chunk)?;
        }
    }
    if let Some((_, chunk)) = chunks.last() {
        put(&chunk)?;
    }
    writer.part()
}

/// Writes closed ports under a scan; they come in order.
pub(crate) fn stage_closed(
    writer: &mut Writer<'_>,
    id: ScanId,
    lists: impl Iterator<Item = ClosedRec>,
) -> Result<(), StoreError> {
    let place = |lists: &[ClosedRec]| {
        let key = Key::new(key::CLOSED).scan(id);
        lists.last().map_or_else(Vec::new, |l| key.addr(l.addr).transport(l.transport.0).done())
    };
    let mut chunks = Chunks::new();
    for list in lists {
        let size = 24 + (list.ports.0.ranges().len() * 4).min(8 << 10);
        if let Some((_, chunk)) = chunks.push(list, size) {
            writer.put(place(&chunk), &chunk)?;
            writer.part()?;
        }
    }
    if let Some((_, chunk)) = chunks.last() {
        writer.put(place(&chunk), &chunk)?;
    }
    writer.part()
}

/// Things gathered until they fill a chunk.
struct Chunks<T> {
    items: Vec<T>,
    bytes: usize,
    number: u32,
}

impl<T> Chunks<T> {
    const fn new() -> Self {
        Self { items: Vec::new(), bytes: 0, number: 0 }
    }

    fn push(&mut self, item: T, size: usize) -> Option<(u32, Vec<T>)> {
        self.items.push(item);
        self.bytes += size;
        if self.bytes < CHUNK_BYTES { None } else { self.last() }
    }

    fn last(&mut self) -> Option<(u32, Vec<T>)> {
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        let number = self.number;
        self.number += 1;
        (!items.is_empty()).then_some((number, items))
    }
}

/// Removes all parts of a scan but its header.
pub(crate) fn remove_parts(
    writer: &mut Writer<'_>,
    inner: &Inner,
    id: ScanId,
) -> Result<(), StoreError> {
    for prefix in [key::COVERAGE, key::ROWS, key::CLOSED, key::SCAN_HOSTS] {
        let prefix = Key::new(prefix).scan(id);
        for key in inner.keys(&prefix.clone().done(), &prefix.end()) {
            writer.delete(key?);
            writer.part()?;
        }
    }
    Ok(())
}

/// The key of a scan's header.
pub(crate) fn header_key(id: ScanId) -> Vec<u8> {
    Key::new(key::SCAN).scan(id).done()
}

/// A scan's header, if the scan is committed.
pub(crate) fn header(inner: &Inner, id: ScanId) -> Result<Option<ScanRec>, StoreError> {
    inner.get(&header_key(id))
}

/// A scan's coverage.
pub(crate) fn coverage(inner: &Inner, id: ScanId) -> Result<TargetSet, StoreError> {
    let prefix = Key::new(key::COVERAGE).scan(id);
    let mut blocks = Vec::new();
    for pair in inner.kv.range(&prefix.clone().done(), &prefix.end()) {
        let (key, value) = pair?;
        blocks.extend(unseal_blocks(&key, &value)?.into_iter().map(|rec| Block {
            addrs:
                rec.addrs.iter().filter_map(|(a, b)| AddrRange::new(*a, *b)).collect::<AddrSet>(),
            tcp: rec.tcp.0,
            udp: rec.udp.0,
            sctp: rec.sctp.0,
        }));
    }
    Ok(cover::merged(blocks))
}

/// A scan's endpoints with a row each, from behind `after` on.
pub(crate) fn rows(
    inner: &Inner,
    id: ScanId,
    after: Option<Endpoint>,
) -> impl Iterator<Item = Result<RowRec, StoreError>> + '_ {
    let prefix = Key::new(key::ROWS).scan(id);
    let from = after.map_or_else(|| prefix.clone().done(), |e| prefix.clone().endpoint(&e).done());
    let chunks = inner.range_by(&from, &prefix.end(), unseal_list::<RowRec>);
    flatten(chunks).filter(move |row| match (row, after) {
        (Ok(row), Some(after)) => row_endpoint(row) > after,
        _ => true,
    })
}

/// A scan's lists of closed ports, from the host and transport of `from` on.
pub(crate) fn closed(
    inner: &Inner,
    id: ScanId,
    from: Option<(IpAddr, Transport)>,
) -> impl Iterator<Item = Result<ClosedRec, StoreError>> + '_ {
    let prefix = Key::new(key::CLOSED).scan(id);
    let start = from.map_or_else(
        || prefix.clone().done(),
        |(addr, transport)| prefix.clone().addr(addr).transport(transport).done(),
    );
    let chunks = inner.range::<Vec<ClosedRec>>(&start, &prefix.end());
    flatten(chunks).filter(move |list| match (list, from) {
        (Ok(list), Some(from)) => (list.addr, list.transport.0) >= from,
        _ => true,
    })
}

/// A scan's endpoints behind `after`, in order: those with a row each and, where `listed`, the
/// closed ports that are only listed.
pub(crate) fn stream<'a>(
    inner: &'a Inner,
    id: ScanId,
    head: &ScanRec,
    after: Option<Endpoint>,
    listed: bool,
) -> impl Iterator<Item = Result<EndpointState, StoreError>> + use<'a> {
    let at = UnixTime::from_millis(head.finished_ms);
    let mut explicit = rows(inner, id, after).map(|row| row.map(row_state)).peekable();
    let start = after.map(|e| (e.addr, e.transport));
    let lists = listed.then(|| closed(inner, id, start)).into_iter().flatten();
    let mut closed = lists
        .flat_map(move |list| {
            let (states, error) = match list {
                Ok(list) => (closed_states(&list, after, at), None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            states.into_iter().map(Ok).chain(error)
        })
        .peekable();
    std::iter::from_fn(move || match (explicit.peek(), closed.peek()) {
        (Some(Ok(a)), Some(Ok(b))) if b.endpoint < a.endpoint => closed.next(),
        (None, _) | (_, Some(Err(_))) => closed.next(),
        _ => explicit.next(),
    })
}

fn closed_states(list: &ClosedRec, after: Option<Endpoint>, at: UnixTime) -> Vec<EndpointState> {
    let transport = list.transport.0;
    let endpoints = list.ports.0.iter().map(|port| Endpoint::new(list.addr, transport, port));
    endpoints
        .filter(|endpoint| after.is_none_or(|after| *endpoint > after))
        .map(|endpoint| EndpointState {
            endpoint,
            state: PortState::Closed,
            reason: listed_reason(transport, PortState::Closed),
            ttl: None,
            rtt: None,
            at,
            service: None,
            banner: None,
        })
        .collect()
}

fn flatten<T>(
    chunks: impl Iterator<Item = Result<(Vec<u8>, Vec<T>), StoreError>>,
) -> impl Iterator<Item = Result<T, StoreError>> {
    chunks.flat_map(|chunk| {
        let (items, error) = match chunk {
            Ok((_, items)) => (items, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        items.into_iter().map(Ok).chain(error)
    })
}

/// The state of one endpoint in a committed scan; `None` when it was not covered.
pub(crate) fn state_of(
    inner: &Inner,
    id: ScanId,
    covered: bool,
    endpoint: &Endpoint,
) -> Result<Option<PortState>, StoreError> {
    let place = Key::new(key::ROWS).scan(id);
    let from = place.clone().endpoint(endpoint).done();
    if let Some(chunk) = inner.range_by(&from, &place.end(), unseal_list::<RowRec>).next() {
        let found = chunk?.1.into_iter().find(|row| row_endpoint(row) == *endpoint);
        if let Some(row) = found {
            return Ok(Some(row.state.0));
        }
    }
    let host = (endpoint.addr, endpoint.transport);
    if let Some(list) = closed(inner, id, Some(host)).next() {
        let list = list?;
        if (list.addr, list.transport.0) == host && list.ports.0.contains(endpoint.port) {
            return Ok(Some(PortState::Closed));
        }
    }
    Ok(covered.then(|| crate::report::silent_state(endpoint.transport)))
}

/// The whole scan as the report it was committed from.
pub(crate) fn load(inner: &Inner, id: ScanId, head: &ScanRec) -> Result<ScanReport, StoreError> {
    let prefix = Key::new(key::SCAN_HOSTS).scan(id);
    let signs = flatten(inner.range::<Vec<SignRec>>(&prefix.clone().done(), &prefix.end()));
    Ok(ScanReport {
        site: inner.site_name(head.site)?,
        source: head.source.0,
        name: head.name.clone(),
        started_at: UnixTime::from_millis(head.started_ms),
        finished_at: UnixTime::from_millis(head.finished_ms),
        coverage: coverage(inner, id)?,
        complete: head.complete,
        states: rows(inner, id, None).map(|r| r.map(row_state)).collect::<Result<_, _>>()?,
        closed: closed(inner, id, None)
            .map(|c| {
                c.map(|c| HostPorts { addr: c.addr, transport: c.transport.0, ports: c.ports.0 })
            })
            .collect::<Result<_, _>>()?,
        hosts: signs.map(|s| s.map(|s| observation(&s))).collect::<Result<_, _>>()?,
        counters: counters(&head.counters),
    })
}

/// The public header of a scan.
pub(crate) fn scan_record(
    inner: &Inner,
    id: ScanId,
    head: ScanRec,
) -> Result<ScanRecord, StoreError> {
    Ok(ScanRecord {
        id,
        site: inner.site_name(head.site)?,
        source: head.source.0,
        name: head.name,
        started_at: UnixTime::from_millis(head.started_ms),
        finished_at: UnixTime::from_millis(head.finished_ms),
        complete: head.complete,
        pruned: head.pruned,
        coverage: coverage(inner, id)?,
        counters: counters(&head.counters),
    })
}

/// The header record of a report.
pub(crate) fn scan_rec(site: u32, report: &ScanReport) -> ScanRec {
    let finite = |number: f64| if number.is_finite() { number } else { 0.0 };
    let c = &report.counters;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    ScanRec {
        site,
        source: Code(report.source),
        name: report.name.as_deref().map(|name| cut(name, 255)),
        started_ms: report.started_at.as_millis(),
        finished_ms: report.finished_at.as_millis(),
        complete: report.complete,
        pruned: false,
        rows: count(report.states.len()),
        closed_ports: report.closed.iter().map(|c| count(c.ports.len())).sum(),
        counters: CountersRec {
            probes_sent: c.probes_sent,
            replies: c.replies,
            open: c.open,
            closed: c.closed,
            filtered: c.filtered,
            loss_estimate: c.loss_estimate.filter(|loss| loss.is_finite()),
            coverage: finite(c.coverage),
            rejected: c.rejected.iter().take(64).map(|(why, n)| (cut(why, 64), *n)).collect(),
            kernel_drops: c.kernel_drops,
        },
    }
}

fn counters(rec: &CountersRec) -> ScanCounters {
    ScanCounters {
        probes_sent: rec.probes_sent,
        replies: rec.replies,
        open: rec.open,
        closed: rec.closed,
        filtered: rec.filtered,
        loss_estimate: rec.loss_estimate,
        coverage: rec.coverage,
        rejected: rec.rejected.iter().cloned().collect(),
        kernel_drops: rec.kernel_drops,
    }
}

pub(crate) fn row_endpoint(row: &RowRec) -> Endpoint {
    Endpoint::new(row.addr, row.transport.0, row.port)
}

fn micros(rtt: Option<Duration>) -> Option<u64> {
    rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX))
}

pub(crate) fn row_rec(state: &EndpointState) -> RowRec {
    let banner = state.banner.as_ref();
    RowRec {
        addr: state.endpoint.addr,
        transport: Code(state.endpoint.transport),
        port: state.endpoint.port,
        state: Code(state.state),
        reason: Code(state.reason),
        ttl: state.ttl,
        rtt_us: micros(state.rtt),
        at_ms: state.at.as_millis(),
        service: state.service.as_ref().map(|s| ServiceRec::new(s, TEXT_LEN_MAX, CPES_MAX)),
        banner: banner.map(|b| Blob(b.iter().take(MAX_BANNER_LEN).copied().collect())),
    }
}

fn row_size(row: &RowRec) -> usize {
    let service = row.service.as_ref().map_or(0, ServiceRec::size);
    32 + service + row.banner.as_ref().map_or(0, |b| b.0.len())
}

pub(crate) fn row_state(row: RowRec) -> EndpointState {
    EndpointState {
        endpoint: row_endpoint(&row),
        state: row.state.0,
        reason: row.reason.0,
        ttl: row.ttl,
        rtt: row.rtt_us.map(Duration::from_micros),
        at: UnixTime::from_millis(row.at_ms),
        service: row.service.map(ServiceRec::into_record),
        banner: row.banner.map(|blob| blob.0),
    }
}

fn closed_rec(list: &HostPorts) -> ClosedRec {
    ClosedRec { addr: list.addr, transport: Code(list.transport), ports: Ports(list.ports.clone()) }
}

fn sign_rec(host: &HostObservation) -> SignRec {
    SignRec {
        addr: host.addr,
        at_ms: host.at.as_millis(),
        reason: Code(host.reason),
        mac: host.mac.map(Mac),
        ttl: host.ttl,
        rtt_us: micros(host.rtt),
    }
}

fn observation(rec: &SignRec) -> HostObservation {
    HostObservation {
        at: UnixTime::from_millis(rec.at_ms),
        addr: rec.addr,
        reason: rec.reason.0,
        mac: rec.mac.map(|mac| mac.0),
        ttl: rec.ttl,
        rtt: rec.rtt_us.map(Duration::from_micros),
    }
}

/// The reason behind a port that is only listed.
pub(crate) const fn listed_reason(transport: Transport, state: PortState) -> Reason {
    match (state, transport) {
        (PortState::Closed, Transport::Tcp) => Reason::Reset,
        (PortState::Closed, Transport::Sctp) => Reason::Abort,
        (PortState::Closed, _) => Reason::PortUnreach,
        _ => Reason::NoResponse,
    }
}

/// The scan that a header's key names.
pub(crate) fn id_of(header_key: &[u8]) -> Result<ScanId, StoreError> {
    Parts::of(header_key, key::SCAN)
        .and_then(|mut parts| parts.scan())
        .ok_or_else(|| StoreError::corrupt("a scan without a proper number"))
}
