//! Questions to every host of a link, and what comes back, as frames.
//!
//! Echo requests and errors are of RFC 4443, options of RFC 8200 §4.2, multicast listeners of
//! RFC 2710 and RFC 3810; RFC 7707 says what each of them finds.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use portolan_core::MacAddr;
use portolan_core::wire::checksum::Checksum;

/// All nodes of a link, RFC 4291 §2.7.1.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Its hardware address, RFC 2464 §7.
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;
/// Extension headers that are walked through, at most.
const HEADERS_MAX: usize = 4;

const HOP_BY_HOP: u8 = 0;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;

const PARAMETER_PROBLEM: u8 = 4;
const UNKNOWN_OPTION: u8 = 2;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const LISTENER_QUERY: u8 = 130;
const LISTENER_REPORT: u8 = 131;
const LISTENER_REPORT_V2: u8 = 143;

/// An option for experiments (RFC 4727) that no host knows, of the kind that is answered with
/// "Parameter Problem" even where it came by multicast (RFC 8200 §4.2: its first bits are 10).
const EXPERIMENT: u8 = 0x9e;
/// Where it stands in the packet.
const EXPERIMENT_AT: u32 = 42;
/// Where the echo request stands behind it.
const QUOTED_ECHO_AT: usize = IPV6_LEN + 8;
/// Octets of an echo request with a token.
const ECHO_LEN: usize = 16;

/// What only those know who saw our question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The identifier of echo requests.
    pub identifier: u16,
    /// What they carry.
    pub data: [u8; 8],
}

/// A station that spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its address: of a host, not of a group.
    pub source: Ipv6Addr,
    /// The hardware address that it spoke from.
    pub mac: MacAddr,
    /// The last 24 bits of addresses that it says it has: those of its solicited-node groups.
    pub tails: Vec<u32>,
}

/// The echo request to all nodes.
pub fn echo_request(mac: MacAddr, source: Ipv6Addr, token: Token) -> Vec<u8> {
    packet(mac, source, None, echo(token))
}

/// The same behind an option that nobody knows: for hosts that answer no echo to a group.
pub fn unknown_option(mac: MacAddr, source: Ipv6Addr, token: Token) -> Vec<u8> {
    let options = [ICMPV6, 0, EXPERIMENT, 4, 0, 0, 0, 0];
    packet(mac, source, Some((DESTINATION_OPTIONS, options)), echo(token))
}

/// The query for all groups, of version 2, which hosts of version 1 understand too; `source` must
/// be link-local. Answers come within `delay`.
pub fn general_query(mac: MacAddr, source: Ipv6Addr, delay: Duration) -> Vec<u8> {
    let millis = u16::try_from(delay.as_millis()).unwrap_or(u16::MAX).min(0x7fff);
    let mut message = vec![LISTENER_QUERY, 0, 0, 0];
    message.extend(millis.to_be_bytes());
    message.extend([0; 2 + 16]);
    // Robustness 2 and an interval of 125 s are the defaults of RFC 3810 §9; no sources.
    message.extend([2, 125, 0, 0]);
    // Routers are alerted (RFC 2711), else the query is not heeded.
    packet(mac, source, Some((HOP_BY_HOP, [ICMPV6, 0, 5, 2, 0, 0, 1, 0])), message)
}

fn echo(token: Token) -> Vec<u8> {
    let [high, low] = token.identifier.to_be_bytes();
    let mut message = vec![ECHO_REQUEST, 0, 0, 0, high, low, 0, 1];
    message.extend(token.data);
    message
}

