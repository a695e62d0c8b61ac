//! Probes as templates: written in full once, then patched per target.

use std::net::IpAddr;

use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{Ipv4Flags, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::packet::tcp::MutableTcpPacket;
use pnet::packet::udp::MutableUdpPacket;
use pnet::util::MacAddr as PnetMac;

use super::checksum::Checksum;
use super::crc32c::crc32c;
use super::style::{ProbeStyle, TTL_DEFAULT, TcpOptions};
use crate::cookie::Cookie;
use crate::observation::MacAddr;
use crate::probe::TcpScan;

/// Maximum segment size offered: Ethernet's 1,500 less both headers.
const MSS_V4: u16 = 1_460;
const MSS_V6: u16 = 1_440;
/// A common initial window.
const WINDOW: u16 = 64_240;
const ETHERNET_LEN: usize = 14;
const ETHERTYPE_AT: usize = 12;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const TCP_LEN: usize = 20;
const UDP_LEN: usize = 8;
/// Common header and INIT chunk, RFC 9260 §3.1 and §3.3.2.
const SCTP_LEN: usize = 32;
const ECHO_LEN: usize = 16;
/// RFC 792, three times of day.
const TIMESTAMP_LEN: usize = 20;
/// RFC 950 appendix I.
const ADDRESS_MASK_LEN: usize = 12;

/// What precedes the IP header on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkHeader {
    /// Nothing: loopback by raw sockets, tunnels.
    None,
    /// Ethernet II.
    Ethernet {
        /// Our own address on the link.
        source: MacAddr,
        /// The next hop's; patched where each target is its own next hop.
        target: MacAddr,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    /// A SYN and the like.
    Tcp,
    /// A segment whose answer returns its acknowledgement number.
    TcpAck,
    Udp,
    Sctp,
    /// An ICMP query: identifier and sequence number at octet 4.
    Icmp,
}

/// One probe to any target behind one next hop.
#[derive(Debug, Clone)]
pub struct ProbeTemplate {
    frame: Vec<u8>,
    ip_at: usize,
    inner_at: usize,
    source: IpAddr,
    payload: Payload,
    ip_sum: Checksum,
    inner_sum: Checksum,
}

impl ProbeTemplate {
    /// A TCP SYN with `options`.
    pub fn tcp_syn(source: IpAddr, link: LinkHeader, options: TcpOptions) -> Self {
        Self::tcp(source, link, TcpScan::Syn, options)
    }

    /// The segment that `scan` sends; `options` are a SYN's.
    pub fn tcp(source: IpAddr, link: LinkHeader, scan: TcpScan, options: TcpOptions) -> Self {
        let mss = if source.is_ipv4() { MSS_V4 } else { MSS_V6 };
        let options = if scan == TcpScan::Syn { options.octets(mss) } else { Vec::new() };
        let mut octets = vec![0; TCP_LEN];
        octets.extend_from_slice(&options);
        let words = u8::try_from(octets.len() / 4).unwrap_or(u8::MAX);
        if let Some(mut tcp) = MutableTcpPacket::new(&mut octets) {
            tcp.set_data_offset(words);
            tcp.set_flags(scan.flags());
            tcp.set_window(WINDOW);
        }
        let payload = if scan == TcpScan::Ack { Payload::TcpAck } else { Payload::Tcp };
        Self::build(source, link, payload, &octets)
    }

    /// A UDP datagram with `payload`.
    pub fn udp(source: IpAddr, link: LinkHeader, payload: &[u8]) -> Self {
        let mut octets = vec![0; UDP_LEN];
        octets.extend_from_slice(payload);
        let len = u16::try_from(octets.len()).unwrap_or(u16::MAX);
        if let Some(mut udp) = MutableUdpPacket::new(&mut octets) {
            udp.set_length(len);
        }
        Self::build(source, link, Payload::Udp, &octets)
    }

    /// An ICMP or ICMPv6 echo request with eight octets of data.
    pub fn echo(source: IpAddr, link: LinkHeader) -> Self {
        let mut octets = [0; ECHO_LEN];
        let [kind, ..] = &mut octets;
        *kind = if source.is_ipv4() { 8 } else { 128 };
        Self::build(source, link, Payload::Icmp, &octets)
    }

    /// An ICMP timestamp request; `source` must be of IPv4. It says that it is midnight: the
    /// answer is what counts.
    pub fn timestamp(source: IpAddr, link: LinkHeader) -> Self {
        let mut octets = [0; TIMESTAMP_LEN];
        let [kind, ..] = &mut octets;
        *kind = 13;
        Self::build(source, link, Payload::Icmp, &octets)
    }

    /// An ICMP address mask request; `source` must be of IPv4.
    pub fn address_mask(source: IpAddr, link: LinkHeader) -> Self {
        let mut octets = [0; ADDRESS_MASK_LEN];
        let [kind, ..] = &mut octets;
        *kind = 17;
        Self::build(source, link, Payload::Icmp, &octets)
    }

    /// An SCTP packet with an INIT chunk: a window of 65,536 octets, ten streams each way.
    pub fn sctp_init(source: IpAddr, link: LinkHeader) -> Self {
        const INIT: [u8; SCTP_LEN - 12] =
            [1, 0, 0, 20, 0, 0, 0, 0, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 0];
        Self::build(source, link, Payload::Sctp, &[&[0; 12][..], &INIT[..]].concat())
    }

    /// The same probe with the time to live and the tag of `style`; the tag is left out where no
    /// Ethernet header is.
    #[must_use]
    pub fn styled(mut self, style: &ProbeStyle) -> Self {
        let ttl_at = self.ip_at + if self.source.is_ipv4() { 8 } else { 7 };
        self.put(ttl_at, &[style.ttl]);
        let header = self.frame.get(self.ip_at..self.inner_at).unwrap_or_default();
        self.ip_sum = Checksum::ZERO.octets(header);
        if let Some(vlan) = style.vlan.filter(|_| self.ip_at == ETHERNET_LEN) {
            let tag = vlan.tag();
            self.frame.splice(ETHERTYPE_AT..ETHERTYPE_AT, tag);
            self.ip_at += tag.len();
            self.inner_at += tag.len();
        }
        self
    }

    /// The frame as it stands: as built, or as last patched.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Where the IP header begins.
    pub const fn ip_at(&self) -> usize {
        self.ip_at
    }

    /// Sums over what is the same in every probe: of the IPv4 header, and of the segment with its
    /// pseudo-header. Neither is complemented.
    pub const fn sums(&self) -> (u16, u16) {
        (self.ip_sum.folded(), self.inner_sum.folded())
    }

    fn build(source: IpAddr, link: LinkHeader, payload: Payload, inner: &[u8]) -> Self {
        let mut frame = link_octets(link, source);
        let ip_at = frame.len();
        frame.extend_from_slice(&ip_octets(source, payload, inner.len()));
        let inner_at = frame.len();
        frame.extend_from_slice(inner);
        let header = frame.get(ip_at..inner_at).unwrap_or_default();
        let ip_sum = Checksum::ZERO.octets(header);
        let len = u16::try_from(inner.len()).unwrap_or(u16::MAX);
        let inner_sum = match (payload, source) {
            (Payload::Tcp | Payload::TcpAck, _) => {
                Checksum::ZERO.addr(source).word(6).word(len).octets(inner)
            }
            // The payload is summed per probe: it carries the cookie.
            (Payload::Udp, _) => Checksum::ZERO.addr(source).word(17).word(len).word(len),
            // Another sum is over the whole packet.
            (Payload::Sctp, _) => Checksum::ZERO,
            (Payload::Icmp, IpAddr::V4(_)) => Checksum::ZERO.octets(inner),
            (Payload::Icmp, IpAddr::V6(_)) => {
                Checksum::ZERO.addr(source).word(58).word(len).octets(inner)
            }
        };
        Self { frame, ip_at, inner_at, source, payload, ip_sum, inner_sum }
    }

    /// The frame for one target.
    ///
    /// `target` must be of the source's family. `mac` replaces the next hop's address. `port` and
    /// `source_port` are ignored by echo requests. `payload` is called on a UDP payload before it
    /// is summed.
    pub fn patch(
        &mut self,
        target: IpAddr,
        mac: Option<MacAddr>,
        ports: (u16, u16),
        cookie: Cookie,
        payload: impl FnOnce(&mut [u8]),
    ) -> &[u8] {
        if let Some(MacAddr(octets)) = mac.filter(|_| self.ip_at >= ETHERNET_LEN) {
            self.put(0, &octets);
        }
        let (source_port, port) = ports;
        self.patch_ip(target, cookie);
        let at = self.inner_at;
        let sequence = cookie.sequence();
        match self.payload {
            Payload::Tcp | Payload::TcpAck => {
                let mut sum =
                    self.inner_sum.addr(target).word(source_port).word(port).long(sequence);
                self.put(at, &source_port.to_be_bytes());
                self.put(at + 2, &port.to_be_bytes());
                self.put(at + 4, &sequence.to_be_bytes());
                if self.payload == Payload::TcpAck {
                    // A RST returns this number, and an ICMP error the one before it.
                    sum = sum.long(sequence);
                    self.put(at + 8, &sequence.to_be_bytes());
                }
                self.put(at + 16, &sum.finish().to_be_bytes());
            }
            Payload::Sctp => self.patch_init(at, ports, cookie.initiate_tag()),
            Payload::Udp => {
                let data = self.frame.get_mut(at + UDP_LEN..).unwrap_or_default();
                payload(data);
                let sum = self.inner_sum.addr(target).word(source_port).word(port).octets(data);
                // Zero would mean "no checksum", RFC 768.
                let sum = if sum.finish() == 0 { u16::MAX } else { sum.finish() };
                self.put(at, &source_port.to_be_bytes());
                self.put(at + 2, &port.to_be_bytes());
                self.put(at + 6, &sum.to_be_bytes());
            }
            Payload::Icmp => {
                let base = self.inner_sum.long(sequence);
                let sum = if self.source.is_ipv4() { base } else { base.addr(target) };
                self.put(at + 4, &sequence.to_be_bytes());
                self.put(at + 2, &sum.finish().to_be_bytes());
            }
        }
        &self.frame
    }

    fn patch_init(&mut self, at: usize, (source_port, port): (u16, u16), tag: u32) {
        self.put(at, &source_port.to_be_bytes());
        self.put(at + 2, &port.to_be_bytes());
        self.put(at + 8, &[0; 4]);
        self.put(at + 16, &tag.to_be_bytes());
        // The first transmission number may be any, RFC 9260 §3.3.2.
        self.put(at + 28, &tag.to_be_bytes());
        let sum = crc32c(self.frame.get(at..).unwrap_or_default().iter().copied());
        self.put(at + 8, &sum.to_le_bytes());
    }

    fn patch_ip(&mut self, target: IpAddr, cookie: Cookie) {
        let at = self.ip_at;
        match target {
            IpAddr::V4(target) => {
                let sum = self.ip_sum.word(cookie.ip_id()).long(target.to_bits());
                self.put(at + 4, &cookie.ip_id().to_be_bytes());
                self.put(at + 10, &sum.finish().to_be_bytes());
                self.put(at + 16, &target.octets());
            }
            IpAddr::V6(target) => {
                self.put(at, &(0x6000_0000 | cookie.flow_label()).to_be_bytes());
                self.put(at + 24, &target.octets());
            }
        }
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        if let Some(slot) = self.frame.get_mut(at..at + octets.len()) {
            slot.copy_from_slice(octets);
        }
    }
}

fn link_octets(link: LinkHeader, source: IpAddr) -> Vec<u8> {
    let LinkHeader::Ethernet { source: ours, target } = link else { return Vec::new() };
    let pnet_mac = |MacAddr([a, b, c, d, e, f]): MacAddr| PnetMac::new(a, b, c, d, e, f);
    let mut octets = vec![0; ETHERNET_LEN];
    if let Some(mut header) = MutableEthernetPacket::new(&mut octets) {
        header.set_source(pnet_mac(ours));
        header.set_destination(pnet_mac(target));
        header.set_ethertype(if source.is_ipv4() { EtherTypes::Ipv4 } else { EtherTypes::Ipv6 });
    }
    octets
}

fn ip_octets(source: IpAddr, payload: Payload, inner_len: usize) -> Vec<u8> {
    let protocol = match (payload, source) {
        (Payload::Tcp | Payload::TcpAck, _) => IpNextHeaderProtocols::Tcp,
        (Payload::Sctp, _) => IpNextHeaderProtocols::Sctp,
        (Payload::Udp, _) => IpNextHeaderProtocols::Udp,
        (Payload::Icmp, IpAddr::V4(_)) => IpNextHeaderProtocols::Icmp,
        (Payload::Icmp, IpAddr::V6(_)) => IpNextHeaderProtocols::Icmpv6,
    };
    match source {
        IpAddr::V4(source) => {
            let mut octets = vec![0; IPV4_LEN];
            if let Some(mut ip) = MutableIpv4Packet::new(&mut octets) {
                ip.set_version(4);
                ip.set_header_length(5);
                ip.set_total_length(u16::try_from(IPV4_LEN + inner_len).unwrap_or(u16::MAX));
                ip.set_flags(Ipv4Flags::DontFragment);
                ip.set_ttl(TTL_DEFAULT);
                ip.set_next_level_protocol(protocol);
                ip.set_source(source);
            }
            octets
        }
        IpAddr::V6(source) => {
            let mut octets = vec![0; IPV6_LEN];
            if let Some(mut ip) = MutableIpv6Packet::new(&mut octets) {
                ip.set_version(6);
                ip.set_payload_length(u16::try_from(inner_len).unwrap_or(u16::MAX));
                ip.set_next_header(protocol);
                ip.set_hop_limit(TTL_DEFAULT);
                ip.set_source(source);
            }
            octets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::CookieKey;
    use crate::endpoint::Endpoint;
    use crate::wire::VlanId;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    const MAC: LinkHeader =
        LinkHeader::Ethernet { source: MacAddr([2; 6]), target: MacAddr([4; 6]) };

    const OPTIONS: [TcpOptions; 4] =
        [TcpOptions::None, TcpOptions::Mss, TcpOptions::Linux, TcpOptions::Windows];

    /// etherparse, which shares no code with the templates, finds every checksum right.
    fn assert_sound(frame: &[u8], ethernet: bool) -> SlicedPacket<'_> {
        let packet = if ethernet {
            SlicedPacket::from_ethernet(frame).unwrap()
        } else {
            SlicedPacket::from_ip(frame).unwrap()
        };
        let sum = match (packet.net.as_ref().unwrap(), packet.transport.as_ref().unwrap()) {
            (NetSlice::Ipv4(ip), transport) => {
                let header = ip.header();
                assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                let (source, target) = (header.source(), header.destination());
                match transport {
                    TransportSlice::Tcp(tcp) => {
                        (tcp.checksum(), tcp.calc_checksum_ipv4(source, target).unwrap())
                    }
                    TransportSlice::Udp(udp) => (
                        udp.checksum(),
                        udp.to_header()
                            .calc_checksum_ipv4_raw(source, target, udp.payload())
                            .unwrap(),
                    ),
                    TransportSlice::Icmpv4(icmp) => {
                        (icmp.checksum(), icmp.header().icmp_type.calc_checksum(icmp.payload()))
                    }
                    other => panic!("{other:?}"),
                }
            }
            (NetSlice::Ipv6(ip), transport) => {
                let (source, target) = (ip.header().source(), ip.header().destination());
                match transport {
                    TransportSlice::Tcp(tcp) => {
                        (tcp.checksum(), tcp.calc_checksum_ipv6(source, target).unwrap())
                    }
                    TransportSlice::Udp(udp) => (
                        udp.checksum(),
                        udp.to_header()
                            .calc_checksum_ipv6_raw(source, target, udp.payload())
                            .unwrap(),
                    ),
                    TransportSlice::Icmpv6(icmp) => {
                        assert!(icmp.is_checksum_valid(source, target));
                        (0, 0)
                    }
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(sum.0, sum.1);
        packet
    }

    proptest! {
        #[test]
        fn every_probe_is_sound(
            v6: bool, ethernet: bool, low in 1_u32.., key: [u8; 16], port in 1_u16..,
            source_port in 1_u16.., options in 0_usize..4, ttl in 1_u8.., vlan: bool,
            data in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let (source, target): (IpAddr, IpAddr) = if v6 {
                ("2001:db8::7".parse().unwrap(), std::net::Ipv6Addr::from_bits(u128::from(low) << 40).into())
            } else {
                ("192.0.2.7".parse().unwrap(), std::net::Ipv4Addr::from_bits(low).into())
            };
            let link = if ethernet { MAC } else { LinkHeader::None };
            let cookie = CookieKey::new(key).cookie(&Endpoint::tcp(target, port), 0);
            let mac = MacAddr([6; 6]);
            let options = OPTIONS[options];
            let vlan = vlan.then(|| VlanId::new(77).unwrap());
            let style = ProbeStyle { tcp_options: options, ttl, vlan };
            let mut syn = ProbeTemplate::tcp_syn(source, link, options).styled(&style);
            let mut udp = ProbeTemplate::udp(source, link, &data).styled(&style);
            let mut echo = ProbeTemplate::echo(source, link).styled(&style);
            // Twice: a patched template must serve again.
            for _ in 0..2 {
                let frame = syn.patch(target, Some(mac), (source_port, port), cookie, |_| {});
                let packet = assert_sound(frame, ethernet);
                let tag = packet.vlan_ids().iter().map(|id| id.value()).collect::<Vec<_>>();
                prop_assert_eq!(tag, if ethernet && vlan.is_some() { vec![77] } else { vec![] });
                let hops = match packet.net.as_ref().unwrap() {
                    NetSlice::Ipv4(ip) => ip.header().ttl(),
                    NetSlice::Ipv6(ip) => ip.header().hop_limit(),
                    NetSlice::Arp(_) => 0,
                };
                prop_assert_eq!(hops, ttl);
                let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!() };
                prop_assert!(tcp.syn() && !tcp.ack());
                prop_assert_eq!(tcp.sequence_number(), cookie.sequence());
                prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (source_port, port));
                prop_assert_eq!(frame.get(..6) == Some(&[6; 6]), ethernet || frame[..6] == [6; 6]);
                let frame = udp.patch(target, None, (source_port, port), cookie, |p| {
                    if let Some(first) = p.first_mut() { *first = 9; }
                });
                assert_sound(frame, ethernet);
                assert_sound(echo.patch(target, None, (0, 0), cookie, |_| {}), ethernet);
            }
        }

        #[test]
        fn every_other_segment_is_sound(v6: bool, key: [u8; 16], ports: (u16, u16)) {
            let (source, target): (IpAddr, IpAddr) = if v6 {
                ("2001:db8::7".parse().unwrap(), "2001:db8::9".parse().unwrap())
            } else {
                ("192.0.2.7".parse().unwrap(), "192.0.2.9".parse().unwrap())
            };
            let cookie = CookieKey::new(key).cookie(&Endpoint::tcp(target, ports.1), 0);
            for (scan, flags) in TcpScan::ALL.into_iter().zip([0x02, 0x10, 0x01, 0, 0x29]) {
                let link = LinkHeader::None;
                let mut template = ProbeTemplate::tcp(source, link, scan, TcpOptions::Linux);
                let frame = template.patch(target, None, ports, cookie, |_| {});
                let Some(TransportSlice::Tcp(tcp)) = assert_sound(frame, false).transport else {
                    panic!()
                };
                let len = if scan == TcpScan::Syn { 40 } else { 20 };
                prop_assert_eq!((tcp.slice()[13], tcp.slice().len()), (flags, len));
                prop_assert_eq!(tcp.sequence_number(), cookie.sequence());
                let acknowledged = if scan == TcpScan::Ack { cookie.sequence() } else { 0 };
                prop_assert_eq!(tcp.acknowledgment_number(), acknowledged);
            }
            if !v6 {
                for mut template in [
                    ProbeTemplate::timestamp(source, LinkHeader::None),
                    ProbeTemplate::address_mask(source, LinkHeader::None),
                ] {
                    let frame = template.patch(target, None, (0, 0), cookie, |_| {});
                    prop_assert_eq!(Checksum::ZERO.octets(&frame[20..]).finish(), 0);
                    prop_assert_eq!(&frame[24..28], &cookie.sequence().to_be_bytes());
                }
            }
            let mut init = ProbeTemplate::sctp_init(source, LinkHeader::None);
            let frame = init.patch(target, None, ports, cookie, |_| {}).to_vec();
            let packet = &frame[frame.len() - SCTP_LEN..];
            prop_assert_eq!(&packet[16..20], &cookie.initiate_tag().to_be_bytes());
            let mut zeroed = packet.to_vec();
            zeroed[8..12].fill(0);
            prop_assert_eq!(&packet[8..12], &crc32c(zeroed).to_le_bytes());
        }
    }
}
