//! One host of nmap's report, and the scan that its hosts make.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_core::target::{AddrSet, Block, PortSet, TargetSpec};
use portolan_core::{Endpoint, HostObservation, MacAddr, PortState, Reason, Transport, UnixTime};

use super::nmap_xml::short;
use crate::bits::difference;
use crate::cover;
use crate::report::{
    EndpointState, HostPorts, ScanReport, ServiceRecord, SiteName, Source, silent_state,
};

/// The run that a report tells of.
#[derive(Default)]
pub(super) struct Run {
    pub(super) started: Option<UnixTime>,
    pub(super) finished: Option<UnixTime>,
    pub(super) success: bool,
    pub(super) args: String,
    /// How many hosts were scanned, those down and unlisted included.
    pub(super) total: Option<u64>,
    /// The ports that were scanned on every host; without addresses.
    pub(super) asked: Block,
    listed: Vec<IpAddr>,
    /// Hosts by the ports that were scanned on them.
    covered: BTreeMap<[PortSet; 3], Vec<IpAddr>>,
    states: Vec<EndpointState>,
    closed: Vec<HostPorts>,
    hosts: Vec<HostObservation>,
}

/// A host while its element is read.
#[derive(Default)]
pub(super) struct Host {
    pub(super) ended: Option<UnixTime>,
    pub(super) extras: Vec<Extra>,
    addr: Option<IpAddr>,
    mac: Option<MacAddr>,
    down: bool,
    reason: Option<Reason>,
    ports: Vec<PortEntry>,
    counts: BTreeMap<Transport, usize>,
}

/// Ports of one state that nmap only counts.
pub(super) struct Extra {
    state: PortState,
    /// The ports, from the versions that name them.
    lists: Vec<(Transport, PortSet, Reason)>,
}

/// A port while its element is read.
pub(super) struct PortEntry {
    transport: Transport,
    port: u16,
    state: Option<PortState>,
    reason: Reason,
    ttl: Option<u8>,
    pub(super) service: Option<ServiceRecord>,
}

impl Extra {
    pub(super) fn new(state: Option<&str>) -> Result<Self, String> {
        let state = state.ok_or("<extraports> without a state")?;
        let state = state.parse::<PortState>().map_err(|e| e.to_string())?;
        Ok(Self { state, lists: Vec::new() })
    }

    pub(super) fn reason(
        &mut self,
        reason: Option<&str>,
        proto: Option<&str>,
        ports: Option<PortSet>,
    ) -> Result<(), String> {
        let (Some(proto), Some(ports)) = (proto, ports) else { return Ok(()) };
        let transport = proto.parse::<Transport>().map_err(|e| e.to_string())?;
        self.lists.push((transport, ports, reason_of(reason)));
        Ok(())
    }
}

fn reason_of(text: Option<&str>) -> Reason {
    text.and_then(|text| text.parse().ok()).unwrap_or(Reason::Imported)
}

impl PortEntry {
    pub(super) fn new(protocol: Option<&str>, portid: Option<&str>) -> Result<Self, String> {
        let protocol = protocol.ok_or("a <port> without a protocol")?;
        let transport = protocol.parse::<Transport>().map_err(|e| e.to_string())?;
        let text = portid.ok_or("a <port> without a number")?;
        let port = text.parse::<u16>().ok().filter(|port| match transport {
            Transport::Ip => *port <= 255,
            _ => *port > 0,
        });
        let port = port.ok_or_else(|| format!("port {:?}; expected 1 to 65535", short(text)))?;
        let reason = Reason::Imported;
        Ok(Self { transport, port, state: None, reason, ttl: None, service: None })
    }

    pub(super) fn state(
        &mut self,
        state: Option<&str>,
        reason: Option<&str>,
        ttl: Option<&str>,
    ) -> Result<(), String> {
        let state = state.ok_or("a <state> without a state")?;
        self.state = Some(state.parse().map_err(|e| format!("{e}"))?);
        self.reason = reason_of(reason);
        self.ttl = ttl.and_then(|ttl| ttl.parse().ok()).filter(|ttl| *ttl > 0);
        Ok(())
    }
}

impl Host {
    pub(super) fn status(&mut self, state: Option<&str>, reason: Option<&str>) {
        self.down = state == Some("down");
        // `user-set` means that nmap was told not to ask.
        self.reason = reason.filter(|_| !self.down).and_then(|text| text.parse().ok());
    }

