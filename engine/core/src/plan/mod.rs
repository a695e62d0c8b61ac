//! A scan, checked and ready: endpoints by index, the ways to them, the order.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cookie::{Cookie, CookieKey, SourcePorts};
use crate::endpoint::{Endpoint, Family};
use crate::group_gate::Grouping;
use crate::observation::MacAddr;
use crate::permutation::{LEN_MAX, Permutation};
pub use crate::probe::Probe;
use crate::probe::{Pings, TcpScan};
use crate::seed::Seed;
use crate::stripe::Stripe;
use crate::target::{AddrRange, Block, Scope};
use crate::udp::UdpPayloads;
use crate::wire::ProbeStyle;

/// Addresses × questions.
mod block;
/// How many there are of what.
mod count;
/// How packets leave.
mod hop;

pub use block::{PlanBlock, PlanRange};
use hop::route_pieces;
pub use hop::{Hop, HopRange};

/// Most passes: one probe and fifteen repetitions.
pub const PASSES_MAX: u8 = 16;
/// Most neighbours on the link whose hardware addresses are kept: 6 octets each.
pub const NEIGHBORS_MAX: u64 = 1 << 24;

/// What a scan is to do.
#[derive(Clone)]
pub struct PlanConfig {
    /// What may be touched.
    pub scope: Scope,
    /// Addresses × ports.
    pub blocks: Vec<Block>,
    /// Send an echo request to every address too.
    pub echo: bool,
    /// What else to ask of every IPv4 address.
    pub pings: Pings,
    /// Report hosts instead of ports.
    pub discover: bool,
    /// Which segment TCP ports are sent.
    pub tcp_scan: TcpScan,
    /// Probes per endpoint at most: retries plus one.
    pub passes: u8,
    /// Fixes the order.
    pub seed: Seed,
    /// Makes the cookies.
    pub key: CookieKey,
    /// Ports to send from.
    pub source_ports: SourcePorts,
    /// What to say to UDP ports.
    pub payloads: Arc<dyn UdpPayloads>,
    /// How the probes look.
    pub style: ProbeStyle,
}

/// A plan that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// More endpoints than can be counted.
    #[error("addresses times ports exceed 2^63: too many to count, name a smaller range")]
    TooManyEndpoints,
    /// More neighbours than hardware addresses are kept for.
    #[error("{addrs} on the link: at most {NEIGHBORS_MAX} neighbours can be scanned at once")]
    TooManyNeighbors {
        /// The range that is too large.
        addrs: AddrRange,
    },
    /// No pass, or too many.
    #[error("{passes} passes; expected 1 to {PASSES_MAX}")]
    Passes {
        /// What was asked for.
        passes: u8,
    },
}

/// A scan: immutable, shared by all its threads.
///
/// Its numbering of endpoints depends on targets and ports alone, not on routes: so shards agree
/// on it from different hosts, and a scan is resumed rightly after a route has changed.
pub struct ScanPlan {
    blocks: Vec<PlanBlock>,
    hops: Vec<Hop>,
    neighbors: Vec<MacAddr>,
    len: u64,
    hosts: u64,
    permutation: Permutation,
    stripe: Option<Stripe>,
    config: PlanConfig,
}

/// One endpoint, found by its index, and the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// The host.
    pub addr: IpAddr,
    /// The question.
    pub probe: Probe,
    /// The way to it.
    pub way: Way,
}

/// Whether and how an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the hop at this position of the list, with its own header.
    Hop(usize),
    /// By that hop, to this neighbour.
    Neighbor(usize, MacAddr),
    /// A neighbour that did not answer for its address: nothing can be sent to it.
    Unresolved,
    /// There is no route.
    Unroutable,
}

impl ScanPlan {
    /// Builds the plan from `config`; addresses outside the scope are not in it. `routes`, sorted
    /// by address and disjoint, say which hop leads where; `resolve` knows the neighbours'
    /// hardware addresses.
    ///
    /// # Errors
    /// [`PlanError`], where the numbers exceed what can be planned.
    pub fn new(
        config: PlanConfig,
        hops: Vec<Hop>,
        routes: &[HopRange],
        resolve: &dyn Fn(IpAddr) -> Option<MacAddr>,
    ) -> Result<Self, PlanError> {
        if config.passes == 0 || config.passes > PASSES_MAX {
            return Err(PlanError::Passes { passes: config.passes });
        }
        let mut plan = Self {
            blocks: Vec::new(),
            hops,
            neighbors: Vec::new(),
            len: 0,
            hosts: 0,
            permutation: Permutation::new(0, config.seed),
            stripe: None,
            config,
        };
        for block in plan.config.blocks.clone() {
            for part in plan.parts(block) {
                plan.push_block(&part, routes, resolve)?;
            }
        }
        plan.permutation = Permutation::new(plan.len, plan.config.seed);
        Ok(plan)
    }

