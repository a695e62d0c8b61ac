//! A committed scan goes into the current state.
//!
//! Applying the same scan again changes nothing more, so that an interrupted application is
//! completed by running it again. A transition is written in the same batch as the change it
//! tells of; what an endpoint was before is kept until that batch is written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use portolan_core::target::TargetSet;
use portolan_core::{Endpoint, MacAddr, PortState, Reason, Transport, UnixTime};

use crate::bits::PortBits;
use crate::cover::CoverIndex;
use crate::error::StoreError;
use crate::facts;
use crate::identity::{changes, merged};
use crate::inner::{Inner, Writer, intent_key};
use crate::key::{self, Key, Parts};
use crate::record::{
    ChangeRec, Code, CurrentRec, HostRec, LayerRec, Mac, Ports, QuietRec, TransitionRec,
};
use crate::report::{EndpointState, HostPorts, ScanId, ScanReport, ServiceRecord, silent_state};
use crate::scan_rows::listed_reason;
use crate::service_rec::{MoreRec, ServiceRec, cut};
use crate::wide::seal_list;

/// How many scans may each be the last to have asked some listed ports of one host. Beyond it
/// the two oldest count as one, under the number of the newer.
const MAX_LAYERS: usize = 3;
/// How many transitions one value holds.
const TRANSITIONS_A_CHUNK: usize = 100;
/// How many bytes of them.
const TRANSITION_BYTES: usize = 16 << 10;
/// Bytes of what a service was or is, in a transition.
const CHANGE_TEXT: usize = 512;
/// Bytes of a service's texts in the current state; 64 of them share a value.
const SERVICE_TEXT: usize = 100;
const SERVICE_CPES: usize = 3;

/// Brings the current state up to `report`, which is normalised, and then clears the intent.
///
/// `newer` are the coverages of the site's scans with higher numbers: what they asked, this scan
/// does not change.
pub(crate) fn apply(
    inner: &Inner,
    site: u32,
    id: ScanId,
    report: &ScanReport,
    newer: &[TargetSet],
) -> Result<(), StoreError> {
    let apply = Apply {
        inner,
        site,
        id,
        report,
        cover: CoverIndex::new(&report.coverage),
        newer: newer.iter().map(CoverIndex::new).collect(),
        out: Writer::new(inner),
        transitions: Vec::new(),
        fresh: BTreeMap::new(),
        learned: BTreeMap::new(),
    };
    apply.run()
}

struct Apply<'a> {
    inner: &'a Inner,
    site: u32,
    id: ScanId,
    report: &'a ScanReport,
    cover: CoverIndex<'a>,
    newer: Vec<CoverIndex<'a>>,
    out: Writer<'a>,
    /// Transitions of windows that are in the batch.
    transitions: Vec<TransitionRec>,
    /// Transitions of windows that are not yet, by window.
    fresh: BTreeMap<u16, Vec<TransitionRec>>,
    /// What more than before is known of services in windows that are not in the batch yet.
    learned: BTreeMap<u16, Vec<Learned>>,
}

type HostTransport = (IpAddr, Transport);
/// A port, and what more is known of its service.
type Learned = (u16, Option<Box<MoreRec>>);

/// What the report says of one host and transport.
#[derive(Default)]
struct Group<'a> {
    states: Vec<&'a EndpointState>,
    closed: Option<&'a HostPorts>,
}

/// What is seen of one endpoint.
struct Seen<'a> {
    state: PortState,
    reason: Reason,
    at: UnixTime,
    explicit: Option<&'a EndpointState>,
}

/// When and with which hardware address a host was seen.
struct Sighting {
    mac: Option<MacAddr>,
    first: UnixTime,
    last: UnixTime,
}

impl<'a> Apply<'a> {
    fn run(mut self) -> Result<(), StoreError> {
        let mut groups = self.reported();
        for host in self.recorded()? {
            groups.entry(host).or_default();
        }
        for (host, group) in &groups {
            self.group(*host, group)?;
        }
        for (addr, sighting) in self.sightings() {
            self.host(addr, &sighting)?;
        }
        self.tell()?;
        self.out.delete(intent_key());
        self.out.flush()
    }

