//! Two sides are compared: their endpoints are walked together, in order.

use std::iter::Peekable;
use std::sync::Arc;

use portolan_core::target::TargetSet;
use portolan_core::{Endpoint, PortState};

use crate::cover::CoverIndex;
use crate::current;
use crate::diff::{DiffOptions, DiffRow, DriftKind, Side};
use crate::error::StoreError;
use crate::expected::{self, ExpectedIndex, Wanted};
use crate::filter::Filter;
use crate::identity::{Change, changes};
use crate::inner::Inner;
use crate::record::ScanRec;
use crate::report::{ScanId, ServiceRecord, SiteName};
use crate::scan_rows;

/// A side with what is needed to ask it.
enum Source {
    Expected(Arc<ExpectedIndex>),
    Current,
    Scan { id: ScanId, head: ScanRec, coverage: TargetSet },
}

/// What a side says of an endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    pub(crate) state: Option<PortState>,
    pub(crate) scan: Option<ScanId>,
    pub(crate) comment: String,
    /// Whether an expectation requires its state.
    pub(crate) exact: bool,
    /// Who is known to be there, where that is asked for.
    pub(crate) service: Option<ServiceRecord>,
}

type Looks<'a> = Box<dyn Iterator<Item = Result<(Endpoint, Look), StoreError>> + 'a>;

/// Calls `row` with each difference behind `after`, in order, until it says to stop. False when
/// a side is an unknown scan.
pub(crate) fn compare(
    inner: &Inner,
    sides: (Side, Side),
    filter: &Filter,
    options: DiffOptions,
    after: Option<(u32, Endpoint)>,
    row: &mut dyn FnMut(u32, DiffRow) -> bool,
) -> Result<bool, StoreError> {
    let Some(left) = source(inner, sides.0)? else {
        return Ok(false);
    };
    let Some(right) = source(inner, sides.1)? else {
        return Ok(false);
    };
    let mut walked = filter.clone();
    walked.states = if options.strict { Vec::new() } else { vec![PortState::Open] };
    for (site, name) in inner.sites_for(filter.site.as_ref()) {
        if after.is_some_and(|(last, _)| site < last) || !left.has(site) || !right.has(site) {
            continue;
        }
        let after = after.filter(|(last, _)| site == *last).map(|(_, endpoint)| endpoint);
        let services = options.services;
        let place = Place { inner, site, name: &name, filter: &walked, after, services };
        if !walk(&place, (&left, &right), sides, filter, options, row)? {
            break;
        }
    }
    Ok(true)
}

/// Where endpoints are walked.
struct Place<'a> {
    inner: &'a Inner,
    site: u32,
    name: &'a SiteName,
    filter: &'a Filter,
    after: Option<Endpoint>,
    services: bool,
}

