//! Looks and kinds of probes on real links, against a kernel's stack where it answers them, and
//! against an answerer of frames where it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, NetSlice, PacketBuilder, SlicedPacket,
    TcpHeader, TransportSlice,
};
use portolan_core::link::Encapsulation;
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::target::{AddrSet, Block, PortSet, Scope, TargetSet, TargetSpec};
use portolan_core::wire::{ProbeStyle, TcpOptions, VlanId};
use portolan_core::{Endpoint, PortState, Reason, ScanEvent, Transport};
use portolan_net::{Cancel, Discovery, Scan, ScanKinds, ScanOptions, ScanOutcome, Trace};
use portolan_simnet::lab::{FAR_MAC, FAR_V4, Lab, listen_tcp};
use portolan_simnet::lab_test;
use portolan_simnet::network::probe::{self, Question};
use portolan_simnet::network::reply;
use portolan_simnet::network::world::{Answer, Behaviour};

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

fn states_of(found: &States, addr: &str) -> Vec<(u16, PortState, Reason)> {
    let addr: std::net::IpAddr = addr.parse().unwrap();
    let of = found.iter().filter(|(endpoint, _)| endpoint.addr == addr);
    of.map(|(endpoint, (state, reason))| (endpoint.port, *state, *reason)).collect()
}

