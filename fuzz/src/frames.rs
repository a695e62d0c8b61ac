//! Frames from the wire.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::link::Encapsulation;
use portolan_core::plan::{Hop, HopRange, PlanConfig, ScanPlan};
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::receive::Receiver;
use portolan_core::seed::Seed;
use portolan_core::target::{AddrRange, Block, Scope, TargetSpec};
use portolan_core::wire::ProbeStyle;
use portolan_core::wire::checksum::Checksum;
use portolan_core::wire::crc32c::crc32c;
use portolan_core::wire::parse::parse;
use portolan_core::wire::template::LinkHeader;
use portolan_core::{Family, ScanEvent, Timestamp, UnixTime};
use portolan_net::on_link::frame::{Token, sighting};
use portolan_probes::UsualPayloads;

const ETHERNET_LEN: usize = 14;

/// One frame, read as Ethernet and as bare IP, as it is and with its checksums made right.
pub fn parse_any(data: &[u8]) {
    let mut mended = data.to_vec();
    mend(&mut mended);
    for frame in [data, &mended] {
        let _ = parse(frame, Encapsulation::Ip);
        let _ = parse(frame, Encapsulation::Ethernet);
    }
}

/// ARP replies and neighbour advertisements.
///
/// # Panics
/// Where a group address would become somebody's hardware address.
pub fn neighbor(data: &[u8]) {
    if let Some((_, mac)) = portolan_net::neighbor::frame::answer(data) {
        assert_eq!(mac.0[0] & 1, 0, "a group is nobody's hardware address");
    }
}

/// Answers to multicast questions: Ethernet frames as they are, and with the checksum made right
/// of an ICMPv6 message directly behind the IPv6 header or behind eight octets of options.
///
/// # Panics
/// Where a group would become a host, or more is learnt of it than a frame holds.
pub fn on_link(data: &[u8]) {
    let ours = ["fe80::1", "fd00::1"].map(|text| text.parse().unwrap_or(Ipv6Addr::LOCALHOST));
    let token = Token { identifier: 0x1234, data: *b"notknown" };
    let mut frames = vec![data.to_vec()];
    for at in [ETHERNET_LEN + 40, ETHERNET_LEN + 48] {
        let mut mended = data.to_vec();
        if mended.len() >= at + 4 {
            set(&mut mended, at + 2, 0);
            let message = mended.get(at..).unwrap_or_default();
            let len = u16::try_from(message.len()).unwrap_or(0);
            let addrs = mended.get(ETHERNET_LEN + 8..ETHERNET_LEN + 40).unwrap_or_default();
            let sum = Checksum::ZERO.octets(message).octets(addrs).word(58).word(len).finish();
            set(&mut mended, at + 2, sum);
        }
        frames.push(mended);
    }
    for frame in &frames {
        if let Some(seen) = sighting(frame, token, &ours) {
            assert_eq!(seen.mac.0[0] & 1, 0, "a group is nobody's hardware address");
            assert!(!seen.source.is_multicast(), "a group is no host");
            assert!(seen.tails.len() * 20 <= frame.len(), "groups that are not in the frame");
            assert!(seen.tails.iter().all(|tail| *tail < 1 << 24));
        }
    }
}

/// Frames of `length ‖ octets` each, to a running scan: what is reported was asked for.
///
/// # Panics
/// Where that does not hold, or a frame is not counted.
pub fn receive(data: &[u8]) {
    let Some(plan) = plan() else { return };
    let plan = Arc::new(plan);
    let epoch = UnixTime::from_seconds(1_000);
    let answered = Answered::new(plan.len()).map(Arc::new);
    let mut receiver =
        Receiver::new(Arc::clone(&plan), Encapsulation::Ip, answered, Vec::new(), 1, epoch);
    let mut rest = data;
    while let Some((len, tail)) = rest.split_first() {
        let (frame, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        let mut frame = frame.to_vec();
        mend(&mut frame);
        let mut sink = |event: ScanEvent| {
            if let ScanEvent::Endpoint(observation) = event {
                let addr = observation.endpoint.addr;
                assert!(TARGETS.contains(&addr.to_string().as_str()), "{addr} was not asked");
            }
        };
        let _ = receiver.handle_frame(Timestamp::ZERO, &frame, &mut sink);
    }
}

const TARGETS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "2001:db8::2"];

