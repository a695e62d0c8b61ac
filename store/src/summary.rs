//! Figures of the whole store, for metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use portolan_core::{PortState, Transport, UnixTime};

use crate::commit::LAST_SUCCESS;
use crate::compare::compare;
use crate::current::{Group, Groups};
use crate::diff::{DiffOptions, DriftKind, Side};
use crate::error::StoreError;
use crate::expected;
use crate::filter::Filter;
use crate::inner::Inner;
use crate::key::{self, Key};
use crate::report::{SiteName, silent_state};
use crate::store::{IMPORTS_FAILED_TOTAL, IMPORTS_LAST};

/// Figures of the whole store, true at one generation of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Grows with every change of the store since it was opened.
    pub generation: u64,
    /// Endpoints of the current state.
    pub ports: BTreeMap<(SiteName, IpAddr, Transport, PortState), u64>,
    /// Rows of the difference between expected and current state.
    pub rogue: BTreeMap<(SiteName, IpAddr, Transport), u64>,
    /// The same rows by site and kind.
    pub rogue_by_kind: BTreeMap<(SiteName, DriftKind), u64>,
    /// Per configured scan: when the last complete one ended.
    pub last_success: BTreeMap<String, UnixTime>,
    /// Stored scans.
    pub scans: u64,
    /// Known hosts.
    pub hosts: u64,
    /// Entries of the expected state.
    pub expected: u64,
    /// Reports that could not be imported.
    pub imports_failed_total: u64,
    /// The last import that succeeded.
    pub imports_last: Option<UnixTime>,
}

/// The figures of this moment. The caller may read.
pub(crate) fn summary(inner: &Inner) -> Result<Arc<Summary>, StoreError> {
    let generation = inner.generation();
    let mut cache = inner.summary.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(summary) = cache.as_ref().filter(|summary| summary.generation == generation) {
        return Ok(Arc::clone(summary));
    }
    let summary = Arc::new(compute(inner, generation)?);
    *cache = Some(Arc::clone(&summary));
    Ok(summary)
}

fn compute(inner: &Inner, generation: u64) -> Result<Summary, StoreError> {
    let mut summary = Summary { generation, ..Summary::default() };
    for (site, name) in inner.sites_for(None) {
        for group in Groups::new(inner, site, None, None, true) {
            add_group(&mut summary, &name, &group?);
        }
    }
    let sides = (Side::Expected, Side::Current);
    compare(inner, sides, &Filter::default(), DiffOptions::default(), None, &mut |_, row| {
        *summary.rogue_by_kind.entry((row.site.clone(), row.kind)).or_default() += 1;
        let host = (row.site, row.endpoint.addr, row.endpoint.transport);
        *summary.rogue.entry(host).or_default() += 1;
        true
    })?;
    summary.scans = count_keys(inner, key::SCAN)?;
    summary.hosts = count_keys(inner, key::HOST)?;
    summary.expected = expected::index(inner)?.len;
    add_texts(&mut summary, inner)?;
    Ok(summary)
}

fn add_group(summary: &mut Summary, site: &SiteName, group: &Group) {
    let mut add = |state: PortState, count: usize| {
        if count > 0 {
            let key = (site.clone(), group.addr, group.transport, state);
            let sum = summary.ports.entry(key).or_default();
            *sum = sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
    };
    for state in PortState::ALL {
        add(state, group.rows.iter().filter(|row| row.state.0 == state).count());
    }
    for layer in group.quiet.iter().flat_map(|quiet| &quiet.layers) {
        add(PortState::Closed, layer.closed.0.len());
        add(silent_state(group.transport), layer.silent.0.len());
    }
}

fn add_texts(summary: &mut Summary, inner: &Inner) -> Result<(), StoreError> {
    let prefix = Key::new(key::INFO);
    for pair in inner.range::<String>(&prefix.clone().done(), &prefix.end()) {
        let (bytes, text) = pair?;
        let name = bytes.get(1..).unwrap_or_default();
        if let Some(scan) = name.strip_prefix(LAST_SUCCESS) {
            let at = text.parse().map(UnixTime::from_millis).unwrap_or_default();
            summary.last_success.insert(String::from_utf8_lossy(scan).into_owned(), at);
        } else if name == IMPORTS_FAILED_TOTAL.as_bytes() {
            summary.imports_failed_total = text.parse().unwrap_or(0);
        } else if name == IMPORTS_LAST.as_bytes() {
            summary.imports_last = parse_seconds(&text);
        }
    }
    Ok(())
}

/// Seconds with up to three decimals.
fn parse_seconds(text: &str) -> Option<UnixTime> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let millis: String = part.chars().chain("000".chars()).take(3).collect();
    let whole = whole.parse::<i64>().ok()?.checked_mul(1000)?;
    Some(UnixTime::from_millis(whole.checked_add(millis.parse().ok()?)?))
}

fn count_keys(inner: &Inner, prefix: u8) -> Result<u64, StoreError> {
    let prefix = Key::new(prefix);
    let mut count = 0;
    for bytes in inner.keys(&prefix.clone().done(), &prefix.end()) {
        bytes?;
        count += 1;
    }
    Ok(count)
}
