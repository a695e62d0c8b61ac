//! Rates over real links: found, and kept for each host.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use portolan_core::target::{Block, PortSet, Scope, TargetSet, TargetSpec};
use portolan_core::{Endpoint, ScanEvent};
use portolan_net::options::AUTO_PPS_MAX;
use portolan_net::{Cancel, Scan, ScanOptions, ScanOutcome};
use portolan_simnet::lab::{Lab, RelayOptions, listen_tcp};
use portolan_simnet::lab_test;

fn targets(text: &str, ports: PortSet) -> TargetSet {
    let addrs = text.parse::<TargetSpec>().unwrap().addrs().clone();
    TargetSet::single(Block { addrs, tcp: ports, ..Block::default() })
}

fn scan(targets: &TargetSet, options: ScanOptions) -> (ScanOutcome, Vec<String>) {
    let scan = Scan::plan(targets, &Scope::unbounded(), options).unwrap();
    let mut warnings = Vec::new();
    let outcome = scan.run(&Cancel::default(), &mut |event| {
        if let ScanEvent::Warning(words) = event {
            warnings.push(words);
        }
    });
    (outcome.unwrap(), warnings)
}

/// The probes that arrived, in order.
fn probes(frames: &[Vec<u8>]) -> Vec<Endpoint> {
    let probe = |frame: &Vec<u8>| {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let to = match packet.net? {
            NetSlice::Ipv4(ip) => IpAddr::from(ip.header().destination_addr()),
            NetSlice::Ipv6(ip) => IpAddr::from(ip.header().destination_addr()),
            NetSlice::Arp(_) => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { return None };
        (tcp.syn() && !tcp.ack()).then(|| Endpoint::tcp(to, tcp.destination_port()))
    };
    frames.iter().filter_map(probe).collect()
}

#[test]
fn a_found_rate_finds_everything_and_asks_only_canaries_again() {
    lab_test!(a_found_rate_finds_everything_and_asks_only_canaries_again, {
        let relay = RelayOptions::lossy(0.0, 1).delayed(Duration::from_millis(5));
        let lab = Lab::builder().relay(relay).build().unwrap();
        let _listeners = lab.far(|| listen_tcp([7, 9])).unwrap();
        let capture = lab.capture().unwrap();
        let auto =
            ScanOptions { rate_pps: AUTO_PPS_MAX, auto_rate: true, ..ScanOptions::default() };
        let (outcome, _) = scan(&targets("10.78.0.0/24", (1..=40).collect()), auto);
        let stats = &outcome.stats;
        assert_eq!((stats.open, stats.closed, stats.silent), (512, 256 * 38, 0));
        assert!(stats.canary_probes > 0);
        let mut times = BTreeMap::<Endpoint, u32>::new();
        for probe in probes(&capture.stop().unwrap().frames) {
            *times.entry(probe).or_default() += 1;
        }
        assert_eq!(times.len(), 256 * 40);
        let often = times.values().filter(|n| **n > 3).count();
        assert!(often <= 64, "{often} endpoints were asked more often than retries allow");
    });
}

#[test]
fn hosts_take_turns_and_none_gets_more_than_its_limit() {
    lab_test!(hosts_take_turns_and_none_gets_more_than_its_limit, {
        let lab = Lab::builder().build().unwrap();
        let capture = lab.capture().unwrap();
        let options = ScanOptions {
            rate_pps: 1_000_000,
            max_host_pps: Some(200),
            retries: 1,
            ..ScanOptions::default()
        };
        let (outcome, _) = scan(&targets("10.78.0.1-10.78.0.5", (1..=100).collect()), options);
        assert_eq!(outcome.stats.closed, 500);
        // That is the promise, and no measurement: it can't be done in less.
        assert!(outcome.stats.duration >= Duration::from_millis(490));
        let asked = probes(&capture.stop().unwrap().frames);
        assert_eq!(asked.len(), 500);
        for round in asked.chunks(5) {
            let hosts: std::collections::BTreeSet<IpAddr> = round.iter().map(|e| e.addr).collect();
            assert_eq!(hosts.len(), 5, "each host once before any again");
        }
    });
}

/// The /24 or /64 of an address.
fn subnet(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets()[..3].to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    }
}

#[test]
fn subnets_take_turns_and_none_gets_more_than_its_limit() {
    lab_test!(subnets_take_turns_and_none_gets_more_than_its_limit, {
        let lab = Lab::builder().build().unwrap();
        let capture = lab.capture().unwrap();
        let options = ScanOptions {
            rate_pps: 1_000_000,
            max_subnet_pps: Some(400),
            retries: 1,
            ..ScanOptions::default()
        };
        let three = "10.78.0.1-10.78.0.5 10.78.1.1-10.78.1.5 fd00:78::1-fd00:78::a";
        let (outcome, _) = scan(&targets(three, (1..=40).collect()), options);
        assert_eq!(outcome.stats.closed, 800);
        // That is the promise, and no measurement: 400 probes to the IPv6 prefix, and 200 to each
        // of the others at the same time.
        assert!(outcome.stats.duration >= Duration::from_millis(995));
        let asked = probes(&capture.stop().unwrap().frames);
        assert_eq!(asked.len(), 800);
        let (together, alone) = asked.split_at(600);
        for round in together.chunks(3) {
            let subnets: std::collections::BTreeSet<_> =
                round.iter().map(|e| subnet(e.addr)).collect();
            assert_eq!(subnets.len(), 3, "each subnet once before any again");
        }
        assert!(alone.iter().all(|e| e.addr.is_ipv6()));
        for turn in asked.iter().filter(|e| e.addr.is_ipv6()).collect::<Vec<_>>().chunks(10) {
            let hosts: std::collections::BTreeSet<IpAddr> = turn.iter().map(|e| e.addr).collect();
            assert_eq!(hosts.len(), 10, "in a subnet each host once before any again");
        }
    });
}

#[test]
fn loss_is_told_with_its_bounds() {
    lab_test!(loss_is_told_with_its_bounds, {
        let _lab = Lab::builder().relay(RelayOptions::lossy(0.1, 11)).build().unwrap();
        let options = ScanOptions { rate_pps: 5_000, retries: 3, ..ScanOptions::default() };
        let (outcome, warnings) = scan(&targets("10.78.0.0/26", (1..=100).collect()), options);
        let stats = &outcome.stats;
        let (low, high) = stats.coverage_bounds.unwrap();
        assert!(low <= stats.coverage && stats.coverage <= high && low > 0.98, "{low} {high}");
        assert!(stats.loss_estimate.unwrap() > 0.1, "10 % each way");
        assert!(warnings.iter().any(|w| w.contains("were lost")), "{warnings:?}");
    });
}
