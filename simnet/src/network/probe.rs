//! Reading probes as a strict host would: whatever does not add up is no probe.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, NetSlice, SlicedPacket, TransportSlice};
use portolan_core::link::Encapsulation;
use portolan_core::probe::TcpScan;
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
    /// Another segment that begins nothing.
    Segment {
        /// The scanner's port.
        from: u16,
        /// The port that is asked.
        to: u16,
        /// Its kind.
        kind: TcpScan,
        /// The sequence number.
        sequence: u32,
        /// The acknowledgement number.
        acknowledges: u32,
    },
    /// An INIT of SCTP.
    Init {
        /// The scanner's port.
        from: u16,
        /// The port that is asked.
        to: u16,
        /// The initiate tag.
        tag: [u8; 4],
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
    /// A timestamp request.
    Timestamp {
        /// Identifier and sequence number.
        sequence: [u8; 4],
    },
    /// An address mask request.
    AddressMask {
        /// Identifier and sequence number.
        sequence: [u8; 4],
    },
}

/// A question without its details: what a host's behaviour depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// A segment to a port.
    Tcp(TcpScan, u16),
    /// A datagram to a port.
    Udp(u16),
    /// An INIT to a port.
    Sctp(u16),
    /// An echo request.
    Echo,
    /// A timestamp request.
    Timestamp,
    /// An address mask request.
    AddressMask,
}

impl Question {
    /// Whether it is put to a port.
    pub const fn is_to_port(self) -> bool {
        matches!(self, Self::Tcp(..) | Self::Udp(_) | Self::Sctp(_))
    }
}

impl Probe<'_> {
    /// The question.
    pub const fn question(&self) -> Question {
        match self.ask {
            Ask::Syn { to, .. } => Question::Tcp(TcpScan::Syn, to),
            Ask::Segment { to, kind, .. } => Question::Tcp(kind, to),
            Ask::Init { to, .. } => Question::Sctp(to),
            Ask::Datagram { to, .. } => Question::Udp(to),
            Ask::Echo { .. } => Question::Echo,
            Ask::Timestamp { .. } => Question::Timestamp,
            Ask::AddressMask { .. } => Question::AddressMask,
        }
    }

    /// What the question is put to; those of ICMP as IP protocol 1 with their type above it, as the
    /// engine names them.
    pub const fn endpoint(&self) -> Endpoint {
        match self.question() {
            Question::Tcp(_, port) => Endpoint::tcp(self.target, port),
            Question::Udp(port) => Endpoint::udp(self.target, port),
            Question::Sctp(port) => Endpoint::new(self.target, Transport::Sctp, port),
            Question::Echo => Endpoint::new(self.target, Transport::Ip, 1),
            Question::Timestamp => Endpoint::new(self.target, Transport::Ip, 13 * 256 + 1),
            Question::AddressMask => Endpoint::new(self.target, Transport::Ip, 17 * 256 + 1),
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
    let ask = match (sliced.transport.as_ref(), sliced.net.as_ref()?.ip_payload_ref()?) {
        (Some(transport), _) => ask(transport, source, target)?,
        (None, ip) if ip.ip_number == IpNumber::SCTP => init(ip.payload)?,
        _ => return None,
    };
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
            let (from, to) = (tcp.source_port(), tcp.destination_port());
            let (sequence, acknowledges) = (tcp.sequence_number(), tcp.acknowledgment_number());
            // CWR, ECE, URG, ACK, PSH, RST, SYN, FIN: RFC 9293 §3.1.
            let kind = match *tcp.slice().get(13).filter(|_| sum == tcp.checksum())? {
                0x02 => return Some(Ask::Syn { from, to, sequence }),
                0x10 => TcpScan::Ack,
                0x01 => TcpScan::Fin,
                0x00 => TcpScan::Null,
                0x29 => TcpScan::Xmas,
                _ => return None,
            };
            Some(Ask::Segment { from, to, kind, sequence, acknowledges })
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
            let sequence = icmp.bytes5to8();
            let sound = sum == icmp.checksum() && icmp.code_u8() == 0;
            match (sound.then(|| icmp.type_u8())?, icmp.slice().len()) {
                (8, _) => Some(Ask::Echo { sequence, payload: icmp.payload() }),
                (13, 20) => Some(Ask::Timestamp { sequence }),
                (17, 12) => Some(Ask::AddressMask { sequence }),
                _ => None,
            }
        }
        TransportSlice::Icmpv6(icmp) => {
            let sound = icmp.is_checksum_valid(v6(source)?, v6(target)?)
                && (icmp.type_u8(), icmp.code_u8()) == (128, 0);
            sound.then(|| Ask::Echo { sequence: icmp.bytes5to8(), payload: icmp.payload() })
        }
        TransportSlice::Igmp(_) => None,
    }
}

/// An INIT alone in its packet, RFC 9260 §3.3.2.
fn init(packet: &[u8]) -> Option<Ask<'_>> {
    let (head, rest) = packet.split_first_chunk::<16>()?;
    let [from @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *head;
    let [_, _, to, port, tag @ ..] = *head;
    let [a, b, c, d, checksum @ .., kind, flags, high, low] = tag;
    let mut zeroed = packet.to_vec();
    zeroed.get_mut(8..12)?.fill(0);
    let sound = [a, b, c, d] == [0; 4]
        && checksum == crc32c(&zeroed).to_le_bytes()
        && [kind, flags, high, low] == [1, 0, 0, 20]
        && packet.len() == 32;
    let tag = *rest.first_chunk::<4>().filter(|tag| sound && **tag != [0; 4])?;
    Some(Ask::Init { from: u16::from_be_bytes(from), to: u16::from_be_bytes([to, port]), tag })
}

/// CRC-32C bit by bit, RFC 9260 appendix A.
pub(crate) fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| {
        let shift = |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
        (0..8).fold(crc ^ u32::from(*octet), shift)
    })
}
