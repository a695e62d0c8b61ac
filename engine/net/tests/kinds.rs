//! Looks and kinds of probes on real links, against a kernel's stack where it answers them, and
//! against an answerer of frames where it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, NetSlice, PacketBuilder, SlicedPacket,
    TcpHeader, TransportSlice,
};
use portolan_core::target::{Block, Scope, TargetSet, TargetSpec};
use portolan_core::wire::{ProbeStyle, TcpOptions, VlanId};
use portolan_core::{Endpoint, PortState, Reason, ScanEvent};
use portolan_net::{Cancel, Scan, ScanOptions, ScanOutcome};
use portolan_simnet::lab::{FAR_MAC, Lab};
use portolan_simnet::lab_test;

type States = BTreeMap<Endpoint, (PortState, Reason)>;

fn tcp(targets: &str, ports: &[u16]) -> TargetSet {
    let addrs = targets.parse::<TargetSpec>().unwrap().addrs().clone();
    TargetSet::single(Block { addrs, tcp: ports.iter().copied().collect(), ..Block::default() })
}

fn scan(targets: &TargetSet, options: ScanOptions) -> (States, ScanOutcome) {
    let options = ScanOptions { rate_pps: 10_000, ..options };
    let mut states = States::new();
    let scan = Scan::plan(targets, &Scope::unbounded(), options).unwrap();
    let outcome = scan
        .run(&Cancel::default(), &mut |event| {
            if let ScanEvent::Endpoint(seen) = event {
                states.insert(seen.endpoint, (seen.state, seen.reason));
            }
        })
        .unwrap();
    (states, outcome)
}

#[test]
fn probes_look_as_they_are_asked_to() {
    lab_test!(probes_look_as_they_are_asked_to, {
        let lab = Lab::builder().build().unwrap();
        let styles = [TcpOptions::None, TcpOptions::Mss, TcpOptions::Linux, TcpOptions::Windows];
        for (tcp_options, header_len) in styles.into_iter().zip([20, 24, 40, 32]) {
            let style = ProbeStyle { tcp_options, ttl: 7, vlan: None };
            let capture = lab.capture().unwrap();
            let options = ScanOptions { style, ..ScanOptions::default() };
            let (states, _) = scan(&tcp("10.78.0.1 fd00:78::1", &[9]), options);
            assert_eq!(states.len(), 2, "{tcp_options:?}: {states:?}");
            let frames = capture.stop().unwrap().frames;
            let mut seen = 0;
            for frame in &frames {
                let packet = SlicedPacket::from_ethernet(frame).unwrap();
                let Some(TransportSlice::Tcp(tcp)) = packet.transport else { continue };
                let ttl = match packet.net.unwrap() {
                    NetSlice::Ipv4(ip) => ip.header().ttl(),
                    NetSlice::Ipv6(ip) => ip.header().hop_limit(),
                    NetSlice::Arp(_) => 0,
                };
                assert_eq!((ttl, tcp.slice().len()), (7, header_len), "{tcp_options:?}");
                seen += 1;
            }
            assert_eq!(seen, 2);
        }
    });
}

/// What a host in virtual network 77 answers: it has every address, and port 80 open.
fn tagged_host(frame: &[u8]) -> Option<Vec<u8>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let vlan = *packet.vlan_ids().first().filter(|id| id.value() == 77)?;
    let mut out = Vec::new();
    match (packet.net?, packet.transport) {
        (NetSlice::Arp(arp), _) => {
            let (sender, asked) = (arp.sender_hw_addr(), arp.target_protocol_addr());
            let reply = ArpPacket::new(
                ArpHardwareId::ETHERNET,
                EtherType::IPV4,
                ArpOperation::REPLY,
                &FAR_MAC,
                asked,
                sender,
                arp.sender_protocol_addr(),
            )
            .ok()?;
            let to = sender.try_into().ok()?;
            let step = PacketBuilder::ethernet2(FAR_MAC, to).single_vlan(vlan);
            step.arp(reply).write(&mut out).ok()?;
        }
        (NetSlice::Ipv4(ip), Some(TransportSlice::Tcp(syn))) => {
            let mut tcp = TcpHeader::new(syn.destination_port(), syn.source_port(), 1, 1_000);
            tcp.acknowledgment_number = syn.sequence_number().wrapping_add(1);
            (tcp.ack, tcp.syn, tcp.rst) = (true, tcp.source_port == 80, tcp.source_port != 80);
            let to = frame.get(6..12)?.try_into().ok()?;
            PacketBuilder::ethernet2(FAR_MAC, to)
                .single_vlan(vlan)
                .ipv4(ip.header().destination(), ip.header().source(), 64)
                .tcp_header(tcp)
                .write(&mut out, &[])
                .ok()?;
        }
        _ => return None,
    }
    Some(out)
}

#[test]
fn a_tagged_scan_meets_the_hosts_of_its_network_alone() {
    lab_test!(a_tagged_scan_meets_the_hosts_of_its_network_alone, {
        let lab = Lab::builder().build().unwrap();
        let _host = lab.respond(tagged_host).unwrap();
        let on_link = "10.77.9.9".parse().unwrap();
        let beyond = "10.78.0.1".parse().unwrap();
        let options = |vlan| {
            let style = ProbeStyle { vlan: VlanId::new(vlan), ..ProbeStyle::default() };
            ScanOptions { style, retries: 0, ..ScanOptions::default() }
        };
        let targets = tcp("10.77.9.9 10.78.0.1", &[80, 81]);
        let (states, _) = scan(&targets, options(77));
        let open = (PortState::Open, Reason::SynAck);
        let closed = (PortState::Closed, Reason::Reset);
        let expected = [on_link, beyond]
            .into_iter()
            .flat_map(|addr| [(Endpoint::tcp(addr, 80), open), (Endpoint::tcp(addr, 81), closed)]);
        assert_eq!(states, expected.collect());
        // Nobody is in network 78: neither the neighbour nor the gateway.
        assert_eq!(scan(&targets, options(78)).0, States::new());
        // Without a tag it is the far side's kernel that answers.
        let (states, _) = scan(&tcp("10.78.0.1", &[80]), options(0));
        assert_eq!(states, [(Endpoint::tcp(beyond, 80), closed)].into());
    });
}
