//! Reading frames that may be answers: bounded, without a copy, without a panic.

use std::net::IpAddr;

use etherparse::{Icmpv4Slice, Icmpv6Slice, LaxNetSlice, LaxSlicedPacket, TcpSlice, UdpSlice};

use super::checksum::Checksum;
use super::crc32c::crc32c;
use crate::link::Encapsulation;
use crate::probe::Probe;
use crate::state::Reason;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// Why a frame is no answer. Counted, never logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// It ends before its headers do.
    Truncated,
    /// It is neither IPv4 nor IPv6.
    NotIp,
    /// A fragment: our answers are never so long.
    Fragment,
    /// A checksum is wrong.
    BadChecksum,
    /// A protocol, flag or ICMP type that answers none of our probes.
    Unexpected,
    /// From an address or port that the scan has not asked.
    NotATarget,
    /// To a port or address that the scan does not send from.
    NotOurs,
    /// Right in form, but without the proof that it answers a probe of ours.
    BadCookie,
}

impl Rejection {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Truncated,
        Self::NotIp,
        Self::Fragment,
        Self::BadChecksum,
        Self::Unexpected,
        Self::NotATarget,
        Self::NotOurs,
        Self::BadCookie,
    ];

    /// The name in summaries and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::NotIp => "not_ip",
            Self::Fragment => "fragment",
            Self::BadChecksum => "bad_checksum",
            Self::Unexpected => "unexpected",
            Self::NotATarget => "not_a_target",
            Self::NotOurs => "not_ours",
            Self::BadCookie => "bad_cookie",
        }
    }
}

/// A frame that has the form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Who sent it.
    pub from: IpAddr,
    /// To whom.
    pub to: IpAddr,
    /// Time to live or hop limit on arrival.
    pub ttl: u8,
    /// What it says.
    pub segment: Segment<'a>,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// SYN-ACK or RST.
    Tcp {
        /// The port that answers.
        source_port: u16,
        /// The port that it answers to.
        target_port: u16,
        /// RST rather than SYN-ACK.
        reset: bool,
        /// Its own number: in a RST that acknowledges nothing, the one that it was asked with.
        sequence: u32,
        /// The acknowledgement number, where there is one.
        acknowledges: Option<u32>,
    },
    /// A datagram.
    Udp {
        /// The port that answers.
        source_port: u16,
        /// The port that it answers to.
        target_port: u16,
        /// The data, possibly cut by the capture.
        payload: &'a [u8],
    },
    /// An SCTP INIT ACK or ABORT.
    Sctp {
        /// The port that answers.
        source_port: u16,
        /// The port that it answers to.
        target_port: u16,
        /// ABORT rather than INIT ACK.
        abort: bool,
        /// The verification tag: the initiate tag of what it answers (RFC 9260 §8.5).
        tag: u32,
    },
    /// An echo, timestamp or address mask reply.
    Ping {
        /// What it answers.
        probe: Probe,
        /// Identifier (high 16 bits) and sequence number (low).
        sequence: u32,
    },
    /// An ICMP or ICMPv6 error.
    Error {
        /// What it complains of.
        reason: Reason,
        /// The beginning of the packet that it complains about.
        quote: Quote,
    },
}

/// The probe that an ICMP error quotes: its IP header and eight octets more (RFC 792, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// The quoted sender.
    pub from: IpAddr,
    /// The quoted receiver.
    pub to: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// IPv4 identification or IPv6 flow label.
    pub mark: u32,
    /// The first eight octets behind the IP header.
    pub head: [u8; 8],
}

/// Reads a frame of a link with `encapsulation`.
///
/// # Errors
/// The first reason why it can't be an answer. Whether it answers *our* probe is not decided here.
pub fn parse(frame: &[u8], encapsulation: Encapsulation) -> Result<Reply<'_>, Rejection> {
    let packet = match encapsulation {
        Encapsulation::Ethernet => {
            LaxSlicedPacket::from_ethernet(frame).map_err(|_| Rejection::Truncated)?
        }
        Encapsulation::Ip => LaxSlicedPacket::from_ip(frame).map_err(|_| Rejection::NotIp)?,
    };
    let (from, to, ttl) = addresses(packet.net.as_ref())?;
    let ip = packet.net.as_ref().and_then(|n| n.ip_payload_ref()).ok_or(Rejection::NotIp)?;
    if ip.fragmented {
        return Err(Rejection::Fragment);
    }
    let octets = ip.payload;
    let segment = match (ip.ip_number.0, from) {
        (TCP, _) => {
            check_sum(from, to, TCP, octets, ip.incomplete)?;
            tcp(octets)?
        }
        (UDP, _) => {
            let unsummed = from.is_ipv4() && octets.get(6..8) == Some(&[0, 0]);
            if !unsummed {
                check_sum(from, to, UDP, octets, ip.incomplete)?;
            }
            udp(octets)?
        }
        (SCTP, _) => sctp(octets, ip.incomplete)?,
        (ICMP, IpAddr::V4(_)) => {
            if !ip.incomplete && Checksum::ZERO.octets(octets).finish() != 0 {
                return Err(Rejection::BadChecksum);
            }
            icmpv4(octets)?
        }
        (ICMPV6, IpAddr::V6(_)) => {
            check_sum(from, to, ICMPV6, octets, ip.incomplete)?;
            icmpv6(octets)?
        }
        _ => return Err(Rejection::Unexpected),
    };
    Ok(Reply { from, to, ttl, segment })
}

