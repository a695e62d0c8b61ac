//! Links, routes and neighbours against a real kernel, in a lab of namespaces.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use portolan_core::endpoint::Family;
use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::target::{AddrRange, AddrSet};
use portolan_core::{Endpoint, MacAddr, PortState};
use portolan_net::neighbor::{self, SweepOptions};
use portolan_net::{
    ConnectOptions, Filter, NextHop, PacketRx, PacketRxOptions, PacketTx, PacketTxOptions, RawIpTx,
    Reach, RouteOverrides, RouteTable, RxLink, TxLink, connect_scan,
};
use portolan_simnet::lab::{FAR_MAC, Lab, NEAR_MAC, Tun, listen_tcp};
use portolan_simnet::lab_test;

const OUR_PORT: u16 = 61_440;
const PATIENCE: Duration = Duration::from_secs(10);

/// A SYN of ours that begins with its IP header.
fn syn(source: IpAddr, target: IpAddr, port: u16) -> Vec<u8> {
    let builder = match (source, target) {
        (IpAddr::V4(a), IpAddr::V4(b)) => PacketBuilder::ipv4(a.octets(), b.octets(), 64),
        (IpAddr::V6(a), IpAddr::V6(b)) => PacketBuilder::ipv6(a.octets(), b.octets(), 64),
        _ => panic!("mixed families"),
    };
    let mut frame = Vec::new();
    builder.tcp(OUR_PORT, port, 0x1234_5678, 1_024).syn().write(&mut frame, &[]).unwrap();
    frame
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [&FAR_MAC[..], &NEAR_MAC, &ether_type, packet].concat()
}

fn send_all(tx: &mut dyn TxLink, frames: &[Vec<u8>]) {
    let mut batch = FrameBatch::new();
    for frame in frames {
        batch.push(frame).unwrap();
    }
    let mut from = 0;
    while from < batch.len() {
        from += tx.send(&batch, from).unwrap();
        if from < batch.len() {
            tx.wait_writable(PATIENCE).unwrap();
        }
    }
}

/// Source port and flags "SYN, ACK, RST" of each TCP answer, until `count` have come.
fn answers(rx: &mut dyn RxLink, count: usize) -> Vec<(u16, (bool, bool, bool))> {
    let mut seen = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let encapsulation = rx.encapsulation();
    while seen.len() < count && Instant::now() < deadline {
        rx.recv(Duration::from_millis(100), &mut |arrival| {
            let frame = arrival.frame;
            let sliced = match encapsulation {
                Encapsulation::Ethernet => SlicedPacket::from_ethernet(frame),
                Encapsulation::Ip => SlicedPacket::from_ip(frame),
            };
            let Some(TransportSlice::Tcp(tcp)) = sliced.unwrap().transport else { return };
            assert_eq!(tcp.destination_port(), OUR_PORT, "the filter lets our port through alone");
            if tcp.ack() && tcp.acknowledgment_number() == 0x1234_5679 {
                seen.push((tcp.source_port(), (tcp.syn(), tcp.ack(), tcp.rst())));
            }
        })
        .unwrap();
    }
    seen.sort_unstable();
    seen
}

const SYN_ACK: (bool, bool, bool) = (true, true, false);
const RST_ACK: (bool, bool, bool) = (false, true, true);

fn ours(encapsulation: Encapsulation) -> Filter {
    Filter::new(encapsulation).ports(OUR_PORT..=OUR_PORT)
}

fn near_index() -> u32 {
    let table = RouteTable::open(RouteOverrides::default()).unwrap();
    table.interface("near0").unwrap().index
}