#[test]
fn a_kernel_answers_other_segments_as_the_rfc_says() {
    lab_test!(a_kernel_answers_other_segments_as_the_rfc_says, {
        let lab = Lab::builder()
            .silent("10.78.0.2/32".parse().unwrap())
            .rejected("10.79.9.1/32".parse().unwrap())
            .build()
            .unwrap();
        let _listener = lab.far(|| listen_tcp([80])).unwrap();
        let targets = tcp("10.78.0.1-10.78.0.2 10.79.9.1 fd00:78::1 127.0.0.1", &[80, 81]);
        let refused = (PortState::Filtered, Reason::AdminProhibited);
        for segment in [TcpScan::Ack, TcpScan::Fin, TcpScan::Null, TcpScan::Xmas] {
            let kinds = ScanKinds { segment: Some(segment), ..ScanKinds::default() };
            let options = ScanOptions { kinds, retries: 1, ..ScanOptions::default() };
            let (states, outcome) = scan(&targets, options);
            let reset = |port| (port, segment.reset_state(), Reason::Reset);
            // A port that listens answers an ACK alone.
            let mut expected = vec![reset(80), reset(81)];
            if segment != TcpScan::Ack {
                expected.remove(0);
            }
            for addr in ["10.78.0.1", "fd00:78::1"] {
                assert_eq!(states_of(&states, addr), expected, "{segment:?} to {addr}");
            }
            let counts = (outcome.stats.unfiltered, outcome.stats.closed);
            let three = if segment == TcpScan::Ack { (6, 0) } else { (0, 4) };
            assert_eq!(counts, three, "{segment:?}: two hosts beyond the cable, and this one");
            assert_eq!(states_of(&states, "10.78.0.2"), [], "{segment:?}");
            let rejected = states_of(&states, "10.79.9.1");
            assert!(rejected.iter().all(|(_, s, r)| (*s, *r) == refused), "{rejected:?}");
        }
    });
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

/// What was written.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The kinds of the blocks of a capture file, each of which says how long it is.
fn blocks(mut file: &[u8]) -> BTreeMap<u32, usize> {
    let mut kinds = BTreeMap::new();
    while let Some((head, _)) = file.split_first_chunk::<8>() {
        let [kind, len] =
            [&head[..4], &head[4..]].map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        *kinds.entry(kind).or_default() += 1;
        file = file.split_at(usize::try_from(len).unwrap()).1;
    }
    kinds
}

#[test]
fn a_capture_holds_every_probe_and_every_reply() {
    lab_test!(a_capture_holds_every_probe_and_every_reply, {
        let _lab = Lab::builder().silent("10.78.0.2/32".parse().unwrap()).build().unwrap();
        let (file, lines) = (Sheet::default(), Sheet::default());
        let trace =
            Trace::start(Some(Box::new(file.clone())), Some(Box::new(lines.clone()))).unwrap();
        let targets = tcp("10.78.0.1-10.78.0.2 fd00:78::1 127.0.0.1", &[21, 22, 23]);
        let options = ScanOptions { trace: Some(trace.clone()), retries: 1, ..Default::default() };
        let (states, outcome) = scan(&targets, options);
        let counts = trace.finish().unwrap();
        assert_eq!((states.len(), counts.missed), (9, 0));
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let with = |word: &str| lines.lines().filter(|line| line.contains(word)).count() as u64;
        assert_eq!((with(" sent TCP "), outcome.stats.probes_sent), (15, 15), "{lines}");
        assert_eq!((with(": accepted"), outcome.stats.replies), (9, 9), "{lines}");
        assert_eq!(with("> 10.78.0.2:22 S ttl=64"), 2, "{lines}");
        let file = file.0.lock().unwrap().clone();
        // One header, two links, and the packets.
        assert_eq!(blocks(&file), [(0x0A0D_0D0A, 1), (1, 2), (6, 15 + 9)].into());
    });
}

#[test]
fn a_long_list_of_scattered_hosts_is_scanned_and_nobody_between_them() {
    lab_test!(a_long_list_of_scattered_hosts_is_scanned_and_nobody_between_them, {
        let lab = Lab::builder().build().unwrap();
        let capture = lab.capture().unwrap();
        // Every other address: more ranges than a scan may have route segments.
        let beyond = (0..65_530_u32).map(|i| std::net::Ipv4Addr::from_bits(0x0a4e_0001 + 2 * i));
        let on_link = (1..=9).map(|i| std::net::Ipv4Addr::new(10, 77, 200, 2 * i));
        let listed: AddrSet = beyond.chain(on_link).map(std::net::IpAddr::from).collect();
        assert_eq!(listed.ranges().len(), 65_539);
        let (addrs, tcp) = (listed.clone(), [9_u16].into_iter().collect());
        let targets = TargetSet::single(Block { addrs, tcp, ..Block::default() });
        let options = ScanOptions { rate_pps: 100_000, ..ScanOptions::default() };
        let scan = Scan::plan(&targets, &Scope::unbounded(), options).unwrap();
        let outcome = scan.run(&Cancel::default(), &mut |_| {}).unwrap();
        assert_eq!((outcome.stats.closed, outcome.stats.planned), (65_539, 65_539));
        for frame in capture.stop().unwrap().frames {
            let to: std::net::IpAddr = match SlicedPacket::from_ethernet(&frame).unwrap().net {
                Some(NetSlice::Ipv4(ip)) => ip.header().destination_addr().into(),
                Some(NetSlice::Arp(arp)) => {
                    let asked: [u8; 4] = arp.target_protocol_addr().try_into().unwrap();
                    asked.into()
                }
                _ => continue,
            };
            // The gateway is asked for its hardware address.
            assert!(listed.contains(to) || to == std::net::IpAddr::V4(FAR_V4), "{to}");
        }
    });
}

/// What a host says that speaks SCTP on even ports, and answers every query of ICMP.
fn sctp_host(frame: &[u8]) -> Option<Vec<u8>> {
    let link = Encapsulation::Ethernet;
    let asked = probe::read(frame, link)?;
    let others = ["10.78.0.1", "fd00:78::1"].map(|addr| addr.parse() != Ok(asked.target));
    if others == [true; 2] {
        return None;
    }
    let answer = match asked.question() {
        Question::Sctp(port) if port % 2 == 1 => Answer::Reset { plain: false },
        Question::Sctp(_) | Question::Timestamp | Question::AddressMask => Answer::Open,
        _ => return None,
    };
    let behaviour = Behaviour { answer, delay: Duration::ZERO, twice: false, ttl: 60 };
    reply::write(&asked, &behaviour, link)
}

#[test]
fn sctp_is_open_or_closed_or_silent() {
    lab_test!(sctp_is_open_or_closed_or_silent, {
        // No kernel answers for these, so an answerer of frames can.
        let lab = Lab::builder()
            .silent("10.78.0.0/24".parse().unwrap())
            .silent("fd00:78::/120".parse().unwrap())
            .build()
            .unwrap();
        let host = lab.respond(sctp_host).unwrap();
        let sctp = [36_412_u16, 36_413].into_iter().collect();
        let addrs = "10.78.0.1 fd00:78::1".parse::<TargetSpec>().unwrap().addrs().clone();
        let targets = TargetSet::single(Block { addrs, sctp, ..Block::default() });
        let kinds = ScanKinds { sctp: true, ..ScanKinds::default() };
        let options = ScanOptions { kinds, retries: 1, ..ScanOptions::default() };
        let (states, outcome) = scan(&targets, options.clone());
        let expected = [
            (36_412, PortState::Open, Reason::InitAck),
            (36_413, PortState::Closed, Reason::Abort),
        ];
        for addr in ["10.78.0.1", "fd00:78::1"] {
            assert_eq!(states_of(&states, addr), expected);
        }
        assert!(states.keys().all(|endpoint| endpoint.transport == Transport::Sctp));
        assert_eq!((outcome.stats.open, outcome.stats.closed, outcome.stats.silent), (2, 2, 0));
        drop(host);
        let (states, outcome) = scan(&targets, options);
        assert_eq!((states.len(), outcome.stats.silent), (0, 4));
    });
}

#[test]
fn hosts_are_found_by_the_time_and_the_mask_they_tell() {
    lab_test!(hosts_are_found_by_the_time_and_the_mask_they_tell, {
        let silent = "10.78.0.0/24".parse().unwrap();
        let lab = Lab::builder().silent(silent).build().unwrap();
        let _host = lab.respond(sctp_host).unwrap();
        let find = |targets: &str, pings: Pings| {
            let discovery = Discovery { echo: false, pings, syn_ports: PortSet::new() };
            let kinds = ScanKinds { discover: true, ..ScanKinds::default() };
            let options = ScanOptions { kinds, discovery, ..ScanOptions::default() };
            let scan = Scan::plan(&tcp(targets, &[]), &Scope::unbounded(), options).unwrap();
            let mut found = BTreeMap::new();
            let outcome = scan.run(&Cancel::default(), &mut |event| {
                if let ScanEvent::Host(host) = event {
                    found.insert(host.addr.to_string(), host.reason);
                }
            });
            assert!(outcome.unwrap().complete);
            found
        };
        let timestamp = Pings { timestamp: true, ..Pings::default() };
        let mask = Pings { address_mask: true, ..Pings::default() };
        // Linux tells its time and not its mask; IPv6 has neither question.
        let kernel = "10.78.1.1".to_owned();
        let time = [(kernel, Reason::TimestampReply)].into();
        assert_eq!(find("10.78.1.1 fd00:78::1", timestamp), time);
        assert_eq!(find("10.78.1.1 fd00:78::1", mask), BTreeMap::new());
        let other = "10.78.0.1".to_owned();
        assert_eq!(find("10.78.0.1", mask), [(other, Reason::AddressMaskReply)].into());
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