fn addresses(net: Option<&LaxNetSlice<'_>>) -> Result<(IpAddr, IpAddr, u8), Rejection> {
    match net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            if Checksum::ZERO.octets(header.slice()).finish() != 0 {
                return Err(Rejection::BadChecksum);
            }
            Ok((header.source_addr().into(), header.destination_addr().into(), header.ttl()))
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            Ok((from.into(), to.into(), header.hop_limit()))
        }
        _ => Err(Rejection::NotIp),
    }
}

/// Accepts a right checksum, and the pseudo-header's bare sum: what local senders leave in the
/// field for hardware to complete, as seen on loopback and between namespaces. A segment that the
/// capture cut can't be checked.
fn check_sum(
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    octets: &[u8],
    cut: bool,
) -> Result<(), Rejection> {
    if cut {
        return Ok(());
    }
    // A UDP datagram may be shorter than its packet.
    let octets = match octets.get(4..6) {
        Some(&[high, low]) if protocol == UDP => {
            let len = usize::from(u16::from_be_bytes([high, low]));
            octets.get(..len).filter(|_| len >= 8).ok_or(Rejection::Truncated)?
        }
        _ => octets,
    };
    let len = u16::try_from(octets.len()).map_err(|_| Rejection::Unexpected)?;
    let pseudo = Checksum::ZERO.pseudo_header(from, to, protocol, len);
    if pseudo.octets(octets).finish() == 0 {
        return Ok(());
    }
    let field = match protocol {
        TCP => octets.get(16..18),
        UDP => octets.get(6..8),
        _ => None,
    };
    let partial = pseudo.folded().to_be_bytes();
    if field == Some(partial.as_slice()) { Ok(()) } else { Err(Rejection::BadChecksum) }
}

fn tcp(octets: &[u8]) -> Result<Segment<'_>, Rejection> {
    let tcp = TcpSlice::from_slice(octets).map_err(|_| Rejection::Truncated)?;
    let reset = tcp.rst();
    let syn_ack = tcp.syn() && tcp.ack() && !tcp.fin();
    if reset == syn_ack {
        return Err(Rejection::Unexpected);
    }
    Ok(Segment::Tcp {
        source_port: tcp.source_port(),
        target_port: tcp.destination_port(),
        reset,
        sequence: tcp.sequence_number(),
        acknowledges: tcp.ack().then(|| tcp.acknowledgment_number()),
    })
}

/// Accepts a right checksum, and none: what local senders leave to hardware, and what RFC 9653
/// allows. A packet that the capture cut can't be checked.
fn sctp(octets: &[u8], cut: bool) -> Result<Segment<'_>, Rejection> {
    let (ports, rest) = octets.split_first_chunk::<4>().ok_or(Rejection::Truncated)?;
    let (tag, rest) = rest.split_first_chunk::<4>().ok_or(Rejection::Truncated)?;
    let (checksum, chunks) = rest.split_first_chunk::<4>().ok_or(Rejection::Truncated)?;
    let sum = u32::from_le_bytes(*checksum);
    let zeroed = octets.iter().take(8).chain(&[0; 4]).chain(chunks).copied();
    if !cut && sum != 0 && sum != crc32c(zeroed) {
        return Err(Rejection::BadChecksum);
    }
    let &[kind, flags, high, low] = chunks.first_chunk().ok_or(Rejection::Truncated)?;
    let abort = match (kind, u16::from_be_bytes([high, low])) {
        (2, 20..) => false,
        // With the T bit the tag is that of our packet, which is zero and proves nothing.
        (6, 4..) if flags & 1 == 0 => true,
        _ => return Err(Rejection::Unexpected),
    };
    let [from_high, from_low, to_high, to_low] = *ports;
    Ok(Segment::Sctp {
        source_port: u16::from_be_bytes([from_high, from_low]),
        target_port: u16::from_be_bytes([to_high, to_low]),
        abort,
        tag: u32::from_be_bytes(*tag),
    })
}

