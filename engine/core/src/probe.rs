//! The questions that a scan puts to a host.

use std::net::IpAddr;

use crate::endpoint::{Endpoint, Transport};
use crate::state::PortState;

/// One question to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    /// A TCP segment to a port, of the kind that the plan says.
    Tcp(u16),
    /// A UDP datagram to a port.
    Udp(u16),
    /// An SCTP INIT to a port.
    Sctp(u16),
    /// An ICMP or ICMPv6 echo request.
    Echo,
    /// An ICMP timestamp request; IPv4 alone.
    Timestamp,
    /// An ICMP address mask request; IPv4 alone.
    AddressMask,
}

impl Probe {
    /// What the question is put to.
    ///
    /// Those of ICMP are put to IP protocol 1; all but echo carry their type in the high octet, so
    /// that each has a cookie of its own.
    pub const fn endpoint(self, addr: IpAddr) -> Endpoint {
        match self {
            Self::Tcp(port) => Endpoint::tcp(addr, port),
            Self::Udp(port) => Endpoint::udp(addr, port),
            Self::Sctp(port) => Endpoint::new(addr, Transport::Sctp, port),
            Self::Echo => Endpoint::new(addr, Transport::Ip, 1),
            Self::Timestamp => Endpoint::new(addr, Transport::Ip, 0x0d01),
            Self::AddressMask => Endpoint::new(addr, Transport::Ip, 0x1101),
        }
    }
}

/// Which segment a TCP port is sent, and so what its answer and its silence mean.
///
/// A segment that belongs to no connection is answered by RST, if its port is closed (RFC 9293
/// §3.10.7.1). In LISTEN, ACK is answered by RST too, and what has neither ACK nor SYN is dropped
/// (§3.10.7.2). So ACK tells whether a port can be reached, and FIN, NULL and Xmas whether it is
/// closed, on hosts that keep to the RFC; Windows, and some routers, answer them with RST
/// everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TcpScan {
    /// SYN: open or closed.
    #[default]
    Syn,
    /// ACK: unfiltered, where a RST comes.
    Ack,
    /// FIN: closed, where a RST comes.
    Fin,
    /// No flag at all: as FIN.
    Null,
    /// FIN, PSH and URG: as FIN.
    Xmas,
}

impl TcpScan {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Syn, Self::Ack, Self::Fin, Self::Null, Self::Xmas];

    /// nmap's name of it, as in its XML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Ack => "ack",
            Self::Fin => "fin",
            Self::Null => "null",
            Self::Xmas => "xmas",
        }
    }

    /// The control bits, RFC 9293 §3.1.
    pub(crate) const fn flags(self) -> u8 {
        const FIN: u8 = 1;
        const SYN: u8 = 2;
        const PSH: u8 = 8;
        const ACK: u8 = 16;
        const URG: u8 = 32;
        match self {
            Self::Syn => SYN,
            Self::Ack => ACK,
            Self::Fin => FIN,
            Self::Null => 0,
            Self::Xmas => FIN | PSH | URG,
        }
    }

    /// What a RST means.
    pub const fn reset_state(self) -> PortState {
        match self {
            Self::Ack => PortState::Unfiltered,
            Self::Syn | Self::Fin | Self::Null | Self::Xmas => PortState::Closed,
        }
    }

    /// What silence means.
    pub const fn silent_state(self) -> PortState {
        match self {
            Self::Syn | Self::Ack => PortState::Filtered,
            Self::Fin | Self::Null | Self::Xmas => PortState::OpenFiltered,
        }
    }
}

/// ICMP questions to every IPv4 address beside the echo request, RFC 792 and RFC 950.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pings {
    /// What time is it?
    pub timestamp: bool,
    /// What is your network mask?
    pub address_mask: bool,
}

impl Pings {
    /// The questions.
    pub fn probes(self) -> impl Iterator<Item = Probe> {
        let timestamp = self.timestamp.then_some(Probe::Timestamp);
        timestamp.into_iter().chain(self.address_mask.then_some(Probe::AddressMask))
    }
}
