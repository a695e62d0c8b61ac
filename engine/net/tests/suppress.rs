//! Suppression of resets against a real kernel, in a lab of namespaces.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use portolan_core::cookie::SourcePorts;
use portolan_core::target::{Block, PortSet, Scope, TargetSet, TargetSpec};
use portolan_core::{PortState, ScanEvent};
use portolan_net::suppress::{self, Hold};
use portolan_net::{Cancel, Scan, ScanOptions, Suppression};
use portolan_simnet::lab::{Capture, Lab, Tun, listen_tcp};
use portolan_simnet::lab_test;

/// Tells a child process of a test how to hold its table.
const CHILD: &str = "PORTOLAN_SUPPRESS_CHILD";

fn some_ports() -> SourcePorts {
    SourcePorts::new(61_440, 65_535).unwrap()
}

/// Scans `ports` of `target`; gives what is open and what was warned of.
fn scan(target: &str, ports: &[u16], suppress_resets: bool) -> (BTreeSet<u16>, Vec<String>) {
    let addrs = target.parse::<TargetSpec>().unwrap().addrs().clone();
    let tcp: PortSet = ports.iter().copied().collect();
    let targets = TargetSet::single(Block { addrs, tcp, ..Block::default() });
    let options = ScanOptions { suppress_resets, rate_pps: 10_000, ..ScanOptions::default() };
    let scan = Scan::plan(&targets, &Scope::unbounded(), options).unwrap();
    let (mut open, mut warnings) = (BTreeSet::new(), Vec::new());
    scan.run(&Cancel::default(), &mut |event| match event {
        ScanEvent::Endpoint(seen) if seen.state == PortState::Open => {
            open.insert(seen.endpoint.port);
        }
        ScanEvent::Warning(words) => warnings.push(words),
        _ => {}
    })
    .unwrap();
    (open, warnings)
}

/// Resets that answer a SYN-ACK: they acknowledge nothing (RFC 9293 §3.5.2).
fn resets(frames: &[Vec<u8>]) -> usize {
    let is_reset = |frame: &&Vec<u8>| {
        let packet = SlicedPacket::from_ethernet(frame);
        let transport = packet.ok().and_then(|p| p.transport);
        matches!(transport, Some(TransportSlice::Tcp(tcp)) if tcp.rst() && !tcp.ack())
    };
    frames.iter().filter(is_reset).count()
}

#[test]
fn the_same_is_found_with_resets_and_without() {
    lab_test!(the_same_is_found_with_resets_and_without, {
        let lab = Lab::builder().build().unwrap();
        let ports: Vec<u16> = (2_000..2_100).collect();
        let _far = lab.far(|| listen_tcp(ports.iter().copied())).unwrap();
        let _near = listen_tcp(ports.iter().copied()).unwrap();
        for target in ["10.78.1.1", "fd00:78::1:1", "127.0.0.1", "::1"] {
            let captured = |suppress: bool| {
                let local = target.parse::<IpAddr>().unwrap().is_loopback();
                let capture = if local { Capture::start("lo") } else { lab.capture() }.unwrap();
                let (open, warnings) = scan(target, &ports, suppress);
                assert_eq!(warnings, [""; 0], "{target}");
                let captured = capture.stop().unwrap();
                assert_eq!(captured.lost, 0);
                (open, resets(&captured.frames))
            };
            let all: BTreeSet<u16> = ports.iter().copied().collect();
            assert_eq!(captured(true), (all.clone(), 0), "{target}");
            let (open, resets) = captured(false);
            assert_eq!(open, all, "{target}");
            assert!(resets >= 100, "{resets} resets to {target}");
            assert_eq!(suppress::tables().unwrap(), [""; 0], "nothing is left behind");
        }
    });
}

/// A SYN-ACK from `port` of the host beyond the tun device.
fn syn_ack(port: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4([10, 99, 0, 2], [10, 99, 0, 1], 64);
    builder.tcp(port, 61_500, 1, 1_024).syn().ack(2).write(&mut packet, &[]).unwrap();
    packet
}