    /// `block` as it is, or by family where IPv4 is asked more than IPv6.
    fn parts(&self, block: Block) -> Vec<Block> {
        if self.config.pings.probes().next().is_none() {
            return vec![block];
        }
        let part = |family| {
            let ranges = block.addrs.ranges().iter().copied();
            let addrs = ranges.filter(|range| range.family() == family).collect();
            Block { addrs, ..block.clone() }
        };
        vec![part(Family::V4), part(Family::V6)]
    }

    fn push_block(
        &mut self,
        block: &Block,
        routes: &[HopRange],
        resolve: &dyn Fn(IpAddr) -> Option<MacAddr>,
    ) -> Result<(), PlanError> {
        let echo = self.config.echo.then_some(Probe::Echo);
        let v4 = block.addrs.ranges().iter().all(|range| range.family() == Family::V4);
        let pings = self.config.pings.probes().filter(|_| v4);
        let tcp = block.tcp.iter().map(Probe::Tcp);
        // In the order of `Probe`, by which they are found again.
        let probes: Box<[Probe]> = tcp
            .chain(block.udp.iter().map(Probe::Udp))
            .chain(block.sctp.iter().map(Probe::Sctp))
            .chain(echo)
            .chain(pings)
            .collect();
        let allowed = self.config.scope.bound(&block.addrs);
        let mut ranges = Vec::new();
        let mut hosts: u64 = 0;
        for &range in allowed.ranges() {
            for (range, hop) in route_pieces(range, routes) {
                let neighbors_at = self.push_neighbors(range, hop, resolve)?;
                ranges.push(PlanRange { range, hosts_before: hosts, hop, neighbors_at });
                hosts = u64::try_from(range.span())
                    .ok()
                    .and_then(|span| hosts.checked_add(span)?.checked_add(1))
                    .ok_or(PlanError::TooManyEndpoints)?;
            }
        }
        let endpoints = u64::try_from(probes.len()).ok().and_then(|n| hosts.checked_mul(n));
        let len = endpoints.and_then(|n| self.len.checked_add(n)).filter(|n| *n <= LEN_MAX);
        let new = PlanBlock {
            endpoints_before: self.len,
            hosts_before: self.hosts,
            hosts,
            ports: (
                count(&probes, |p| matches!(p, Probe::Tcp(_))),
                count(&probes, |p| matches!(p, Probe::Udp(_))),
            ),
            probes,
            ranges,
        };
        self.len = len.ok_or(PlanError::TooManyEndpoints)?;
        self.hosts = self.hosts.checked_add(hosts).ok_or(PlanError::TooManyEndpoints)?;
        if new.hosts > 0 && !new.probes.is_empty() {
            self.blocks.push(new);
        }
        Ok(())
    }

    fn push_neighbors(
        &mut self,
        range: AddrRange,
        hop: Option<usize>,
        resolve: &dyn Fn(IpAddr) -> Option<MacAddr>,
    ) -> Result<Option<usize>, PlanError> {
        if !hop.and_then(|hop| self.hops.get(hop)).is_some_and(|h| h.on_link) {
            return Ok(None);
        }
        let at = self.neighbors.len();
        let held = u64::try_from(at).unwrap_or(u64::MAX);
        if range.span() >= u128::from(NEIGHBORS_MAX.saturating_sub(held)) {
            return Err(PlanError::TooManyNeighbors { addrs: range });
        }
        let family = range.family();
        for bits in range.first_bits()..=range.last_bits() {
            self.neighbors.push(resolve(family.addr(bits)).unwrap_or_default());
        }
        Ok(Some(at))
    }

    /// The same plan in the striped order: each group is asked once before any is asked again.
    #[must_use]
    pub fn striped(mut self, grouping: Grouping) -> Self {
        let runs = self.blocks.iter().flat_map(|block| block.runs(grouping)).collect();
        self.stripe = Some(Stripe::new(runs, self.config.seed));
        self
    }