fn a_hand_made_syn_is_answered(options: PacketRxOptions, tx_options: PacketTxOptions) {
    let lab = Lab::builder().build().unwrap();
    let _listeners = lab.far(|| listen_tcp([8_001])).unwrap();
    let index = near_index();
    let mut rx = PacketRx::open(index, &ours(Encapsulation::Ethernet), options).unwrap();
    let mut tx = PacketTx::open(index, Encapsulation::Ethernet, tx_options).unwrap();
    // Traffic that is none of ours: the filter must keep it out.
    let noise = lab.far(|| UdpSocket::bind("10.77.0.2:0")).unwrap();
    for (near, far) in [("10.77.0.1", "10.78.1.1"), ("fd00:77::1", "fd00:78::1")] {
        let (near, far) = (near.parse().unwrap(), far.parse().unwrap());
        noise.send_to(b"noise", "10.77.0.1:9999").unwrap();
        let frames = [8_001, 8_002].map(|port| ethernet(&syn(near, far, port)));
        send_all(&mut tx, &frames);
        assert_eq!(answers(&mut rx, 2), [(8_001, SYN_ACK), (8_002, RST_ACK)], "{far}");
    }
    assert_eq!(rx.dropped(), 0);
}

#[test]
fn a_packet_link_reaches_a_kernel_and_hears_it() {
    lab_test!(a_packet_link_reaches_a_kernel_and_hears_it, {
        a_hand_made_syn_is_answered(PacketRxOptions::default(), PacketTxOptions::default());
    });
}

#[test]
fn a_packet_link_works_without_a_ring_and_past_the_qdisc() {
    lab_test!(a_packet_link_works_without_a_ring_and_past_the_qdisc, {
        let rx = PacketRxOptions { ring_len: 0, ..PacketRxOptions::default() };
        let tx = PacketTxOptions { bypass_qdisc: true, ..PacketTxOptions::default() };
        a_hand_made_syn_is_answered(rx, tx);
    });
}

#[test]
fn every_frame_of_a_burst_arrives_once_and_in_order() {
    lab_test!(every_frame_of_a_burst_arrives_once_and_in_order, {
        let lab = Lab::builder().silent("10.78.0.0/16".parse().unwrap()).build().unwrap();
        let options = PacketTxOptions::default();
        let mut tx = PacketTx::open(near_index(), Encapsulation::Ethernet, options).unwrap();
        let capture = lab.capture().unwrap();
        let (near, far) = ("10.77.0.1".parse().unwrap(), "10.78.0.1".parse().unwrap());
        let mut sent = 0_u16;
        while sent < 20_480 {
            let burst: Vec<_> = (0..256).map(|i| ethernet(&syn(near, far, sent + i))).collect();
            send_all(&mut tx, &burst);
            sent += 256;
        }
        let captured = capture.stop().unwrap();
        assert_eq!(captured.lost, 0);
        let ports: Vec<u16> = captured
            .frames
            .iter()
            .filter(|f| f[12..14] == [8, 0] && f[23] == 6)
            .map(|f| u16::from_be_bytes([f[36], f[37]]))
            .collect();
        assert_eq!(ports, (0..20_480).collect::<Vec<_>>());
    });
}

#[test]
fn a_raw_ip_link_reaches_loopback() {
    lab_test!(a_raw_ip_link_reaches_loopback, {
        let _lab = Lab::builder().build().unwrap();
        let table = RouteTable::open(RouteOverrides::default()).unwrap();
        let lo = table.interface("lo").unwrap().index;
        for own in ["127.0.0.1", "::1", "10.77.0.1", "fd00:77::1"] {
            let own: IpAddr = own.parse().unwrap();
            let listener = TcpListener::bind((own, 0)).unwrap();
            let open = listener.local_addr().unwrap().port();
            let options = PacketRxOptions::default();
            let mut rx = PacketRx::open(lo, &ours(Encapsulation::Ip), options).unwrap();
            let mut tx = RawIpTx::open(Family::of(own), lo).unwrap();
            send_all(&mut tx, &[syn(own, own, open), syn(own, own, 1)]);
            assert_eq!(answers(&mut rx, 2), [(1, RST_ACK), (open, SYN_ACK)], "{own}");
            assert_eq!(tx.refused(), 0);
            send_all(&mut tx, &[vec![0x45, 0, 0], syn(own, own, 1)]);
            assert_eq!(tx.refused(), 1, "a broken frame is passed over");
        }
    });
}

