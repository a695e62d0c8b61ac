//! All that a scan found, grouped by host: for formats that report by host, and for the store.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::probe::TcpScan;
use portolan_core::target::{PortSet, TargetSet};
use portolan_core::{HostObservation, PortState, Reason, Transport, UnixTime};

use crate::finding::Finding;

/// What is known of one host.
#[derive(Debug, Default)]
pub(crate) struct HostEntry {
    /// Its sign of life, if one was seen apart from any port.
    pub(crate) seen: Option<HostObservation>,
    /// Endpoints that are told one by one.
    pub(crate) told: BTreeMap<(Transport, u16), Finding>,
    /// Ports that answered and have nothing to tell, by what they answered; two octets a port.
    quiet: BTreeMap<(Transport, PortState, Reason), Vec<u16>>,
    /// First and last answer.
    times: Option<(UnixTime, UnixTime)>,
}

impl HostEntry {
    /// The ports that answered alike, in order.
    pub(crate) fn quiet(
        &self,
    ) -> impl Iterator<Item = ((Transport, PortState, Reason), PortSet)> + '_ {
        self.quiet.iter().map(|(key, ports)| (*key, ports.iter().copied().collect()))
    }

    /// Every port of `transport` that answered.
    pub(crate) fn answered(&self, transport: Transport) -> PortSet {
        let told = self.told.keys().filter(|k| k.0 == transport).map(|k| k.1);
        let quiet = self.quiet.iter().filter(|(k, _)| k.0 == transport);
        told.chain(quiet.flat_map(|(_, ports)| ports.iter().copied())).collect()
    }

    /// First and last answer.
    pub(crate) const fn times(&self) -> Option<(UnixTime, UnixTime)> {
        self.times
    }

    fn note(&mut self, at: UnixTime) {
        let (first, last) = self.times.unwrap_or((at, at));
        self.times = Some((first.min(at), last.max(at)));
    }
}

/// Every host that answered.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    hosts: BTreeMap<IpAddr, HostEntry>,
}

impl Ledger {
    /// The hosts, IPv4 first, in order of address.
    pub(crate) const fn hosts(&self) -> &BTreeMap<IpAddr, HostEntry> {
        &self.hosts
    }

    /// Takes a sign of life.
    pub(crate) fn add_host(&mut self, host: &HostObservation) {
        let entry = self.hosts.entry(host.addr).or_default();
        entry.note(host.at);
        entry.seen = Some(host.clone());
    }

    /// Takes one endpoint. A later word on the same endpoint replaces the earlier one.
    pub(crate) fn add(&mut self, finding: &Finding) {
        let seen = &finding.seen;
        let entry = self.hosts.entry(seen.endpoint.addr).or_default();
        entry.note(seen.at);
        let plain = finding.service.is_none() && finding.banner.is_none();
        let dull = [PortState::Closed, PortState::Filtered, PortState::Unfiltered];
        if plain && dull.contains(&seen.state) {
            let key = (seen.endpoint.transport, seen.state, seen.reason);
            entry.quiet.entry(key).or_default().push(seen.endpoint.port);
        } else {
            entry.told.insert((seen.endpoint.transport, seen.endpoint.port), finding.clone());
        }
    }
}

/// The ports of `transport` that `asked` holds for `addr`.
pub(crate) fn asked_ports(asked: &TargetSet, addr: IpAddr, transport: Transport) -> PortSet {
    let blocks = asked.blocks().iter().filter(|b| b.addrs.contains(addr));
    blocks.filter_map(|b| b.ports(transport)).fold(PortSet::new(), |all, ports| {
        if all.is_empty() { ports.clone() } else { all.union(ports) }
    })
}

/// What silence means: nmap's reading of an unanswered probe.
const fn silent_state(transport: Transport, tcp_scan: TcpScan) -> PortState {
    match transport {
        Transport::Tcp => tcp_scan.silent_state(),
        Transport::Sctp => PortState::Filtered,
        Transport::Udp | Transport::Ip => PortState::OpenFiltered,
    }
}

/// Ports of one kind that are listed one by one; where there are more, they are only summed up.
const LISTED_MAX: usize = 10;

/// One host's ports, as formats by host show them.
#[derive(Debug)]
pub(crate) struct Portrait<'a> {
    /// Ports with a line of their own.
    pub(crate) listed: BTreeMap<(Transport, u16), Listed<'a>>,
    /// The rest, by state.
    pub(crate) summed: BTreeMap<PortState, Vec<Summed>>,
}

/// A port with a line of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    /// Its state.
    pub(crate) state: PortState,
    /// The evidence.
    pub(crate) reason: Reason,
    /// What more is known, where it was kept.
    pub(crate) finding: Option<&'a Finding>,
}

/// Ports that answered alike, or not at all.
#[derive(Debug)]
pub(crate) struct Summed {
    /// Their carrier.
    pub(crate) transport: Transport,
    /// The evidence.
    pub(crate) reason: Reason,
    /// The ports.
    pub(crate) ports: PortSet,
}

impl<'a> Portrait<'a> {
    /// The ports of `host`, silent ones of `asked` included: what their silence means goes by
    /// what TCP ports were sent.
    pub(crate) fn new(
        addr: IpAddr,
        host: &'a HostEntry,
        (asked, tcp_scan): (&TargetSet, TcpScan),
        open_only: bool,
    ) -> Self {
        let mut listed: BTreeMap<(Transport, u16), Listed<'a>> = BTreeMap::new();
        for (key, finding) in &host.told {
            let Finding { seen, .. } = finding;
            if !open_only || seen.state == PortState::Open {
                let (state, reason) = (seen.state, seen.reason);
                listed.insert(*key, Listed { state, reason, finding: Some(finding) });
            }
        }
        let mut summed: BTreeMap<PortState, Vec<Summed>> = BTreeMap::new();
        for ((transport, state, reason), ports) in host.quiet() {
            summed.entry(state).or_default().push(Summed { transport, reason, ports });
        }
        for transport in Transport::WITH_PORTS {
            let asked = asked_ports(asked, addr, transport);
            let ports = asked.difference(&host.answered(transport));
            if !ports.is_empty() {
                let silent = Summed { transport, reason: Reason::NoResponse, ports };
                summed.entry(silent_state(transport, tcp_scan)).or_default().push(silent);
            }
        }
        if !open_only {
            summed.retain(|state, kinds| {
                let few = kinds.iter().map(|k| k.ports.len()).sum::<usize>() <= LISTED_MAX;
                for kind in kinds.iter().filter(|_| few) {
                    let line = Listed { state: *state, reason: kind.reason, finding: None };
                    listed.extend(kind.ports.iter().map(|p| ((kind.transport, p), line)));
                }
                !few
            });
        }
        Self { listed, summed }
    }
}
