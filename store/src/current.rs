//! The current state, read in the order of its endpoints.

use std::iter::Peekable;
use std::net::IpAddr;

use portolan_core::target::AddrRange;
use portolan_core::{Endpoint, PortState, Transport, UnixTime};

use crate::apply::{host_of, listed_state};
use crate::error::StoreError;
use crate::facts;
use crate::filter::Filter;
use crate::inner::Inner;
use crate::key::{self, Key};
use crate::record::{CurrentRec, QuietRec};
use crate::report::{CurrentRow, ScanId, SiteName, silent_state};
use crate::scan_rows::listed_reason;
use crate::service_rec::ServiceRec;

type Windows<'a> = Box<dyn Iterator<Item = Result<(Vec<u8>, Vec<CurrentRec>), StoreError>> + 'a>;
type Quiets<'a> = Box<dyn Iterator<Item = Result<(Vec<u8>, QuietRec), StoreError>> + 'a>;

/// What the current state holds of one host and transport.
pub(crate) struct Group {
    pub(crate) addr: IpAddr,
    pub(crate) transport: Transport,
    /// Endpoints with a row each, by port.
    pub(crate) rows: Vec<CurrentRec>,
    /// Ports that are only listed.
    pub(crate) quiet: Option<QuietRec>,
}

/// The groups of a site, by address and transport.
pub(crate) struct Groups<'a> {
    windows: Peekable<Windows<'a>>,
    quiets: Peekable<Quiets<'a>>,
}

impl<'a> Groups<'a> {
    /// Groups with addresses in `range` (all without), from that of `from` on; `listed` for the
    /// ports without a row each too.
    pub(crate) fn new(
        inner: &'a Inner,
        site: u32,
        range: Option<AddrRange>,
        from: Option<Endpoint>,
        listed: bool,
    ) -> Self {
        let span = |prefix: u8| {
            let place = Key::new(prefix).u32(site);
            let start = range.map_or_else(
                || place.clone().done(),
                |range| place.clone().addr(range.first()).done(),
            );
            let resume = from.map_or_else(Vec::new, |endpoint| {
                place.clone().addr(endpoint.addr).transport(endpoint.transport).done()
            });
            let end = range.map_or_else(
                || place.clone().end(),
                |range| place.clone().addr(range.last()).end(),
            );
            (start.max(resume), end)
        };
        let (start, end) = span(key::WINDOW);
        let windows: Windows<'a> = Box::new(inner.range(&start, &end));
        let quiets: Quiets<'a> = if listed {
            let (start, end) = span(key::QUIET);
            Box::new(inner.range(&start, &end))
        } else {
            Box::new(std::iter::empty())
        };
        Self { windows: windows.peekable(), quiets: quiets.peekable() }
    }

    fn read(&mut self) -> Result<Option<Group>, StoreError> {
        let window = next_host(&mut self.windows, key::WINDOW)?;
        let quiet = next_host(&mut self.quiets, key::QUIET)?;
        let Some(host) = window.into_iter().chain(quiet).min() else {
            return Ok(None);
        };
        let mut rows = Vec::new();
        while next_host(&mut self.windows, key::WINDOW)? == Some(host) {
            if let Some(pair) = self.windows.next() {
                rows.extend(pair?.1);
            }
        }
        let quiet = match self.quiets.next_if(|_| quiet == Some(host)) {
            Some(pair) => Some(pair?.1),
            None => None,
        };
        Ok(Some(Group { addr: host.0, transport: host.1, rows, quiet }))
    }
}

fn next_host<T>(
    pairs: &mut Peekable<impl Iterator<Item = Result<(Vec<u8>, T), StoreError>>>,
    prefix: u8,
) -> Result<Option<(IpAddr, Transport)>, StoreError> {
    if let Some(Err(error)) = pairs.next_if(Result::is_err) {
        return Err(error);
    }
    match pairs.peek() {
        Some(Ok((bytes, _))) => host_of(bytes, prefix).map(Some),
        _ => Ok(None),
    }
}

