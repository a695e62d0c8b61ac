//! Both responders against the world that they are to be: what a probe is answered, on the wire.

#![expect(clippy::print_stdout, reason = "a random test says its seed")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use etherparse::{PacketBuilder, PacketHeaders, TransportHeader};
use portolan_simnet::lab::{FAR_INTERFACE, FAR_MAC, Lab, NEAR_INTERFACE, NEAR_MAC, NEAR_V4, Wire};
use portolan_simnet::lab_test;

use super::responder::{Plain, Responder};
use super::world::{Answer, DELAY_MAX, Manner, World};

const PORTS: u16 = 16;
/// Longer than the latest answer.
const PATIENCE: Duration = Duration::from_secs(12);

fn world(seed: u64) -> World {
    World {
        alive: 0.5,
        open: 0.3,
        silent: 0.3,
        everything: 0.2,
        slow: 0.1,
        twice: 0.2,
        limited: 0.2,
        ..World::plain(seed, Ipv4Addr::new(10, 78, 0, 0), 24)
    }
}

fn seed() -> u64 {
    let given = std::env::var("PORTOLAN_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
    println!("PORTOLAN_SEED={seed}");
    seed
}

/// Asks everything once, and compares every answer until the last has come.
fn check(world: &World) {
    let mut wire = Wire::open(NEAR_INTERFACE).unwrap();
    let mut expected: BTreeMap<(Ipv4Addr, u16), (bool, usize)> = BTreeMap::new();
    for addr in world.addrs() {
        for port in 1..=PORTS {
            let (answer, manner) = world.answer(addr, port);
            let times = if manner == Manner::Twice { 2 } else { 1 };
            if answer != Answer::Silence {
                expected.insert((addr, port), (answer == Answer::Open, times));
            }
            let mut probe = Vec::new();
            PacketBuilder::ethernet2(NEAR_MAC, FAR_MAC)
                .ipv4(NEAR_V4.octets(), addr.octets(), 64)
                .tcp(40_000, port, u32::from(addr), 1_024)
                .syn()
                .options_raw(&[2, 4, 5, 0xb4])
                .unwrap()
                .write(&mut probe, &[])
                .unwrap();
            wire.send(&probe).unwrap();
        }
    }
    assert!(expected.values().any(|(open, _)| *open) && expected.len() > 500);
    let deadline = Instant::now() + PATIENCE;
    while !expected.is_empty() && Instant::now() < deadline {
        wire.receive(256, Duration::from_millis(50), &mut |frame| {
            let Some((addr, port, open)) = read(frame) else { return };
            let left = expected.get_mut(&(addr, port));
            let left = left.unwrap_or_else(|| panic!("{addr}:{port} answers beyond its word"));
            assert_eq!(left.0, open, "{addr}:{port}");
            left.1 -= 1;
            if left.1 == 0 {
                expected.remove(&(addr, port));
            }
        });
    }
    let first = expected.iter().next();
    assert_eq!(first, None, "and {} more answers are missing", expected.len().saturating_sub(1));
    assert!(PATIENCE > DELAY_MAX);
}

/// An answer to the probe of [`check`]: from where, and whether it says open.
fn read(frame: &[u8]) -> Option<(Ipv4Addr, u16, bool)> {
    let headers = PacketHeaders::from_ethernet_slice(frame).ok()?;
    let etherparse::NetHeaders::Ipv4(ip, _) = headers.net? else { return None };
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else { return None };
    let from = Ipv4Addr::from(ip.source);
    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
    assert_eq!(tcp.checksum, tcp.calc_checksum_ipv4(&ip, &[]).unwrap());
    assert_eq!(tcp.acknowledgment_number, u32::from(from) + 1);
    assert_eq!(tcp.destination_port, 40_000);
    assert_ne!(tcp.syn, tcp.rst);
    Some((from, tcp.source_port, tcp.syn))
}

#[test]
fn the_responder_in_user_space_is_the_world() {
    lab_test!(the_responder_in_user_space_is_the_world, {
        let world = world(seed());
        let lab = Lab::builder().bare().build().unwrap();
        let _responder =
            lab.far(|| Responder::start(FAR_INTERFACE, world, Plain::Answered)).unwrap();
        check(&world);
    });
}

#[cfg(feature = "bpf")]
#[test]
fn the_responder_in_the_driver_is_the_world() {
    use super::xdp::Xdp;
    use portolan_simnet::lab::Verdict;

    portolan_simnet::lab_root_test!(the_responder_in_the_driver_is_the_world, {
        let world = world(seed());
        let lab = Lab::builder().bare().build().unwrap();
        lab.near_verdict(Verdict::Pass).unwrap();
        let mut xdp = None;
        lab.far(|| {
            xdp = Some(Xdp::attach(FAR_INTERFACE, &world).unwrap());
            Ok(())
        })
        .unwrap();
        let _responder = lab.far(|| Responder::start(FAR_INTERFACE, world, Plain::Passed)).unwrap();
        check(&world);
    });
}