/// The frame of `message` to all nodes, its checksum filled in.
fn packet(
    mac: MacAddr,
    source: Ipv6Addr,
    extension: Option<(u8, [u8; 8])>,
    mut message: Vec<u8>,
) -> Vec<u8> {
    let sum = sum(source, ALL_NODES, &message).finish();
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let (next, extension) = match extension {
        Some((next, octets)) => (next, octets.to_vec()),
        None => (ICMPV6, Vec::new()),
    };
    let len = u16::try_from(extension.len() + message.len()).unwrap_or(0);
    let mut frame = [ALL_NODES_MAC, mac.0].concat();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(len.to_be_bytes());
    // No router may pass it on.
    frame.extend([next, 1]);
    frame.extend(source.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(extension);
    frame.extend(message);
    frame
}

fn sum(source: Ipv6Addr, target: Ipv6Addr, message: &[u8]) -> Checksum {
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let (source, target) = (IpAddr::V6(source), IpAddr::V6(target));
    Checksum::ZERO.pseudo_header(source, target, ICMPV6, len).octets(message)
}

/// Who speaks in `frame`: who answers a question of ours that bore `token` and left from one of
/// `ours`, or who reports the groups that it listens to.
///
/// Reports prove nothing, and nobody is believed further than to be asked.
/// `None` for everything else, malformed frames and wrong checksums included.
pub fn sighting(frame: &[u8], token: Token, ours: &[Ipv6Addr]) -> Option<Sighting> {
    let packet = Packet::read(frame)?;
    let tails = match packet.message.first_chunk::<2>()? {
        [ECHO_REPLY, 0] => {
            let is_ours = ours.contains(&packet.target) && bears(packet.message, token);
            is_ours.then(Vec::new)?
        }
        [PARAMETER_PROBLEM, UNKNOWN_OPTION] => {
            let pointer = packet.message.get(4..)?.first_chunk()?;
            let quoted = packet.message.get(8..)?;
            let is_ours = ours.contains(&packet.target)
                && u32::from_be_bytes(*pointer) == EXPERIMENT_AT
                && quotes(quoted, packet.target, token);
            is_ours.then(Vec::new)?
        }
        [LISTENER_REPORT, _] if packet.is_from_listener() => {
            let group = packet.message.get(8..)?.first_chunk()?;
            tail(*group).into_iter().collect()
        }
        [LISTENER_REPORT_V2, _] if packet.is_from_listener() => records(packet.message)?,
        _ => return None,
    };
    Some(Sighting { source: packet.source, mac: packet.mac, tails })
}

/// An ICMPv6 packet in its frame.
struct Packet<'a> {
    mac: MacAddr,
    source: Ipv6Addr,
    target: Ipv6Addr,
    hop_limit: u8,
    message: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(frame: &'a [u8]) -> Option<Self> {
        let (ethernet, packet) = frame.split_first_chunk::<ETHERNET_LEN>()?;
        let [.., 0x86, 0xdd] = ethernet else { return None };
        let mac = MacAddr(*ethernet.get(6..)?.first_chunk()?);
        let [first, ..] = mac.0;
        let (header, rest) = packet.split_first_chunk::<IPV6_LEN>()?;
        let [version, _, _, _, high, low, mut next, hop_limit, ..] = *header;
        let source = Ipv6Addr::from(*header.get(8..)?.first_chunk::<16>()?);
        let target = Ipv6Addr::from(*header.get(24..)?.first_chunk::<16>()?);
        let mut message = rest.get(..usize::from(u16::from_be_bytes([high, low])))?;
        for _ in 0..HEADERS_MAX {
            if next != HOP_BY_HOP && next != DESTINATION_OPTIONS {
                break;
            }
            let [after, units] = *message.first_chunk()?;
            message = message.get((usize::from(units) + 1) * 8..)?;
            next = after;
        }
        let is_host = !source.is_unspecified() && !source.is_multicast() && !source.is_loopback();
        let is_station = first & 1 == 0 && mac != MacAddr::default();
        let is_sound = version >> 4 == 6
            && next == ICMPV6
            && is_host
            && is_station
            && sum(source, target, message).folded() == 0xffff;
        is_sound.then_some(Self { mac, source, target, hop_limit, message })
    }

    /// Reports never come from afar (RFC 3810 §5).
    const fn is_from_listener(&self) -> bool {
        self.hop_limit == 1 && self.source.is_unicast_link_local()
    }
}

/// Whether an echo request or reply is of our question.
fn bears(message: &[u8], token: Token) -> bool {
    let [high, low] = token.identifier.to_be_bytes();
    let expected = [&[high, low, 0, 1][..], &token.data].concat();
    message.get(4..ECHO_LEN).is_some_and(|octets| octets == expected)
}

/// Whether the packet that an error quotes is our question with the option, from `source`.
fn quotes(quoted: &[u8], source: Ipv6Addr, token: Token) -> bool {
    let is_ours = |header: &[u8; IPV6_LEN]| {
        let [version, _, _, _, _, _, next, _, addrs @ ..] = header;
        let expected = [source.octets(), ALL_NODES.octets()].concat();
        version >> 4 == 6 && *next == DESTINATION_OPTIONS && addrs == expected.as_slice()
    };
    let echo = quoted.get(QUOTED_ECHO_AT..).unwrap_or_default();
    quoted.first_chunk().is_some_and(is_ours)
        && echo.first() == Some(&ECHO_REQUEST)
        && bears(echo, token)
}

/// The tails of the groups in a report of version 2; `None` where it does not hold what it says.
fn records(message: &[u8]) -> Option<Vec<u32>> {
    let (head, mut rest) = message.split_first_chunk::<8>()?;
    let [.., high, low] = *head;
    let mut tails = Vec::new();
    for _ in 0..u16::from_be_bytes([high, low]) {
        let (record, after) = rest.split_first_chunk::<20>()?;
        let [_, auxiliary, high, low, group @ ..] = *record;
        let sources = usize::from(u16::from_be_bytes([high, low]));
        tails.extend(tail(group));
        rest = after.get(sources * 16 + usize::from(auxiliary) * 4..)?;
    }
    Some(tails)
}