    /// How many endpoints.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many hosts.
    pub const fn hosts(&self) -> u64 {
        self.hosts
    }

    /// The usual order; [`ScanPlan::element`] and [`ScanPlan::position`] know the plan's own.
    pub const fn permutation(&self) -> &Permutation {
        &self.permutation
    }

    /// The striped order, if the plan has it.
    pub const fn stripe(&self) -> Option<&Stripe> {
        self.stripe.as_ref()
    }

    /// The index of the endpoint that is asked at `position`; both are below [`ScanPlan::len`].
    pub fn element(&self, position: u64) -> u64 {
        match &self.stripe {
            Some(stripe) => stripe.element(position),
            None => self.permutation.element(position),
        }
    }

    /// The position at which the endpoint at `index` is asked.
    pub fn position(&self, index: u64) -> u64 {
        match &self.stripe {
            Some(stripe) => stripe.position(index),
            None => self.permutation.position(index),
        }
    }

    /// What it was built from.
    pub const fn config(&self) -> &PlanConfig {
        &self.config
    }

    /// The hops.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// The blocks that endpoints are numbered by, in that order.
    pub fn blocks(&self) -> &[PlanBlock] {
        &self.blocks
    }

    /// Hardware addresses of neighbours; zero for those that did not answer.
    pub fn neighbors(&self) -> &[MacAddr] {
        &self.neighbors
    }

    /// Every UDP port that is probed anywhere.
    pub fn udp_ports(&self) -> impl Iterator<Item = u16> + '_ {
        let udp = |p: &Probe| if let Probe::Udp(port) = p { Some(*port) } else { None };
        self.blocks.iter().flat_map(move |b| b.probes.iter().filter_map(udp))
    }

    /// The endpoint with this index, below [`ScanPlan::len`].
    pub fn aim(&self, index: u64) -> Option<Aim> {
        let after = self.blocks.partition_point(|b| b.endpoints_before <= index);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        let within = index - block.endpoints_before;
        let probes = u64::try_from(block.probes.len()).ok()?;
        let (host, probe) = (within / probes, within % probes);
        let after = block.ranges.partition_point(|r| r.hosts_before <= host);
        let range = block.ranges.get(after.checked_sub(1)?)?;
        let offset = host - range.hosts_before;
        let bits = range.range.first_bits().checked_add(u128::from(offset))?;
        // Nothing outside the plan is ever aimed at, whatever the index.
        if bits > range.range.last_bits() {
            return None;
        }
        let way = match (range.hop, range.neighbors_at) {
            (None, _) => Way::Unroutable,
            (Some(hop), None) => Way::Hop(hop),
            (Some(hop), Some(at)) => match self.neighbors.get(at + usize::try_from(offset).ok()?) {
                Some(mac) if *mac != MacAddr::default() => Way::Neighbor(hop, *mac),
                _ => Way::Unresolved,
            },
        };
        Some(Aim {
            addr: range.range.family().addr(bits),
            probe: *block.probes.get(usize::try_from(probe).ok()?)?,
            way,
        })
    }

    /// The index of an endpoint, and its host's: the inverse of [`ScanPlan::aim`].
    pub fn find(&self, addr: IpAddr, probe: Probe) -> Option<Found> {
        self.blocks.iter().find_map(|block| {
            let (host, hop) = block.host_of(addr)?;
            let probe = u64::try_from(block.probes.binary_search(&probe).ok()?).ok()?;
            let probes = u64::try_from(block.probes.len()).ok()?;
            Some(Found {
                index: block.endpoints_before + host * probes + probe,
                host: block.hosts_before + host,
                hop,
            })
        })
    }

    /// The address of the host at `index` of the hosts, and how many UDP ports are asked of it.
    pub fn host(&self, index: u64) -> Option<(IpAddr, u32)> {
        let after = self.blocks.partition_point(|b| b.hosts_before <= index);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        let host = index - block.hosts_before;
        let after = block.ranges.partition_point(|r| r.hosts_before <= host);
        let range = block.ranges.get(after.checked_sub(1)?)?;
        let offset = u128::from(host - range.hosts_before);
        let bits = range.range.first_bits().checked_add(offset)?;
        (bits <= range.range.last_bits()).then(|| (range.range.family().addr(bits), block.ports.1))
    }

    /// The index of a host among the hosts.
    pub fn find_host(&self, addr: IpAddr) -> Option<u64> {
        self.blocks.iter().find_map(|b| b.host_of(addr).map(|(host, _)| b.hosts_before + host))
    }

    /// The cookie of the probe to `endpoint` in pass `pass`.
    pub fn cookie(&self, endpoint: &Endpoint, pass: u8) -> Cookie {
        self.config.key.cookie(endpoint, pass)
    }
}

