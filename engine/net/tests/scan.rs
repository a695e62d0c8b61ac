//! Whole scans over real links against a real kernel's stack, in a lab of namespaces.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use portolan_core::seed::Seed;
use portolan_core::target::{AddrSet, Block, PortSet, Scope, TargetSet, TargetSpec};
use portolan_core::{Endpoint, HostObservation, Observation, PortState, Reason, ScanEvent};
use portolan_net::{Cancel, Method, Scan, ScanKinds, ScanOptions, ScanOutcome};
use portolan_simnet::lab::{FAR_MAC, Lab, RelayOptions, UdpEcho, listen_tcp};
use portolan_simnet::lab_test;

fn addrs(text: &str) -> AddrSet {
    text.parse::<TargetSpec>().unwrap().addrs().clone()
}

fn tcp(targets: &str, ports: PortSet) -> TargetSet {
    TargetSet::single(Block { addrs: addrs(targets), tcp: ports, ..Block::default() })
}

fn udp(targets: &str, ports: PortSet) -> TargetSet {
    TargetSet::single(Block { addrs: addrs(targets), udp: ports, ..Block::default() })
}

fn options(rate_pps: u32, retries: u8) -> ScanOptions {
    ScanOptions { rate_pps, retries, ..ScanOptions::default() }
}

#[derive(Default)]
struct Found {
    endpoints: BTreeMap<Endpoint, Observation>,
    hosts: BTreeMap<IpAddr, HostObservation>,
    warnings: Vec<String>,
}

impl Found {
    fn with(&self, state: PortState) -> BTreeSet<Endpoint> {
        self.endpoints.values().filter(|o| o.state == state).map(|o| o.endpoint).collect()
    }
}

fn run(scan: Scan) -> (Found, ScanOutcome) {
    let mut found = Found::default();
    let outcome = scan.run(&Cancel::default(), &mut |event| found.take(event)).unwrap();
    (found, outcome)
}

impl Found {
    fn take(&mut self, event: ScanEvent) {
        match event {
            ScanEvent::Endpoint(o) => {
                let twice = self.endpoints.insert(o.endpoint, o);
                assert_eq!(twice, None, "each endpoint is told once");
            }
            ScanEvent::Host(h) => {
                assert_eq!(self.hosts.insert(h.addr, h), None, "each host is told once");
            }
            ScanEvent::Warning(text) => self.warnings.push(text),
            ScanEvent::Progress(_) | ScanEvent::Settle | ScanEvent::Note(_) => {}
        }
    }
}

fn scan(targets: &TargetSet, options: ScanOptions) -> (Found, ScanOutcome) {
    run(Scan::plan(targets, &Scope::unbounded(), options).unwrap())
}

/// A hundred distinct ports, fixed by `seed`.
fn hundred_ports(mut seed: Seed) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    while ports.len() < 100 {
        ports.insert(u16::try_from(seed.next() % 65_535).unwrap() + 1);
    }
    ports
}

fn at(addr: &str, ports: &BTreeSet<u16>) -> BTreeSet<Endpoint> {
    let addr = addr.parse().unwrap();
    ports.iter().map(|port| Endpoint::tcp(addr, *port)).collect()
}

#[test]
fn every_port_of_a_host_is_told_rightly() {
    lab_test!(every_port_of_a_host_is_told_rightly, {
        let lab = Lab::builder().build().unwrap();
        let open = hundred_ports(Seed(2));
        let _listeners = lab.far(|| listen_tcp(open.iter().copied())).unwrap();
        for target in ["10.78.1.1", "fd00:78::1:1"] {
            let (found, outcome) = scan(&tcp(target, PortSet::all()), options(100_000, 2));
            assert_eq!(found.with(PortState::Open), at(target, &open), "{target}");
            let stats = &outcome.stats;
            assert_eq!((stats.open, stats.closed, stats.silent), (100, 65_435, 0), "{target}");
            assert!(outcome.complete && outcome.asked.len() == Ok(65_535));
            let timed = found.endpoints.values().filter(|o| o.rtt.is_some()).count();
            assert!(timed > 60_000, "{timed} answers have a round trip");
        }
    });
}

