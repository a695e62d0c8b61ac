//! Routing as the kernel would do it: asked of the kernel, address by address or by whole ranges.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use portolan_core::endpoint::{Family, addr_bits};
use portolan_core::link::Encapsulation;
use portolan_core::target::{AddrRange, AddrSet};

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia,
};

/// Where the kernel's prefixes begin and end.
mod boundary;
/// The interfaces of this host.
pub mod interface;
/// The socket to the kernel.
pub(crate) mod netlink;

pub use interface::{Interface, InterfaceAddr, interfaces};
pub use netlink::NetlinkError;

use netlink::Netlink;

/// Segments of one [`RouteTable::split`], at most.
pub const SEGMENTS_MAX: usize = 65_536;

/// Who takes a packet next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// The destination itself, a neighbour on the link: its hardware address is to be found.
    OnLink,
    /// This router on the link (it may be of the other family, RFC 5549).
    Gateway(IpAddr),
    /// This host itself: send by a raw IP socket.
    Local,
    /// The far end of a device without hardware addresses: tun, WireGuard, PPP.
    Device,
}

/// The way to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where packets leave.
    pub interface: Arc<Interface>,
    /// The source address the kernel would choose, or the override.
    pub source: IpAddr,
    /// Who takes them there.
    pub next_hop: NextHop,
}

/// What the kernel says of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It can be sent to.
    Via(Route),
    /// No route, or one that says no.
    Unreachable,
    /// Not one host: a broadcast or multicast address.
    Broadcast,
}

/// What the user decides in the kernel's stead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteOverrides {
    /// Send through the interface with this index.
    pub interface: Option<u32>,
    /// Send IPv4 from this address.
    pub source_v4: Option<Ipv4Addr>,
    /// Send IPv6 from this address.
    pub source_v6: Option<Ipv6Addr>,
}

/// Routing failed.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The kernel could not be asked.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The targets cross more routes than a scan plan holds.
    #[error("the targets cross more than {SEGMENTS_MAX} routes; name smaller ranges")]
    TooManySegments,
}

/// The kernel's routing, with the interfaces as they were when it was opened.
#[derive(Debug)]
pub struct RouteTable {
    netlink: Netlink,
    interfaces: Vec<Arc<Interface>>,
    overrides: RouteOverrides,
}

impl RouteTable {
    /// Opens the table of this network namespace; needs no privilege.
    ///
    /// # Errors
    /// [`RouteError::Netlink`] when the kernel can't be asked.
    pub fn open(overrides: RouteOverrides) -> Result<Self, RouteError> {
        let mut netlink = Netlink::open()?;
        let interfaces = interface::dump(&mut netlink)?;
        Ok(Self { netlink, interfaces, overrides })
    }

    /// The interfaces, by index.
    pub fn interfaces(&self) -> &[Arc<Interface>] {
        &self.interfaces
    }

    /// The interface called `name`.
    pub fn interface(&self, name: &str) -> Option<&Arc<Interface>> {
        self.interfaces.iter().find(|i| i.name == name)
    }

    /// The way to `addr`, rules and all tables honoured.
    ///
    /// # Errors
    /// [`RouteError::Netlink`] when the kernel can't be asked; that there is no route is no error.
    pub fn lookup(&mut self, addr: IpAddr) -> Result<Reach, RouteError> {
        let question = RouteNetlinkMessage::GetRoute(self.question(addr));
        let answers = match self.netlink.get("a route", question) {
            Err(NetlinkError::Refused { .. }) => return Ok(Reach::Unreachable),
            other => other?,
        };
        let answer = answers.into_iter().find_map(|message| match message {
            RouteNetlinkMessage::NewRoute(route) => Some(route),
            _ => None,
        });
        Ok(answer.map_or(Reach::Unreachable, |answer| self.read(addr, &answer)))
    }

    /// Cuts `targets` into ranges of one [`Reach`] each, in order, adjacent equals merged.
    ///
    /// A range spans what lies between two targets too, where no prefix begins between them: a list
    /// of a million hosts behind one gateway is one range.
    /// Every prefix that any table or rule names is a possible cut, and each piece is then asked
    /// of the kernel, so that policy routing comes out as it will be.
    ///
    /// # Errors
    /// [`RouteError::TooManySegments`] beyond [`SEGMENTS_MAX`] pieces.
    pub fn split(&mut self, targets: &AddrSet) -> Result<Vec<(AddrRange, Reach)>, RouteError> {
        let v4 = boundary::starts(&mut self.netlink, Family::V4)?;
        let v6 = boundary::starts(&mut self.netlink, Family::V6)?;
        let mut segments: Vec<(AddrRange, Reach)> = Vec::new();
        for piece in cut(targets, &v4, &v6)? {
            let reach = self.lookup(piece.first())?;
            let merged = segments.last_mut().and_then(|(range, last)| {
                let wide = (*last == reach).then(|| join(range, &piece)).flatten()?;
                *range = wide;
                Some(())
            });
            if merged.is_none() {
                segments.push((piece, reach));
            }
        }
        Ok(segments)
    }

