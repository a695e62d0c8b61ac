//! The programs in the kernel against the engine in Rust: the same octets for the same position,
//! and the same answers taken for proven.

#![cfg(feature = "bpf")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use portolan_core::MacAddr;
use portolan_core::Timestamp;
use portolan_core::answered::Answered;
use portolan_core::cookie::{CookieKey, SourcePorts};
use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::pacer::RatePps;
use portolan_core::permutation::Shard;
use portolan_core::plan::{Hop, HopRange, PlanConfig, ScanPlan};
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::seed::Seed;
use portolan_core::target::{AddrSet, Block, PortSet, Scope, TargetSpec};
use portolan_core::timeline::Timeline;
use portolan_core::transmit::{Step, Transmitter};
use portolan_core::udp::NoPayloads;
use portolan_core::wire::{LinkHeader, ProbeStyle, TcpOptions};
use portolan_net::Interface;
use portolan_net::link::{AnswersRx, BpfError, Generator, LinkError, SharedBits};

/// The kernel's bits, or a loud line where it gives none.
fn bits(len: u64) -> Option<SharedBits> {
    match SharedBits::new(len) {
        Ok(bits) => Some(bits),
        Err(error) => {
            let line = format!(
                "BPF NOT AVAILABLE: the tests of programs in the kernel did not run: {error}"
            );
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{line}");
            // Past the test harness's capture: this must be read.
            let _told = writeln!(std::io::stderr(), "{line}");
            None
        }
    }
}

fn addrs(text: &str) -> AddrSet {
    text.parse::<TargetSpec>().unwrap().addrs().clone()
}

fn block(targets: &str, ports: impl Iterator<Item = u16>) -> Block {
    Block { addrs: addrs(targets), tcp: ports.collect(), ..Block::default() }
}

fn interface() -> Interface {
    Interface {
        index: 1,
        name: "lo".to_owned(),
        mac: None,
        mtu: 1_500,
        encapsulation: Encapsulation::Ethernet,
        is_loopback: false,
        is_up: true,
        addrs: Vec::new(),
    }
}

fn header(last: u8) -> LinkHeader {
    LinkHeader::Ethernet { source: MacAddr([2; 6]), target: MacAddr([4, 0, 0, 0, 0, last]) }
}

/// Hop 0 by a gateway, hop 1 by another link, hop 2 by another gateway, hop 3 to neighbours.
fn hops(source: &str) -> Vec<Hop> {
    let hop =
        |link, header, on_link| Hop { link, source: source.parse().unwrap(), header, on_link };
    vec![
        hop(0, header(9), false),
        hop(1, header(8), false),
        hop(0, header(7), false),
        hop(0, header(0), true),
    ]
}

/// `targets` in turns by each hop and by none.
fn routes(targets: &AddrSet) -> Vec<HopRange> {
    let ranges = targets.ranges().iter().enumerate();
    ranges
        .filter(|(at, _)| at % 5 != 4)
        .map(|(at, r)| HopRange { range: *r, hop: at % 5 })
        .collect()
}

fn plan(blocks: Vec<Block>, source: &str, seed: &mut Seed) -> ScanPlan {
    let all = blocks.iter().fold(AddrSet::default(), |all, b| all.union(&b.addrs));
    let mut key = [0; 16];
    for octet in &mut key {
        *octet = u8::try_from(seed.next() % 256).unwrap();
    }
    let first = u16::try_from(1 + seed.next() % 60_000).unwrap();
    let styles = [TcpOptions::None, TcpOptions::Mss, TcpOptions::Linux, TcpOptions::Windows];
    let options = *styles.get(usize::try_from(seed.next() % 4).unwrap()).unwrap();
    let scans = [TcpScan::Syn, TcpScan::Fin, TcpScan::Null, TcpScan::Xmas];
    let tcp_scan = *scans.get(usize::try_from(seed.next() % 4).unwrap()).unwrap();
    let config = PlanConfig {
        scope: Scope::unbounded(),
        blocks,
        echo: false,
        discover: false,
        tcp_scan,
        pings: Pings::default(),
        style: ProbeStyle {
            tcp_options: options,
            ttl: u8::try_from(seed.next() % 256).unwrap(),
            vlan: None,
        },
        passes: 3,
        seed: Seed(seed.next()),
        key: CookieKey::new(key),
        source_ports: SourcePorts::new(first, first + 5_000).unwrap(),
        payloads: Arc::new(NoPayloads),
    };
    // Every third neighbour does not answer.
    let resolve = |addr: IpAddr| match addr {
        IpAddr::V4(addr) if addr.to_bits() % 3 == 0 => None,
        IpAddr::V4(addr) => Some([6, 1, addr.octets()[0], addr.octets()[1], 0, addr.octets()[3]]),
        IpAddr::V6(addr) if addr.to_bits() % 3 == 0 => None,
        IpAddr::V6(addr) => Some([6, 2, 0, 0, addr.octets()[14], addr.octets()[15]]),
    };
    let resolve = |addr: IpAddr| resolve(addr).map(MacAddr);
    ScanPlan::new(config, hops(source), &routes(&all), &resolve).unwrap()
}

