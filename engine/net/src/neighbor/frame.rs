//! Questions for hardware addresses, and their answers: ARP (RFC 826) and IPv6 neighbour discovery
//! (RFC 4861), as frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet::packet::icmpv6::{self, Icmpv6Packet};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::util::MacAddr as PnetMac;
use portolan_core::MacAddr;
use portolan_core::wire::VlanId;

const ETHERNET_LEN: usize = 14;
/// Octets of an ARP frame.
pub const ARP_LEN: usize = ETHERNET_LEN + 28;
/// Octets of a neighbour solicitation with our hardware address in it.
pub const SOLICITATION_LEN: usize = ETHERNET_LEN + 40 + 32;

const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const OPTION_SOURCE_MAC: u8 = 1;
const OPTION_TARGET_MAC: u8 = 2;

/// The ARP request "who has `target`, tell `source`", broadcast.
pub fn arp_request(mac: MacAddr, source: Ipv4Addr, target: Ipv4Addr) -> [u8; ARP_LEN] {
    let mut frame = [0; ARP_LEN];
    let (ethernet, arp) = frame.split_at_mut(ETHERNET_LEN);
    if let Some(mut header) = MutableEthernetPacket::new(ethernet) {
        header.set_destination(PnetMac::broadcast());
        header.set_source(pnet_mac(mac));
        header.set_ethertype(EtherTypes::Arp);
    }
    if let Some(mut packet) = MutableArpPacket::new(arp) {
        packet.set_hardware_type(ArpHardwareTypes::Ethernet);
        packet.set_protocol_type(EtherTypes::Ipv4);
        packet.set_hw_addr_len(6);
        packet.set_proto_addr_len(4);
        packet.set_operation(ArpOperations::Request);
        packet.set_sender_hw_addr(pnet_mac(mac));
        packet.set_sender_proto_addr(source);
        packet.set_target_hw_addr(PnetMac::zero());
        packet.set_target_proto_addr(target);
    }
    frame
}

/// The neighbour solicitation for `target`, to its solicited-node multicast address.
pub fn neighbor_solicitation(
    mac: MacAddr,
    source: Ipv6Addr,
    target: Ipv6Addr,
) -> [u8; SOLICITATION_LEN] {
    let mut frame = [0; SOLICITATION_LEN];
    let [.., x, y, z] = target.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
    let (ethernet, rest) = frame.split_at_mut(ETHERNET_LEN);
    if let Some(mut header) = MutableEthernetPacket::new(ethernet) {
        header.set_destination(PnetMac::new(0x33, 0x33, 0xff, x, y, z));
        header.set_source(pnet_mac(mac));
        header.set_ethertype(EtherTypes::Ipv6);
    }
    let (ipv6, message) = rest.split_at_mut(40);
    if let Some(mut header) = MutableIpv6Packet::new(ipv6) {
        header.set_version(6);
        header.set_payload_length(32);
        header.set_next_header(IpNextHeaderProtocols::Icmpv6);
        header.set_hop_limit(255);
        header.set_source(source);
        header.set_destination(group);
    }
    if let Some((head, tail)) = message.split_first_chunk_mut::<8>() {
        *head = [NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
        if let Some((address, option)) = tail.split_first_chunk_mut::<16>() {
            *address = target.octets();
            let (head, octets) = option.split_at_mut(2);
            head.copy_from_slice(&[OPTION_SOURCE_MAC, 1]);
            octets.copy_from_slice(&mac.0);
        }
    }
    let checksum =
        Icmpv6Packet::new(message).map_or(0, |packet| icmpv6::checksum(&packet, &source, &group));
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    frame
}

/// `frame` with the tag of `vlan` behind its hardware addresses.
pub fn tagged(frame: &[u8], vlan: VlanId) -> Vec<u8> {
    let (addresses, rest) = frame.split_at_checked(12).unwrap_or((frame, &[]));
    [addresses, &vlan.tag(), rest].concat()
}

/// Who says in `frame` that it has which hardware address.
///
/// `None` for anything but a well-formed ARP reply or neighbour advertisement, and for hardware
/// addresses that are no single station's.
pub fn answer(frame: &[u8]) -> Option<(IpAddr, MacAddr)> {
    let (addr, mac) = match frame.get(12..ETHERNET_LEN)? {
        [0x08, 0x06] => arp_answer(frame)?,
        [0x86, 0xdd] => advertisement(frame)?,
        _ => return None,
    };
    let [first, ..] = mac.0;
    let is_station = first & 1 == 0 && mac != MacAddr::default();
    is_station.then_some((addr, mac))
}

fn arp_answer(frame: &[u8]) -> Option<(IpAddr, MacAddr)> {
    // Ethernet, IPv4, lengths 6 and 4, operation 2: reply.
    const REPLY: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];
    let arp = frame.get(ETHERNET_LEN..ARP_LEN)?.strip_prefix(&REPLY)?;
    let (mac, rest) = arp.split_first_chunk::<6>()?;
    let addr = rest.first_chunk::<4>()?;
    Some((IpAddr::from(*addr), MacAddr(*mac)))
}