#[test]
fn links_without_hardware_addresses_are_quiet_too() {
    lab_test!(links_without_hardware_addresses_are_quiet_too, {
        let _lab = Lab::builder().build().unwrap();
        let mut tun = match Tun::open("tun0", "10.99.0.1/24".parse().unwrap()) {
            Ok(tun) => tun,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "no tun device: {error}");
                return;
            }
        };
        let quiet = Suppression::install(&["tun0"], some_ports()).unwrap();
        tun.send(&syn_ack(1_001)).unwrap();
        drop(quiet);
        tun.send(&syn_ack(1_002)).unwrap();
        // What the kernel sends of itself on a new link, IPv6 for example, is passed over.
        let reset_to = std::iter::repeat_with(|| tun.receive().unwrap()).find_map(|packet| {
            let sliced = SlicedPacket::from_ip(&packet).ok()?;
            match sliced.transport {
                Some(TransportSlice::Tcp(tcp)) => Some((tcp.rst(), tcp.destination_port())),
                _ => None,
            }
        });
        assert_eq!(reset_to, Some((true, 1_002)), "the first was kept back, the second not");
    });
}

#[test]
fn a_panic_leaves_nothing_behind() {
    lab_test!(a_panic_leaves_nothing_behind, {
        let _lab = Lab::builder().build().unwrap();
        let panicked = std::panic::catch_unwind(|| {
            let quiet = Suppression::install(&["lo", "near0"], some_ports()).unwrap();
            assert_eq!(suppress::tables().unwrap(), [""; 0], "{}", quiet.table());
        });
        assert!(panicked.is_err());
        assert_eq!(suppress::tables().unwrap(), [""; 0]);
        // Kernels from 6.16 on take an interface that is yet to come; earlier ones refuse it.
        if let Err(error) = Suppression::install(&["lo", "nosuch0"], some_ports()) {
            assert!(error.to_string().contains("nosuch0"), "{error}");
        }
        assert_eq!(suppress::tables().unwrap(), [""; 0], "all or nothing");
        suppress::trial().unwrap();
    });
}

#[expect(clippy::explicit_write, reason = "the parent reads it: past the harness's capture")]
/// In the child: makes a table, says its name, and waits for its end.
fn hold_until_killed(how: &str) {
    let hold = if how == "name" { Hold::Name } else { Hold::Socket };
    let quiet = Suppression::install_held(hold, &["lo"], some_ports()).unwrap();
    writeln!(io::stdout(), "\ntable={}", quiet.table()).unwrap();
    let _ended = io::stdin().read(&mut [0]);
}

/// Runs this test's executable as a child that makes a table; gives the table's name, and kills it.
fn killed_while_holding(test: &str, how: &str) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, how)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let name = lines.map(Result::unwrap).find_map(|l| l.strip_prefix("table=").map(str::to_owned));
    let name = name.unwrap();
    assert!(suppress::tables().unwrap().contains(&name), "it lives");
    child.kill().unwrap();
    child.wait().unwrap();
    name
}

#[test]
fn what_a_killed_scan_left_is_gone_after_the_next_start() {
    lab_test!(what_a_killed_scan_left_is_gone_after_the_next_start, {
        if let Ok(how) = std::env::var(CHILD) {
            return hold_until_killed(&how);
        }
        let _lab = Lab::builder().build().unwrap();
        let test = "what_a_killed_scan_left_is_gone_after_the_next_start";
        let own = Suppression::install_held(Hold::Name, &["near0"], some_ports()).unwrap();
        let mut stay = vec![own.table().to_owned()];
        let nft = Command::new("nft")
            .args(["add", "table", "netdev", "portolan-of-somebody-else"])
            .env("PATH", "/usr/sbin:/usr/bin")
            .status();
        if nft.is_ok_and(|status| status.success()) {
            stay.push("portolan-of-somebody-else".to_owned());
        } else {
            assert!(std::env::var_os("CI").is_none(), "nft can't be run");
        }
        let left = killed_while_holding(test, "name");
        assert!(suppress::tables().unwrap().contains(&left), "its socket does not hold it");
        scan("127.0.0.1", &[9], false);
        assert_eq!(suppress::tables().unwrap(), stay, "the next start removes it alone");

        killed_while_holding(test, "socket");
        assert_eq!(suppress::tables().unwrap(), stay, "it went with the process");
        assert_eq!(suppress::sweep().unwrap(), [""; 0]);
    });
}