fn udp(octets: &[u8]) -> Result<Segment<'_>, Rejection> {
    let udp = UdpSlice::from_slice_lax(octets).map_err(|_| Rejection::Truncated)?;
    Ok(Segment::Udp {
        source_port: udp.source_port(),
        target_port: udp.destination_port(),
        payload: udp.payload(),
    })
}

fn icmpv4(octets: &[u8]) -> Result<Segment<'_>, Rejection> {
    let icmp = Icmpv4Slice::from_slice(octets).map_err(|_| Rejection::Truncated)?;
    let ping = |probe| {
        let sequence = u32::from_be_bytes(icmp.bytes5to8());
        Ok(Segment::Ping { probe, sequence })
    };
    let reason = match (icmp.type_u8(), icmp.code_u8()) {
        (0, _) => return ping(Probe::Echo),
        (14, _) => return ping(Probe::Timestamp),
        (18, _) => return ping(Probe::AddressMask),
        // RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1.
        (3, 0 | 6 | 11) => Reason::NetUnreach,
        (3, 1 | 7 | 8 | 12) => Reason::HostUnreach,
        (3, 2) => Reason::ProtoUnreach,
        (3, 3) => Reason::PortUnreach,
        (3, 9 | 10 | 13..=15) => Reason::AdminProhibited,
        (11, _) => Reason::TimeExceeded,
        _ => return Err(Rejection::Unexpected),
    };
    Ok(Segment::Error { reason, quote: quote(icmp.payload())? })
}

fn icmpv6(octets: &[u8]) -> Result<Segment<'_>, Rejection> {
    let icmp = Icmpv6Slice::from_slice(octets).map_err(|_| Rejection::Truncated)?;
    let reason = match (icmp.type_u8(), icmp.code_u8()) {
        (129, _) => {
            let sequence = u32::from_be_bytes(icmp.bytes5to8());
            return Ok(Segment::Ping { probe: Probe::Echo, sequence });
        }
        // RFC 4443 §3.1 and the registry's additions.
        (1, 0) => Reason::NetUnreach,
        (1, 1 | 5 | 6) => Reason::AdminProhibited,
        (1, 2 | 3) => Reason::HostUnreach,
        (1, 4) => Reason::PortUnreach,
        (3, _) => Reason::TimeExceeded,
        (4, 1) => Reason::ProtoUnreach,
        _ => return Err(Rejection::Unexpected),
    };
    let quoted = octets.get(8..).ok_or(Rejection::Truncated)?;
    Ok(Segment::Error { reason, quote: quote(quoted)? })
}