#[test]
fn ranges_are_split_as_the_kernel_routes_them() {
    lab_test!(ranges_are_split_as_the_kernel_routes_them, {
        let _lab = Lab::builder().build().unwrap();
        let mut table = RouteTable::open(RouteOverrides::default()).unwrap();
        let range = |a: &str, b: &str| AddrRange::new(a.parse().unwrap(), b.parse().unwrap());
        let targets: AddrSet =
            [range("10.76.255.0", "10.80.0.1"), range("fd00:77::", "fd00:78::ff")]
                .into_iter()
                .flatten()
                .collect();
        let mut told = Vec::new();
        for (range, reach) in table.split(&targets).unwrap() {
            let hop = match reach {
                Reach::Via(route) => format!("{} {:?}", route.interface.name, route.next_hop),
                other => format!("{other:?}"),
            };
            told.push(format!("{range}: {hop}"));
        }
        let find = |range: &str| {
            let found = told.iter().find(|line| line.starts_with(range));
            found.unwrap_or_else(|| panic!("{range} is not among {told:#?}"))
        };
        assert_eq!(find("10.76.255.0/24:"), "10.76.255.0/24: Unreachable");
        assert_eq!(find("10.77.0.1:"), "10.77.0.1: lo Local");
        let on_link = find("10.77.0.2-10.77.255.254:");
        assert_eq!(on_link, "10.77.0.2-10.77.255.254: near0 OnLink");
        assert_eq!(find("10.77.255.255:"), "10.77.255.255: Broadcast");
        let beyond = find("10.78.0.0/15:");
        assert_eq!(beyond, "10.78.0.0/15: near0 Gateway(10.77.0.2)");
        assert_eq!(find("10.80.0.0/31:"), "10.80.0.0/31: Unreachable");
        assert_eq!(find("fd00:77::1:"), "fd00:77::1: lo Local");
        let six = find("fd00:78::/120:");
        assert_eq!(six, "fd00:78::/120: near0 Gateway(fd00:77::2)");
        let Reach::Via(route) = table.lookup("10.78.1.1".parse().unwrap()).unwrap() else {
            panic!("no route")
        };
        assert_eq!(route.source, "10.77.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(route.interface.mac, Some(MacAddr(NEAR_MAC)));
        assert_eq!(route.next_hop, NextHop::Gateway("10.77.0.2".parse().unwrap()));
        let Reach::Via(route) = table.lookup("fd00:78::1".parse().unwrap()).unwrap() else {
            panic!("no route")
        };
        assert_eq!(route.source, "fd00:77::1".parse::<IpAddr>().unwrap());
        for source in ["10.77.0.1", "10.99.0.1"] {
            let source = source.parse().unwrap();
            let overrides = RouteOverrides { source_v4: Some(source), ..Default::default() };
            let mut table = RouteTable::open(overrides).unwrap();
            let Reach::Via(route) = table.lookup("10.78.1.1".parse().unwrap()).unwrap() else {
                panic!("no route from {source}")
            };
            assert_eq!(route.source, IpAddr::V4(source), "own or not, it is used");
            assert_eq!(route.next_hop, NextHop::Gateway("10.77.0.2".parse().unwrap()));
        }
    });
}

#[test]
fn a_sweep_of_a_16_finds_all_and_asks_no_excluded_address() {
    lab_test!(a_sweep_of_a_16_finds_all_and_asks_no_excluded_address, {
        let lab = Lab::builder().build().unwrap();
        let table = RouteTable::open(RouteOverrides::default()).unwrap();
        let near = table.interface("near0").unwrap();
        let whole: AddrSet =
            [AddrRange::from("10.77.0.0/16".parse::<ipnetwork::IpNetwork>().unwrap())]
                .into_iter()
                .collect();
        let excluded: AddrSet =
            [AddrRange::from("10.77.200.0/24".parse::<ipnetwork::IpNetwork>().unwrap())]
                .into_iter()
                .collect();
        let capture = lab.capture().unwrap();
        let options = SweepOptions { rate_pps: 50_000, retries: 2, ..SweepOptions::default() };
        let targets = whole.difference(&excluded);
        let source = "10.77.0.1".parse().unwrap();
        let stop = AtomicBool::new(false);
        let started = Instant::now();
        let found = neighbor::sweep(near, source, &targets, options, &stop).unwrap();
        let took = started.elapsed();
        // 10.77.128.0/17 but for the broadcast address, and the far side's own address; not what is
        // excluded.
        assert_eq!(found.len(), 32_768 - 1 + 1 - 256);
        assert!(found.values().all(|mac| *mac == MacAddr(FAR_MAC)));
        assert!(took < Duration::from_secs(10), "{took:?}");
        let captured = capture.stop().unwrap();
        assert_eq!(captured.lost, 0);
        let mut asked: HashMap<[u8; 4], u32> = HashMap::new();
        for frame in captured.frames.iter().filter(|f| f[12..14] == [8, 6] && f[21] == 1) {
            *asked.entry([frame[38], frame[39], frame[40], frame[41]]).or_default() += 1;
        }
        assert!(asked.keys().all(|addr| targets.contains(IpAddr::from(*addr))));
        assert!(asked.values().all(|count| *count <= 3), "at most R + 1 requests");
        assert_eq!(asked.len(), 65_536 - 256);
    });
}

#[test]
fn neighbors_are_discovered_over_ipv6_and_gateways_resolved() {
    lab_test!(neighbors_are_discovered_over_ipv6_and_gateways_resolved, {
        let _lab = Lab::builder().build().unwrap();
        let table = RouteTable::open(RouteOverrides::default()).unwrap();
        let near = table.interface("near0").unwrap();
        let (first, last) = ("fd00:77::2".parse().unwrap(), "fd00:77::ff".parse().unwrap());
        let targets: AddrSet = AddrRange::new(first, last).into_iter().collect();
        let options = SweepOptions { timeout: Duration::from_millis(200), ..Default::default() };
        let source = "fd00:77::1".parse().unwrap();
        let found =
            neighbor::sweep(near, source, &targets, options, &AtomicBool::new(false)).unwrap();
        assert_eq!(found, HashMap::from([(first, MacAddr(FAR_MAC))]));
        for (source, gateway) in [("10.77.0.1", "10.77.0.2"), ("fd00:77::1", "fd00:77::2")] {
            let (source, gateway) = (source.parse().unwrap(), gateway.parse().unwrap());
            let mac = neighbor::resolve(near, source, gateway, options).unwrap();
            assert_eq!(mac, Some(MacAddr(FAR_MAC)), "{gateway}");
            // A datagram makes the kernel learn it too, and then it is not asked again.
            UdpSocket::bind((source, 0)).unwrap().send_to(b"x", (gateway, 9)).unwrap();
        }
        let nobody = "10.77.0.99".parse().unwrap();
        let mac = neighbor::resolve(near, "10.77.0.1".parse().unwrap(), nobody, options).unwrap();
        assert_eq!(mac, None);
    });
}

#[test]
fn a_connect_scan_of_every_port_finds_the_listeners() {
    lab_test!(a_connect_scan_of_every_port_finds_the_listeners, {
        let lab = Lab::builder().build().unwrap();
        let _near = listen_tcp([1_111, 22_222, 44_444]).unwrap();
        let _far = lab.far(|| listen_tcp((1..=100).map(|i| i * 600))).unwrap();
        for (addr, count) in [("127.0.0.1", 3), ("10.78.1.1", 100), ("fd00:78::1", 100)] {
            let addr: IpAddr = addr.parse().unwrap();
            let mut open = Vec::new();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let stats = runtime
                .block_on(connect_scan(
                    (1..=u16::MAX).map(|port| Endpoint::tcp(addr, port)),
                    &ConnectOptions::default(),
                    &AtomicBool::new(false),
                    &mut |o| open.extend((o.state == PortState::Open).then_some(o.endpoint.port)),
                ))
                .unwrap();
            assert_eq!(open.len(), count, "{addr}: {open:?} {stats:?}");
            assert_eq!((stats.asked, stats.silent), (65_535, 0), "{addr}: {stats:?}");
            assert!(stats.duration < Duration::from_secs(30), "{:?}", stats.duration);
        }
    });
}

#[test]
fn answers_from_the_far_side_are_well_formed() {
    lab_test!(answers_from_the_far_side_are_well_formed, {
        let lab = Lab::builder().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([8_001])).unwrap();
        let index = near_index();
        let filter = ours(Encapsulation::Ip);
        let mut rx = PacketRx::open(index, &filter, PacketRxOptions::default()).unwrap();
        let options = PacketTxOptions::default();
        let mut tx = PacketTx::open(index, Encapsulation::Ethernet, options).unwrap();
        let (near, far) = ("10.77.0.1".parse().unwrap(), "10.79.1.1".parse().unwrap());
        send_all(&mut tx, &[ethernet(&syn(near, far, 8_001))]);
        // An Ethernet link can be read from the IP header on.
        let mut source = None;
        rx.recv(PATIENCE, &mut |arrival| {
            let frame = arrival.frame;
            let sliced = SlicedPacket::from_ip(frame).unwrap();
            if let Some(NetSlice::Ipv4(ip)) = sliced.net {
                source = Some(IpAddr::from(ip.header().source()));
            }
        })
        .unwrap();
        assert_eq!(source, Some(far));
    });
}

