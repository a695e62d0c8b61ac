//! The ways there, for plans against a simulated network.

use std::net::IpAddr;

use portolan_core::link::Encapsulation;
use portolan_core::plan::{Hop, HopRange};
use portolan_core::target::AddrRange;
use portolan_core::wire::LinkHeader;
use portolan_core::{Family, MacAddr};

/// The scanner's IPv4 address.
pub const SOURCE_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The scanner's IPv6 address.
pub const SOURCE_V6: IpAddr =
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1));

/// The scanner's address for targets of `family`.
pub const fn source(family: Family) -> IpAddr {
    match family {
        Family::V4 => SOURCE_V4,
        Family::V6 => SOURCE_V6,
    }
}

/// One gateway for everything, of both families.
pub fn hops(encapsulation: Encapsulation) -> (Vec<Hop>, Vec<HopRange>) {
    let header = match encapsulation {
        Encapsulation::Ethernet => LinkHeader::Ethernet {
            source: MacAddr([0x02, 0, 0, 0, 0, 0x10]),
            target: MacAddr([0x02, 0, 0, 0, 0, 0x20]),
        },
        Encapsulation::Ip => LinkHeader::None,
    };
    let families = [Family::V4, Family::V6];
    let hops = families.map(|f| Hop { link: 0, source: source(f), header, on_link: false });
    let whole = |(hop, family): (usize, Family)| {
        AddrRange::from_bits(family, 0, family.max()).map(|range| HopRange { range, hop })
    };
    (hops.to_vec(), families.into_iter().enumerate().filter_map(whole).collect())
}
