//! What ought to be: which endpoints are expected in which state.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use portolan_core::target::AddrRange;
use portolan_core::{Endpoint, PortState, Transport};

use crate::codec::seal;
use crate::error::{ExpectError, StoreError};
use crate::filter::Filter;
use crate::inner::Inner;
use crate::key::{self, Key, Parts};
use crate::record::{Code, ExpectRec};
use crate::redo;
use crate::report::SiteName;
use crate::tree::Op;

/// The longest comment, bytes.
pub const MAX_COMMENT_LEN: usize = 1024;

/// Which endpoints an expectation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// The address space.
    pub site: SiteName,
    /// The hosts.
    pub addrs: AddrRange,
    /// The carrier.
    pub transport: Transport,
    /// First and last port, both included.
    pub ports: (u16, u16),
}

impl Selector {
    /// Whether it names one port of one host: then its state is required, otherwise permitted.
    pub const fn is_exact(&self) -> bool {
        self.addrs.span() == 0 && self.ports.0 == self.ports.1
    }
}

/// One expectation.
///
/// An exact one (one address, one port) requires its state. One over a range permits it: an open
/// endpoint inside is expected, one that is not open is no drift. The most specific one counts:
/// smallest address range, then smallest port range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Of what.
    pub selector: Selector,
    /// Which state.
    pub state: PortState,
    /// Why; up to 1,024 bytes.
    pub comment: String,
}

/// One expectation as the index keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) state: PortState,
    pub(crate) comment: String,
    /// Whether the state is required, not only permitted.
    pub(crate) exact: bool,
}

/// The expected state in memory, by what is asked of it.
#[derive(Debug, Default)]
pub(crate) struct ExpectedIndex {
    sites: BTreeMap<u32, SiteIndex>,
    /// How many expectations there are.
    pub(crate) len: u64,
}

#[derive(Debug, Default)]
struct SiteIndex {
    exact: BTreeMap<Endpoint, Wanted>,
    /// The most specific first.
    ranges: Vec<(Selector, Wanted)>,
}

impl ExpectedIndex {
    fn add(&mut self, site: u32, selector: Selector, rec: ExpectRec) {
        self.len += 1;
        let exact = selector.is_exact();
        let wanted = Wanted { state: rec.state.0, comment: rec.comment, exact };
        let index = self.sites.entry(site).or_default();
        if exact {
            let addr = selector.addrs.first();
            let endpoint = Endpoint::new(addr, selector.transport, selector.ports.0);
            index.exact.insert(endpoint, wanted);
        } else {
            index.ranges.push((selector, wanted));
        }
    }

    fn sort(&mut self) {
        for index in self.sites.values_mut() {
            let width = |s: &Selector| (s.addrs.span(), s.ports.1.saturating_sub(s.ports.0));
            index.ranges.sort_by_key(|(selector, _)| width(selector));
        }
    }

    /// The most specific expectation of an endpoint.
    pub(crate) fn of(&self, site: u32, endpoint: &Endpoint) -> Option<&Wanted> {
        let index = self.sites.get(&site)?;
        index.exact.get(endpoint).or_else(|| {
            let holds = |s: &Selector| {
                s.transport == endpoint.transport
                    && (s.ports.0..=s.ports.1).contains(&endpoint.port)
                    && s.addrs.contains(endpoint.addr)
            };
            index.ranges.iter().find(|(selector, _)| holds(selector)).map(|(_, wanted)| wanted)
        })
    }

    /// The exact expectations of a site behind `after`.
    pub(crate) fn exact(
        &self,
        site: u32,
        after: Option<Endpoint>,
    ) -> impl Iterator<Item = (Endpoint, &Wanted)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let index = self.sites.get(&site);
        index
            .into_iter()
            .flat_map(move |i| i.exact.range((from, Bound::Unbounded)))
            .map(|(e, w)| (*e, w))
    }
}

/// The index of what is stored; read once after every change.
pub(crate) fn index(inner: &Inner) -> Result<Arc<ExpectedIndex>, StoreError> {
    let mut cache = inner.expected.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = &*cache {
        return Ok(Arc::clone(index));
    }
    let mut index = ExpectedIndex::default();
    let prefix = Key::new(key::EXPECTED);
    for pair in inner.range::<ExpectRec>(&prefix.clone().done(), &prefix.end()) {
        let (bytes, rec) = pair?;
        let (site, selector) = selector_of(inner, &bytes)?;
        index.add(site, selector, rec);
    }
    index.sort();
    let index = Arc::new(index);
    *cache = Some(Arc::clone(&index));
    Ok(index)
}

