//! What scans before a moment no longer add to the current state is taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use portolan_core::target::{Block, PortSet, TargetSet};
use portolan_core::{Endpoint, Transport};

use crate::bits::PortBits;
use crate::cover::{self, CoverIndex};
use crate::current::Groups;
use crate::error::StoreError;
use crate::inner::{Inner, Writer, intent_key};
use crate::key::{self, Key};
use crate::record::{ClosedRec, Code, IntentRec, Ports, RowRec, ScanRec, TransitionRec};
use crate::report::ScanId;
use crate::scan_rows;
use crate::store::PruneOutcome;
use crate::wide::unseal_list;

type HostTransport = (IpAddr, Transport);

/// What the current state still has from one scan.
#[derive(Default)]
struct Kept {
    rows: BTreeSet<Endpoint>,
    closed: BTreeMap<HostTransport, PortSet>,
    silent: BTreeMap<HostTransport, PortSet>,
}

/// Prunes scans with numbers below `keep` as one change. The caller is the writer.
pub(crate) fn prune(inner: &Inner, keep: i64) -> Result<PruneOutcome, StoreError> {
    inner.publish(|| {
        let mut writer = Writer::new(inner);
        writer.put(intent_key(), &IntentRec::Prune(keep))?;
        writer.flush()?;
        carry_out(inner, keep)
    })
}

/// Carries a decided pruning out, from wherever it was cut short.
pub(crate) fn carry_out(inner: &Inner, keep: i64) -> Result<PruneOutcome, StoreError> {
    let mut outcome = PruneOutcome::default();
    let kept = kept(inner, keep)?;
    let prefix = Key::new(key::SCAN);
    let end = prefix.clone().scan(ScanId::new(keep)).done();
    let heads: Result<Vec<(Vec<u8>, ScanRec)>, _> = inner.range(&prefix.done(), &end).collect();
    for (bytes, head) in heads? {
        let id = scan_rows::id_of(&bytes)?;
        if let Some(kept) = kept.get(&id.as_i64()) {
            outcome.endpoints += thin(inner, id, head, kept)?;
        } else {
            let mut writer = Writer::new(inner);
            scan_rows::remove_parts(&mut writer, inner, id)?;
            writer.delete(bytes);
            writer.flush()?;
            outcome.scans += 1;
        }
    }
    let prefix = Key::new(key::TRANSITIONS);
    let end = prefix.clone().scan(ScanId::new(keep)).done();
    let mut writer = Writer::new(inner);
    for pair in inner.range_by(&prefix.done(), &end, unseal_list::<TransitionRec>) {
        let (bytes, chunk) = pair?;
        outcome.transitions += count(chunk.iter().map(TransitionRec::count).sum());
        writer.delete(bytes);
        writer.part()?;
    }
    writer.flush()?;
    writer.delete(intent_key());
    writer.flush()?;
    Ok(outcome)
}

/// What the current state has from each scan below `keep`.
fn kept(inner: &Inner, keep: i64) -> Result<BTreeMap<i64, Kept>, StoreError> {
    let mut all: BTreeMap<i64, Kept> = BTreeMap::new();
    for (site, _) in inner.sites_for(None) {
        for group in Groups::new(inner, site, None, None, true) {
            let group = group?;
            let host = (group.addr, group.transport);
            for row in group.rows.iter().filter(|row| row.scan < keep) {
                let endpoint = Endpoint::new(group.addr, group.transport, row.port);
                all.entry(row.scan).or_default().rows.insert(endpoint);
            }
            let layers = group.quiet.into_iter().flat_map(|quiet| quiet.layers);
            for layer in layers.filter(|layer| layer.scan < keep) {
                let kept = all.entry(layer.scan).or_default();
                kept.closed.insert(host, layer.closed.0);
                kept.silent.insert(host, layer.silent.0);
            }
        }
    }
    Ok(all)
}

