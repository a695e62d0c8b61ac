//! A scan is committed: whole or not at all.
//!
//! 1. Its parts are written under its number, marked as being staged. Nobody reads them.
//! 2. One small batch writes its header, the intent to apply it, and takes the mark away.
//! 3. The current state is brought up to it, and the intent is cleared with the last batch.
//! 4. Everything is synced, and the number is returned.
//!
//! Readers are shut out during 2 to 4. After a crash before 2 the next opening removes the
//! parts; after 2 it applies the scan to the end.

use portolan_core::target::TargetSet;

use crate::apply::apply;
use crate::bits::difference;
use crate::cover;
use crate::error::StoreError;
use crate::inner::{Inner, Writer, intent_key};
use crate::key::{self, Key};
use crate::record::{IntentRec, ScanRec};
use crate::report::{ScanId, ScanReport};
use crate::scan_rows;

/// The prefix of the texts that remember when a configured scan last succeeded.
pub(crate) const LAST_SUCCESS: &[u8] = b"last_success/";

/// Commits `report`; durable when it returns.
pub(crate) fn commit(inner: &Inner, report: &ScanReport) -> Result<ScanId, StoreError> {
    let report = prepared(report);
    let _writer = inner.write()?;
    let site = inner.site_number(&report.site)?;
    let id = free_id(inner, report.started_at.as_seconds())?;
    let staged = mark(inner, id).and_then(|()| scan_rows::stage(inner, id, &report));
    if let Err(error) = staged {
        if !inner.is_read_only() {
            unstage(inner, id)?;
        }
        return Err(error);
    }
    let newer = newer_coverages(inner, site, id)?;
    inner.publish(|| {
        let mut writer = Writer::new(inner);
        writer.put(scan_rows::header_key(id), &scan_rows::scan_rec(site, &report))?;
        writer.put(intent_key(), &IntentRec::Apply(id.as_i64()))?;
        writer.delete(mark_key(id));
        if let Some(name) = report.name.as_deref().filter(|_| report.complete) {
            let name = crate::service_rec::cut(name, 255);
            let place = Key::new(key::INFO).bytes(LAST_SUCCESS).bytes(name.as_bytes()).done();
            writer.put(place, &report.finished_at.as_millis().to_string())?;
        }
        if !writer.flush_if_absent(Some(scan_rows::header_key(id)))? {
            return Err(StoreError::corrupt(format!("scan {id} was committed by someone else")));
        }
        apply(inner, site, id, &report, &newer)
    })?;
    Ok(id)
}

/// Applies a committed scan to the end, as the intent at opening says.
pub(crate) fn reapply(inner: &Inner, id: ScanId) -> Result<(), StoreError> {
    let head = scan_rows::header(inner, id)?.ok_or_else(|| {
        StoreError::corrupt(format!("scan {id} is to be applied and is not there"))
    })?;
    let report = scan_rows::load(inner, id, &head)?;
    let newer = newer_coverages(inner, head.site, id)?;
    apply(inner, head.site, id, &report, &newer)
}

/// Removes the parts of scans that were never committed.
pub(crate) fn remove_staged(inner: &Inner) -> Result<(), StoreError> {
    let prefix = Key::new(key::STAGING);
    let marks: Result<Vec<_>, _> = inner.keys(&prefix.clone().done(), &prefix.end()).collect();
    for bytes in marks? {
        let id = key::Parts::of(&bytes, key::STAGING)
            .and_then(|mut parts| parts.scan())
            .ok_or_else(|| StoreError::corrupt("a mark without a proper number"))?;
        if scan_rows::header(inner, id)?.is_none() {
            unstage(inner, id)?;
        }
    }
    Ok(())
}

fn mark_key(id: ScanId) -> Vec<u8> {
    Key::new(key::STAGING).scan(id).done()
}

fn mark(inner: &Inner, id: ScanId) -> Result<(), StoreError> {
    let mut writer = Writer::new(inner);
    writer.put(mark_key(id), &())?;
    writer.flush()
}

fn unstage(inner: &Inner, id: ScanId) -> Result<(), StoreError> {
    let mut writer = Writer::new(inner);
    scan_rows::remove_parts(&mut writer, inner, id)?;
    writer.delete(mark_key(id));
    writer.flush()
}

/// The report sorted, without contradictions, with few blocks of coverage.
fn prepared(report: &ScanReport) -> ScanReport {
    let mut report = report.clone();
    report.normalise();
    let states = &report.states;
    for list in &mut report.closed {
        let host = (list.addr, list.transport);
        let from = states.partition_point(|s| (s.endpoint.addr, s.endpoint.transport) < host);
        let rows = states.iter().skip(from);
        let own = rows.take_while(|s| (s.endpoint.addr, s.endpoint.transport) == host);
        list.ports = difference(&list.ports, &own.map(|s| s.endpoint.port).collect());
    }
    report.closed.retain(|list| !list.ports.is_empty());
    report.coverage = cover::merged(report.coverage.blocks().iter().cloned());
    report
}

/// `start`, or the next number that no scan has.
fn free_id(inner: &Inner, start: i64) -> Result<ScanId, StoreError> {
    let prefix = Key::new(key::SCAN);
    let mut id = start;
    for taken in inner.keys(&prefix.clone().scan(ScanId::new(start)).done(), &prefix.end()) {
        if scan_rows::id_of(&taken?)?.as_i64() != id {
            break;
        }
        id = id
            .checked_add(1)
            .ok_or(StoreError::TooLarge { what: "the scan's start", len: usize::MAX })?;
    }
    Ok(ScanId::new(id))
}

/// What the site's scans with higher numbers covered. Empty but for imports of old reports.
fn newer_coverages(inner: &Inner, site: u32, id: ScanId) -> Result<Vec<TargetSet>, StoreError> {
    let prefix = Key::new(key::SCAN);
    let from = key::after(prefix.clone().scan(id).done());
    let mut all = Vec::new();
    for pair in inner.range::<ScanRec>(&from, &prefix.end()) {
        let (bytes, head) = pair?;
        if head.site == site {
            all.push(scan_rows::coverage(inner, scan_rows::id_of(&bytes)?)?);
        }
    }
    Ok(all)
}
