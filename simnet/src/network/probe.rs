//! Reading probes as a strict host would: whatever does not add up is no probe.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, NetSlice, SlicedPacket, TransportSlice};
use portolan_core::link::Encapsulation;
use portolan_core::{Endpoint, Transport};

/// A sound probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe<'a> {
    /// The scanner's address.
    pub source: IpAddr,
    /// Who is asked.
    pub target: IpAddr,
    /// Hardware addresses, source and target, on links that have them.
    pub macs: Option<([u8; 6], [u8; 6])>,
    /// The IP packet: what ICMP errors quote.
    pub packet: &'a [u8],
    /// What is asked.
    pub ask: Ask<'a>,
}

/// What a probe asks, with what its answer must return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// A SYN.
    Syn {
        /// The scanner's port.
        from: u16,
        /// The port that is asked.
        to: u16,
        /// The sequence number.
        sequence: u32,
    },
    /// A datagram.
    Datagram {
        /// The scanner's port.
        from: u16,
        /// The port that is asked.
        to: u16,
        /// The data.
        payload: &'a [u8],
    },
    /// An echo request.
    Echo {
        /// Identifier and sequence number.
        sequence: [u8; 4],
        /// The data.
        payload: &'a [u8],
    },
}

/// A question without its details: what a host's behaviour depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// A SYN to a port.
    Tcp(u16),
    /// A datagram to a port.
    Udp(u16),
    /// An echo request.
    Echo,
}

impl Probe<'_> {
    /// The question.
    pub const fn question(&self) -> Question {
        match self.ask {
            Ask::Syn { to, .. } => Question::Tcp(to),
            Ask::Datagram { to, .. } => Question::Udp(to),
            Ask::Echo { .. } => Question::Echo,
        }
    }

    /// What the question is put to; echo requests as IP protocol 1, as the engine names them.
    pub const fn endpoint(&self) -> Endpoint {
        match self.question() {
            Question::Tcp(port) => Endpoint::tcp(self.target, port),
            Question::Udp(port) => Endpoint::udp(self.target, port),
            Question::Echo => Endpoint::new(self.target, Transport::Ip, 1),
        }
    }
}

/// Reads a frame; `None` where a length, checksum or flag is not as a probe's must be.
pub fn read(frame: &[u8], encapsulation: Encapsulation) -> Option<Probe<'_>> {
    let sliced = match encapsulation {
        Encapsulation::Ethernet => SlicedPacket::from_ethernet(frame).ok()?,
        Encapsulation::Ip => SlicedPacket::from_ip(frame).ok()?,
    };
    let macs = match encapsulation {
        Encapsulation::Ethernet => {
            Some((frame.get(6..12)?.try_into().ok()?, frame.get(..6)?.try_into().ok()?))
        }
        Encapsulation::Ip => None,
    };
    let packet = frame.get(encapsulation.header_len()..)?;
    let (source, target) = addresses(sliced.net.as_ref()?, packet)?;
    let ask = ask(sliced.transport.as_ref()?, source, target)?;
    Some(Probe { source, target, macs, packet, ask })
}

fn addresses(net: &NetSlice<'_>, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match net {
        NetSlice::Ipv4(ip) => {
            let header = Ipv4HeaderSlice::from_slice(packet).ok()?.to_header();
            let sound = header.header_checksum == header.calc_header_checksum()
                && usize::from(header.total_len) == packet.len()
                && !ip.is_payload_fragmented();
            sound.then(|| (header.source.into(), header.destination.into()))
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            let sound = usize::from(header.payload_length()) + 40 == packet.len();
            sound.then(|| (header.source_addr().into(), header.destination_addr().into()))
        }
        NetSlice::Arp(_) => None,
    }
}

fn ask<'a>(transport: &TransportSlice<'a>, source: IpAddr, target: IpAddr) -> Option<Ask<'a>> {
    let v4 = |addr: IpAddr| if let IpAddr::V4(v4) = addr { Some(v4.octets()) } else { None };
    let v6 = |addr: IpAddr| if let IpAddr::V6(v6) = addr { Some(v6.octets()) } else { None };
    match transport {
        TransportSlice::Tcp(tcp) => {
            let sum = match v4(source).zip(v4(target)) {
                Some((source, target)) => tcp.calc_checksum_ipv4(source, target).ok()?,
                None => tcp.calc_checksum_ipv6(v6(source)?, v6(target)?).ok()?,
            };
            let sound = sum == tcp.checksum() && tcp.syn() && !tcp.ack() && !tcp.rst();
            sound.then(|| Ask::Syn {
                from: tcp.source_port(),
                to: tcp.destination_port(),
                sequence: tcp.sequence_number(),
            })
        }
        TransportSlice::Udp(udp) => {
            let (header, payload) = (udp.to_header(), udp.payload());
            let sum = match v4(source).zip(v4(target)) {
                Some((source, target)) => header.calc_checksum_ipv4_raw(source, target, payload),
                None => header.calc_checksum_ipv6_raw(v6(source)?, v6(target)?, payload),
            };
            (sum.ok()? == header.checksum).then_some(Ask::Datagram {
                from: header.source_port,
                to: header.destination_port,
                payload,
            })
        }
        TransportSlice::Icmpv4(icmp) => {
            let sum = icmp.header().icmp_type.calc_checksum(icmp.payload());
            let sound = sum == icmp.checksum() && (icmp.type_u8(), icmp.code_u8()) == (8, 0);
            sound.then(|| Ask::Echo { sequence: icmp.bytes5to8(), payload: icmp.payload() })
        }
        TransportSlice::Icmpv6(icmp) => {
            let sound = icmp.is_checksum_valid(v6(source)?, v6(target)?)
                && (icmp.type_u8(), icmp.code_u8()) == (128, 0);
            sound.then(|| Ask::Echo { sequence: icmp.bytes5to8(), payload: icmp.payload() })
        }
        TransportSlice::Igmp(_) => None,
    }
}
