//! From targets to a plan: routes, links, hops, neighbours.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use portolan_core::group_gate::Grouping;
use portolan_core::link::Encapsulation;
use portolan_core::plan::{Hop, HopRange};
use portolan_core::target::{AddrRange, AddrSet};
use portolan_core::wire::LinkHeader;
use portolan_core::{Family, MacAddr};

use crate::neighbor::{self, NeighborError, SweepOptions};
use crate::options::ScanOptions;
use crate::route::{Interface, NextHop, Reach, Route, RouteError, RouteOverrides, RouteTable};

/// How long a gateway may take to answer for its address.
const GATEWAY_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a neighbour may take.
const NEIGHBOR_TIMEOUT: Duration = Duration::from_millis(200);

/// How frames leave by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Through a packet socket, whole frames.
    Packet,
    /// Through the host's own IP layer: loopback, where injected frames would be taken for
    /// martians.
    RawIp(Family),
}

/// A link to be opened.
#[derive(Debug, Clone)]
pub(crate) struct LinkSpec {
    pub(crate) interface: Arc<Interface>,
    pub(crate) exit: Exit,
}

/// The ways to all targets.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    pub(crate) links: Vec<LinkSpec>,
    pub(crate) hops: Vec<Hop>,
    /// Sorted, disjoint.
    pub(crate) routes: Vec<HopRange>,
    /// Neighbours that answered for their addresses.
    pub(crate) neighbors: HashMap<IpAddr, MacAddr>,
    /// Addresses on the link, whether or not they answered.
    pub(crate) on_link: AddrSet,
    /// Addresses to which nothing can be sent.
    pub(crate) unroutable: AddrSet,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
}

