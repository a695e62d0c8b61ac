//! The hosts of IPv6 prefixes on the link that are too large to sweep.
//!
//! Every host of the link is asked at once, by multicast, in three ways (RFC 7707): by an
//! echo request, by one behind an option that must be complained of, and by a query for the groups
//! it listens to. What is learnt of their addresses is then put to the test by neighbour
//! solicitations, each to an address that was asked for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::plan::NEIGHBORS_MAX;
use portolan_core::target::{AddrRange, AddrSet, Scope};
use portolan_core::{Family, MacAddr};

use crate::filter::Filter;
use crate::link::{
    LinkError, PacketRx, PacketRxOptions, PacketTx, PacketTxOptions, RxLink, TxLink,
};
use crate::neighbor::{self, NeighborError, SweepOptions};
use crate::options::{Cancel, ScanOptions};
use crate::prepare::{self, PrepareError};
use crate::privilege::Privilege;
use crate::route::{Interface, NextHop, Reach, Route};
use crate::sys::packet::Multicast;

/// Which addresses the stations may have.
pub mod census;
/// The frames themselves.
pub mod frame;

use census::{Census, SIGHTINGS_MAX, subnet, subnets};
use frame::{ALL_NODES, Token};

/// How long hosts may take to report their groups.
const REPORT_DELAY: Duration = Duration::from_secs(1);
/// How long is listened after a round of questions.
const LISTEN: Duration = Duration::from_millis(1_200);
/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(100);
/// How long a neighbour may take.
const NEIGHBOR_TIMEOUT: Duration = Duration::from_millis(300);
/// Addresses of ours that are asked from, at most.
const SOURCES_MAX: usize = 4;

/// Targets that can be counted, in the place of prefixes that can't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// A part of what was given.
    pub addrs: AddrSet,
    /// What was done instead of sweeping, in sentences.
    pub told: Vec<String>,
}

/// Hosts could not be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnLinkError {
    /// Routes, links or neighbours failed.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Only packets of our own find them.
    #[error("{prefix} is too large to sweep; finding its hosts needs CAP_NET_RAW, or run as root")]
    NeedsPrivilege {
        /// What was to be scanned.
        prefix: AddrRange,
    },
    /// The group of all nodes may not be touched.
    #[error("{prefix} is too large to sweep, and multicast ({ALL_NODES}) is excluded")]
    Excluded {
        /// What was to be scanned.
        prefix: AddrRange,
    },
    /// Each part would find other hosts.
    #[error("{prefix} is too large to sweep, and shards must agree on their hosts: list them")]
    Sharded {
        /// What was to be scanned.
        prefix: AddrRange,
    },
    /// Nothing is left to scan.
    #[error("{prefix} is too large to sweep, and no host of it was found by multicast")]
    Nobody {
        /// What was to be scanned.
        prefix: AddrRange,
    },
}

impl From<NeighborError> for OnLinkError {
    fn from(error: NeighborError) -> Self {
        Self::Prepare(error.into())
    }
}

impl From<LinkError> for OnLinkError {
    fn from(error: LinkError) -> Self {
        Self::Prepare(PrepareError::Neighbor(error.into()))
    }
}

/// A link and what of it is looked for.
struct Part {
    route: Route,
    addrs: AddrSet,
}

