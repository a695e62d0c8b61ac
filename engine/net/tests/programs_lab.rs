//! Whole scans whose probes are made in the kernel, in a lab of namespaces.

#![cfg(feature = "bpf")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use portolan_core::target::{Block, PortSet, Scope, TargetSet, TargetSpec};
use portolan_core::{Endpoint, PortState, ScanEvent};
use portolan_net::link::LinkKind;
use portolan_net::{Cancel, Scan, ScanError, ScanOptions, ScanOutcome};
use portolan_simnet::lab::{Lab, Verdict, listen_tcp};
use portolan_simnet::lab_root_test;

fn tcp(targets: &str, ports: impl Iterator<Item = u16>) -> TargetSet {
    let addrs = targets.parse::<TargetSpec>().unwrap().addrs().clone();
    TargetSet::single(Block { addrs, tcp: ports.collect::<PortSet>(), ..Block::default() })
}

fn options(link: LinkKind, rate_pps: u32) -> ScanOptions {
    ScanOptions { link, rate_pps, retries: 3, ..ScanOptions::default() }
}

fn scan(
    targets: &TargetSet,
    options: ScanOptions,
) -> Result<(BTreeSet<Endpoint>, ScanOutcome), ScanError> {
    let mut open = BTreeSet::new();
    let scan = Scan::plan(targets, &Scope::unbounded(), options).unwrap();
    let outcome = scan.run(&Cancel::default(), &mut |event| {
        if let ScanEvent::Endpoint(seen) = event
            && seen.state == PortState::Open
        {
            assert!(open.insert(seen.endpoint), "each endpoint is told once");
        }
    })?;
    Ok((open, outcome))
}

fn endpoints(addr: &str, ports: &[u16]) -> BTreeSet<Endpoint> {
    ports.iter().map(|port| Endpoint::tcp(addr.parse().unwrap(), *port)).collect()
}

#[test]
fn the_generator_finds_every_port() {
    lab_root_test!(the_generator_finds_every_port, {
        let lab = Lab::builder().build().unwrap();
        // An interface takes frames from XDP while its far end has a program.
        lab.far_verdict(Verdict::Pass).unwrap();
        let ports: Vec<u16> = (1..=120).map(|n| n * 517).collect();
        let _listeners = lab.far(|| listen_tcp(ports.iter().copied())).unwrap();
        for (target, threads) in [("10.78.1.1", 1), ("fd00:78::1:1", 2), ("10.77.128.9", 2)] {
            let options = ScanOptions { threads, ..options(LinkKind::Bpf, 100_000) };
            let (open, outcome) = scan(&tcp(target, 1..=65_535), options).unwrap();
            assert_eq!(open, endpoints(target, &ports), "{target}");
            assert!(outcome.complete, "{target}");
            let sent = outcome.stats.probes_sent;
            // Every endpoint once, and what was lost again; "sent" is what the wire counted.
            assert!((65_535..65_535 * 4).contains(&sent), "{target}: {sent} sent");
        }
    });
}

#[test]
fn silent_hosts_are_asked_as_often_as_allowed() {
    lab_root_test!(silent_hosts_are_asked_as_often_as_allowed, {
        let lab = Lab::builder().silent("10.78.0.0/26".parse().unwrap()).build().unwrap();
        lab.far_verdict(Verdict::Pass).unwrap();
        let (_, outcome) =
            scan(&tcp("10.78.0.0/25", 1..=200), options(LinkKind::Bpf, 50_000)).unwrap();
        let stats = outcome.stats;
        assert_eq!((stats.closed, stats.silent), (64 * 200, 64 * 200), "{stats:?}");
        // Four times to the silent; to the others once, and again where an answer was late.
        let least = 64 * 200 * 5;
        assert!((least..least + 64 * 200).contains(&stats.probes_sent), "{stats:?}");
    });
}

#[test]
fn where_the_driver_takes_no_frames_another_link_does() {
    lab_root_test!(where_the_driver_takes_no_frames_another_link_does, {
        let lab = Lab::builder().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([80])).unwrap();
        let targets = tcp("10.78.0.0/28", 79..=81);
        let error = scan(&targets, options(LinkKind::Bpf, 1_000)).unwrap_err();
        assert!(error.to_string().contains("`bpf` can't be used"), "{error}");
        let (open, outcome) = scan(&targets, options(LinkKind::Auto, 1_000_000)).unwrap();
        assert_eq!((open.len(), outcome.stats.closed), (16, 32));
    });
}

#[test]
fn a_scan_that_it_can_not_do_names_the_reason() {
    lab_root_test!(a_scan_that_it_can_not_do_names_the_reason, {
        let _lab = Lab::builder().build().unwrap();
        let local = scan(&tcp("127.0.0.1", 80..=80), options(LinkKind::Bpf, 1_000));
        let error = local.map(drop).unwrap_err().to_string();
        assert!(error.contains("without Ethernet headers"), "{error}");
    });
}

#[test]
fn answers_are_kept_from_the_stack() {
    lab_root_test!(answers_are_kept_from_the_stack, {
        let lab = Lab::builder().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([22, 80, 443])).unwrap();
        // By the first link without the program, by the others with it; the last shows that the
        // first's is gone: two can't be on one interface.
        for (link, resets_expected) in [(LinkKind::Mmsg, 3), (LinkKind::Xdp, 0), (LinkKind::Xdp, 0)]
        {
            let capture = lab.capture().unwrap();
            let (open, outcome) =
                scan(&tcp("10.78.1.1", 1..=2_000), options(link, 20_000)).unwrap();
            assert_eq!(open, endpoints("10.78.1.1", &[22, 80, 443]), "{link}");
            assert_eq!(outcome.stats.closed, 1_997, "{link}: {:?}", outcome.stats);
            let captured = capture.stop().unwrap();
            assert_eq!(captured.lost, 0);
            let resets = captured.frames.iter().filter(|frame| is_reset(frame)).count();
            assert_eq!(resets, resets_expected, "{link}");
        }
    });
}

/// Set in the child that is to be killed.
const CHILD: &str = "PORTOLAN_TEST_SCANS_UNTIL_KILLED";

#[test]
fn a_killed_scan_leaves_no_program_behind() {
    lab_root_test!(a_killed_scan_leaves_no_program_behind, {
        if std::env::var_os(CHILD).is_some() {
            return scan_until_killed();
        }
        let lab = Lab::builder().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([1])).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_scan_leaves_no_program_behind"])
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("answered")), "it scans");
        let taken = lab.near_verdict(Verdict::Pass);
        assert!(taken.is_err(), "the interface has a program");
        child.kill().unwrap();
        child.wait().unwrap();
        lab.near_verdict(Verdict::Pass).unwrap();
        lab.near_unjudged().unwrap();
    });
}

/// In the child: a scan of ten minutes.
fn scan_until_killed() {
    let options = options(LinkKind::Xdp, 100);
    let targets = tcp("10.78.1.1", 1..=60_000);
    let scan = Scan::plan(&targets, &Scope::unbounded(), options).unwrap();
    let _ended = scan.run(&Cancel::default(), &mut |event| {
        if matches!(event, ScanEvent::Endpoint(_)) {
            let _told = writeln!(std::io::stdout(), "\nanswered");
        }
    });
}

/// Whether an Ethernet frame is an IPv4 TCP segment with RST.
fn is_reset(frame: &[u8]) -> bool {
    let octet = |at: usize| frame.get(at).copied().unwrap_or(0);
    (octet(12), octet(13), octet(23)) == (8, 0, 6) && octet(47) & 0x04 != 0
}