    pub(super) fn address(
        &mut self,
        addr: Option<&str>,
        addrtype: Option<&str>,
    ) -> Result<(), String> {
        let text = addr.ok_or("an <address> without an address")?;
        match addrtype.unwrap_or("ipv4") {
            "ipv4" | "ipv6" => {
                let addr = text.parse().map_err(|_| format!("{:?} is no address", short(text)))?;
                self.addr.get_or_insert(addr);
            }
            "mac" => self.mac = text.parse().ok(),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn port(&mut self, port: PortEntry, limit: usize) -> Result<(), String> {
        let count = self.counts.entry(port.transport).or_default();
        *count += 1;
        if *count > limit {
            return Err(format!("more than {limit} ports of one host"));
        }
        self.ports.push(port);
        Ok(())
    }

    fn covered(&self, transport: Transport, asked: &Block) -> PortSet {
        let own = self.ports.iter().filter(|p| p.transport == transport).map(|p| (p.port, p.port));
        let extras = self.extras.iter().flat_map(|extra| &extra.lists);
        let listed = extras.filter(|(t, ..)| *t == transport);
        let listed = listed.flat_map(|(_, ports, _)| ports.ranges().iter().copied());
        let asked = asked.ports(transport).into_iter().flat_map(PortSet::ranges);
        asked.copied().chain(own).chain(listed).collect()
    }
}

impl Run {
    /// Takes a host in whose element has ended.
    pub(super) fn add(&mut self, host: Host) -> Result<(), String> {
        let addr = host.addr.ok_or("a <host> without an address")?;
        let at = host.ended.or(self.started).unwrap_or_default();
        let covered = Transport::WITH_PORTS.map(|carrier| host.covered(carrier, &self.asked));
        self.listed.push(addr);
        if !host.down {
            self.extras(addr, at, &host, &covered);
            let answered = host.reason.is_some() || host.mac.is_some() || !host.ports.is_empty();
            if answered {
                let reason = host.reason.unwrap_or(Reason::Imported);
                let mac = host.mac;
                self.hosts.push(HostObservation { at, addr, reason, mac, ttl: None, rtt: None });
            }
            self.ports(addr, at, host.ports)?;
        }
        self.covered.entry(covered).or_default().push(addr);
        Ok(())
    }

    fn ports(&mut self, addr: IpAddr, at: UnixTime, ports: Vec<PortEntry>) -> Result<(), String> {
        let mut closed: BTreeMap<Transport, Vec<u16>> = BTreeMap::new();
        for entry in ports {
            let state = entry.state.ok_or("a <port> without a state")?;
            if state == PortState::Closed && entry.service.is_none() {
                closed.entry(entry.transport).or_default().push(entry.port);
                continue;
            }
            self.states.push(EndpointState {
                endpoint: Endpoint::new(addr, entry.transport, entry.port),
                state,
                reason: entry.reason,
                ttl: entry.ttl,
                rtt: None,
                at,
                service: entry.service,
                banner: None,
            });
        }
        for (transport, ports) in closed {
            self.closed.push(HostPorts { addr, transport, ports: ports.into_iter().collect() });
        }
        Ok(())
    }

    /// The ports that are only counted: their lists where nmap gives them, else what is left of
    /// the ports that were scanned, where one state is all that is left.
    fn extras(&mut self, addr: IpAddr, at: UnixTime, host: &Host, covered: &[PortSet; 3]) {
        for extra in &host.extras {
            let mut lists = extra.lists.clone();
            if lists.is_empty() && host.extras.len() == 1 {
                for (transport, covered) in Transport::WITH_PORTS.into_iter().zip(covered) {
                    let own = host.ports.iter().filter(|p| p.transport == transport);
                    let rest = difference(covered, &own.map(|p| p.port).collect());
                    lists.push((transport, rest, Reason::Imported));
                }
            }
            for (transport, ports, reason) in lists {
                if ports.is_empty() {
                    continue;
                }
                if extra.state == PortState::Closed {
                    self.closed.push(HostPorts { addr, transport, ports });
                } else if extra.state != silent_state(transport) {
                    let state = |port| EndpointState {
                        endpoint: Endpoint::new(addr, transport, port),
                        state: extra.state,
                        reason,
                        ttl: None,
                        rtt: None,
                        at,
                        service: None,
                        banner: None,
                    };
                    self.states.extend(ports.iter().map(state));
                }
            }
        }
    }

    /// The scan that the whole run makes.
    pub(super) fn into_report(mut self, site: SiteName) -> Result<ScanReport, String> {
        let started = self.started.or(self.finished).unwrap_or_else(super::now);
        let mut report = ScanReport::empty(site, Source::NmapXml, started);
        report.finished_at = self.finished.unwrap_or(started).max(started);
        report.complete = self.success;
        let unlisted = self.unlisted();
        let covered = std::mem::take(&mut self.covered).into_iter();
        let blocks = covered.map(|([tcp, udp, sctp], addrs)| {
            let addrs = addrs.into_iter().collect();
            Block { addrs, tcp, udp, sctp }
        });
        report.coverage = cover::merged(blocks.chain(unlisted));
        report.states = self.states;
        report.closed = self.closed;
        report.hosts = self.hosts;
        report.normalise();
        super::count(&mut report);
        if report.states.len() > super::MAX_STATES {
            return Err(format!("more than {} endpoints", super::MAX_STATES));
        }
        Ok(report)
    }

    /// Hosts that are down are not listed unless nmap is told to. Where the targets can be read
    /// from its arguments and are exactly as many as it says it scanned, the unlisted are
    /// covered too: silent.
    fn unlisted(&self) -> Option<Block> {
        let total = self.total?;
        let mut addrs = AddrSet::new();
        for word in self.args.split_whitespace().skip(1).filter(|word| !word.starts_with('-')) {
            let shaped = word.contains(['.', ':']) || word.contains('/');
            let spec =
                word.parse::<TargetSpec>().ok().filter(|spec| shaped && spec.names().is_empty());
            if let Some(spec) = spec {
                addrs = addrs.union(spec.addrs());
            }
        }
        if addrs.len() != Ok(total) || self.listed.iter().any(|addr| !addrs.contains(*addr)) {
            return None;
        }
        let unlisted = addrs.difference(&self.listed.iter().copied().collect());
        Some(Block { addrs: unlisted, ..self.asked.clone() })
    }
}