#[test]
fn a_tunnel_is_a_link_without_hardware_addresses() {
    lab_test!(a_tunnel_is_a_link_without_hardware_addresses, {
        use std::io::ErrorKind::{NotFound, PermissionDenied};
        let mut tun = match Tun::open("tun7", "10.90.0.1/24".parse().unwrap()) {
            Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => {
                let mut stderr = std::io::stderr();
                writeln!(stderr, "NOT RUN: no tunnel can be made: /dev/net/tun: {error}").unwrap();
                return;
            }
            other => other.unwrap(),
        };
        let mut table = RouteTable::open(RouteOverrides::default()).unwrap();
        let far: IpAddr = "10.90.0.9".parse().unwrap();
        let Reach::Via(route) = table.lookup(far).unwrap() else { panic!("no route") };
        assert_eq!(route.next_hop, NextHop::Device);
        assert_eq!(route.interface.encapsulation, Encapsulation::Ip);
        assert_eq!(route.source, "10.90.0.1".parse::<IpAddr>().unwrap());
        let index = route.interface.index;
        let options = PacketTxOptions::default();
        let mut tx = PacketTx::open(index, Encapsulation::Ip, options).unwrap();
        let rx_options = PacketRxOptions::default();
        let mut rx = PacketRx::open(index, &ours(Encapsulation::Ip), rx_options).unwrap();
        let probe = syn(route.source, far, 443);
        send_all(&mut tx, std::slice::from_ref(&probe));
        // The kernel may speak first (router solicitation, multicast reports).
        let mut arrived = tun.receive().unwrap();
        while arrived.get(9) != Some(&6) || arrived[0] >> 4 != 4 {
            arrived = tun.receive().unwrap();
        }
        assert_eq!(arrived, probe);
        let IpAddr::V4(far) = far else { panic!("IPv4 it was") };
        let mut reply = Vec::new();
        PacketBuilder::ipv4(far.octets(), [10, 90, 0, 1], 60)
            .tcp(443, OUR_PORT, 9, 1_024)
            .syn()
            .ack(0x1234_5679)
            .write(&mut reply, &[])
            .unwrap();
        tun.send(&reply).unwrap();
        assert_eq!(answers(&mut rx, 1), [(443, SYN_ACK)]);
    });
}