fn quote(octets: &[u8]) -> Result<Quote, Rejection> {
    let packet = LaxSlicedPacket::from_ip(octets).map_err(|_| Rejection::Truncated)?;
    let (from, to, mark): (IpAddr, IpAddr, u32) = match packet.net.as_ref() {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let mark = u32::from(header.identification());
            (header.source_addr().into(), header.destination_addr().into(), mark)
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let mark = header.flow_label().value();
            (header.source_addr().into(), header.destination_addr().into(), mark)
        }
        _ => return Err(Rejection::Truncated),
    };
    let ip = packet.net.as_ref().and_then(|n| n.ip_payload_ref()).ok_or(Rejection::Truncated)?;
    let mut head = [0; 8];
    head.copy_from_slice(ip.payload.get(..8).ok_or(Rejection::Truncated)?);
    Ok(Quote { from, to, protocol: ip.ip_number.0, mark, head })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{PacketBuilder, TcpHeader};
    use proptest::prelude::*;

    fn syn_ack() -> Vec<u8> {
        let mut tcp = TcpHeader::new(80, 61_440, 7, 64_000);
        (tcp.syn, tcp.ack, tcp.acknowledgment_number) = (true, true, 42);
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 55)
            .tcp_header(tcp)
            .write(&mut frame, &[])
            .unwrap();
        frame
    }

    #[test]
    fn a_syn_ack_is_read_with_padding_behind_it() {
        let mut frame = syn_ack();
        frame.resize(60, 0);
        let reply = parse(&frame, Encapsulation::Ethernet).unwrap();
        assert_eq!(reply.ttl, 55);
        let (sequence, acknowledges) = (7, Some(42));
        let (source_port, target_port, reset) = (80, 61_440, false);
        let segment = Segment::Tcp { source_port, target_port, reset, sequence, acknowledges };
        assert_eq!(reply.segment, segment);
    }

    #[test]
    fn a_tag_of_a_virtual_network_hides_nothing() {
        let mut frame = syn_ack();
        frame.splice(12..12, [0x81, 0x00, 0x00, 0x4d]);
        let reply = parse(&frame, Encapsulation::Ethernet).unwrap();
        assert!(matches!(reply.segment, Segment::Tcp { reset: false, .. }));
    }

    #[test]
    fn an_answer_of_sctp_is_read_if_it_adds_up() {
        let packet = |kind: u8, flags: u8, len: u8| {
            let mut packet = vec![0x97, 0x0c, 0xf0, 0x00, 1, 2, 3, 4, 0, 0, 0, 0];
            packet.extend([kind, flags, 0, len]);
            packet.resize(12 + usize::from(len), 7);
            packet
        };
        let frame = |sctp: &[u8]| {
            let mut frame = Vec::new();
            PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 60)
                .write(&mut frame, etherparse::IpNumber::SCTP, sctp)
                .unwrap();
            frame
        };
        let summed = |mut packet: Vec<u8>| {
            let sum = crc32c(packet.iter().copied());
            packet[8..12].copy_from_slice(&sum.to_le_bytes());
            packet
        };
        for (kind, abort) in [(2, false), (6, true)] {
            let whole = summed(packet(kind, 0, 20));
            let (source_port, target_port, tag) = (38_668, 61_440, 0x0102_0304);
            let segment = Segment::Sctp { source_port, target_port, abort, tag };
            assert_eq!(parse(&frame(&whole), Encapsulation::Ip).unwrap().segment, segment);
            assert!(parse(&frame(&packet(kind, 0, 20)), Encapsulation::Ip).is_ok(), "no checksum");
            for bit in 0..whole.len() * 8 {
                let mut wrong = whole.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(parse(&frame(&wrong), Encapsulation::Ip).is_err(), "bit {bit}");
            }
            for len in 0..16 {
                assert!(parse(&frame(&whole[..len]), Encapsulation::Ip).is_err(), "{len} octets");
            }
        }
        for other in [packet(1, 0, 20), packet(2, 0, 16), packet(6, 1, 4)] {
            let frame = frame(&summed(other));
            assert_eq!(parse(&frame, Encapsulation::Ip), Err(Rejection::Unexpected));
        }
    }

    #[test]
    fn one_wrong_bit_anywhere_behind_the_link_header_is_noticed() {
        let frame = syn_ack();
        for bit in 14 * 8..frame.len() * 8 {
            let mut wrong = frame.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&wrong, Encapsulation::Ethernet).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_checksum_left_to_hardware_is_accepted() {
        let mut frame = syn_ack();
        let pseudo = Checksum::ZERO.pseudo_header(
            "10.0.0.1".parse().unwrap(),
            "10.0.0.2".parse().unwrap(),
            TCP,
            20,
        );
        frame[50..52].copy_from_slice(&pseudo.folded().to_be_bytes());
        assert!(parse(&frame, Encapsulation::Ethernet).is_ok());
    }

    #[test]
    fn an_unreachable_quotes_the_probe() {
        let mut probe = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .udp(61_440, 53)
            .write(&mut probe, &[1, 2, 3])
            .unwrap();
        let mut frame = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 9], [10, 0, 0, 2], 60)
            .icmpv4_raw(3, 13, [0; 4])
            .write(&mut frame, &probe[..28])
            .unwrap();
        let reply = parse(&frame, Encapsulation::Ip).unwrap();
        let Segment::Error { reason, quote } = reply.segment else { panic!("{reply:?}") };
        assert_eq!(reason, Reason::AdminProhibited);
        assert_eq!(quote.to, "10.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(quote.head[..4], [0xf0, 0x00, 0, 53]);
        assert_eq!(parse(&frame[..40], Encapsulation::Ip), Err(Rejection::Truncated));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(
            ethernet: bool, data in prop::collection::vec(any::<u8>(), 0..200), head in 0_usize..60,
        ) {
            let link = if ethernet { Encapsulation::Ethernet } else { Encapsulation::Ip };
            let _ = parse(&data, link);
            // Noise behind a good beginning reaches deeper.
            let mut frame = syn_ack();
            frame.truncate(head);
            frame.extend(&data);
            let _ = parse(&frame, Encapsulation::Ethernet);
        }
    }
}