/// The site and selector that an expectation's key names.
pub(crate) fn selector_of(inner: &Inner, bytes: &[u8]) -> Result<(u32, Selector), StoreError> {
    let read = || {
        let mut parts = Parts::of(bytes, key::EXPECTED)?;
        let number = parts.u32()?;
        let addrs = parts.addr_range()?;
        let transport = parts.transport()?;
        let ports = (parts.u16()?, parts.u16()?);
        parts.end((number, addrs, transport, ports))
    };
    let (number, addrs, transport, ports) =
        read().ok_or_else(|| StoreError::corrupt("an expectation without a proper key"))?;
    Ok((number, Selector { site: inner.site_name(number)?, addrs, transport, ports }))
}

/// Changes expectations, all at once. The caller is the writer.
pub(crate) fn change(inner: &Inner, ops: Vec<Op>) -> Result<(), StoreError> {
    let result = redo::change(inner, ops);
    *inner.expected.lock().unwrap_or_else(PoisonError::into_inner) = None;
    result
}

/// The keys of every expectation there is.
pub(crate) fn places(inner: &Inner) -> Result<Vec<Vec<u8>>, StoreError> {
    let prefix = Key::new(key::EXPECTED);
    inner.keys(&prefix.clone().done(), &prefix.end()).collect()
}

/// The changes that store expectations. The caller is the writer.
pub(crate) fn put_ops(inner: &Inner, entries: &[Expectation]) -> Result<Vec<Op>, StoreError> {
    entries.iter().map(|e| put_op(inner, e)).collect()
}

/// The change that stores an expectation. The caller is the writer.
pub(crate) fn put_op(inner: &Inner, expectation: &Expectation) -> Result<Op, StoreError> {
    let site = inner.site_number(&expectation.selector.site)?;
    let place = key::expected(site, &expectation.selector);
    let rec = ExpectRec { state: Code(expectation.state), comment: expectation.comment.clone() };
    let value = seal(&place, &rec)?;
    Ok((place, Some(value)))
}

/// Refuses entries that can't be expected.
///
/// # Errors
/// [`ExpectError::Invalid`] with the index and problem of each.
pub(crate) fn check(expectations: &[Expectation]) -> Result<(), ExpectError> {
    let problems = problems(expectations);
    if problems.is_empty() { Ok(()) } else { Err(ExpectError::Invalid(problems)) }
}

fn problems(expectations: &[Expectation]) -> Vec<(usize, String)> {
    let mut seen: BTreeMap<&Selector, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, expectation) in expectations.iter().enumerate() {
        let selector = &expectation.selector;
        let (low, high) = selector.ports;
        if low > high {
            problems.push((index, format!("the port range {low}-{high} is reversed")));
        } else if selector.transport == Transport::Ip && high > 255 {
            problems.push((index, format!("IP protocol {high}; expected 0 to 255")));
        } else if selector.transport != Transport::Ip && low == 0 {
            problems.push((index, "port 0; expected 1 to 65535".to_owned()));
        } else if expectation.comment.len() > MAX_COMMENT_LEN {
            let len = expectation.comment.len();
            problems
                .push((index, format!("the comment has {len} bytes; at most {MAX_COMMENT_LEN}")));
        } else if let Some(first) = seen.insert(selector, index) {
            problems.push((index, format!("says again what entry {first} says")));
        }
    }
    problems
}

/// Whether a filter admits any endpoint of an expectation.
pub(crate) fn admitted(filter: &Filter, expectation: &Expectation) -> bool {
    let Selector { addrs, transport, ports, .. } = &expectation.selector;
    let meets = |range: &AddrRange| {
        range.family() == addrs.family()
            && range.first_bits() <= addrs.last_bits()
            && addrs.first_bits() <= range.last_bits()
    };
    filter.transport.is_none_or(|t| t == *transport)
        && filter.admits_state(expectation.state)
        && filter.addrs.as_ref().is_none_or(|set| set.ranges().iter().any(meets))
        && filter.ports.as_ref().is_none_or(|set| {
            set.ranges().iter().any(|(low, high)| *low <= ports.1 && ports.0 <= *high)
        })
}