#[test]
fn loss_each_way_is_made_up_by_retries() {
    lab_test!(loss_each_way_is_made_up_by_retries, {
        let lab = Lab::builder().relay(RelayOptions::lossy(0.02, 7)).build().unwrap();
        let open = hundred_ports(Seed(3));
        let _listeners = lab.far(|| listen_tcp(open.iter().copied())).unwrap();
        let (found, outcome) = scan(&tcp("10.78.1.1", PortSet::all()), options(20_000, 3));
        assert_eq!(found.with(PortState::Open), at("10.78.1.1", &open));
        // What this host dropped for want of time is lost too.
        let dropped = u32::try_from(outcome.stats.kernel_drops).unwrap();
        let loss = outcome.stats.loss_estimate.unwrap() - f64::from(dropped) / 65_535.0;
        assert!((0.03..0.05).contains(&loss), "2 % each way are {loss} of the exchanges");
        assert!(outcome.stats.coverage > 0.999_9);
    });
}

/// What the far side saw: probes by destination and port, and addresses asked by ARP.
fn seen_on_the_wire(frames: &[Vec<u8>]) -> (BTreeMap<Endpoint, u32>, BTreeMap<IpAddr, u32>) {
    let mut probes = BTreeMap::new();
    let mut asked = BTreeMap::new();
    for frame in frames {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let to: IpAddr = match packet.net {
            Some(NetSlice::Arp(arp)) => {
                let target = <[u8; 4]>::try_from(arp.target_protocol_addr()).unwrap();
                *asked.entry(IpAddr::from(target)).or_default() += 1;
                continue;
            }
            Some(NetSlice::Ipv4(ip)) => ip.header().destination_addr().into(),
            Some(NetSlice::Ipv6(ip)) => ip.header().destination_addr().into(),
            None => continue,
        };
        if let Some(TransportSlice::Tcp(tcp)) = packet.transport
            && tcp.syn()
        {
            *probes.entry(Endpoint::tcp(to, tcp.destination_port())).or_default() += 1;
        }
    }
    (probes, asked)
}

#[test]
fn nothing_excluded_is_on_the_wire_and_nothing_more_often_than_allowed() {
    lab_test!(nothing_excluded_is_on_the_wire_and_nothing_more_often_than_allowed, {
        let silent = "10.78.0.0/27".parse().unwrap();
        let lab = Lab::builder().silent(silent).build().unwrap();
        let capture = lab.capture().unwrap();
        // Beyond the gateway, and on the link where neighbours are asked for by ARP; half of the
        // latter are not there.
        let targets =
            tcp("10.78.0.0/24 10.77.127.0-10.77.128.255", [1, 2, 3].into_iter().collect());
        let excluded = addrs("10.78.0.8-10.78.0.15 10.78.0.100 10.77.127.77 10.77.128.3");
        let scope = Scope::unbounded().without(&excluded);
        let scan = Scan::plan(&targets, &scope, options(20_000, 2)).unwrap();
        let (found, outcome) = run(scan);
        let captured = capture.stop().unwrap();
        assert_eq!(captured.lost, 0);
        let (probes, asked) = seen_on_the_wire(&captured.frames);
        for addr in probes.keys().map(|e| &e.addr).chain(asked.keys()) {
            assert!(!excluded.contains(*addr), "{addr} is excluded and was seen");
        }
        assert_eq!(probes.values().max(), Some(&3), "R + 1 probes to what is silent");
        assert_eq!(asked.values().max(), Some(&3), "R + 1 requests to who is not there");
        // Each endpoint of the living, and of the silent beyond the gateway, was asked.
        assert_eq!(probes.len(), (256 - 9) * 3 + 255 * 3);
        assert_eq!(found.with(PortState::Closed).len(), (256 - 32 - 1) * 3 + 255 * 3);
        assert_eq!(outcome.stats.silent, (24 + 255) * 3);
        let neighbor = &found.hosts[&"10.77.128.1".parse::<IpAddr>().unwrap()];
        assert_eq!(neighbor.mac.unwrap().0, FAR_MAC);
    });
}

