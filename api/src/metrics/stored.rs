//! The store's figures, and portmantool's names for them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use portolan_core::{PortState, Transport};
use portolan_store::{DriftKind, SiteName, Summary};

use super::family::{Families, number, seconds};
use super::{LABEL_VALUES_MAX, Snapshot};

/// Adds the families; gives back how many series had to be left out of which.
pub(super) fn add(all: &mut Families, snapshot: &Snapshot<'_>) -> Vec<(&'static str, u64)> {
    let summary = &snapshot.summary;
    let mut dropped = ports(all, summary);
    dropped.extend(deviations(all, summary));
    totals(all, snapshot);
    let configured: BTreeSet<&str> =
        snapshot.scans.iter().map(|s| s.spec.name.as_str()).take(LABEL_VALUES_MAX).collect();
    let help = "When the last complete run of the scan ended.";
    all.gauge("portolan_scan_last_success_timestamp_seconds", help, {
        let known =
            summary.last_success.iter().filter(|(name, _)| configured.contains(name.as_str()));
        known.map(|(name, at)| (vec![("scan", name.clone())], seconds(*at)))
    });
    if snapshot.config.compat {
        dropped.extend(compat(all, summary, snapshot.config.hosts_max));
    }
    dropped
}

fn ports(all: &mut Families, summary: &Summary) -> Vec<(&'static str, u64)> {
    let mut sums: BTreeMap<(&SiteName, Transport, PortState), u64> = BTreeMap::new();
    for ((site, _, transport, state), n) in &summary.ports {
        let sum = sums.entry((site, *transport, *state)).or_default();
        *sum = sum.saturating_add(*n);
    }
    let left_out = sums.len().saturating_sub(LABEL_VALUES_MAX);
    let help = "Endpoints by the state that the last scan that asked them found.";
    let rows = sums.into_iter().take(LABEL_VALUES_MAX);
    all.gauge(
        "portolan_ports",
        help,
        rows.map(|((site, transport, state), n)| {
            let labels = vec![
                ("site", site.to_string()),
                ("protocol", transport.to_string()),
                ("state", state.to_string()),
            ];
            (labels, number(n))
        }),
    );
    if left_out == 0 {
        vec![]
    } else {
        vec![("portolan_ports", u64::try_from(left_out).unwrap_or(u64::MAX))]
    }
}

/// Every site has both kinds, at zero too: an alert that lost its series would never resolve.
fn deviations(all: &mut Families, summary: &Summary) -> Option<(&'static str, u64)> {
    const NAME: &str = "portolan_deviations";
    let known = summary.ports.keys().map(|(site, ..)| site);
    let sites: BTreeSet<&SiteName> =
        known.chain(summary.rogue_by_kind.keys().map(|(site, _)| site)).collect();
    let left_out = sites.len().saturating_sub(LABEL_VALUES_MAX);
    let mut kinds = BTreeMap::new();
    for site in sites.into_iter().take(LABEL_VALUES_MAX) {
        kinds.insert((site, DriftKind::UnexpectedOpen), 0);
        kinds.insert((site, DriftKind::Missing), 0);
    }
    for ((site, kind), n) in &summary.rogue_by_kind {
        if kinds.contains_key(&(site, DriftKind::Missing)) {
            kinds.insert((site, *kind), *n);
        }
    }
    let help = "Endpoints whose current state differs from the expected one.";
    all.gauge(
        NAME,
        help,
        kinds.into_iter().map(|((site, kind), n)| {
            (vec![("site", site.to_string()), ("kind", kind.name().to_owned())], number(n))
        }),
    );
    let left_out = u64::try_from(left_out).unwrap_or(u64::MAX);
    (left_out > 0).then_some((NAME, left_out))
}

fn totals(all: &mut Families, snapshot: &Snapshot<'_>) {
    let summary = &snapshot.summary;
    let mut one = |name: &str, help: &str, value: f64| all.gauge(name, help, [(vec![], value)]);
    one("portolan_stored_scans", "Scans in the store.", number(summary.scans));
    one("portolan_hosts", "Hosts that were ever seen.", number(summary.hosts));
    one("portolan_expectations", "Entries of the expected state.", number(summary.expected));
    one("portolan_store_size_bytes", "The store's size on disk.", number(snapshot.store_bytes));
    let read_only = if snapshot.store_read_only { 1.0 } else { 0.0 };
    one("portolan_store_read_only", "Whether the store has stopped taking writes.", read_only);
}

/// portmantool's four families with its names, labels and meanings; hosts of the same address at
/// several sites are summed, as portmantool knows no sites.
fn compat(all: &mut Families, summary: &Summary, hosts_max: usize) -> Option<(&'static str, u64)> {
    let rogue_hosts = summary.rogue.keys().map(|(_, addr, _)| *addr);
    // Hosts with drift come first: they must not fall to the cap.
    let mut hosts: BTreeSet<IpAddr> = rogue_hosts.take(hosts_max).collect();
    let mut left_out = BTreeSet::new();
    for (_, addr, ..) in summary.ports.keys() {
        if hosts.len() < hosts_max {
            hosts.insert(*addr);
        } else if !hosts.contains(addr) {
            left_out.insert(*addr);
        }
    }
    let mut ports: BTreeMap<(IpAddr, Transport, PortState), u64> = BTreeMap::new();
    // portmantool's series of rogue ports vanish at zero; ours stay, so that an alert resolves.
    let mut rogue: BTreeMap<(IpAddr, Transport), u64> = BTreeMap::new();
    for ((_, addr, transport, state), n) in &summary.ports {
        if hosts.contains(addr) {
            *ports.entry((*addr, *transport, *state)).or_default() += n;
            rogue.entry((*addr, *transport)).or_default();
        }
    }
    for ((_, addr, transport), n) in &summary.rogue {
        if hosts.contains(addr) {
            *rogue.entry((*addr, *transport)).or_default() += n;
        }
    }
    let help = "Number of ports of a host by protocol and state.";
    all.gauge(
        "portmantool_ports",
        help,
        ports.into_iter().map(|((addr, transport, state), n)| {
            let labels = vec![
                ("host", addr.to_string()),
                ("protocol", transport.to_string()),
                ("state", state.to_string()),
            ];
            (labels, number(n))
        }),
    );
    let help = "Number of ports of a host whose state is not the expected one.";
    all.gauge(
        "portmantool_ports_rogue",
        help,
        rogue.into_iter().map(|((addr, transport), n)| {
            (vec![("host", addr.to_string()), ("protocol", transport.to_string())], number(n))
        }),
    );
    let help = "Reports that could not be imported, ever.";
    let failed = number(summary.imports_failed_total);
    all.counter("portmantool_imports_failed_total", help, [(vec![], failed)]);
    let help = "When a scan was last taken in.";
    let last = summary.imports_last.map_or(0.0, seconds);
    all.gauge("portmantool_imports_last", help, [(vec![], last)]);
    let left_out = u64::try_from(left_out.len()).unwrap_or(u64::MAX);
    (left_out > 0).then_some(("portmantool_ports", left_out))
}
