//! The lists that people and programs read, a page at a time, and what is made of them.

use std::collections::BTreeSet;

use portolan_core::target::AddrRange;
use portolan_core::{Endpoint, PortState, UnixTime};

use crate::apply::transition_endpoint;
use crate::compare::compare;
use crate::cover::CoverIndex;
use crate::current::{self, Groups};
use crate::diff::{DiffOptions, DiffRow, Side};
use crate::error::StoreError;
use crate::expected::{self, Expectation, Selector};
use crate::filter::Filter;
use crate::identity::ChangeKind;
use crate::inner::Inner;
use crate::key::{self, Key, Parts};
use crate::page::{Cursor, Page, PageRequest};
use crate::record::{Coded as _, ExpectRec, HostRec, ScanRec, TransitionRec};
use crate::report::{
    CurrentRow, EndpointRow, HostRow, ScanId, ScanRecord, ScanReport, SiteName, Transition,
};
use crate::scan_rows;
use crate::service_rec::cut;
use crate::wide::unseal_list;

const DIFF: u8 = b'd';
const CURRENT: u8 = b'c';

/// A page being filled: it ends with the row before the one that is too many.
struct Filling<T> {
    items: Vec<T>,
    limit: usize,
    list: u8,
    last: Vec<u8>,
    next: Option<Cursor>,
}

impl<T> Filling<T> {
    fn new(page: &PageRequest, list: u8) -> Self {
        Self { items: Vec::new(), limit: page.limit.max(1), list, last: Vec::new(), next: None }
    }

    /// Adds a row with its place in the list; false when the page is full.
    fn push(&mut self, key: impl FnOnce() -> Vec<u8>, item: T) -> bool {
        if self.items.len() >= self.limit {
            self.next = Some(Cursor::after(self.list, &self.last));
            return false;
        }
        self.items.push(item);
        if self.items.len() == self.limit {
            self.last = key();
        }
        true
    }

    fn page(self) -> Page<T> {
        Page { items: self.items, next: self.next }
    }
}

/// The key that a cursor holds.
fn key_of(page: &PageRequest, list: u8) -> Result<Option<&[u8]>, StoreError> {
    page.cursor.as_ref().map(|c| c.key(list).ok_or(StoreError::BadCursor)).transpose()
}

/// A place in a list by site and endpoint.
fn place_of(page: &PageRequest, list: u8) -> Result<Option<(u32, Endpoint)>, StoreError> {
    let read = |bytes: &[u8]| {
        let mut parts = Parts::new(bytes);
        let place = (parts.u32()?, parts.endpoint()?);
        parts.end(place)
    };
    let bytes = key_of(page, list)?;
    bytes.map(|bytes| read(bytes).ok_or(StoreError::BadCursor)).transpose()
}

fn place(site: u32, endpoint: &Endpoint) -> Vec<u8> {
    Key::bare().u32(site).endpoint(endpoint).done()
}

pub(crate) fn scans(inner: &Inner, page: &PageRequest) -> Result<Page<ScanRecord>, StoreError> {
    let prefix = Key::new(key::SCAN);
    let from = match key_of(page, key::SCAN)? {
        Some(bytes) => key::after(prefix.clone().bytes(bytes).done()),
        None => prefix.clone().done(),
    };
    let mut filling = Filling::new(page, key::SCAN);
    for pair in inner.range::<ScanRec>(&from, &prefix.end()) {
        let (bytes, head) = pair?;
        let id = scan_rows::id_of(&bytes)?;
        let record = scan_rows::scan_record(inner, id, head)?;
        if !filling.push(|| bytes.get(1..).unwrap_or_default().to_vec(), record) {
            break;
        }
    }
    Ok(filling.page())
}