    /// The hosts that the report speaks of.
    fn reported(&self) -> BTreeMap<HostTransport, Group<'a>> {
        let mut groups: BTreeMap<HostTransport, Group<'a>> = BTreeMap::new();
        for state in &self.report.states {
            let host = (state.endpoint.addr, state.endpoint.transport);
            groups.entry(host).or_default().states.push(state);
        }
        for closed in &self.report.closed {
            groups.entry((closed.addr, closed.transport)).or_default().closed = Some(closed);
        }
        for host in &self.report.hosts {
            for transport in Transport::WITH_PORTS {
                if self.cover.covers_any(host.addr, transport) {
                    groups.entry((host.addr, transport)).or_default();
                }
            }
        }
        groups
    }

    /// The hosts inside the coverage that the current state speaks of.
    fn recorded(&self) -> Result<BTreeSet<HostTransport>, StoreError> {
        let mut hosts = BTreeSet::new();
        let addrs = self.report.coverage.addrs();
        for range in addrs.ranges() {
            for prefix in [key::WINDOW, key::QUIET] {
                let place = Key::new(prefix).u32(self.site);
                let from = place.clone().addr(range.first()).done();
                for bytes in self.inner.keys(&from, &place.addr(range.last()).end()) {
                    let host = host_of(&bytes?, prefix)?;
                    if self.cover.covers_any(host.0, host.1) {
                        hosts.insert(host);
                    }
                }
            }
        }
        Ok(hosts)
    }

    fn group(&mut self, host: HostTransport, group: &Group<'a>) -> Result<(), StoreError> {
        let (addr, transport) = host;
        let mut closed = PortBits::new();
        if let Some(list) = group.closed {
            closed.add(&list.ports);
        }
        let mut asked = closed.clone();
        self.cover.add_ports(addr, transport, &mut asked);
        for state in &group.states {
            asked.insert(state.endpoint.port);
        }
        let mut superseded = PortBits::new();
        for newer in &self.newer {
            newer.add_ports(addr, transport, &mut superseded);
        }
        asked.minus(&superseded);

        let quiet_key = key::quiet(self.site, addr, transport);
        let quiet: Option<QuietRec> = self.inner.get(&quiet_key)?;
        let mut windows = self.windows(host)?;
        let mut known = if group.states.iter().any(|state| state.service.is_some()) {
            facts::of_host(self.inner, self.site, host)?
        } else {
            BTreeMap::new()
        };
        let mut explicit = PortBits::new();
        let mut dirty = BTreeSet::new();
        for (window, rows) in &mut windows {
            for row in rows {
                explicit.insert(row.port);
                let more = known.remove(&row.port);
                if self.known(host, row, more.as_ref(), group, (&asked, &closed)) {
                    dirty.insert(*window);
                }
            }
        }
        for state in &group.states {
            let port = state.endpoint.port;
            if asked.contains(port) && !explicit.contains(port) {
                let row = self.appeared(state, quiet.as_ref());
                let rows = windows.entry(port >> 6).or_default();
                let place = rows.partition_point(|r| r.port < port);
                rows.insert(place, row);
                explicit.insert(port);
                dirty.insert(port >> 6);
            }
        }
        for window in dirty {
            if let Some(rows) = windows.get(&window) {
                self.transitions.extend(self.fresh.remove(&window).unwrap_or_default());
                self.out.put(key::window(self.site, addr, transport, window), rows)?;
                for (port, more) in self.learned.remove(&window).unwrap_or_default() {
                    let place = facts::place(self.site, &Endpoint::new(addr, transport, port));
                    match more {
                        Some(more) => self.out.put(place, &*more)?,
                        None => self.out.delete(place),
                    }
                }
                self.part()?;
            }
        }
        let listed = Listed { asked, closed, explicit };
        self.quiet(quiet_key, quiet, &listed, transport)
    }

    /// The rows of one host and transport by window.
    fn windows(&self, host: HostTransport) -> Result<BTreeMap<u16, Vec<CurrentRec>>, StoreError> {
        let place = Key::new(key::WINDOW).u32(self.site).addr(host.0).transport(host.1);
        let mut windows = BTreeMap::new();
        for pair in self.inner.range::<Vec<CurrentRec>>(&place.clone().done(), &place.end()) {
            let rows = pair?.1;
            if let Some(first) = rows.first() {
                windows.insert(first.port >> 6, rows);
            }
        }
        Ok(windows)
    }

    /// An endpoint that has a row already; true when the row has changed.
    fn known(
        &mut self,
        host: HostTransport,
        row: &mut CurrentRec,
        more: Option<&MoreRec>,
        group: &Group<'a>,
        (asked, closed): (&PortBits, &PortBits),
    ) -> bool {
        let found = group.states.binary_search_by_key(&row.port, |s| s.endpoint.port);
        let explicit = found.ok().and_then(|index| group.states.get(index)).copied();
        if row.scan > self.id.as_i64() || (explicit.is_some() && !asked.contains(row.port)) {
            // A later scan has asked; this one can only have seen it earlier.
            let earlier = explicit.is_some_and(|state| state.at.as_millis() < row.first_ms);
            if let Some(state) = explicit.filter(|_| earlier) {
                row.first_ms = state.at.as_millis();
            }
            return earlier;
        }
        if !asked.contains(row.port) || row.scan == self.id.as_i64() {
            return false;
        }
        let listed =
            if closed.contains(row.port) { PortState::Closed } else { silent_state(host.1) };
        let seen = explicit.map_or_else(
            || Seen {
                state: listed,
                reason: listed_reason(host.1, listed),
                at: self.report.finished_at,
                explicit: None,
            },
            |s| Seen { state: s.state, reason: s.reason, at: s.at, explicit: Some(s) },
        );
        let from = row.state.0;
        update(row, &seen, self.id);
        let told = seen.explicit.and_then(|state| state.service.as_ref());
        let changes = told.map(|service| self.learn(row, service, more)).unwrap_or_default();
        if from != seen.state {
            row.since_ms = seen.at.as_millis();
        }
        if from != seen.state || !changes.is_empty() {
            self.fresh.entry(row.port >> 6).or_default().push(TransitionRec {
                addr: host.0,
                transport: Code(host.1),
                port: row.port,
                at_ms: seen.at.as_millis(),
                from: Some(Code(from)),
                to: Code(seen.state),
                changes,
            });
        }
        true
    }

    /// Takes in what a scan told of a service, where `more` was known than the row says; gives
    /// what has changed. To be told for the first time is no change.
    fn learn(
        &mut self,
        row: &mut CurrentRec,
        seen: &ServiceRecord,
        more: Option<&MoreRec>,
    ) -> Vec<ChangeRec> {
        let seen = ServiceRec::new(seen, SERVICE_TEXT, SERVICE_CPES).into_record();
        let known = row.service.take().map(|known| facts::record(known, more.cloned()));
        let changed = known.as_ref().map(|known| changes(known, &seen)).unwrap_or_default();
        let now = known.map_or_else(|| seen.clone(), |known| merged(known, seen.clone()));
        let mut now = ServiceRec::new(&now, SERVICE_TEXT, SERVICE_CPES);
        let now_more = now.more.take();
        if now_more.as_deref() != more {
            self.learned.entry(row.port >> 6).or_default().push((row.port, now_more));
        }
        row.service = Some(now);
        let rec = |change: crate::identity::Change| ChangeRec {
            what: Code(change.kind),
            from: cut(&change.from, CHANGE_TEXT),
            to: cut(&change.to, CHANGE_TEXT),
        };
        changed.into_iter().map(rec).collect()
    }

    /// An endpoint that gets its first row.
    fn appeared(&mut self, state: &EndpointState, quiet: Option<&QuietRec>) -> CurrentRec {
        let Endpoint { addr, transport, port } = state.endpoint;
        let from = quiet.and_then(|quiet| listed_state(quiet, transport, port));
        let at_ms = state.at.as_millis();
        if state.state == PortState::Open {
            self.fresh.entry(port >> 6).or_default().push(TransitionRec {
                addr,
                transport: Code(transport),
                port,
                at_ms,
                from: from.map(Code),
                to: Code(state.state),
                changes: Vec::new(),
            });
        }
        let same = quiet.filter(|_| from == Some(state.state)).map(|quiet| quiet.first_ms);
        let mut row = CurrentRec {
            port,
            state: Code(state.state),
            reason: Code(state.reason),
            first_ms: quiet.filter(|_| from.is_some()).map_or(at_ms, |q| q.first_ms),
            last_ms: at_ms,
            since_ms: same.unwrap_or(at_ms),
            scan: self.id.as_i64(),
            service: None,
        };
        if let Some(service) = &state.service {
            self.learn(&mut row, service, None);
        }
        row
    }

    /// The ports that are only listed.
    fn quiet(
        &mut self,
        place: Vec<u8>,
        before: Option<QuietRec>,
        listed: &Listed,
        transport: Transport,
    ) -> Result<(), StoreError> {
        let mut closed = listed.asked.clone();
        closed.minus(&listed.explicit);
        let mut silent = closed.clone();
        closed.and(&listed.closed);
        silent.minus(&listed.closed);
        if transport == Transport::Ip {
            // Nothing covers it: what is not mentioned was not asked.
            silent = PortBits::new();
        }
        let existed = before.is_some();
        let mut rec = before.unwrap_or_default();
        let mut gone = listed.asked.clone();
        gone.or(&listed.explicit);
        for layer in &mut rec.layers {
            for ports in [&mut layer.closed, &mut layer.silent] {
                let mut bits = PortBits::of(&ports.0);
                bits.minus(&gone);
                ports.0 = bits.to_set();
            }
        }
        rec.layers.push(LayerRec {
            scan: self.id.as_i64(),
            at_ms: self.report.finished_at.as_millis(),
            closed: Ports(closed.to_set()),
            silent: Ports(silent.to_set()),
        });
        rec.layers.retain(|l| !(l.closed.0.is_empty() && l.silent.0.is_empty()));
        rec.layers.sort_by_key(|l| l.scan);
        fold_layers(&mut rec.layers);
        let at_ms = self.report.finished_at.as_millis();
        rec.first_ms = if existed { rec.first_ms.min(at_ms) } else { at_ms };
        if !rec.layers.is_empty() {
            self.out.put(place, &rec)?;
        } else if existed {
            self.out.delete(place);
        }
        self.part()
    }

    /// Signs of life, from the report's hosts and from every answer.
    fn sightings(&self) -> BTreeMap<IpAddr, Sighting> {
        let mut all: BTreeMap<IpAddr, Sighting> = BTreeMap::new();
        let mut see = |addr: IpAddr, at: UnixTime, mac: Option<MacAddr>| {
            let sighting = all.entry(addr).or_insert(Sighting { mac, first: at, last: at });
            sighting.mac = mac.or(sighting.mac);
            sighting.first = sighting.first.min(at);
            sighting.last = sighting.last.max(at);
        };
        for host in &self.report.hosts {
            see(host.addr, host.at, host.mac);
        }
        for state in self.report.states.iter().filter(|s| answered(s)) {
            see(state.endpoint.addr, state.at, None);
        }
        for list in &self.report.closed {
            see(list.addr, self.report.finished_at, None);
        }
        all
    }

    fn host(&mut self, addr: IpAddr, sighting: &Sighting) -> Result<(), StoreError> {
        let place = key::host(self.site, addr);
        let before: Option<HostRec> = self.inner.get(&place)?;
        let (first, last) = (sighting.first.as_millis(), sighting.last.as_millis());
        let newest = before.as_ref().is_none_or(|host| host.last_ms <= last);
        let old_mac = before.as_ref().and_then(|host| host.mac);
        let new_mac = sighting.mac.map(Mac);
        let rec = HostRec {
            mac: if newest { new_mac.or(old_mac) } else { old_mac.or(new_mac) },
            first_ms: before.as_ref().map_or(first, |host| host.first_ms.min(first)),
            last_ms: before.as_ref().map_or(last, |host| host.last_ms.max(last)),
        };
        self.out.put(place, &rec)?;
        self.part()
    }

    /// Ends what belongs together, transitions first.
    fn part(&mut self) -> Result<(), StoreError> {
        if self.out.is_full() || self.transitions.len() >= TRANSITIONS_A_CHUNK {
            self.tell()?;
        }
        self.out.part()
    }

    /// Adds the transitions so far to the batch.
    fn tell(&mut self) -> Result<(), StoreError> {
        let mut all = std::mem::take(&mut self.transitions);
        all.sort_by_key(transition_endpoint);
        let mut chunk = Vec::new();
        let mut bytes = 0;
        for rec in all {
            bytes += rec.size();
            chunk.push(rec);
            if chunk.len() >= TRANSITIONS_A_CHUNK || bytes >= TRANSITION_BYTES {
                self.put_transitions(&std::mem::take(&mut chunk))?;
                bytes = 0;
            }
        }
        self.put_transitions(&chunk)
    }

    fn put_transitions(&mut self, chunk: &[TransitionRec]) -> Result<(), StoreError> {
        let Some(last) = chunk.last().map(transition_endpoint) else { return Ok(()) };
        let place = Key::new(key::TRANSITIONS).scan(self.id).u32(self.site).endpoint(&last).done();
        let value = seal_list(&place, chunk)?;
        self.out.put_sealed(place, value);
        Ok(())
    }
}