#[test]
fn udp_is_open_closed_filtered_or_silent() {
    lab_test!(udp_is_open_closed_filtered_or_silent, {
        let rejected = "10.79.9.1/32".parse().unwrap();
        let lab = Lab::builder().rejected(rejected).build().unwrap();
        let echo = |addr: &str| {
            let addr = addr.parse().unwrap();
            lab.far(|| UdpEcho::start(addr)).unwrap()
        };
        // 53 speaks DNS, whose echo carries our cookie; 9999 is sent an empty datagram.
        let _services = [echo("10.78.0.1:53"), echo("10.78.0.1:9999"), echo("[fd00:77::2]:53")];
        let ports: PortSet = [53, 54, 9_999].into_iter().collect();
        let kinds = ScanKinds { udp: true, ..ScanKinds::default() };
        let options = ScanOptions { kinds, keep_replies: true, ..options(1_000, 1) };
        // The far side's kernel says "prohibited" to some five of the probes and then once a second,
        // and to none after it has said "port unreachable": it counts both against one account.
        let (refused, outcome) = scan(&udp("10.79.9.1", ports.clone()), options.clone());
        assert!(!refused.endpoints.is_empty(), "{:?}", outcome.stats);
        for seen in refused.endpoints.values() {
            assert_eq!((seen.state, seen.reason), (PortState::Filtered, Reason::AdminProhibited));
        }
        let (found, _) = scan(&udp("10.78.0.1 fd00:77::2", ports), options);
        let state = |addr: &str, port| {
            let endpoint = Endpoint::udp(addr.parse().unwrap(), port);
            found.endpoints.get(&endpoint).map(|o| (o.state, o.reason))
        };
        let open = Some((PortState::Open, Reason::UdpResponse));
        assert_eq!(state("10.78.0.1", 53), open);
        assert_eq!(state("10.78.0.1", 9_999), open);
        assert_eq!(state("fd00:77::2", 53), open);
        assert_eq!(state("10.78.0.1", 54), Some((PortState::Closed, Reason::PortUnreach)));
        assert_eq!(state("fd00:77::2", 54), Some((PortState::Closed, Reason::PortUnreach)));
        let reply = |addr: &str, port| {
            let endpoint = Endpoint::udp(addr.parse().unwrap(), port);
            found.endpoints.get(&endpoint)?.reply.as_deref().map(<[u8]>::len)
        };
        // An echo is as long as the probe.
        let len = portolan_probes::udp_probe(53).template().len();
        assert_eq!(reply("10.78.0.1", 53), Some(len));
        assert_eq!(reply("fd00:77::2", 53), Some(len));
        assert_eq!(reply("10.78.0.1", 9_999), Some(0));
        assert_eq!(reply("10.78.0.1", 54), None);
    });
}

#[test]
fn discovery_asks_neighbours_by_arp_and_others_by_echo() {
    lab_test!(discovery_asks_neighbours_by_arp_and_others_by_echo, {
        let silent = "10.78.0.2/32".parse().unwrap();
        let _lab = Lab::builder().silent(silent).build().unwrap();
        let targets = tcp("10.77.0.0/29 10.78.0.1-10.78.0.2 fd00:77::2 fd00:78::9", PortSet::new());
        let kinds = ScanKinds { discover: true, ..ScanKinds::default() };
        let (found, outcome) = scan(&targets, ScanOptions { kinds, ..options(1_000, 1) });
        let reason = |addr: &str| found.hosts.get(&addr.parse().unwrap()).map(|h| h.reason);
        assert_eq!(reason("10.77.0.2"), Some(Reason::ArpResponse));
        assert_eq!(reason("fd00:77::2"), Some(Reason::NdResponse));
        assert!(reason("10.78.0.1").is_some() && reason("fd00:78::9").is_some());
        assert!(reason("10.77.0.1").is_some(), "this host itself");
        assert_eq!(reason("10.78.0.2"), None);
        assert_eq!(found.hosts.len(), 5, "{:?}", found.hosts);
        assert!(found.endpoints.is_empty());
        assert_eq!(outcome.stats.hosts_up, 5);
    });
}

#[test]
fn one_scan_leaves_by_several_links() {
    lab_test!(one_scan_leaves_by_several_links, {
        let lab = Lab::builder().build().unwrap();
        let open: BTreeSet<u16> = [2_000, 3_000].into();
        let _far = lab.far(|| listen_tcp(open.iter().copied())).unwrap();
        let _near = listen_tcp(open.iter().copied()).unwrap();
        let targets = ["127.0.0.1", "::1", "10.77.0.1", "10.78.5.5", "fd00:78::5"];
        let ports = [(1_990, 2_010), (3_000, 3_000)].into_iter().collect();
        let (found, outcome) = scan(&tcp(&targets.join(" "), ports), options(10_000, 2));
        let expected: BTreeSet<Endpoint> = targets.iter().flat_map(|t| at(t, &open)).collect();
        assert_eq!(found.with(PortState::Open), expected);
        assert_eq!(outcome.stats.closed, 20 * 5);
    });
}