fn count(probes: &[Probe], is: impl Fn(&Probe) -> bool) -> u32 {
    u32::try_from(probes.iter().filter(|p| is(p)).count()).unwrap_or(u32::MAX)
}

/// Where an endpoint stands in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its index among the endpoints.
    pub index: u64,
    /// Its host's index among the hosts.
    pub host: u64,
    /// Its hop, if there is a route.
    pub hop: Option<usize>,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::endpoint::addr_bits;
    use crate::target::TargetSpec;
    use crate::udp::NoPayloads;
    use crate::wire::LinkHeader;

    pub(crate) fn config(targets: &str, tcp: &[u16], udp: &[u16]) -> PlanConfig {
        let addrs = targets.parse::<TargetSpec>().unwrap().addrs().clone();
        let (tcp, udp) = (tcp.iter().copied().collect(), udp.iter().copied().collect());
        let block = Block { addrs, tcp, udp, ..Block::default() };
        PlanConfig {
            scope: Scope::unbounded(),
            blocks: vec![block],
            echo: false,
            pings: Pings::default(),
            discover: false,
            tcp_scan: TcpScan::default(),
            passes: 3,
            seed: Seed(1),
            key: CookieKey::new([3; 16]),
            source_ports: SourcePorts::new(61_440, 65_535).unwrap(),
            payloads: Arc::new(NoPayloads),
            style: ProbeStyle::default(),
        }
    }

    pub(crate) fn bare_hops() -> (Vec<Hop>, Vec<HopRange>) {
        let hop = |source: &str| Hop {
            link: 0,
            source: source.parse().unwrap(),
            header: LinkHeader::None,
            on_link: false,
        };
        let whole = |family, hop| HopRange {
            range: AddrRange::from_bits(family, 0, family.max()).unwrap(),
            hop,
        };
        (
            vec![hop("192.0.2.1"), hop("2001:db8::1")],
            vec![whole(Family::V4, 0), whole(Family::V6, 1)],
        )
    }

    pub(crate) fn plan(config: PlanConfig) -> ScanPlan {
        let (hops, routes) = bare_hops();
        ScanPlan::new(config, hops, &routes, &|_| None).unwrap()
    }

    #[test]
    fn indices_and_endpoints_are_inverse_over_blocks_families_and_routes() {
        let mut config = config("10.0.0.0/29 10.9.0.1 2001:db8::/126", &[22, 80, 443], &[53]);
        config.blocks.push(Block {
            addrs: "10.1.0.0/30".parse::<TargetSpec>().unwrap().addrs().clone(),
            tcp: [8_080].into_iter().collect(),
            ..Block::default()
        });
        config.echo = true;
        config.scope = config.scope.without("10.0.0.3".parse::<TargetSpec>().unwrap().addrs());
        let plan = plan(config);
        assert_eq!(plan.len(), (8 - 1 + 1 + 4) * 5 + 4 * 2);
        assert_eq!(plan.hosts(), 12 + 4);
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..plan.len() {
            let aim = plan.aim(index).unwrap();
            let found = plan.find(aim.addr, aim.probe).unwrap();
            assert_eq!(found.index, index);
            assert_eq!(aim.way, Way::Hop(found.hop.unwrap()));
            assert_ne!(aim.addr, "10.0.0.3".parse::<IpAddr>().unwrap(), "excluded");
            assert!(seen.insert((aim.addr, aim.probe)));
        }
        assert_eq!(plan.aim(plan.len()).map(|a| a.addr), None);
        assert_eq!(plan.find("10.0.0.3".parse().unwrap(), Probe::Tcp(22)), None);
        assert_eq!(plan.find("10.0.0.1".parse().unwrap(), Probe::Tcp(23)), None);
    }

    #[test]
    fn pings_of_ipv4_are_put_to_ipv4_alone() {
        let mut config = config("10.0.0.1 2001:db8::1-2001:db8::2", &[22], &[]);
        config.echo = true;
        config.pings = Pings { timestamp: true, address_mask: true };
        config.blocks[0].sctp = [38_412].into_iter().collect();
        let plan = plan(config);
        let probes: Vec<Probe> = (0..plan.len()).map(|i| plan.aim(i).unwrap().probe).collect();
        let both = [Probe::Tcp(22), Probe::Sctp(38_412), Probe::Echo];
        let v4 = [&both[..], &[Probe::Timestamp, Probe::AddressMask]].concat();
        assert_eq!(probes, [&v4[..], &both, &both].concat());
        for index in 0..plan.len() {
            let aim = plan.aim(index).unwrap();
            assert_eq!(plan.find(aim.addr, aim.probe).unwrap().index, index);
        }
    }

    #[test]
    fn neighbours_are_their_own_next_hops() {
        let (mut hops, routes) = bare_hops();
        hops[0].on_link = true;
        let resolve = |addr: IpAddr| {
            (addr == "10.0.0.2".parse::<IpAddr>().unwrap()).then_some(MacAddr([2; 6]))
        };
        let plan =
            ScanPlan::new(config("10.0.0.1-10.0.0.3", &[1, 2], &[]), hops, &routes, &resolve)
                .unwrap();
        let ways: Vec<Way> = (0..6).map(|i| plan.aim(i).unwrap().way).collect();
        assert_eq!(ways[2..4], [Way::Neighbor(0, MacAddr([2; 6])); 2]);
        assert_eq!(ways[0], Way::Unresolved);
        assert_eq!(plan.unresolved(), 4);
        assert_eq!(plan.reachable_by_link(), BTreeMap::from([(0, 2)]));
    }

    #[test]
    fn the_numbering_does_not_depend_on_routes() {
        let (hops, _) = bare_hops();
        let known = "10.0.0.2-10.0.0.5".parse::<TargetSpec>().unwrap();
        let routes = [HopRange { range: known.addrs().ranges()[0], hop: 0 }];
        let make = |routes: &[HopRange]| {
            ScanPlan::new(config("10.0.0.0/29", &[1, 2], &[]), hops.clone(), routes, &|_| None)
                .unwrap()
        };
        let (partly, nowhere) = (make(&routes), make(&[]));
        for index in 0..16 {
            let (here, there) = (partly.aim(index).unwrap(), nowhere.aim(index).unwrap());
            assert_eq!((here.addr, here.probe), (there.addr, there.probe));
            assert_eq!(there.way, Way::Unroutable);
            let routed = known.addrs().contains(here.addr);
            assert_eq!(here.way, if routed { Way::Hop(0) } else { Way::Unroutable });
        }
    }

    #[test]
    fn hosts_of_one_subnet_take_turns_whatever_block_they_are_of() {
        let mut config = config(
            "10.0.0.200-10.0.2.9 10.0.2.11 10.0.9.0/24 2001:db8::1-2001:db8::3 2001:db8:0:1::7",
            &[1, 2],
            &[],
        );
        config.blocks.push(Block {
            addrs: "10.0.2.50-10.0.2.52".parse::<TargetSpec>().unwrap().addrs().clone(),
            tcp: [8_080].into_iter().collect(),
            ..Block::default()
        });
        let plan = plan(config).striped(Grouping::Subnet);
        let subnet = |addr: IpAddr| {
            let family = Family::of(addr);
            (family, addr_bits(addr) >> Grouping::Subnet.host_bits(family))
        };
        let mut last = BTreeMap::new();
        let mut counts = BTreeMap::<_, u32>::new();
        for position in 0..plan.len() {
            let aim = plan.aim(plan.element(position)).unwrap();
            let rounds = plan.stripe().unwrap().rounds_at(position);
            let before = last.insert(subnet(aim.addr), rounds).unwrap_or(-1.0);
            assert!(rounds - before > 1.0 - 1e-9, "{}: {before} {rounds}", aim.addr);
            *counts.entry(subnet(aim.addr)).or_default() += 1;
        }
        let counts: Vec<u32> = counts.into_values().collect();
        assert_eq!(counts, [56 * 2, 512, 11 * 2 + 3, 512, 6, 2]);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let (hops, routes) = bare_hops();
        let whole = config("::/0", &[80], &[]);
        let error = ScanPlan::new(whole, hops.clone(), &routes, &|_| None).err();
        assert_eq!(error, Some(PlanError::TooManyEndpoints));
        let ports: Vec<u16> = (1..=65_535).collect();
        let wide = config("2001:db8::/72", &ports, &[]);
        assert!(ScanPlan::new(wide, hops, &routes, &|_| None).is_err());
    }
}
