//! The interfaces of this host.

use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use portolan_core::MacAddr;
use portolan_core::link::Encapsulation;

use super::netlink::{Netlink, NetlinkError};

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddr {
    /// This host's own address.
    pub addr: IpAddr,
    /// Bits of the link's prefix.
    pub prefix_len: u8,
}

/// An interface, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number of it.
    pub index: u32,
    /// The name people use: `eth0`.
    pub name: String,
    /// Its hardware address, on Ethernet.
    pub mac: Option<MacAddr>,
    /// The largest IP packet, octets.
    pub mtu: u32,
    /// How frames sent there begin. Loopback takes [`Encapsulation::Ip`], by a
    /// [`crate::link::RawIpTx`].
    pub encapsulation: Encapsulation,
    /// Whether it is loopback.
    pub is_loopback: bool,
    /// Whether it is up.
    pub is_up: bool,
    /// Its addresses.
    pub addrs: Vec<InterfaceAddr>,
}

/// Every interface of this network namespace, by index.
///
/// # Errors
/// [`NetlinkError`] when the kernel can't be asked.
pub fn interfaces() -> Result<Vec<Arc<Interface>>, NetlinkError> {
    dump(&mut Netlink::open()?)
}

/// Every interface, over an open socket.
pub(super) fn dump(netlink: &mut Netlink) -> Result<Vec<Arc<Interface>>, NetlinkError> {
    let links = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let mut interfaces: Vec<Interface> = netlink
        .dump("interfaces", links)?
        .into_iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(link) => Some(from_link(&link)),
            _ => None,
        })
        .collect();
    let addrs = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    for message in netlink.dump("addresses", addrs)? {
        let RouteNetlinkMessage::NewAddress(message) = message else {
            continue;
        };
        let owner = interfaces.iter_mut().find(|i| i.index == message.header.index);
        if let (Some(owner), Some(addr)) = (owner, own_addr(&message)) {
            owner.addrs.push(InterfaceAddr { addr, prefix_len: message.header.prefix_len });
        }
    }
    interfaces.sort_by_key(|i| i.index);
    Ok(interfaces.into_iter().map(Arc::new).collect())
}

pub(super) fn from_link(link: &LinkMessage) -> Interface {
    let kind = link.header.link_layer_type;
    let ethernet = kind == LinkLayerType::Ether;
    let mut interface = Interface {
        index: link.header.index,
        name: String::new(),
        mac: None,
        mtu: 1_500,
        encapsulation: if ethernet { Encapsulation::Ethernet } else { Encapsulation::Ip },
        is_loopback: link.header.flags.contains(LinkFlags::Loopback),
        is_up: link.header.flags.contains(LinkFlags::Up),
        addrs: Vec::new(),
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => interface.mtu = *mtu,
            LinkAttribute::Address(octets) if ethernet => {
                interface.mac = octets.first_chunk().copied().map(MacAddr);
            }
            _ => {}
        }
    }
    interface
}

/// The address on our side: `IFA_LOCAL` where there is one (point-to-point links name the far end
/// in `IFA_ADDRESS`).
pub(super) fn own_addr(message: &AddressMessage) -> Option<IpAddr> {
    let mut addr = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some(*local),
            AddressAttribute::Address(other) => addr = Some(*other),
            _ => {}
        }
    }
    addr
}