pub(crate) fn scan_states(
    inner: &Inner,
    id: ScanId,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Option<Page<EndpointRow>>, StoreError> {
    let after = place_of(page, key::ROWS)?.map(|(_, endpoint)| endpoint);
    let Some(head) = scan_rows::header(inner, id)? else {
        return Ok(None);
    };
    let site = inner.site_name(head.site)?;
    let mut filling = Filling::new(page, key::ROWS);
    if !filter.admits_site(&site) {
        return Ok(Some(filling.page()));
    }
    let listed = filter.admits_state(PortState::Closed);
    for state in scan_rows::stream(inner, id, &head, after, listed) {
        let state = state?;
        if !filter.admits(&state.endpoint) || !filter.admits_state(state.state) {
            continue;
        }
        let endpoint = state.endpoint;
        let row = EndpointRow { scan: id, site: site.clone(), state };
        if !filling.push(|| place(head.site, &endpoint), row) {
            break;
        }
    }
    Ok(Some(filling.page()))
}

pub(crate) fn current(
    inner: &Inner,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<CurrentRow>, StoreError> {
    let from = place_of(page, CURRENT)?;
    let mut filling = Filling::new(page, CURRENT);
    for (site, name) in inner.sites_for(filter.site.as_ref()) {
        if from.is_some_and(|(last, _)| site < last) {
            continue;
        }
        let after = from.filter(|(last, _)| site == *last).map(|(_, endpoint)| endpoint);
        for row in current::rows(inner, site, &name, filter, after, true) {
            let row = row?;
            let endpoint = row.endpoint;
            if !filling.push(|| place(site, &endpoint), row) {
                return Ok(filling.page());
            }
        }
    }
    Ok(filling.page())
}

pub(crate) fn hosts(
    inner: &Inner,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<HostRow>, StoreError> {
    let resume =
        key_of(page, key::HOST)?.map(|bytes| key::after(Key::new(key::HOST).bytes(bytes).done()));
    let mut filling = Filling::new(page, key::HOST);
    for (site, name) in inner.sites_for(filter.site.as_ref()) {
        let prefix = Key::new(key::HOST).u32(site);
        let from = prefix.clone().done().max(resume.clone().unwrap_or_default());
        for pair in inner.range::<HostRec>(&from, &prefix.end()) {
            let (bytes, rec) = pair?;
            let addr = Parts::of(&bytes, key::HOST)
                .and_then(|mut parts| parts.u32().and_then(|_| parts.addr()))
                .ok_or_else(|| StoreError::corrupt("a host without a proper address"))?;
            if !filter.admits_addr(addr) {
                continue;
            }
            let mut open = 0_u64;
            for group in Groups::new(inner, site, Some(AddrRange::single(addr)), None, false) {
                let rows = group?.rows;
                let count = rows.iter().filter(|row| row.state.0 == PortState::Open).count();
                open += u64::try_from(count).unwrap_or(u64::MAX);
            }
            let row = HostRow {
                site: name.clone(),
                addr,
                mac: rec.mac.map(|mac| mac.0),
                first_seen: UnixTime::from_millis(rec.first_ms),
                last_seen: UnixTime::from_millis(rec.last_ms),
                open,
            };
            if !filling.push(|| bytes.get(1..).unwrap_or_default().to_vec(), row) {
                return Ok(filling.page());
            }
        }
    }
    Ok(filling.page())
}

pub(crate) fn transitions(
    inner: &Inner,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Transition>, StoreError> {
    let prefix = Key::new(key::TRANSITIONS);
    let resume = key_of(page, key::TRANSITIONS)?.map(<[u8]>::to_vec);
    // A chunk is found by its last endpoint; what of it comes before the cursor is read past.
    let from = resume.as_ref().map(|bytes| {
        let mut parts = Parts::new(bytes);
        let place = (parts.scan()?, parts.u32()?, parts.endpoint()?);
        Some(prefix.clone().scan(place.0).u32(place.1).endpoint(&place.2).done())
    });
    let from = match from {
        Some(from) => from.ok_or(StoreError::BadCursor)?,
        None => prefix.clone().done(),
    };
    let mut filling = Filling::new(page, key::TRANSITIONS);
    for pair in inner.range_by(&from, &prefix.end(), unseal_list::<TransitionRec>) {
        let (bytes, chunk) = pair?;
        let (scan, site) = Parts::of(&bytes, key::TRANSITIONS)
            .and_then(|mut parts| Some((parts.scan()?, parts.u32()?)))
            .ok_or_else(|| StoreError::corrupt("transitions without a proper scan"))?;
        let name = inner.site_name(site)?;
        if !filter.admits_site(&name) {
            continue;
        }
        for rec in chunk {
            if !filter.admits(&transition_endpoint(&rec)) || !filter.admits_state(rec.to.0) {
                continue;
            }
            for row in transitions_of(&rec, scan, &name) {
                let mut at = Key::bare().scan(scan).u32(site).endpoint(&row.endpoint).done();
                at.extend((row.kind != ChangeKind::State).then(|| row.kind.code()));
                if resume.as_ref().is_some_and(|resume| at <= *resume) {
                    continue;
                }
                if !filling.push(|| at, row) {
                    return Ok(filling.page());
                }
            }
        }
    }
    Ok(filling.page())
}

/// What a record tells of: a row for each change, by kind.
fn transitions_of(rec: &TransitionRec, scan: ScanId, site: &SiteName) -> Vec<Transition> {
    let row = |kind, before, after| Transition {
        site: site.clone(),
        endpoint: transition_endpoint(rec),
        at: UnixTime::from_millis(rec.at_ms),
        scan,
        kind,
        from: rec.from.map(|from| from.0),
        to: rec.to.0,
        before,
        after,
    };
    let state = rec.changes_state().then(|| row(ChangeKind::State, None, None));
    let changes = rec.changes.iter().map(|change| {
        let row = row(change.what.0, Some(change.from.clone()), Some(change.to.clone()));
        // The state's change has a row of its own.
        Transition { from: Some(row.to), ..row }
    });
    state.into_iter().chain(changes).collect()
}

pub(crate) fn expected(
    inner: &Inner,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Expectation>, StoreError> {
    let prefix = Key::new(key::EXPECTED);
    let from = match key_of(page, key::EXPECTED)? {
        Some(bytes) => key::after(prefix.clone().bytes(bytes).done()),
        None => prefix.clone().done(),
    };
    let mut filling = Filling::new(page, key::EXPECTED);
    for pair in inner.range::<ExpectRec>(&from, &prefix.end()) {
        let (bytes, rec) = pair?;
        let (_, selector) = expected::selector_of(inner, &bytes)?;
        let row = Expectation { selector, state: rec.state.0, comment: rec.comment };
        if !filter.admits_site(&row.selector.site) || !expected::admitted(filter, &row) {
            continue;
        }
        if !filling.push(|| bytes.get(1..).unwrap_or_default().to_vec(), row) {
            break;
        }
    }
    Ok(filling.page())
}

pub(crate) fn diff(
    inner: &Inner,
    sides: (Side, Side),
    filter: &Filter,
    options: DiffOptions,
    page: &PageRequest,
) -> Result<Option<Page<DiffRow>>, StoreError> {
    let after = place_of(page, DIFF)?;
    let mut filling = Filling::new(page, DIFF);
    let known = compare(inner, sides, filter, options, after, &mut |site, row| {
        let endpoint = row.endpoint;
        filling.push(|| place(site, &endpoint), row)
    })?;
    Ok(known.then(|| filling.page()))
}

pub(crate) fn unconfirmed(inner: &Inner, report: &ScanReport) -> Result<Vec<Endpoint>, StoreError> {
    let Some(site) = inner.site(&report.site) else {
        return Ok(Vec::new());
    };
    let cover = CoverIndex::new(&report.coverage);
    let open = report.states.iter().filter(|s| s.state == PortState::Open);
    let open: BTreeSet<Endpoint> = open.map(|s| s.endpoint).collect();
    let asked = Filter {
        addrs: Some(report.coverage.addrs()),
        states: vec![PortState::Open],
        ..Filter::default()
    };
    let mut wanted = BTreeSet::new();
    for row in current::rows(inner, site, &report.site, &asked, None, false) {
        wanted.insert(row?.endpoint);
    }
    let index = expected::index(inner)?;
    let expected = index.exact(site, None).filter(|(_, w)| w.state == PortState::Open);
    wanted.extend(expected.map(|(endpoint, _)| endpoint));
    wanted.retain(|endpoint| cover.contains(endpoint) && !open.contains(endpoint));
    Ok(wanted.into_iter().collect())
}

pub(crate) fn accept(
    inner: &Inner,
    filter: &Filter,
    comment: Option<&str>,
) -> Result<usize, StoreError> {
    let comment = comment.map(|text| cut(text, expected::MAX_COMMENT_LEN));
    let mut rows = Vec::new();
    let sides = (Side::Expected, Side::Current);
    compare(inner, sides, filter, DiffOptions::default(), None, &mut |_, row| {
        rows.push(row);
        true
    })?;
    let count = rows.len();
    let mut ops = Vec::with_capacity(count);
    for row in rows {
        let selector = Selector {
            site: row.site,
            addrs: AddrRange::single(row.endpoint.addr),
            transport: row.endpoint.transport,
            ports: (row.endpoint.port, row.endpoint.port),
        };
        let Some(state) = row.to else {
            let site = inner.site_number(&selector.site)?;
            ops.push((key::expected(site, &selector), None));
            continue;
        };
        let comment = comment.clone().unwrap_or(row.comment);
        ops.push(expected::put_op(inner, &Expectation { selector, state, comment })?);
    }
    expected::change(inner, ops)?;
    Ok(count)
}