/// Leaves of a scan what the current state still has from it; says how many endpoints went.
fn thin(inner: &Inner, id: ScanId, head: ScanRec, kept: &Kept) -> Result<u64, StoreError> {
    let mut report = scan_rows::load(inner, id, &head)?;
    // Sorted again: a pruning that was cut short may have left chunks old and new.
    report.normalise();
    let listed = |e: &Endpoint| {
        let at = kept.closed.get(&(e.addr, e.transport));
        at.is_some_and(|ports| ports.contains(e.port))
    };
    let silent = |e: &Endpoint| {
        let at = kept.silent.get(&(e.addr, e.transport));
        at.is_some_and(|ports| ports.contains(e.port))
    };
    let before = count(report.states.len())
        + report.closed.iter().map(|list| count(list.ports.len())).sum::<u64>();
    report
        .states
        .retain(|s| kept.rows.contains(&s.endpoint) || listed(&s.endpoint) || silent(&s.endpoint));
    for list in &mut report.closed {
        let host = (list.addr, list.transport);
        let mut wanted = PortBits::new();
        for ports in kept.closed.get(&host).into_iter().chain(kept.silent.get(&host)) {
            wanted.add(ports);
        }
        let first = Endpoint::new(host.0, host.1, 0);
        let last = Endpoint::new(host.0, host.1, u16::MAX);
        for endpoint in kept.rows.range(first..=last) {
            wanted.insert(endpoint.port);
        }
        wanted.and(&PortBits::of(&list.ports));
        list.ports = wanted.to_set();
    }
    report.closed.retain(|list| !list.ports.is_empty());
    let after = count(report.states.len())
        + report.closed.iter().map(|list| count(list.ports.len())).sum::<u64>();
    let coverage = shrunk(&report.coverage, kept);
    if head.pruned && before == after && coverage == report.coverage {
        return Ok(0);
    }
    report.coverage = coverage;
    rewrite(inner, id, head, &report)?;
    Ok(before - after)
}

/// The part of a coverage that the current state still has from it.
fn shrunk(coverage: &TargetSet, kept: &Kept) -> TargetSet {
    let cover = CoverIndex::new(coverage);
    let mut hosts: BTreeMap<HostTransport, PortBits> = BTreeMap::new();
    for endpoint in &kept.rows {
        let host = (endpoint.addr, endpoint.transport);
        hosts.entry(host).or_insert_with(PortBits::new).insert(endpoint.port);
    }
    for (host, ports) in kept.closed.iter().chain(&kept.silent) {
        hosts.entry(*host).or_insert_with(PortBits::new).add(ports);
    }
    let blocks = hosts.into_iter().filter_map(|((addr, transport), mut bits)| {
        let mut covered = PortBits::new();
        cover.add_ports(addr, transport, &mut covered);
        bits.and(&covered);
        let mut block = Block { addrs: [addr].into_iter().collect(), ..Block::default() };
        *block.ports_mut(transport)? = bits.to_set();
        Some(block)
    });
    cover::merged(blocks)
}

/// Writes a scan's parts anew: first the new, then away with those of the old that are left.
fn rewrite(
    inner: &Inner,
    id: ScanId,
    mut head: ScanRec,
    report: &crate::report::ScanReport,
) -> Result<(), StoreError> {
    let parts = [key::COVERAGE, key::ROWS, key::CLOSED];
    let mut old: BTreeSet<Vec<u8>> = BTreeSet::new();
    for prefix in parts {
        let prefix = Key::new(prefix).scan(id);
        for bytes in inner.keys(&prefix.clone().done(), &prefix.end()) {
            old.insert(bytes?);
        }
    }
    let fresh = scan_rows::scan_rec(head.site, report);
    head.rows = fresh.rows;
    head.closed_ports = fresh.closed_ports;
    head.pruned = true;
    let mut writer = Writer::remembering(inner);
    scan_rows::stage_coverage(&mut writer, id, &report.coverage)?;
    let rows: Vec<RowRec> = report.states.iter().map(scan_rows::row_rec).collect();
    scan_rows::stage_rows(&mut writer, id, rows.into_iter())?;
    let lists = report.closed.iter().map(|list| ClosedRec {
        addr: list.addr,
        transport: Code(list.transport),
        ports: Ports(list.ports.clone()),
    });
    scan_rows::stage_closed(&mut writer, id, lists)?;
    writer.put(scan_rows::header_key(id), &head)?;
    writer.flush()?;
    let written = writer.written();
    for bytes in old.difference(&written) {
        writer.delete(bytes.clone());
        writer.part()?;
    }
    writer.flush()
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