/// Puts the hosts that are found in the place of IPv6 ranges of more than [`NEIGHBORS_MAX`]
/// addresses, where all of such a range is on links of this host; other targets stay as they are.
///
/// Questions by multicast go only to links on which such a range lies, and to none if `scope`
/// excludes [`ALL_NODES`]. What goes to single addresses goes to `addrs` alone, at the rate of
/// `options`.
///
/// # Errors
/// [`OnLinkError`], nothing sent where privilege or permission are missing.
pub fn expand(
    addrs: &AddrSet,
    scope: &Scope,
    options: &ScanOptions,
    cancel: &Cancel,
) -> Result<Expanded, OnLinkError> {
    let large: AddrSet = addrs.ranges().iter().copied().filter(is_large).collect();
    let unchanged = || Ok(Expanded { addrs: addrs.clone(), told: Vec::new() });
    let Some(prefix) = large.ranges().first().copied() else { return unchanged() };
    let Some((parts, mut found)) = parts(&large, options)? else { return unchanged() };
    if scope.excludes(IpAddr::V6(ALL_NODES)) {
        return Err(OnLinkError::Excluded { prefix });
    }
    if options.shard.count > 1 {
        return Err(OnLinkError::Sharded { prefix });
    }
    if !Privilege::detect().is_ok_and(|privilege| privilege.raw_sockets) {
        return Err(OnLinkError::NeedsPrivilege { prefix });
    }
    let mut told = Vec::new();
    for part in parts {
        let census = ask_all(&part.route.interface, &part.addrs, options, cancel)?;
        let hosts = confirm(&part, &census, options, cancel)?;
        let name = &part.route.interface.name;
        let count = hosts.len().unwrap_or(0);
        told.push(format!(
            "{name}: {prefix} is too large to sweep; {count} addresses of it found by multicast"
        ));
        if census.overflown() {
            told.push(format!("{name}: more than {SIGHTINGS_MAX} stations, the rest is left out"));
        }
        found = found.union(&hosts);
    }
    let addrs = addrs.difference(&large).union(&found);
    if addrs.is_empty() {
        Err(OnLinkError::Nobody { prefix })
    } else {
        Ok(Expanded { addrs, told })
    }
}

fn is_large(range: &AddrRange) -> bool {
    range.family() == Family::V6 && range.span() >= u128::from(NEIGHBORS_MAX)
}

/// What of `large` is on which link, and the few addresses of it that are reached otherwise, such
/// as this host's own. `None` where that leaves a range that no link has.
fn parts(
    large: &AddrSet,
    options: &ScanOptions,
) -> Result<Option<(Vec<Part>, AddrSet)>, PrepareError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut others = AddrSet::new();
    for (range, reach) in prepare::open_table(options)?.split(large)? {
        let within = AddrSet::from_iter([range]).intersection(large);
        match reach {
            Reach::Via(route) if is_on_link(&route) && options.router_mac.is_none() => {
                let same = |p: &&mut Part| p.route.interface.index == route.interface.index;
                match parts.iter_mut().find(same) {
                    Some(part) => part.addrs = part.addrs.union(&within),
                    None => parts.push(Part { route, addrs: within }),
                }
            }
            _ if within.ranges().iter().any(is_large) => return Ok(None),
            _ => others = others.union(&within),
        }
    }
    Ok((!parts.is_empty()).then_some((parts, others)))
}

fn is_on_link(route: &Route) -> bool {
    route.next_hop == NextHop::OnLink
        && route.interface.encapsulation == Encapsulation::Ethernet
        && route.interface.mac.is_some()
}

/// Asks every host on the link of `interface`, several times, and notes who speaks.
fn ask_all(
    interface: &Arc<Interface>,
    addrs: &AddrSet,
    options: &ScanOptions,
    cancel: &Cancel,
) -> Result<Census, OnLinkError> {
    let Some(mac) = interface.mac else { return Ok(Census::default()) };
    let sources = sources(interface, addrs);
    let token = token()?;
    let filter = Filter::new(Encapsulation::Ethernet).multicast_listeners();
    let rx_options = PacketRxOptions { ring_len: 4 << 20, retire: Duration::from_millis(1) };
    let rx = PacketRx::open(interface.index, &filter, rx_options)?;
    let tx = PacketTx::open(interface.index, Encapsulation::Ethernet, PacketTxOptions::default())?;
    // Reports go to groups that an interface does not listen to otherwise.
    let _listening = Multicast::all(interface.index).map_err(LinkError::from)?;
    let gap = Duration::from_secs(1) / options.unwatched_pps().max(1);
    let (addrs, census, cancel) = (addrs.clone(), Census::default(), cancel.clone());
    let mut asking = Asking { tx, rx, token, sources, addrs, census, cancel };
    for _ in 0..=options.retries {
        for question in questions(mac, &asking.sources, token) {
            let question = match options.style.vlan {
                Some(vlan) => neighbor::frame::tagged(&question, vlan),
                None => question,
            };
            asking.send(&question)?;
            asking.listen(gap)?;
        }
        asking.listen(LISTEN)?;
        if asking.cancel.is_cancelled() {
            break;
        }
    }
    Ok(asking.census)
}

