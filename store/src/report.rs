//! What one scan found, ready to be committed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use portolan_core::endpoint::UnknownName;
use portolan_core::target::{PortSet, TargetSet};
use portolan_core::{Endpoint, HostObservation, PortState, Reason, Transport, UnixTime};

use crate::identity::ChangeKind;
pub use crate::service::ServiceRecord;

/// The name of an address space: the same private address at two sites is two hosts.
///
/// 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `-`; `default` where none is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteName(String);

impl SiteName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SiteName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SiteName {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(UnknownName {
            what: "site",
            word: text.chars().take(80).collect(),
            known: "1 to 64 characters of a-z, 0-9, '.', '_' and '-'",
        })
    }
}

/// The number of a stored scan: the UNIX second it started in, or the next second that was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanId(i64);

impl ScanId {
    /// The scan of that number.
    pub const fn new(seconds: i64) -> Self {
        Self(seconds)
    }

    /// The number: seconds since 1970-01-01T00:00:00Z.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The moment that the number is.
    pub const fn time(self) -> UnixTime {
        UnixTime::from_seconds(self.0)
    }
}

impl fmt::Display for ScanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for ScanId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where a report came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Our own engine.
    Engine,
    /// nmap's XML output.
    NmapXml,
    /// masscan's JSON output.
    MasscanJson,
    /// masscan's list output.
    MasscanList,
    /// Our own NDJSON output.
    Ndjson,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 5] =
        [Self::Engine, Self::NmapXml, Self::MasscanJson, Self::MasscanList, Self::Ndjson];

    /// The name in every output format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::NmapXml => "nmap-xml",
            Self::MasscanJson => "masscan-json",
            Self::MasscanList => "masscan-list",
            Self::Ndjson => "ndjson",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Source {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| UnknownName {
            what: "source",
            word: word.to_owned(),
            known: "engine, nmap-xml, masscan-json, masscan-list, ndjson",
        })
    }
}

/// One endpoint's state in one scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// Its state.
    pub state: PortState,
    /// The evidence.
    pub reason: Reason,
    /// Time to live or hop limit of the answer.
    pub ttl: Option<u8>,
    /// Round-trip time; stored in microseconds.
    pub rtt: Option<Duration>,
    /// When the answer came.
    pub at: UnixTime,
    /// The service behind it, where it was identified.
    pub service: Option<ServiceRecord>,
    /// What it said first; stored up to 4 KiB.
    pub banner: Option<Vec<u8>>,
}

/// Ports of one host and transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPorts {
    /// The host.
    pub addr: IpAddr,
    /// The carrier.
    pub transport: Transport,
    /// The ports.
    pub ports: PortSet,
}

/// Figures of a scan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScanCounters {
    /// Probes that left.
    pub probes_sent: u64,
    /// Valid answers.
    pub replies: u64,
    /// Endpoints found open.
    pub open: u64,
    /// Endpoints found closed.
    pub closed: u64,
    /// Endpoints found filtered, silence included.
    pub filtered: u64,
    /// Share of probes or answers that were lost, 0 to 1, where it could be estimated.
    pub loss_estimate: Option<f64>,
    /// Share of the endpoints asked for that were asked, 0 to 1.
    pub coverage: f64,
    /// Frames that were no answers, by the reason of their rejection.
    pub rejected: BTreeMap<String, u64>,
    /// Frames that the kernel dropped before the scanner saw them.
    pub kernel_drops: u64,
}

/// What one scan found, ready to be committed.
///
/// A covered endpoint that is neither in `states` nor in `closed` was silent: `filtered` for TCP
/// and SCTP, `open|filtered` for UDP, reason `no-response`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanReport {
    /// The address space that was scanned.
    pub site: SiteName,
    /// Where the report comes from.
    pub source: Source,
    /// The name of the configured scan, where it is one.
    pub name: Option<String>,
    /// First probe.
    pub started_at: UnixTime,
    /// Last answer.
    pub finished_at: UnixTime,
    /// What was asked.
    pub coverage: TargetSet,
    /// False when it was interrupted: then `coverage` holds only what was really asked.
    pub complete: bool,
    /// Endpoints worth a row each: open, `open|filtered` with a reason, filtered by ICMP, closed
    /// where they are few.
    pub states: Vec<EndpointState>,
    /// The other ports that answered that nothing is there.
    pub closed: Vec<HostPorts>,
    /// Signs of life of hosts.
    pub hosts: Vec<HostObservation>,
    /// Figures.
    pub counters: ScanCounters,
}

