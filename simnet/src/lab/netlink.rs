//! Interfaces, addresses and routes of the lab, made through netlink(7): no `ip` program is needed.

use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;

use ipnetwork::IpNetwork;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::namespace::Namespace;
use crate::sys;

/// The kernel's table of its own addresses, asked before all others.
const TABLE_LOCAL: u8 = 255;

/// One end of a pair of virtual Ethernet interfaces.
pub(super) struct VethEnd<'a> {
    pub(super) name: &'a str,
    pub(super) mac: [u8; 6],
    pub(super) namespace: &'a Namespace,
    /// In each direction.
    pub(super) queues: u32,
}

/// A socket to the routing part of the calling thread's network namespace.
pub(super) struct Rtnl(Socket);

impl Rtnl {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Makes a pair of interfaces, each end in its namespace.
    pub(super) fn add_veth(&self, near: &VethEnd<'_>, far: &VethEnd<'_>) -> io::Result<()> {
        let end = |end: &VethEnd<'_>| {
            let mut link = LinkMessage::default();
            link.attributes = vec![
                LinkAttribute::IfName(end.name.to_owned()),
                LinkAttribute::Address(end.mac.to_vec()),
                LinkAttribute::NetNsFd(end.namespace.as_raw_fd()),
                LinkAttribute::NumTxQueues(end.queues),
                LinkAttribute::NumRxQueues(end.queues),
            ];
            link
        };
        let mut link = end(near);
        let peer = InfoData::Veth(InfoVeth::Peer(end(far)));
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(peer),
        ]));
        self.create(RouteNetlinkMessage::NewLink(link))
    }

    /// Brings `interface` up.
    pub(super) fn up(&self, interface: &str) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = sys::interface_index(interface)?;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.ask(RouteNetlinkMessage::SetLink(link), NLM_F_ACK).map(drop)
    }

    /// Has `program` see what arrives at `interface`, in the driver itself.
    pub(super) fn attach_xdp(&self, interface: &str, program: RawFd) -> io::Result<()> {
        /// `XDP_FLAGS_DRV_MODE`, `linux/if_link.h`.
        const IN_DRIVER: u32 = 4;
        let mut link = LinkMessage::default();
        link.header.index = sys::interface_index(interface)?;
        let xdp = vec![LinkXdp::Fd(program), LinkXdp::Flags(IN_DRIVER)];
        link.attributes.push(LinkAttribute::Xdp(xdp));
        self.ask(RouteNetlinkMessage::SetLink(link), NLM_F_ACK).map(drop)
    }

    /// Gives `interface` the address and prefix of `net`; usable at once, no duplicate detection.
    pub(super) fn add_address(&self, interface: &str, net: IpNetwork) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = sys::interface_index(interface)?;
        message.header.family = family(net.ip());
        message.header.prefix_len = net.prefix();
        message.header.scope = AddressScope::Universe;
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Local(net.ip()));
        message.attributes.push(AddressAttribute::Address(net.ip()));
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        self.create(RouteNetlinkMessage::NewAddress(message))
    }

    /// Adds a route to `net` of `kind`, out of `interface`, by way of `gateway`.
    pub(super) fn add_route(
        &self,
        net: IpNetwork,
        kind: RouteType,
        interface: Option<&str>,
        gateway: Option<IpAddr>,
    ) -> io::Result<()> {
        let local = kind == RouteType::Local;
        let mut message = RouteMessage::default();
        message.header.address_family = family(net.ip());
        message.header.destination_prefix_length = net.prefix();
        message.header.table = if local { TABLE_LOCAL } else { RouteHeader::RT_TABLE_MAIN };
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = if local {
            RouteScope::Host
        } else if gateway.is_none() && interface.is_some() {
            RouteScope::Link
        } else {
            RouteScope::Universe
        };
        message.header.kind = kind;
        message.attributes.push(RouteAttribute::Destination(net.network().into()));
        if let Some(interface) = interface {
            message.attributes.push(RouteAttribute::Oif(sys::interface_index(interface)?));
        }
        if let Some(gateway) = gateway {
            message.attributes.push(RouteAttribute::Gateway(gateway.into()));
        }
        self.create(RouteNetlinkMessage::NewRoute(message))
    }

    /// Adds a route to `net` that says no, ahead of every other: the local table is asked first.
    pub(super) fn add_refusal(&self, net: IpNetwork, kind: RouteType) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(net.ip());
        message.header.destination_prefix_length = net.prefix();
        message.header.table = TABLE_LOCAL;
        message.header.protocol = RouteProtocol::Static;
        message.header.kind = kind;
        message.attributes.push(RouteAttribute::Destination(net.network().into()));
        self.create(RouteNetlinkMessage::NewRoute(message))
    }

    /// Whether the namespace takes packets for `addr` as its own already: the kernel completes an
    /// IPv6 address some time after it was asked to add it.
    pub(super) fn is_local(&self, addr: IpAddr) -> io::Result<bool> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(addr);
        message.header.destination_prefix_length = if addr.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(addr.into()));
        let answers = self.ask(RouteNetlinkMessage::GetRoute(message), NLM_F_ACK)?;
        Ok(answers.iter().any(|message| {
            let RouteNetlinkMessage::NewRoute(route) = message else { return false };
            route.header.kind == RouteType::Local
        }))
    }

    fn create(&self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = 1;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.0.send(&octets, 0)?;
        let mut answers = Vec::new();
        loop {
            let (octets, _) = self.0.recv_from_full()?;
            let mut rest = octets.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(io::Error::other)?;
                let len = usize::try_from(message.header.length).unwrap_or(usize::MAX);
                rest = rest.get(len.next_multiple_of(4).max(16)..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
            }
        }
    }
}

fn family(addr: IpAddr) -> AddressFamily {
    match addr {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