fn walk(
    place: &Place<'_>,
    sources: (&Source, &Source),
    sides: (Side, Side),
    filter: &Filter,
    options: DiffOptions,
    row: &mut dyn FnMut(u32, DiffRow) -> bool,
) -> Result<bool, StoreError> {
    let mut left = sources.0.looks(place).peekable();
    let mut right = sources.1.looks(place).peekable();
    let covers = (sources.0.cover(), sources.1.cover());
    while let Some(endpoint) = next_endpoint(&mut left, &mut right)? {
        let from = match take(&mut left, endpoint) {
            Some(look) => look,
            None => sources.0.look(place, covers.0.as_ref(), &endpoint)?,
        };
        let to = match take(&mut right, endpoint) {
            Some(look) => look,
            None => sources.1.look(place, covers.1.as_ref(), &endpoint)?,
        };
        let changes = changed(&from, &to);
        let kind = judge(sides, &from, &to, options.strict);
        let Some(kind) = kind.or_else(|| changes.first().map(|change| change.kind.drift())) else {
            continue;
        };
        let states = [from.state, to.state];
        if !filter.states.is_empty() && !states.iter().flatten().any(|s| filter.admits_state(*s)) {
            continue;
        }
        let comment = if sides.0 == Side::Expected { from.comment } else { to.comment };
        let diff = DiffRow {
            site: place.name.clone(),
            endpoint,
            from: from.state,
            to: to.state,
            from_scan: from.scan,
            to_scan: to.scan,
            comment,
            kind,
            changes,
        };
        if !row(place.site, diff) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What changed of a service that both sides know to be there.
fn changed(from: &Look, to: &Look) -> Vec<Change> {
    let open = Some(PortState::Open);
    match (&from.service, &to.service) {
        (Some(a), Some(b)) if from.state == open && to.state == open => changes(a, b),
        _ => Vec::new(),
    }
}

fn next_endpoint<'a>(
    left: &mut Peekable<Looks<'a>>,
    right: &mut Peekable<Looks<'a>>,
) -> Result<Option<Endpoint>, StoreError> {
    let mut lowest = None;
    for side in [left, right] {
        if let Some(Err(error)) = side.next_if(Result::is_err) {
            return Err(error);
        }
        if let Some(Ok((endpoint, _))) = side.peek() {
            lowest = Some(lowest.map_or(*endpoint, |low: Endpoint| low.min(*endpoint)));
        }
    }
    Ok(lowest)
}

fn take(side: &mut Peekable<Looks<'_>>, endpoint: Endpoint) -> Option<Look> {
    let own = side.next_if(|look| look.as_ref().is_ok_and(|(e, _)| *e == endpoint));
    own.and_then(Result::ok).map(|(_, look)| look)
}

fn source(inner: &Inner, side: Side) -> Result<Option<Source>, StoreError> {
    Ok(Some(match side {
        Side::Expected => Source::Expected(expected::index(inner)?),
        Side::Current => Source::Current,
        Side::Scan(id) => {
            let Some(head) = scan_rows::header(inner, id)? else {
                return Ok(None);
            };
            Source::Scan { id, head, coverage: scan_rows::coverage(inner, id)? }
        }
    }))
}

impl Source {
    /// Whether the side can say anything of a site.
    fn has(&self, site: u32) -> bool {
        match self {
            Self::Scan { head, .. } => head.site == site,
            Self::Expected(_) | Self::Current => true,
        }
    }

    fn cover(&self) -> Option<CoverIndex<'_>> {
        match self {
            Self::Scan { coverage, .. } => Some(CoverIndex::new(coverage)),
            Self::Expected(_) | Self::Current => None,
        }
    }

    /// The endpoints to walk on this side. Without strictness: those that are open.
    fn looks<'a>(&'a self, place: &Place<'a>) -> Looks<'a> {
        let (filter, after) = (place.filter, place.after);
        match self {
            Self::Expected(index) => {
                let all = index.exact(place.site, after);
                let wanted = all.filter(|(endpoint, wanted)| {
                    filter.admits(endpoint) && filter.admits_state(wanted.state)
                });
                Box::new(wanted.map(|(endpoint, wanted)| Ok((endpoint, expected_look(wanted)))))
            }
            Self::Current => {
                let rows = current::rows(
                    place.inner,
                    place.site,
                    place.name,
                    filter,
                    after,
                    place.services,
                );
                let services = place.services;
                Box::new(rows.map(move |row| {
                    let row = row?;
                    let (state, scan) = (Some(row.state), Some(row.scan));
                    let service = row.service.filter(|_| services);
                    Ok((row.endpoint, Look { state, scan, service, ..Look::default() }))
                }))
            }
            Self::Scan { id, head, .. } => {
                let listed = filter.states.is_empty();
                let all = scan_rows::stream(place.inner, *id, head, after, listed);
                let wanted = all.filter(|state| match state {
                    Ok(s) => filter.admits(&s.endpoint) && filter.admits_state(s.state),
                    Err(_) => true,
                });
                let (scan, services) = (Some(*id), place.services);
                Box::new(wanted.map(move |found| {
                    let found = found?;
                    let (state, service) = (Some(found.state), found.service);
                    let service = service.filter(|_| services);
                    Ok((found.endpoint, Look { state, scan, service, ..Look::default() }))
                }))
            }
        }
    }

    /// What the side says of an endpoint that it does not walk by.
    fn look(
        &self,
        place: &Place<'_>,
        cover: Option<&CoverIndex<'_>>,
        endpoint: &Endpoint,
    ) -> Result<Look, StoreError> {
        match self {
            Self::Expected(index) => {
                Ok(index.of(place.site, endpoint).map(expected_look).unwrap_or_default())
            }
            Self::Current => {
                let found = current::state_of(place.inner, place.site, endpoint)?;
                Ok(found.map_or_else(Look::default, |(state, scan)| Look {
                    state: Some(state),
                    scan: Some(scan),
                    ..Look::default()
                }))
            }
            Self::Scan { id, .. } => {
                let covered = cover.is_some_and(|cover| cover.contains(endpoint));
                let state = scan_rows::state_of(place.inner, *id, covered, endpoint)?;
                Ok(Look { state, scan: state.map(|_| *id), ..Look::default() })
            }
        }
    }
}

fn expected_look(wanted: &Wanted) -> Look {
    Look {
        state: Some(wanted.state),
        scan: None,
        comment: wanted.comment.clone(),
        exact: wanted.exact,
        service: None,
    }
}

/// What the difference between two sides' words on one endpoint means; `None` for no difference.
pub(crate) fn judge(
    sides: (Side, Side),
    from: &Look,
    to: &Look,
    strict: bool,
) -> Option<DriftKind> {
    match sides {
        (Side::Expected, Side::Expected) => None,
        (Side::Expected, side) => judge_expected(from, to, side, strict),
        (side, Side::Expected) => judge_expected(to, from, side, strict),
        _ => judge_seen(sides, from, to, strict),
    }
}

fn judge_expected(want: &Look, have: &Look, side: Side, strict: bool) -> Option<DriftKind> {
    // A scan says nothing of what it did not ask.
    if matches!(side, Side::Scan(_)) && have.state.is_none() {
        return None;
    }
    let open = have.state == Some(PortState::Open);
    let may_be_open = matches!(want.state, Some(PortState::Open | PortState::OpenFiltered));
    if open && !may_be_open {
        return Some(DriftKind::UnexpectedOpen);
    }
    if !open && want.exact && want.state == Some(PortState::Open) {
        return Some(DriftKind::Missing);
    }
    let says_nothing = !want.exact && (want.state.is_none() || have.state.is_none());
    let differs = want.state != have.state && !(says_nothing && want.state.is_some());
    (strict && differs).then_some(DriftKind::Changed)
}

fn judge_seen(sides: (Side, Side), from: &Look, to: &Look, strict: bool) -> Option<DriftKind> {
    if from.state == to.state {
        return None;
    }
    let scan = |side| matches!(side, Side::Scan(_));
    // Against the current state, only what the scan asked counts.
    let unasked = |side, look: &Look| scan(side) && look.state.is_none();
    if !(scan(sides.0) && scan(sides.1)) && (unasked(sides.0, from) || unasked(sides.1, to)) {
        return None;
    }
    match (from.state, to.state) {
        (Some(PortState::Open), None) | (None, Some(PortState::Open)) => {
            Some(DriftKind::NotCovered)
        }
        (Some(PortState::Open), Some(_)) => Some(DriftKind::Closed),
        (_, Some(PortState::Open)) => Some(DriftKind::Opened),
        _ => strict.then_some(DriftKind::Changed),
    }
}