/// The last 24 bits of the addresses whose solicited-node group this is (RFC 4291 §2.7.1).
fn tail(group: [u8; 16]) -> Option<u32> {
    match group {
        [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z] => {
            Some(u32::from_be_bytes([0, x, y, z]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const TOKEN: Token = Token { identifier: 0x1234, data: *b"notknown" };

    fn addr(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    /// A frame from a host with `message`, to `target`.
    fn from_host(target: &str, message: Vec<u8>) -> Vec<u8> {
        let extension = (HOP_BY_HOP, [ICMPV6, 0, 5, 2, 0, 0, 1, 0]);
        let mut frame = packet(THEIRS, addr("fe80::2"), Some(extension), message);
        frame[38..54].copy_from_slice(&addr(target).octets());
        mend(&mut frame);
        frame
    }

    fn mend(frame: &mut [u8]) {
        let (source, target) = (<[u8; 16]>::try_from(&frame[22..38]), &frame[38..54]);
        let target = <[u8; 16]>::try_from(target).unwrap();
        frame[64..66].copy_from_slice(&[0, 0]);
        let sum = sum(source.unwrap().into(), target.into(), &frame[62..]).finish();
        frame[64..66].copy_from_slice(&sum.to_be_bytes());
    }

    fn reply() -> Vec<u8> {
        let mut message = echo(TOKEN);
        message[0] = ECHO_REPLY;
        from_host("fe80::1", message)
    }

    fn problem() -> Vec<u8> {
        let question = unknown_option(OURS, addr("fe80::1"), TOKEN);
        let mut message = vec![PARAMETER_PROBLEM, UNKNOWN_OPTION, 0, 0, 0, 0, 0, 42];
        message.extend(&question[ETHERNET_LEN..]);
        from_host("fe80::1", message)
    }

    fn report() -> Vec<u8> {
        let mut message = vec![LISTENER_REPORT_V2, 0, 0, 0, 0, 0, 0, 3];
        for (group, auxiliary, sources) in
            [("ff02::1:ff01:203", 0, 0), ("ff02::fb", 1, 2), ("ff02::1:ff00:7", 0, 1)]
        {
            message.extend([4, auxiliary, 0, sources]);
            message.extend(addr(group).octets());
            message.extend(vec![9; usize::from(sources) * 16 + usize::from(auxiliary) * 4]);
        }
        from_host("ff02::16", message)
    }

    fn read(frame: &[u8]) -> Option<Sighting> {
        sighting(frame, TOKEN, &[addr("fe80::1"), addr("fd00::1")])
    }

    #[test]
    fn an_independent_parser_reads_the_questions() {
        let source = addr("fe80::1");
        for (frame, kind) in [
            (echo_request(OURS, source, TOKEN), ECHO_REQUEST),
            (unknown_option(OURS, source, TOKEN), ECHO_REQUEST),
            (general_query(OURS, source, Duration::from_secs(1)), LISTENER_QUERY),
        ] {
            let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("not IPv6") };
            assert_eq!(ip.header().destination_addr(), ALL_NODES);
            let Some(TransportSlice::Icmpv6(icmp)) = sliced.transport else { panic!("not ICMPv6") };
            assert_eq!(icmp.type_u8(), kind);
            assert!(icmp.is_checksum_valid(source.octets(), ALL_NODES.octets()));
        }
    }

    #[test]
    fn answers_and_reports_are_read() {
        let plain = Sighting { source: addr("fe80::2"), mac: THEIRS, tails: Vec::new() };
        assert_eq!(read(&reply()), Some(plain.clone()));
        assert_eq!(read(&problem()), Some(plain.clone()));
        let tails = vec![0x01_0203, 7];
        assert_eq!(read(&report()), Some(Sighting { tails, ..plain }));
        let mut first = vec![LISTENER_REPORT, 0, 0, 0, 0, 0, 0, 0];
        first.extend(addr("ff02::1:ff00:9").octets());
        let first = from_host("ff02::1:ff00:9", first);
        assert_eq!(read(&first), Some(Sighting { tails: vec![9], ..plain }));
    }

    #[test]
    fn what_answers_no_question_of_ours_is_not_believed() {
        assert_eq!(sighting(&reply(), TOKEN, &[addr("fe80::9")]), None, "to somebody else");
        for wrong in [Token { identifier: 0x1235, ..TOKEN }, Token { data: *b"notknowm", ..TOKEN }]
        {
            for frame in [reply(), problem()] {
                assert_eq!(sighting(&frame, wrong, &[addr("fe80::1")]), None);
            }
        }
        let changed = |mut frame: Vec<u8>, at: usize, octet: u8| {
            frame[at] = octet;
            mend(&mut frame);
            read(&frame)
        };
        assert_eq!(changed(problem(), 69, 41), None, "another octet is wrong");
        assert_eq!(changed(problem(), 70 + 8, 9), None, "the question of another");
        assert_eq!(changed(reply(), 22, 0xff), None, "from a group");
        assert_eq!(changed(reply(), 6, 3), None, "from a group of stations");
        assert_eq!(changed(report(), 21, 64), None, "from afar");
        assert_eq!(changed(report(), 22, 0x20), None, "not link-local");
        let mut frame = reply();
        frame[70] ^= 1;
        assert_eq!(read(&frame), None, "wrong checksum");
    }

    #[test]
    fn a_cut_frame_is_none() {
        for whole in [reply(), problem(), report()] {
            for len in 0..whole.len() {
                assert_eq!(read(&whole[..len]), None, "cut at {len}");
            }
        }
        let mut fewer = report();
        fewer[69] = 4;
        mend(&mut fewer);
        assert_eq!(read(&fewer), None, "fewer records than it says");
    }
}