/// What silence means.
pub(crate) const fn silent_state(transport: Transport) -> PortState {
    match transport {
        Transport::Tcp | Transport::Sctp => PortState::Filtered,
        Transport::Udp | Transport::Ip => PortState::OpenFiltered,
    }
}

impl ScanReport {
    /// A report that covers nothing and found nothing.
    pub fn empty(site: SiteName, source: Source, started_at: UnixTime) -> Self {
        Self {
            site,
            source,
            name: None,
            started_at,
            finished_at: started_at,
            coverage: TargetSet::default(),
            complete: true,
            states: Vec::new(),
            closed: Vec::new(),
            hosts: Vec::new(),
            counters: ScanCounters::default(),
        }
    }

    /// The state of `endpoint` in this scan; `None` when it was not asked.
    ///
    /// O(states): for many questions, commit and ask the store.
    pub fn state_of(&self, endpoint: &Endpoint) -> Option<PortState> {
        if let Some(found) = self.states.iter().rev().find(|s| s.endpoint == *endpoint) {
            return Some(found.state);
        }
        let closed = self.closed.iter().any(|c| {
            c.addr == endpoint.addr
                && c.transport == endpoint.transport
                && c.ports.contains(endpoint.port)
        });
        if closed {
            return Some(PortState::Closed);
        }
        self.coverage.contains(endpoint).then(|| silent_state(endpoint.transport))
    }

    /// Takes in what a second asking of some endpoints found.
    ///
    /// An answer of the confirmation replaces what this report says of that endpoint; its silence
    /// does not unsay an answer that came before. Coverage, hosts and counters are added.
    pub fn absorb(&mut self, confirmation: Self) {
        let mut answered: BTreeMap<(IpAddr, Transport), BTreeSet<u16>> = BTreeMap::new();
        for state in &confirmation.states {
            let Endpoint { addr, transport, port } = state.endpoint;
            answered.entry((addr, transport)).or_default().insert(port);
        }
        for closed in &confirmation.closed {
            let ports = answered.entry((closed.addr, closed.transport)).or_default();
            ports.extend(closed.ports.iter());
        }
        let again = |addr, transport, port| {
            answered.get(&(addr, transport)).is_some_and(|ports| ports.contains(&port))
        };
        self.states.retain(|s| !again(s.endpoint.addr, s.endpoint.transport, s.endpoint.port));
        for closed in &mut self.closed {
            if answered.contains_key(&(closed.addr, closed.transport)) {
                closed.ports = closed
                    .ports
                    .iter()
                    .filter(|p| !again(closed.addr, closed.transport, *p))
                    .collect();
            }
        }
        self.closed.retain(|c| !c.ports.is_empty());
        self.states.extend(confirmation.states);
        self.closed.extend(confirmation.closed);
        self.hosts.extend(confirmation.hosts);
        self.cover(&confirmation.coverage);
        self.finished_at = self.finished_at.max(confirmation.finished_at);
        self.counters.add(confirmation.counters);
    }

    /// Adds what `coverage` has and this report's lacks.
    fn cover(&mut self, coverage: &TargetSet) {
        let covered = |addr, transport, ports: &PortSet| {
            ports.iter().all(|p| self.coverage.contains(&Endpoint::new(addr, transport, p)))
        };
        let missing = coverage.blocks().iter().any(|block| {
            block.addrs.ranges().iter().any(|range| {
                let ends = [range.first(), range.last()];
                ends.into_iter().any(|addr| {
                    let with_ports = Transport::WITH_PORTS.into_iter();
                    let mut sets = with_ports.filter_map(|t| Some((t, block.ports(t)?)));
                    sets.any(|(transport, ports)| !covered(addr, transport, ports))
                })
            })
        });
        if missing {
            let blocks = self.coverage.blocks().iter().chain(coverage.blocks());
            self.coverage = blocks.cloned().collect();
        }
    }