#[test]
fn addresses_without_a_route_are_named_and_not_covered() {
    lab_test!(addresses_without_a_route_are_named_and_not_covered, {
        let _lab = Lab::builder().build().unwrap();
        let targets = tcp("10.78.0.1 192.0.2.1", [9].into_iter().collect());
        let (found, outcome) = scan(&targets, options(1_000, 0));
        assert_eq!(found.warnings, ["no route to 192.0.2.1"]);
        assert_eq!(outcome.asked, tcp("10.78.0.1", [9].into_iter().collect()));
        assert!(outcome.stats.coverage < 0.6);
    });
}

#[test]
fn an_interrupted_scan_goes_on_where_it_stopped() {
    lab_test!(an_interrupted_scan_goes_on_where_it_stopped, {
        let lab = Lab::builder().silent("10.78.0.0/26".parse().unwrap()).build().unwrap();
        let _listeners = lab.far(|| listen_tcp([7, 9])).unwrap();
        let capture = lab.capture().unwrap();
        let targets = tcp("10.78.0.0/24", (1..=40).collect());
        let mut found = Found::default();
        let mut resume = None;
        let mut interruptions = 0;
        loop {
            let options = ScanOptions { resume: resume.take(), ..options(40_000, 1) };
            let scan = Scan::plan(&targets, &Scope::unbounded(), options).unwrap();
            assert_eq!(scan.method(), Method::Raw);
            let cancel = Cancel::default();
            let mut events = 0;
            let outcome = scan
                .run(&cancel, &mut |event| {
                    events += u32::from(matches!(event, ScanEvent::Endpoint(_)));
                    if events == 1_500 {
                        cancel.cancel();
                    }
                    found.take(event);
                })
                .unwrap();
            found.hosts.clear();
            match outcome.checkpoint {
                Some(checkpoint) => {
                    let text = checkpoint.to_string();
                    resume = Some(text.parse().unwrap());
                    interruptions += 1;
                }
                None => break,
            }
        }
        assert!(interruptions >= 2, "interrupted {interruptions} times");
        assert_eq!(found.with(PortState::Open).len(), (256 - 64) * 2);
        assert_eq!(found.with(PortState::Closed).len(), (256 - 64) * 38);
        let (probes, _) = seen_on_the_wire(&capture.stop().unwrap().frames);
        assert_eq!(probes.len(), 256 * 40, "every endpoint was asked");
        assert_eq!(probes.values().max(), Some(&2), "and none more than R + 1 times");
    });
}

#[test]
fn what_this_hosts_firewall_refuses_is_told_and_not_counted_as_sent() {
    lab_test!(what_this_hosts_firewall_refuses_is_told_and_not_counted_as_sent, {
        let _lab = Lab::builder().build().unwrap();
        let rules = "table inet t { chain o { type filter hook output priority 0; \
                     tcp dport 20-29 drop; }; }";
        match std::process::Command::new("nft")
            .arg(rules)
            .env("PATH", "/usr/sbin:/usr/bin")
            .status()
        {
            Ok(status) => assert!(status.success()),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "nft: {error}");
                return;
            }
        }
        let ports = PortSet::from_iter([(11_u16, 40_u16)]);
        let (found, outcome) = scan(&tcp("127.0.0.1", ports), options(1_000, 0));
        assert_eq!(outcome.stats.probes_sent, 20);
        assert_eq!(found.with(PortState::Closed).len(), 20);
        assert!(found.warnings.iter().any(|w| w.contains("refused 10 probes")));
    });
}

#[test]
fn an_interrupted_connect_scan_goes_on_where_it_stopped() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let ports: PortSet = (1..=300).chain([open]).collect();
    let targets = tcp("127.0.0.1", ports.clone());
    let kinds = ScanKinds { connect: true, ..ScanKinds::default() };
    let mut found = Found::default();
    let mut resume = None;
    for _ in 0..10 {
        let options = ScanOptions { kinds, resume: resume.take(), ..options(5_000, 0) };
        let scan = Scan::plan(&targets, &Scope::unbounded(), options).unwrap();
        let cancel = Cancel::default();
        let mut events = 0;
        let outcome = scan
            .run(&cancel, &mut |event| {
                events += u32::from(matches!(event, ScanEvent::Endpoint(_)));
                if events == 100 {
                    cancel.cancel();
                }
                found.take(event);
            })
            .unwrap();
        resume = outcome.checkpoint.map(|checkpoint| checkpoint.to_string().parse().unwrap());
        if resume.is_none() {
            break;
        }
    }
    assert_eq!(resume, None, "it came to an end");
    assert_eq!(found.endpoints.len(), ports.len());
    assert!(
        found.with(PortState::Open).contains(&Endpoint::tcp("127.0.0.1".parse().unwrap(), open))
    );
}