    fn question(&self, addr: IpAddr) -> RouteMessage {
        let family = Family::of(addr);
        let mut message = RouteMessage::default();
        message.header.address_family = boundary::address_family(family);
        message.header.destination_prefix_length = family.bits();
        message.attributes.push(RouteAttribute::Destination(addr.into()));
        if let Some(index) = self.overrides.interface {
            message.attributes.push(RouteAttribute::Oif(index));
        }
        // The kernel routes from its own addresses only; a foreign source changes the packets, not
        // their way.
        if let Some(source) = self.source_override(family).filter(|s| self.is_own(*s)) {
            message.header.source_prefix_length = family.bits();
            message.attributes.push(RouteAttribute::Source(source.into()));
        }
        message
    }

    fn is_own(&self, addr: IpAddr) -> bool {
        self.interfaces.iter().flat_map(|i| &i.addrs).any(|own| own.addr == addr)
    }

    fn source_override(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.overrides.source_v4.map(IpAddr::V4),
            Family::V6 => self.overrides.source_v6.map(IpAddr::V6),
        }
    }

    fn read(&self, addr: IpAddr, answer: &RouteMessage) -> Reach {
        let local = match answer.header.kind {
            RouteType::Unicast | RouteType::Anycast => false,
            RouteType::Local => true,
            RouteType::Broadcast | RouteType::Multicast => return Reach::Broadcast,
            _ => return Reach::Unreachable,
        };
        let (mut index, mut preferred, mut gateway) = (None, None, None);
        for attribute in &answer.attributes {
            match attribute {
                RouteAttribute::Oif(oif) => index = Some(*oif),
                RouteAttribute::PrefSource(source) => preferred = ip(source),
                RouteAttribute::Gateway(router) => gateway = ip(router),
                RouteAttribute::Via(RouteVia::Inet6(router)) => {
                    gateway = Some(IpAddr::V6(*router));
                }
                _ => {}
            }
        }
        let interface = if local {
            self.interfaces.iter().find(|i| i.is_loopback)
        } else {
            self.interfaces.iter().find(|i| Some(i.index) == index)
        };
        let Some(interface) = interface.filter(|i| i.is_up) else {
            return Reach::Unreachable;
        };
        let chosen = self.source_override(Family::of(addr)).or(preferred);
        let fallback = || {
            if local { Some(addr) } else { source_of(interface, addr) }
        };
        let Some(source) = chosen.or_else(fallback) else {
            return Reach::Unreachable;
        };
        let next_hop = match gateway {
            _ if local => NextHop::Local,
            _ if interface.encapsulation == Encapsulation::Ip => NextHop::Device,
            Some(router) => NextHop::Gateway(router),
            None => NextHop::OnLink,
        };
        Reach::Via(Route { interface: Arc::clone(interface), source, next_hop })
    }
}

/// Reads octets as the kernel's answer to a question about routes, rules, interfaces, addresses or
/// neighbours; how many of its messages mean something.
pub fn check_answer(octets: &[u8]) -> usize {
    let mut answers = Vec::new();
    // What was read before something unreadable counts.
    let _ = netlink::read("anything", octets, (1, NLM_F_DUMP), &mut answers);
    let means_something = |message: &RouteNetlinkMessage| match message {
        RouteNetlinkMessage::NewLink(link) => !interface::from_link(link).name.is_empty(),
        RouteNetlinkMessage::NewAddress(address) => interface::own_addr(address).is_some(),
        RouteNetlinkMessage::NewNeighbour(_) => crate::neighbor::entry(message, 1).is_some(),
        _ => [Family::V4, Family::V6].iter().any(|f| boundary::prefix(message, *f).is_some()),
    };
    answers.iter().filter(|message| means_something(message)).count()
}