/// Ports of one host and transport.
struct Listed {
    /// Asked by this scan and by none later.
    asked: PortBits,
    /// Answered that nothing is there.
    closed: PortBits,
    /// Have a row each.
    explicit: PortBits,
}

fn update(row: &mut CurrentRec, seen: &Seen<'_>, id: ScanId) {
    row.state = Code(seen.state);
    row.reason = Code(seen.reason);
    row.first_ms = row.first_ms.min(seen.at.as_millis());
    row.last_ms = seen.at.as_millis();
    row.scan = id.as_i64();
}

fn fold_layers(layers: &mut Vec<LayerRec>) {
    while layers.len() > MAX_LAYERS {
        let oldest = layers.remove(0);
        if let Some(next) = layers.first_mut() {
            next.closed.0 = next.closed.0.union(&oldest.closed.0);
            next.silent.0 = next.silent.0.union(&oldest.silent.0);
        }
    }
}

/// Whether a state comes from the host's side of the network at all.
fn answered(state: &EndpointState) -> bool {
    !matches!(
        state.reason,
        Reason::NoResponse
            | Reason::HostUnreach
            | Reason::NetUnreach
            | Reason::AdminProhibited
            | Reason::TimeExceeded
    ) && (state.reason != Reason::Imported
        || matches!(state.state, PortState::Open | PortState::Closed | PortState::Unfiltered))
}

/// The state of a port that is only listed.
pub(crate) fn listed_state(quiet: &QuietRec, transport: Transport, port: u16) -> Option<PortState> {
    quiet.layers.iter().find_map(|layer| {
        if layer.closed.0.contains(port) {
            Some(PortState::Closed)
        } else {
            layer.silent.0.contains(port).then(|| silent_state(transport))
        }
    })
}

pub(crate) fn transition_endpoint(rec: &TransitionRec) -> Endpoint {
    Endpoint::new(rec.addr, rec.transport.0, rec.port)
}

/// The host and transport of a window's or list's key.
pub(crate) fn host_of(bytes: &[u8], prefix: u8) -> Result<HostTransport, StoreError> {
    let read = || {
        let mut parts = Parts::of(bytes, prefix)?;
        parts.u32()?;
        Some((parts.addr()?, parts.transport()?))
    };
    read().ok_or_else(|| StoreError::corrupt("a current state without a proper host"))
}
