//! What a scan found, in the form that the store commits.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::target::{Block, PortSet, TargetSet};
use portolan_core::{Endpoint, PortState, Reason, ScanStats, Transport, UnixTime};
use portolan_store::{EndpointState, HostPorts, ScanCounters, ScanReport, SiteName, Source};

use crate::finding::Finding;
use crate::ledger::{HostEntry, Ledger};

/// What the report says beside the answers.
pub(crate) struct About<'a> {
    /// The site that the addresses belong to.
    pub(crate) site: SiteName,
    /// The configured scan's name.
    pub(crate) name: Option<String>,
    /// First moment.
    pub(crate) started: UnixTime,
    /// Last moment.
    pub(crate) finished: UnixTime,
    /// What was really asked.
    pub(crate) asked: &'a TargetSet,
    /// Whether that is all that was planned.
    pub(crate) complete: bool,
    /// The counts.
    pub(crate) stats: &'a ScanStats,
}

/// The report of a scan whose answers are in `ledger`.
pub(crate) fn report(about: About<'_>, ledger: &Ledger) -> ScanReport {
    let mut report = ScanReport::empty(about.site, Source::Engine, about.started);
    report.name = about.name;
    report.finished_at = about.finished;
    report.coverage = if about.asked.is_empty() { answered(ledger) } else { about.asked.clone() };
    report.complete = about.complete;
    report.counters = counters(about.stats);
    for (addr, host) in ledger.hosts() {
        report.hosts.extend(host.seen.clone());
        report.states.extend(host.told.values().map(state));
        let mut closed: BTreeMap<Transport, PortSet> = BTreeMap::new();
        for ((transport, quiet, reason), ports) in host.quiet() {
            if quiet == PortState::Closed {
                let set = closed.entry(transport).or_default();
                *set = set.union(&ports);
            } else {
                let states = ports.iter().map(|port| {
                    let endpoint = Endpoint::new(*addr, transport, port);
                    plain_state(endpoint, quiet, reason, host, about.finished)
                });
                report.states.extend(states);
            }
        }
        let closed = closed.into_iter();
        report.closed.extend(closed.map(|(transport, ports)| HostPorts {
            addr: *addr,
            transport,
            ports,
        }));
    }
    report
}

/// What answered was asked, whatever else was.
fn answered(ledger: &Ledger) -> TargetSet {
    let block = |(addr, host): (&IpAddr, &HostEntry)| Block {
        addrs: [*addr].into_iter().collect(),
        tcp: host.answered(Transport::Tcp),
        udp: host.answered(Transport::Udp),
        sctp: host.answered(Transport::Sctp),
    };
    ledger.hosts().iter().map(block).filter(|block| block.ports_len() > 0).collect()
}

fn state(finding: &Finding) -> EndpointState {
    let seen = &finding.seen;
    EndpointState {
        endpoint: seen.endpoint,
        state: seen.state,
        reason: seen.reason,
        ttl: seen.ttl,
        rtt: seen.rtt,
        at: seen.at,
        service: finding.service.clone(),
        banner: finding.banner.clone(),
    }
}

/// The state of a port of which only the kind of answer was kept.
fn plain_state(
    endpoint: Endpoint,
    state: PortState,
    reason: Reason,
    host: &HostEntry,
    finished: UnixTime,
) -> EndpointState {
    let at = host.times().map_or(finished, |(_, last)| last);
    EndpointState { endpoint, state, reason, ttl: None, rtt: None, at, service: None, banner: None }
}

fn counters(stats: &ScanStats) -> ScanCounters {
    ScanCounters {
        probes_sent: stats.probes_sent,
        replies: stats.replies,
        open: stats.open,
        closed: stats.closed,
        filtered: stats.filtered.saturating_add(stats.silent),
        loss_estimate: stats.loss_estimate,
        coverage: stats.coverage,
        rejected: stats.rejected.iter().map(|(why, n)| ((*why).to_owned(), *n)).collect(),
        kernel_drops: stats.kernel_drops,
    }
}
