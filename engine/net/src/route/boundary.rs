//! Where the prefixes of the kernel's tables and rules begin, and what comes right behind them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use portolan_core::endpoint::{Family, addr_bits};

use super::netlink::{Netlink, NetlinkError};

/// The kernel's number of `family`.
pub(super) const fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// Every address, as a number, at which routing may change: the first of each prefix that a table
/// or a rule names, and the one behind its last.
pub(super) fn starts(
    netlink: &mut Netlink,
    family: Family,
) -> Result<BTreeSet<u128>, NetlinkError> {
    let mut routes = RouteMessage::default();
    routes.header.address_family = address_family(family);
    let mut rules = RuleMessage::default();
    rules.header.family = address_family(family);
    let mut messages = netlink.dump("routes", RouteNetlinkMessage::GetRoute(routes))?;
    // A kernel without policy routing has no rules to tell.
    let rules = netlink.dump("rules", RouteNetlinkMessage::GetRule(rules));
    messages.extend(rules.unwrap_or_default());
    let mut starts = BTreeSet::new();
    for message in &messages {
        let Some((first, prefix_len)) = prefix(message, family) else {
            continue;
        };
        starts.insert(first);
        let host_bits = u32::from(family.bits().saturating_sub(prefix_len));
        let span = 1_u128.checked_shl(host_bits);
        let behind = span.and_then(|span| first.checked_add(span));
        starts.extend(behind.filter(|behind| *behind <= family.max()));
    }
    Ok(starts)
}

/// The destination prefix of a route or rule: its first address as a number, and its length.
pub(super) fn prefix(message: &RouteNetlinkMessage, family: Family) -> Option<(u128, u8)> {
    let (addr, len) = match message {
        RouteNetlinkMessage::NewRoute(route) => {
            let addr = route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Destination(addr) => super::ip(addr),
                _ => None,
            });
            (addr, route.header.destination_prefix_length)
        }
        RouteNetlinkMessage::NewRule(rule) => {
            let addr = rule.attributes.iter().find_map(|attribute| match attribute {
                RuleAttribute::Destination(addr) => Some(*addr),
                _ => None,
            });
            (addr, rule.header.dst_len)
        }
        _ => return None,
    };
    let addr: IpAddr = addr.filter(|addr| Family::of(*addr) == family)?;
    let host_bits = u32::from(family.bits().checked_sub(len)?);
    let host_mask = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |span| span - 1);
    Some((addr_bits(addr) & !host_mask, len))
}