/// A scan of three addresses.
fn plan() -> Option<ScanPlan> {
    let addrs = TARGETS.join(" ").parse::<TargetSpec>().ok()?.addrs().clone();
    let block = Block {
        addrs,
        tcp: [22, 80, 443].into_iter().collect(),
        udp: [53, 123, 161].into_iter().collect(),
        sctp: [38_412].into_iter().collect(),
    };
    let hop = |source| Hop { link: 0, source, header: LinkHeader::None, on_link: false };
    let hops = vec![
        hop(IpAddr::from([192, 0, 2, 1])),
        hop(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])),
    ];
    let routes: Vec<HopRange> = [(Family::V4, 0), (Family::V6, 1)]
        .into_iter()
        .filter_map(|(family, hop)| {
            let range = AddrRange::from_bits(family, 0, family.max())?;
            Some(HopRange { range, hop })
        })
        .collect();
    let config = PlanConfig {
        scope: Scope::unbounded(),
        blocks: vec![block],
        echo: true,
        pings: Pings { timestamp: true, address_mask: true },
        discover: false,
        tcp_scan: TcpScan::Syn,
        passes: 2,
        seed: Seed(1),
        key: CookieKey::new([7; 16]),
        source_ports: SourcePorts::new(61_440, 65_535)?,
        payloads: Arc::new(UsualPayloads),
        style: ProbeStyle::default(),
    };
    ScanPlan::new(config, hops, &routes, &|_| None).ok()
}

/// Makes the checksums of a bare IPv4 or IPv6 packet without extension headers right, so that
/// the fuzzer gets past them.
fn mend(packet: &mut [u8]) {
    let Some(first) = packet.first().copied() else { return };
    let (header, protocol, addrs, addr_len) = match first >> 4 {
        4 => (usize::from(first & 0x0f) * 4, packet.get(9).copied(), 12, 4),
        6 => (40, packet.get(6).copied(), 8, 16),
        _ => return,
    };
    let (Some(protocol), true) = (protocol, packet.len() > header && header >= 20) else { return };
    if addr_len == 4 {
        set(packet, 10, 0);
        let sum = Checksum::ZERO.octets(packet.get(..header).unwrap_or_default()).finish();
        set(packet, 10, sum);
    }
    let field = match protocol {
        6 => 16,
        17 => 6,
        1 | 58 => 2,
        132 => {
            // CRC32c over the packet with zero in its place, least octet first, RFC 9260 §6.8.
            if let Some(place) = packet.get_mut(header + 8..header + 12) {
                place.fill(0);
            }
            let segment = packet.get(header..).unwrap_or_default();
            let sum = crc32c(segment.iter().copied()).to_le_bytes();
            if let Some(place) = packet.get_mut(header + 8..header + 12) {
                place.copy_from_slice(&sum);
            }
            return;
        }
        _ => return,
    };
    set(packet, header + field, 0);
    let segment = packet.get(header..).unwrap_or_default();
    let mut sum = Checksum::ZERO.octets(segment);
    if protocol != 1 {
        let len = u16::try_from(segment.len()).unwrap_or(0);
        let both = packet.get(addrs..addrs + 2 * addr_len).unwrap_or_default();
        sum = sum.octets(both).word(u16::from(protocol)).word(len);
    }
    set(packet, header + field, sum.finish());
}

fn set(packet: &mut [u8], at: usize, word: u16) {
    if let Some(field) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = word.to_be_bytes();
    }
}