/// The ways could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// A neighbour or gateway could not be asked.
    #[error("neighbours can't be resolved")]
    Neighbor(#[from] NeighborError),
    /// No interface of that name.
    #[error("no interface is called {name:?}; there are {known}")]
    NoInterface {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The operating system gave no random numbers.
    #[error("no randomness from the operating system")]
    Random(#[source] getrandom::Error),
    /// The kernel's routes can't be read.
    #[error("routes can't be read")]
    Route(#[from] RouteError),
}

/// Finds the way to every address of `targets`; asks gateways and neighbours for their hardware
/// addresses, and nobody else anything.
pub(crate) fn ways(
    targets: &AddrSet,
    options: &ScanOptions,
    stop: &AtomicBool,
) -> Result<Ways, PrepareError> {
    let mut table = open_table(options)?;
    let mut ways = Ways::default();
    let mut sweeps: Vec<(Route, Vec<AddrRange>)> = Vec::new();
    let mut unroutable = Vec::new();
    for (range, reach) in table.split(targets)? {
        // What lies between targets is neither asked nor counted.
        let within = || AddrSet::from_iter([range]).intersection(targets);
        let Reach::Via(route) = reach else {
            unroutable.extend_from_slice(within().ranges());
            continue;
        };
        let on_link = route.next_hop == NextHop::OnLink && options.router_mac.is_none();
        match ways.hop(&route, options)? {
            Some(hop) => ways.routes.push(HopRange { range, hop }),
            None => unroutable.extend_from_slice(within().ranges()),
        }
        if on_link {
            let asked = within();
            match sweeps.iter_mut().find(|(r, _)| *r == route) {
                Some((_, ranges)) => ranges.extend_from_slice(asked.ranges()),
                None => sweeps.push((route, asked.ranges().to_vec())),
            }
        }
    }
    ways.unroutable = unroutable.into_iter().collect();
    if !ways.unroutable.is_empty() {
        ways.warnings.push(format!("no route to {}", shorten(&ways.unroutable)));
    }
    for (route, ranges) in sweeps {
        ways.sweep(&route, &ranges.into_iter().collect(), options, stop)?;
    }
    Ok(ways)
}

pub(crate) fn open_table(options: &ScanOptions) -> Result<RouteTable, PrepareError> {
    let mut overrides = RouteOverrides::default();
    match options.source_ip {
        Some(IpAddr::V4(source)) => overrides.source_v4 = Some(source),
        Some(IpAddr::V6(source)) => overrides.source_v6 = Some(source),
        None => {}
    }
    let table = RouteTable::open(overrides)?;
    let Some(name) = options.interface.as_deref() else { return Ok(table) };
    if let Some(interface) = table.interface(name) {
        overrides.interface = Some(interface.index);
        return Ok(RouteTable::open(overrides)?);
    }
    let names: Vec<&str> = table.interfaces().iter().map(|i| i.name.as_str()).collect();
    Err(PrepareError::NoInterface { name: name.to_owned(), known: names.join(", ") })
}

impl Ways {
    /// The hop of `route`, made if it is new; `None` where its gateway does not answer.
    fn hop(&mut self, route: &Route, options: &ScanOptions) -> Result<Option<usize>, PrepareError> {
        let interface = &route.interface;
        let ethernet = interface.encapsulation == Encapsulation::Ethernet;
        let (exit, header, on_link) = match (route.next_hop, interface.mac) {
            (NextHop::Local, _) => (Exit::RawIp(Family::of(route.source)), LinkHeader::None, false),
            (NextHop::Device, _) => (Exit::Packet, LinkHeader::None, false),
            (next_hop, Some(source)) if ethernet => {
                if let Some(target) = options.router_mac {
                    (Exit::Packet, LinkHeader::Ethernet { source, target }, false)
                } else {
                    let Some(header) = self.ethernet(route, next_hop, source, options)? else {
                        return Ok(None);
                    };
                    (Exit::Packet, header, next_hop == NextHop::OnLink)
                }
            }
            _ => (Exit::Packet, LinkHeader::None, false),
        };
        let link = self.link(interface, exit);
        let hop = Hop { link, source: route.source, header, on_link };
        let known = self.hops.iter().position(|h| *h == hop);
        Ok(Some(known.unwrap_or_else(|| {
            self.hops.push(hop);
            self.hops.len() - 1
        })))
    }

    fn ethernet(
        &mut self,
        route: &Route,
        next_hop: NextHop,
        source: MacAddr,
        options: &ScanOptions,
    ) -> Result<Option<LinkHeader>, PrepareError> {
        let NextHop::Gateway(gateway) = next_hop else {
            let target = MacAddr::default();
            return Ok(Some(LinkHeader::Ethernet { source, target }));
        };
        if let Some(target) = self.neighbors.get(&gateway).copied() {
            return Ok(Some(LinkHeader::Ethernet { source, target }));
        }
        let vlan = options.style.vlan;
        let asking = SweepOptions { timeout: GATEWAY_TIMEOUT, vlan, ..SweepOptions::default() };
        // A gateway of the other family (RFC 5549) is asked from an address of its own.
        let from = if Family::of(gateway) == Family::of(route.source) {
            route.source
        } else {
            let own = route.interface.addrs.iter().map(|a| a.addr);
            own.clone().find(|a| Family::of(*a) == Family::of(gateway)).unwrap_or(route.source)
        };
        let found = neighbor::resolve(&route.interface, from, gateway, asking)?;
        let Some(target) = found else {
            let name = &route.interface.name;
            self.warnings.push(format!("gateway {gateway} on {name} does not answer"));
            return Ok(None);
        };
        self.neighbors.insert(gateway, target);
        Ok(Some(LinkHeader::Ethernet { source, target }))
    }

    /// How many links lead into one and the same subnet, at most, those to this host itself apart.
    pub(crate) fn links_to_a_subnet(&self) -> u32 {
        // Within a range there is one way; so subnets are shared at the edges of ranges alone.
        let mut links: HashMap<(Family, u128), BTreeSet<usize>> = HashMap::new();
        for HopRange { range, hop } in &self.routes {
            let link = self.hops.get(*hop).map(|hop| hop.link);
            let outside = link
                .filter(|link| self.links.get(*link).is_some_and(|spec| spec.exit == Exit::Packet));
            let Some(link) = outside else { continue };
            let bits = Grouping::Subnet.host_bits(range.family());
            for edge in [range.first_bits(), range.last_bits()] {
                links.entry((range.family(), edge >> bits)).or_default().insert(link);
            }
        }
        let most = links.values().map(BTreeSet::len).max().unwrap_or(1);
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    fn link(&mut self, interface: &Arc<Interface>, exit: Exit) -> usize {
        let same = |l: &LinkSpec| l.interface.index == interface.index && l.exit == exit;
        self.links.iter().position(same).unwrap_or_else(|| {
            self.links.push(LinkSpec { interface: Arc::clone(interface), exit });
            self.links.len() - 1
        })
    }

    fn sweep(
        &mut self,
        route: &Route,
        targets: &AddrSet,
        options: &ScanOptions,
        stop: &AtomicBool,
    ) -> Result<(), PrepareError> {
        // All of the targets may be one subnet.
        let rate_pps = options.unwatched_pps();
        let asking = SweepOptions {
            rate_pps: options.max_subnet_pps.map_or(rate_pps, |most| most.min(rate_pps)),
            retries: u32::from(options.retries),
            timeout: NEIGHBOR_TIMEOUT,
            vlan: options.style.vlan,
        };
        let found = neighbor::sweep(&route.interface, route.source, targets, asking, stop)?;
        self.neighbors.extend(found);
        self.on_link = self.on_link.union(targets);
        Ok(())
    }
}

/// The first few ranges, and how many more there are.
fn shorten(addrs: &AddrSet) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = addrs.ranges().iter().take(SHOWN).map(ToString::to_string).collect();
    match addrs.ranges().len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more ranges", shown.join(", ")),
    }
}