impl Iterator for Groups<'_> {
    type Item = Result<Group, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Group {
    /// The rows of the group, by port.
    pub(crate) fn into_rows(self, site: &SiteName) -> Vec<CurrentRow> {
        let (addr, transport) = (self.addr, self.transport);
        let mut rows: Vec<CurrentRow> =
            self.rows.into_iter().map(|rec| current_row(site, addr, transport, rec)).collect();
        let Some(quiet) = self.quiet else { return rows };
        for layer in quiet.layers {
            let silent = (silent_state(transport), layer.silent.0);
            for (state, ports) in [(PortState::Closed, layer.closed.0), silent] {
                let listed = ports.iter().map(|port| CurrentRow {
                    site: site.clone(),
                    endpoint: Endpoint::new(addr, transport, port),
                    state,
                    reason: listed_reason(transport, state),
                    service: None,
                    first_seen: UnixTime::from_millis(quiet.first_ms),
                    last_seen: UnixTime::from_millis(layer.at_ms),
                    since: UnixTime::from_millis(quiet.first_ms),
                    scan: ScanId::new(layer.scan),
                });
                rows.extend(listed);
            }
        }
        rows.sort_by_key(|row| row.endpoint);
        rows
    }
}

fn current_row(site: &SiteName, addr: IpAddr, transport: Transport, rec: CurrentRec) -> CurrentRow {
    CurrentRow {
        site: site.clone(),
        endpoint: Endpoint::new(addr, transport, rec.port),
        state: rec.state.0,
        reason: rec.reason.0,
        service: rec.service.map(ServiceRec::into_record),
        first_seen: UnixTime::from_millis(rec.first_ms),
        last_seen: UnixTime::from_millis(rec.last_ms),
        since: UnixTime::from_millis(rec.since_ms),
        scan: ScanId::new(rec.scan),
    }
}

/// The rows of one site that a filter admits, behind `after`; with all that is known of their
/// services where `services` says so.
pub(crate) fn rows<'a>(
    inner: &'a Inner,
    site: u32,
    name: &'a SiteName,
    filter: &'a Filter,
    after: Option<Endpoint>,
    services: bool,
) -> impl Iterator<Item = Result<CurrentRow, StoreError>> + 'a {
    let listed = filter.states.is_empty()
        || filter.states.iter().any(|s| {
            matches!(s, PortState::Closed | PortState::Filtered | PortState::OpenFiltered)
        });
    let ranges: Vec<Option<AddrRange>> = match &filter.addrs {
        None => vec![None],
        Some(addrs) => addrs.ranges().iter().copied().map(Some).collect(),
    };
    let wanted = move |row: &CurrentRow| {
        after.is_none_or(|after| row.endpoint > after)
            && filter.admits(&row.endpoint)
            && filter.admits_state(row.state)
    };
    ranges
        .into_iter()
        .flat_map(move |range| Groups::new(inner, site, range, after, listed))
        .map(move |group| with_facts(inner, site, group?, services))
        .flat_map(move |group| {
            let (rows, error) = match group {
                Ok(group) => (group.into_rows(name), None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            rows.into_iter().filter(wanted).map(Ok).chain(error)
        })
}

/// The group with what more is known of its services, where that is wanted.
fn with_facts(
    inner: &Inner,
    site: u32,
    mut group: Group,
    services: bool,
) -> Result<Group, StoreError> {
    if services && group.rows.iter().any(|row| row.service.is_some()) {
        let mut facts = facts::of_host(inner, site, (group.addr, group.transport))?;
        for row in &mut group.rows {
            if let Some(service) = &mut row.service {
                service.more = facts.remove(&row.port).map(Box::new);
            }
        }
    }
    Ok(group)
}

/// What the current state says of one endpoint.
pub(crate) fn state_of(
    inner: &Inner,
    site: u32,
    endpoint: &Endpoint,
) -> Result<Option<(PortState, ScanId)>, StoreError> {
    let Endpoint { addr, transport, port } = *endpoint;
    let place = key::window(site, addr, transport, port >> 6);
    let rows: Option<Vec<CurrentRec>> = inner.get(&place)?;
    if let Some(row) = rows.into_iter().flatten().find(|row| row.port == port) {
        return Ok(Some((row.state.0, ScanId::new(row.scan))));
    }
    let quiet: Option<QuietRec> = inner.get(&key::quiet(site, addr, transport))?;
    let Some(quiet) = quiet else { return Ok(None) };
    let Some(state) = listed_state(&quiet, transport, port) else {
        return Ok(None);
    };
    let holds = |ports: &crate::record::Ports| ports.0.contains(port);
    let layer = quiet.layers.iter().find(|l| holds(&l.closed) || holds(&l.silent));
    Ok(layer.map(|layer| (state, ScanId::new(layer.scan))))
}