/// What the engine in Rust sends for `position` in pass `pass`.
fn by_rust(
    plan: &Arc<ScanPlan>,
    answered: Option<&Arc<Answered>>,
    pass: u8,
    position: u64,
) -> Option<Vec<u8>> {
    let line = Arc::new(Timeline::default());
    let rate = RatePps::new(1_000).unwrap();
    // A shard of its own for this position: it has no other.
    let shard = Shard { index: u32::try_from(position).unwrap(), count: u32::MAX };
    let (plan, answered) = (Arc::clone(plan), answered.cloned());
    let mut half = Transmitter::new(plan, 0, answered, line, shard, rate, Timestamp::ZERO);
    half.begin_pass(pass, 0);
    let mut batch = FrameBatch::new();
    match half.poll_transmit(Timestamp::ZERO, &mut batch) {
        Step::Transmit => batch.frame(0).map(<[u8]>::to_vec),
        Step::EndOfPass => None,
        Step::Wait(_) => Some(b"the first probe is due at once".to_vec()),
    }
}

#[test]
fn kernel_and_engine_make_the_same_octets() {
    let start = std::env::var("PORTOLAN_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
    let _told = writeln!(std::io::stdout(), "PORTOLAN_SEED={start}");
    let mut seed = Seed(start);
    let many: Vec<String> = (0..200).map(|n| format!("10.9.{n}.{}-10.9.{n}.250", n % 90)).collect();
    let many_v6: Vec<String> = (0..40).map(|n| format!("2001:db8:{n}::fffe/124")).collect();
    let (many, many_v6) = (many.join(" "), many_v6.join(" "));
    let works = [
        (vec![block("10.0.0.0/8", 1..=1)], "192.0.2.1"),
        (vec![block("10.0.0.0/29", 80..=80)], "192.0.2.1"),
        (vec![block(&many, (1..=300).step_by(7))], "192.0.2.1"),
        (
            vec![block("10.1.0.0/16", 1..=3), block(&many, 22..=22), block("172.16.0.0/20", 5..=9)],
            "192.0.2.99",
        ),
        (vec![block("2001:db8::/66", 443..=443)], "2001:db8::1"),
        (vec![block(&many_v6, 1..=65_535)], "2001:db8::1"),
        (vec![block("2001:db8::ffff:ffff:ffff:fff0-2001:db8::1:0:0:0:20", 1..=4)], "fe80::1"),
    ];
    for (work, (blocks, source)) in works.into_iter().enumerate() {
        let plan = Arc::new(plan(blocks, source, &mut seed));
        // Bits for small plans alone: 2^24 are enough to try with.
        let Some(bits) = bits(plan.len().min(1 << 24)) else { return };
        let answered = Answered::over(Box::new(bits.clone()), plan.len().min(1 << 24)).unwrap();
        let answered = Arc::new(answered);
        for _ in 0..plan.len().min(1 << 24) / 4 {
            answered.insert(seed.next() % plan.len().min(1 << 24));
        }
        let shard = Shard::default();
        let opened = Generator::open(&plan, 0, &interface(), shard, Some(&bits));
        let mut generator = opened.unwrap();
        let (mut made, mut skipped) = (0, 0);
        for _ in 0..3_000 {
            let position = seed.next() % plan.len().min(1 << 31);
            // Later passes of the largest skip all: their bits are beyond those that there are.
            let passes = if plan.len() > 1 << 31 { 1 } else { 3 };
            let pass = u8::try_from(seed.next() % passes).unwrap();
            let rust = by_rust(&plan, Some(&answered), pass, position);
            let kernel = generator.frame_at(pass, position).unwrap();
            assert_eq!(kernel, rust, "work {work}, pass {pass}, position {position}");
            match rust {
                Some(_) => made += 1,
                None => skipped += 1,
            }
        }
        assert!(made > 500 || work == 1, "work {work} made {made}, skipped {skipped}");
    }
}

#[test]
fn what_the_program_can_not_do_is_said() {
    let Some(bits) = bits(64) else { return };
    let mut seed = Seed(1);
    let open = |blocks| {
        let plan = plan(blocks, "192.0.2.1", &mut seed);
        Generator::open(&plan, 0, &interface(), Shard::default(), Some(&bits)).map(drop)
    };
    let udp = Block { udp: [53].into_iter().collect::<PortSet>(), ..block("10.0.0.0/24", 1..=2) };
    let nine = (0..9).map(|n| block(&format!("10.{n}.0.0/16"), n..=n)).collect();
    let mut open = open;
    for (blocks, why) in [(vec![udp], "asks more than TCP"), (nine, "more than 8 groups")] {
        let error = open(blocks).unwrap_err();
        assert!(matches!(error, BpfError::Plan(_)), "{error:?}");
        let error = LinkError::from(error).to_string();
        assert!(error.contains("`bpf`") && error.contains(why), "{error}");
    }
}

/// Where the TCP header of an Ethernet frame begins.
fn tcp_at(frame: &[u8]) -> usize {
    if frame[12] == 0x08 { 34 } else { 54 }
}

/// What a host answers `probe`: with `flags`, and an acknowledgment of so many octets.
fn answer(probe: &[u8], flags: u8, acknowledges: u32) -> Vec<u8> {
    let mut frame = probe.to_vec();
    let tcp = tcp_at(&frame);
    let (addrs, len) = if tcp == 34 { (26, 4) } else { (22, 16) };
    let swap = |frame: &mut Vec<u8>, at: usize, len: usize| {
        let (left, right) = frame[at..at + 2 * len].split_at_mut(len);
        left.swap_with_slice(right);
    };
    swap(&mut frame, 0, 6);
    swap(&mut frame, addrs, len);
    swap(&mut frame, tcp, 2);
    let sent = u32::from_be_bytes(frame[tcp + 4..tcp + 8].try_into().unwrap());
    frame[tcp + 8..tcp + 12].copy_from_slice(&sent.wrapping_add(acknowledges).to_be_bytes());
    frame[tcp + 13] = flags;
    frame
}

#[test]
fn answers_are_taken_if_they_prove_themselves() {
    const SYN_ACK: u8 = 0x12;
    const RST_ACK: u8 = 0x14;
    if bits(64).is_none() {
        return;
    }
    let mut seed = Seed(11);
    for (targets, source) in [("10.1.0.0/16", "192.0.2.1"), ("2001:db8::/70", "2001:db8::1")] {
        let plan = Arc::new(plan(vec![block(targets, 1..=9)], source, &mut seed));
        let answers = AnswersRx::load(&plan).unwrap();
        let takes = |frame: &[u8]| answers.takes(frame).unwrap();
        let mut asked = 0;
        while asked < 300 {
            let position = seed.next() % plan.len().min(1 << 31);
            let pass = u8::try_from(seed.next() % 3).unwrap();
            let Some(probe) = by_rust(&plan, None, pass, position) else { continue };
            asked += 1;
            assert!(takes(&answer(&probe, SYN_ACK, 1)), "pass {pass}");
            assert!(takes(&answer(&probe, RST_ACK, 0)), "pass {pass}");
            assert!(!takes(&probe), "a probe of our own");
            assert!(!takes(&answer(&probe, 0x04, 1)), "a reset that acknowledges nothing");
            assert!(!takes(&answer(&probe, SYN_ACK, 2)), "another number");
            let mut forged = answer(&probe, SYN_ACK, 1);
            let at = tcp_at(&forged);
            let bit = usize::try_from(seed.next() % 8).unwrap();
            // Its ports, its number, its last address octet.
            for octet in [at, at + 1, at + 2, at + 3, at + 8, at + 9, at + 10, 29] {
                forged[octet] ^= 1 << bit;
                assert!(!takes(&forged), "octet {octet}, bit {bit}");
                forged[octet] ^= 1 << bit;
            }
            for len in 14..at + 20 {
                assert!(!takes(&forged[..len]), "cut to {len}");
            }
            if at == 34 {
                forged[20] = 0x20;
                assert!(!takes(&forged), "a fragment");
            }
        }
    }
}