    /// Sorts states and closed ports by endpoint; of two states of one endpoint the later stays,
    /// with the service and banner of the earlier where it has none.
    pub fn normalise(&mut self) {
        self.states.sort_by_key(|s| s.endpoint);
        let mut states: Vec<EndpointState> = Vec::with_capacity(self.states.len());
        for mut state in self.states.drain(..) {
            match states.last_mut().filter(|last| last.endpoint == state.endpoint) {
                Some(last) => {
                    state.service = state.service.or_else(|| last.service.take());
                    state.banner = state.banner.or_else(|| last.banner.take());
                    *last = state;
                }
                None => states.push(state),
            }
        }
        self.states = states;
        let mut closed: BTreeMap<(IpAddr, Transport), PortSet> = BTreeMap::new();
        for entry in self.closed.drain(..) {
            let ports = closed.entry((entry.addr, entry.transport)).or_default();
            *ports = ports.union(&entry.ports);
        }
        self.closed = closed
            .into_iter()
            .map(|((addr, transport), ports)| HostPorts { addr, transport, ports })
            .filter(|entry| !entry.ports.is_empty())
            .collect();
    }
}

impl ScanCounters {
    fn add(&mut self, other: Self) {
        self.probes_sent = self.probes_sent.saturating_add(other.probes_sent);
        self.replies = self.replies.saturating_add(other.replies);
        self.open = self.open.saturating_add(other.open);
        self.kernel_drops = self.kernel_drops.saturating_add(other.kernel_drops);
        for (reason, count) in other.rejected {
            let sum = self.rejected.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

/// A stored scan's header.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanRecord {
    /// Its number.
    pub id: ScanId,
    /// The address space.
    pub site: SiteName,
    /// Where the report came from.
    pub source: Source,
    /// The configured scan's name.
    pub name: Option<String>,
    /// First probe.
    pub started_at: UnixTime,
    /// Last answer.
    pub finished_at: UnixTime,
    /// False when it was interrupted.
    pub complete: bool,
    /// True when pruning has taken away the part that later scans superseded.
    pub pruned: bool,
    /// What was asked.
    pub coverage: TargetSet,
    /// Figures.
    pub counters: ScanCounters,
}

/// One endpoint of one stored scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// The scan.
    pub scan: ScanId,
    /// The address space.
    pub site: SiteName,
    /// The endpoint and all that was seen of it. Ports from a compact list carry the scan's end
    /// as their time and `reset` (TCP), `abort` (SCTP) or `port-unreach` as their reason.
    pub state: EndpointState,
}

/// One endpoint of the current state: what the last scan that asked it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentRow {
    /// The address space.
    pub site: SiteName,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its state.
    pub state: PortState,
    /// The evidence.
    pub reason: Reason,
    /// The service as it was last identified: a scan that could not tell, or was not to ask, leaves
    /// what is known.
    pub service: Option<ServiceRecord>,
    /// When anything was first recorded of it.
    pub first_seen: UnixTime,
    /// When it was last asked and recorded.
    pub last_seen: UnixTime,
    /// Since when it has this state.
    pub since: UnixTime,
    /// The scan that asked it last.
    pub scan: ScanId,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// The address space.
    pub site: SiteName,
    /// The address.
    pub addr: IpAddr,
    /// Its hardware address, where it is a neighbour.
    pub mac: Option<portolan_core::MacAddr>,
    /// First answer.
    pub first_seen: UnixTime,
    /// Last answer.
    pub last_seen: UnixTime,
    /// How many of its endpoints are open.
    pub open: u64,
}

/// A change of one endpoint, as scans found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The address space.
    pub site: SiteName,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// When it was seen to be changed.
    pub at: UnixTime,
    /// The scan that saw it.
    pub scan: ScanId,
    /// What changed.
    pub kind: ChangeKind,
    /// The state before; `None` when it had never been recorded.
    pub from: Option<PortState>,
    /// The state from then on; that before where something else changed.
    pub to: PortState,
    /// What the service was before, as in [`crate::Change::from`]; `None` for a change of state.
    pub before: Option<String>,
    /// What it is from then on.
    pub after: Option<String>,
}