/// Our addresses to ask from: hosts answer from an address that is like it. The link-local one
/// first, then those of the prefixes that are looked for, then others.
fn sources(interface: &Interface, addrs: &AddrSet) -> Vec<Ipv6Addr> {
    let own = interface.addrs.iter().filter_map(|own| match own.addr {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    });
    let wanted = subnets(addrs).unwrap_or_default();
    let mut own: Vec<Ipv6Addr> = own.collect();
    own.sort_by_key(|addr| (!addr.is_unicast_link_local(), !wanted.contains(&subnet(*addr))));
    own.truncate(SOURCES_MAX);
    own
}

fn questions(mac: MacAddr, sources: &[Ipv6Addr], token: Token) -> Vec<Vec<u8>> {
    let local = sources.iter().filter(|source| source.is_unicast_link_local());
    let query = local.map(|source| frame::general_query(mac, *source, REPORT_DELAY));
    let echo = sources.iter().map(|source| frame::echo_request(mac, *source, token));
    let option = sources.iter().map(|source| frame::unknown_option(mac, *source, token));
    query.chain(echo).chain(option).collect()
}

fn token() -> Result<Token, OnLinkError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(PrepareError::Random)?;
    let [a, b, data @ ..] = random;
    Ok(Token { identifier: u16::from_be_bytes([a, b]), data })
}

/// A link that is being asked.
struct Asking {
    tx: PacketTx,
    rx: PacketRx,
    token: Token,
    sources: Vec<Ipv6Addr>,
    addrs: AddrSet,
    census: Census,
    cancel: Cancel,
}

impl Asking {
    fn send(&mut self, question: &[u8]) -> Result<(), LinkError> {
        let mut batch = FrameBatch::new();
        batch.push(question);
        while self.tx.send(&batch, 0)? == 0 && !self.cancel.is_cancelled() {
            self.tx.wait_writable(TICK)?;
        }
        Ok(())
    }

    /// Notes who speaks within `span`, or until it is to stop.
    fn listen(&mut self, span: Duration) -> Result<(), LinkError> {
        let deadline = Instant::now() + span;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Self { census, token, sources, addrs, .. } = self;
            self.rx.recv(left.min(TICK), &mut |arrival| {
                // Others may speak too, and are not looked for.
                if let Some(seen) = frame::sighting(arrival.frame, *token, sources)
                    && (seen.source.is_unicast_link_local() || addrs.contains(seen.source.into()))
                {
                    census.add(seen);
                }
            })?;
            if left.is_zero() || self.cancel.is_cancelled() {
                return Ok(());
            }
        }
    }
}

/// Those of the addresses that the stations may have that are looked for and answer for themselves.
fn confirm(
    part: &Part,
    census: &Census,
    options: &ScanOptions,
    cancel: &Cancel,
) -> Result<AddrSet, NeighborError> {
    let route = &part.route;
    // In a prefix of more subnets than can be tried, stations are where we are.
    let prefixes = subnets(&part.addrs).unwrap_or_else(|| {
        let own = sources(&route.interface, &part.addrs).into_iter();
        own.map(subnet).collect::<BTreeSet<u64>>()
    });
    let rate_pps = options.unwatched_pps();
    let asking = SweepOptions {
        rate_pps: options.max_subnet_pps.map_or(rate_pps, |most| most.min(rate_pps)),
        retries: u32::from(options.retries),
        timeout: NEIGHBOR_TIMEOUT,
        vlan: options.style.vlan,
    };
    let mut found: Vec<Ipv6Addr> = Vec::new();
    for later in [false, true] {
        let asked =
            if later { census.unexplained(&prefixes, &found) } else { census.likely(&prefixes) };
        let asked = asked.intersection(&part.addrs);
        let stop = cancel.flag();
        let there = neighbor::sweep(&route.interface, route.source, &asked, asking, stop)?;
        found.extend(there.into_keys().filter_map(|addr| match addr {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        }));
    }
    Ok(found.into_iter().map(IpAddr::V6).collect())
}