/// Prints frames a second over a virtual cable, with and without the queueing discipline.
#[test]
#[ignore = "a measurement, for an optimised build on a quiet machine"]
fn how_fast_a_packet_link_sends() {
    lab_test!(how_fast_a_packet_link_sends, {
        let lab = Lab::builder().silent("10.78.0.0/16".parse().unwrap()).build().unwrap();
        let (near, far) = ("10.77.0.1".parse().unwrap(), "10.78.0.1".parse().unwrap());
        let mut batch = FrameBatch::new();
        while batch.push(&ethernet(&syn(near, far, 80))).is_some() {}
        for bypass_qdisc in [false, true, false, true] {
            let options = PacketTxOptions { bypass_qdisc, ..PacketTxOptions::default() };
            let mut tx = PacketTx::open(near_index(), Encapsulation::Ethernet, options).unwrap();
            let (started, mut sent) = (Instant::now(), 0_u32);
            while started.elapsed() < Duration::from_secs(1) {
                let taken = tx.send(&batch, 0).unwrap();
                sent += u32::try_from(taken).unwrap();
                if taken == 0 {
                    tx.wait_writable(PATIENCE).unwrap();
                }
            }
            let rate = f64::from(sent) / started.elapsed().as_secs_f64();
            let line = format!("bypass_qdisc {bypass_qdisc}: {rate:.0} frames a second\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        }
        drop(lab);
    });
}

#[test]
fn a_group_of_sockets_divides_what_arrives_by_its_source() {
    lab_test!(a_group_of_sockets_divides_what_arrives_by_its_source, {
        let _lab = Lab::builder().build().unwrap();
        let index = near_index();
        let (filter, options) = (ours(Encapsulation::Ethernet), PacketRxOptions::default());
        let mut group = PacketRx::open_group(index, &filter, options, 3).unwrap();
        assert_eq!(group.len(), 3);
        let tx_options = PacketTxOptions::default();
        let mut tx = PacketTx::open(index, Encapsulation::Ethernet, tx_options).unwrap();
        let far = |n: u8| [format!("10.78.1.{n}"), format!("fd00:78::{n:x}")];
        let near = |far: &IpAddr| if far.is_ipv4() { "10.77.0.1" } else { "fd00:77::1" };
        let targets: Vec<IpAddr> = (1..=20).flat_map(far).map(|a| a.parse().unwrap()).collect();
        let frames = targets.iter().flat_map(|addr| {
            let from = near(addr).parse().unwrap();
            [7, 8, 9].map(|port| ethernet(&syn(from, *addr, port)))
        });
        send_all(&mut tx, &frames.collect::<Vec<_>>());
        // Who heard whom, and how often.
        let mut heard: HashMap<IpAddr, HashMap<usize, u32>> = HashMap::new();
        let deadline = Instant::now() + PATIENCE;
        let all = |heard: &HashMap<IpAddr, HashMap<usize, u32>>| {
            heard.values().flat_map(HashMap::values).sum::<u32>() >= 120
        };
        while !all(&heard) && Instant::now() < deadline {
            for (member, rx) in group.iter_mut().enumerate() {
                rx.recv(Duration::from_millis(10), &mut |arrival| {
                    let sliced = SlicedPacket::from_ethernet(arrival.frame).unwrap();
                    let source = match sliced.net {
                        Some(NetSlice::Ipv4(ip)) => IpAddr::from(ip.header().source_addr()),
                        Some(NetSlice::Ipv6(ip)) => IpAddr::from(ip.header().source_addr()),
                        _ => return,
                    };
                    *heard.entry(source).or_default().entry(member).or_default() += 1;
                })
                .unwrap();
            }
        }
        for target in targets {
            let by = heard.get(&target).unwrap_or_else(|| panic!("{target} was not heard"));
            assert_eq!(by.values().collect::<Vec<_>>(), [&3], "{target}: {by:?}");
        }
        let members =
            heard.values().flat_map(HashMap::keys).collect::<std::collections::HashSet<_>>();
        assert_eq!(members.len(), 3, "each has its part");
    });
}