fn advertisement(frame: &[u8]) -> Option<(IpAddr, MacAddr)> {
    let ipv6 = frame.get(ETHERNET_LEN..)?;
    let [_, _, _, _, high, low, next_header, hop_limit] = *ipv6.first_chunk::<8>()?;
    // A hop limit of 255 can't come from beyond the link: RFC 4861 §7.1.2.
    if next_header != 58 || hop_limit != 255 {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    let message = ipv6.get(40..)?.get(..len)?;
    let [kind, code, ..] = *message.first_chunk::<8>()?;
    if kind != NEIGHBOR_ADVERTISEMENT || code != 0 {
        return None;
    }
    let target = message.get(8..)?.first_chunk::<16>()?;
    let sender = frame.get(6..)?.first_chunk::<6>()?;
    let mac = option_mac(message.get(24..)?).unwrap_or(MacAddr(*sender));
    Some((IpAddr::from(*target), mac))
}

/// The target link-layer address among the options.
fn option_mac(mut options: &[u8]) -> Option<MacAddr> {
    while let Some((&[kind, units], body)) = options.split_first_chunk::<2>() {
        if kind == OPTION_TARGET_MAC && units == 1 {
            return body.first_chunk::<6>().copied().map(MacAddr);
        }
        // A length of zero would go round for ever: RFC 4861 §4.6 has such packets discarded.
        options = options.get(usize::from(units.max(1)) * 8..)?;
    }
    None
}

fn pnet_mac(mac: MacAddr) -> PnetMac {
    PnetMac::from(mac.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::SlicedPacket;

    const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn arp_reply() -> Vec<u8> {
        let mut frame = arp_request(OURS, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        frame[21] = 2;
        frame[22..28].copy_from_slice(&THEIRS);
        frame[28..32].copy_from_slice(&[10, 0, 0, 2]);
        frame.to_vec()
    }

    fn advertisement_frame() -> Vec<u8> {
        let (source, target) = ("fd00::2".parse().unwrap(), "fd00::2".parse().unwrap());
        let mut frame = neighbor_solicitation(MacAddr(THEIRS), source, target);
        frame[54] = NEIGHBOR_ADVERTISEMENT;
        frame[78] = OPTION_TARGET_MAC;
        frame.to_vec()
    }

    #[test]
    fn an_independent_parser_reads_the_requests() {
        let arp = arp_request(OURS, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9));
        let sliced = SlicedPacket::from_ethernet(&arp).unwrap();
        let Some(etherparse::NetSlice::Arp(arp)) = sliced.net else { panic!("not ARP") };
        assert_eq!(arp.operation(), etherparse::ArpOperation::REQUEST);
        assert_eq!(arp.sender_hw_addr(), OURS.0);
        assert_eq!(arp.target_protocol_addr(), [10, 0, 0, 9]);

        let (source, target) = ("fd00::1".parse().unwrap(), "fd00::1:2:3".parse().unwrap());
        let frame = neighbor_solicitation(OURS, source, target);
        let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::NetSlice::Ipv6(ip)) = &sliced.net else { panic!("not IPv6") };
        assert_eq!(ip.header().destination_addr().to_string(), "ff02::1:ff02:3");
        let Some(etherparse::TransportSlice::Icmpv6(icmp)) = sliced.transport else {
            panic!("not ICMPv6")
        };
        assert!(icmp.is_checksum_valid(source.octets(), ip.header().destination()));
    }

    #[test]
    fn a_tag_stands_behind_the_hardware_addresses() {
        let arp = arp_request(OURS, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9));
        let frame = tagged(&arp, VlanId::new(77).unwrap());
        let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
        assert_eq!(sliced.vlan_ids().iter().map(|id| id.value()).collect::<Vec<_>>(), [77]);
        assert!(matches!(sliced.net, Some(etherparse::NetSlice::Arp(_))));
    }

    #[test]
    fn answers_are_read() {
        let four = answer(&arp_reply()).unwrap();
        assert_eq!(four, ("10.0.0.2".parse().unwrap(), MacAddr(THEIRS)));
        let six = answer(&advertisement_frame()).unwrap();
        assert_eq!(six, ("fd00::2".parse().unwrap(), MacAddr(THEIRS)));
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let request = arp_request(OURS, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        assert_eq!(answer(&request), None);
        let mut routed = advertisement_frame();
        routed[21] = 64;
        assert_eq!(answer(&routed), None, "hop limit below 255");
        let mut group = arp_reply();
        group[22] = 1;
        assert_eq!(answer(&group), None, "multicast hardware address");
        for whole in [arp_reply(), advertisement_frame()] {
            for len in 0..whole.len() {
                assert_eq!(answer(&whole[..len]), None, "cut at {len}");
            }
        }
    }
}