/// An address of `interface` to speak to `addr` from: of its family, link-local to link-local.
fn source_of(interface: &Interface, addr: IpAddr) -> Option<IpAddr> {
    let near = |a: IpAddr| match a {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let of_family =
        || interface.addrs.iter().map(|a| a.addr).filter(|a| Family::of(*a) == Family::of(addr));
    of_family().find(|a| near(*a) == near(addr)).or_else(|| of_family().next())
}

fn ip(addr: &RouteAddress) -> Option<IpAddr> {
    match addr {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

/// The ranges of `targets`, cut in front of every start, and joined where none is between them.
fn cut(
    targets: &AddrSet,
    v4: &BTreeSet<u128>,
    v6: &BTreeSet<u128>,
) -> Result<Vec<AddrRange>, RouteError> {
    let mut pieces = Vec::new();
    for range in targets.ranges() {
        let starts = match range.family() {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        let mut first = range.first_bits();
        if let Some(last) = pieces.pop_if(|last: &mut AddrRange| {
            let (family, after) = (last.family(), last.first_bits().saturating_add(1));
            family == range.family() && starts.range(after..=first).next().is_none()
        }) {
            first = last.first_bits();
        }
        let after_first = first.saturating_add(1);
        let inside = (after_first <= range.last_bits())
            .then(|| starts.range(after_first..=range.last_bits()));
        for start in inside.into_iter().flatten() {
            pieces.extend(AddrRange::from_bits(range.family(), first, start - 1));
            first = *start;
            if pieces.len() >= SEGMENTS_MAX {
                return Err(RouteError::TooManySegments);
            }
        }
        pieces.extend(AddrRange::from_bits(range.family(), first, range.last_bits()));
        if pieces.len() > SEGMENTS_MAX {
            return Err(RouteError::TooManySegments);
        }
    }
    Ok(pieces)
}

/// Both ranges as one, where the second follows on the first.
fn join(before: &AddrRange, after: &AddrRange) -> Option<AddrRange> {
    let adjacent = before.family() == after.family()
        && before.last_bits().checked_add(1) == Some(addr_bits(after.first()));
    adjacent.then(|| AddrRange::new(before.first(), after.last())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> AddrRange {
        AddrRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    #[test]
    fn targets_are_cut_where_prefixes_begin_and_end() {
        let targets: AddrSet =
            [range("10.0.0.0", "10.0.0.255"), range("10.0.2.0", "10.0.2.0")].into_iter().collect();
        let starts = ["10.0.0.0", "10.0.0.16", "10.0.0.32", "10.0.1.0", "10.0.2.0"];
        let v4 = starts.iter().map(|s| addr_bits(s.parse().unwrap())).collect();
        let pieces: Vec<String> =
            cut(&targets, &v4, &BTreeSet::new()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(pieces, ["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32-10.0.0.255", "10.0.2.0"]);
    }

    #[test]
    fn scattered_hosts_behind_one_prefix_are_one_piece() {
        let host = |i: u128| AddrRange::from_bits(Family::V6, i << 70 | 1, i << 70 | 1).unwrap();
        let hosts: AddrSet = (1..=200_000).map(host).collect();
        let whole = cut(&hosts, &BTreeSet::new(), &[0].into()).unwrap();
        let (first, last) = (host(1).first(), host(200_000).first());
        assert_eq!(whole, [AddrRange::new(first, last).unwrap()]);
        let cuts = [host(7).first_bits(), host(9).first_bits() + 1].into();
        let three = cut(&hosts, &BTreeSet::new(), &cuts).unwrap();
        let expected = [(1, 6), (7, 9), (10, 200_000)]
            .map(|(a, b)| AddrRange::new(host(a).first(), host(b).first()).unwrap());
        assert_eq!(three, expected);
    }

    #[test]
    fn too_many_pieces_are_an_error() {
        let targets: AddrSet = [range("0.0.0.0", "255.255.255.255")].into_iter().collect();
        let v4 = (1..=SEGMENTS_MAX).map(|i| (i as u128) << 8).collect();
        let outcome = cut(&targets, &v4, &BTreeSet::new());
        assert!(matches!(outcome, Err(RouteError::TooManySegments)));
    }

    #[test]
    fn loopback_is_local() {
        let mut table = RouteTable::open(RouteOverrides::default()).unwrap();
        let Reach::Via(route) = table.lookup("127.0.0.1".parse().unwrap()).unwrap() else {
            panic!("no route to loopback");
        };
        assert!(route.interface.is_loopback);
        assert_eq!(route.next_hop, NextHop::Local);
        assert_eq!(route.source, "127.0.0.1".parse::<IpAddr>().unwrap());
        let multicast = table.lookup("224.0.0.1".parse().unwrap()).unwrap();
        assert!(matches!(multicast, Reach::Broadcast | Reach::Unreachable));
    }
}
