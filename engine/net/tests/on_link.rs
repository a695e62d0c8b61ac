//! Hosts of IPv6 prefixes that are too large to sweep, found over real links.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use portolan_core::ScanEvent;
use portolan_core::target::{AddrSet, Block, Scope, TargetSet, TargetSpec};
use portolan_core::wire::checksum::Checksum;
use portolan_net::neighbor::{self, SweepOptions};
use portolan_net::on_link::{self, Expanded, OnLinkError};
use portolan_net::{Cancel, RouteOverrides, RouteTable, Scan, ScanKinds, ScanOptions};
use portolan_simnet::lab::{FAR_MAC, Lab, LabBuilder, NEAR_MAC, listen_tcp, sysctl};
use portolan_simnet::lab_test;

const ICMPV6: u8 = 58;

fn addrs(text: &str) -> AddrSet {
    text.parse::<TargetSpec>().unwrap().addrs().clone()
}

fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A far side with three addresses beside its link-local one: one that is made from its hardware
/// address, one of a low number, and one that nothing tells of.
fn lab() -> LabBuilder {
    let more = ["fd00:77::ff:fe00:7702/64", "fd00:77::beef:cafe:f00d:1/64"];
    more.iter().fold(Lab::builder(), |lab, net| lab.addr(net.parse().unwrap()))
}

fn expand(targets: &str, scope: &Scope) -> Result<Expanded, OnLinkError> {
    let options = ScanOptions { retries: 1, ..ScanOptions::default() };
    on_link::expand(&addrs(targets), scope, &options, &Cancel::default())
}

/// Destinations of the IPv6 frames that arrived, and of the neighbours that were asked for.
fn asked(frames: &[Vec<u8>]) -> (BTreeSet<Ipv6Addr>, BTreeSet<Ipv6Addr>) {
    let v6 = |frame: &Vec<u8>, at: usize| {
        let octets: [u8; 16] = frame.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets))
    };
    let of_v6 = || frames.iter().filter(|f| f[12..14] == [0x86, 0xdd]);
    let sent = of_v6().filter_map(|f| v6(f, 38)).collect();
    let solicited = of_v6().filter(|f| f[20] == ICMPV6 && f[54] == 135);
    (sent, solicited.filter_map(|f| v6(f, 62)).collect())
}

#[test]
fn a_64_on_the_link_becomes_the_hosts_that_are_there() {
    lab_test!(a_64_on_the_link_becomes_the_hosts_that_are_there, {
        let lab = lab().build().unwrap();
        let capture = lab.capture().unwrap();
        let excluded = addrs("fd00:77::ff:fe00:7702");
        let scope = Scope::unbounded().without(&excluded);
        let targets = scope.bound(&addrs("fd00:77::/64")).to_string();
        let found = expand(&targets, &scope).unwrap();
        // This host's own address, and the far side's of a low number; whether it answers from the
        // third is its own affair.
        let sure = addrs("fd00:77::1 fd00:77::2");
        assert_eq!(sure.difference(&found.addrs), AddrSet::new(), "{}", found.addrs);
        let others = found.addrs.difference(&sure);
        assert_eq!(others.difference(&addrs("fd00:77::beef:cafe:f00d:1")), AddrSet::new());
        assert_eq!(found.told.len(), 1, "{:?}", found.told);
        let (sent, solicited) = asked(&capture.stop().unwrap().frames);
        assert!(sent.contains(&on_link::frame::ALL_NODES));
        assert!(solicited.contains(&addr("fd00:77::2")));
        // The kernel resolves link-local addresses for what it says itself.
        let strange = |a: &&Ipv6Addr| !a.is_unicast_link_local() && excluded.contains((**a).into());
        assert_eq!(solicited.iter().find(strange), None, "an excluded address is asked nothing");
    });
}

#[test]
fn hosts_that_answer_no_echo_to_a_group_are_found_too() {
    lab_test!(hosts_that_answer_no_echo_to_a_group_are_found_too, {
        let lab = lab().build().unwrap();
        lab.far(|| sysctl("net/ipv6/icmp/echo_ignore_multicast", "1")).unwrap();
        let found = expand("fd00:77::/64", &Scope::unbounded()).unwrap();
        let sure = addrs("fd00:77::1 fd00:77::2 fd00:77::ff:fe00:7702");
        assert_eq!(sure.difference(&found.addrs), AddrSet::new(), "{}", found.addrs);
        let local = expand("fe80::/64", &Scope::unbounded()).unwrap();
        let far = addrs("fe80::ff:fe00:7702");
        assert_eq!(far.difference(&local.addrs), AddrSet::new(), "{}", local.addrs);
    });
}

#[test]
fn nothing_is_sent_where_it_is_not_asked_for_or_not_allowed() {
    lab_test!(nothing_is_sent_where_it_is_not_asked_for_or_not_allowed, {
        let lab = lab().build().unwrap();
        let capture = lab.capture().unwrap();
        // Small, not on the link, or only in part.
        for targets in ["fd00:77::/112", "fd00:78::/64", "fd00:77::/48", "10.77.0.0/16"] {
            let found = expand(targets, &Scope::unbounded()).unwrap();
            assert_eq!((found.addrs, found.told.len()), (addrs(targets), 0), "{targets}");
        }
        let scope = Scope::unbounded().without(&addrs("ff02::/16"));
        let refused = expand("fd00:77::/64", &scope);
        assert!(matches!(refused, Err(OnLinkError::Excluded { .. })), "{refused:?}");
        let (sent, _) = asked(&capture.stop().unwrap().frames);
        assert!(!sent.contains(&on_link::frame::ALL_NODES));
    });
}

#[test]
fn a_scan_of_what_was_found_finds_its_ports() {
    lab_test!(a_scan_of_what_was_found_finds_its_ports, {
        let lab = lab().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([22])).unwrap();
        let found = expand("fd00:77::/64", &Scope::unbounded()).unwrap().addrs;
        let block = Block { addrs: found, tcp: [22].into_iter().collect(), ..Block::default() };
        for (discover, expected) in [(false, 2), (true, 0)] {
            let kinds = ScanKinds { syn: !discover, discover, ..ScanKinds::default() };
            let options = ScanOptions { kinds, ..ScanOptions::default() };
            let targets = TargetSet::single(block.clone());
            let scan = Scan::plan(&targets, &Scope::unbounded(), options).unwrap();
            let mut up = BTreeSet::new();
            let outcome = scan.run(&Cancel::default(), &mut |event| {
                if let ScanEvent::Host(host) = event {
                    up.insert(host.addr);
                }
            });
            assert!(outcome.unwrap().stats.open >= expected);
            assert!(up.contains(&IpAddr::V6(addr("fd00:77::ff:fe00:7702"))), "{up:?}");
        }
    });
}

/// An ICMPv6 frame from `source`, a host of the far side's hardware address.
fn frame(source: Ipv6Addr, target: Ipv6Addr, hop_limit: u8, mut message: Vec<u8>) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap();
    message[2..4].fill(0);
    let sum = Checksum::ZERO.pseudo_header(source.into(), target.into(), ICMPV6, len);
    let sum = sum.octets(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [NEAR_MAC, FAR_MAC].concat();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(len.to_be_bytes());
    frame.extend([ICMPV6, hop_limit]);
    frame.extend(source.octets());
    frame.extend(target.octets());
    frame.extend(message);
    frame
}

/// The advertisement of `target` that answers its solicitation.
fn advertisement(target: Ipv6Addr, asker: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    message.extend(target.octets());
    message.extend([2, 1]);
    message.extend(FAR_MAC);
    frame(target, asker, 255, message)
}

fn at(frame: &[u8], from: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = frame.get(from..from + 16)?.try_into().ok()?;
    Some(octets.into())
}

#[test]
fn each_way_of_asking_finds_hosts_by_itself() {
    lab_test!(each_way_of_asking_finds_hosts_by_itself, {
        let lab = Lab::builder().bare().build().unwrap();
        let there = ["fd00:77::a:1:2:3", "fd00:77::b:1:2:3", "fd00:77::5:6"].map(addr);
        let [by_echo, by_option, _] = there;
        let locals = ["fe80::a:1:2:3", "fe80::b:1:2:3", "fe80::c:1:2:3"].map(addr);
        let [_, local_by_option, local_by_report] = locals;
        let _hosts = lab
            .respond(move |question| {
                let source = at(question, 22)?;
                match (*question.get(20)?, *question.get(54)?) {
                    (ICMPV6, 135) => {
                        let target = at(question, 62).filter(|t| there.contains(t))?;
                        Some(advertisement(target, source))
                    }
                    // From the address that is asked from, as like as can be; and from nobody else.
                    (ICMPV6, 128) if !source.is_unicast_link_local() => {
                        let mut message = question.get(54..)?.to_vec();
                        *message.first_mut()? = 129;
                        Some(frame(by_echo, source, 64, message))
                    }
                    (60, _) if source.is_unicast_link_local() => {
                        let mut message = vec![4, 2, 0, 0, 0, 0, 0, 42];
                        message.extend(question.get(14..)?);
                        Some(frame(local_by_option, source, 64, message))
                    }
                    // A report without the option that alerts routers: those who ask heed it.
                    (0, _) if question.get(62) == Some(&130) => {
                        let mut message = vec![143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0];
                        message.extend(addr("ff02::1:ff05:6").octets());
                        Some(frame(local_by_report, addr("ff02::16"), 1, message))
                    }
                    _ => None,
                }
            })
            .unwrap();
        let found = expand("fd00:77::/64", &Scope::unbounded()).unwrap().addrs;
        for host in [by_echo, by_option, addr("fd00:77::5:6")] {
            assert!(found.contains(host.into()), "{host} is not among {found}");
        }
        assert_eq!(found.len(), Ok(5), "both kernels, and nothing that is not there: {found}");
    });
}

#[test]
fn neighbours_are_resolved_at_the_rate() {
    lab_test!(neighbours_are_resolved_at_the_rate, {
        let lab = Lab::builder().bare().build().unwrap();
        let targets = addrs("fd00:77::1:0/116");
        let there = targets.clone();
        let _hosts = lab
            .respond(move |question| {
                let (source, target) = (at(question, 22)?, at(question, 62)?);
                let asked = question.get(54) == Some(&135) && there.contains(target.into());
                asked.then(|| advertisement(target, source))
            })
            .unwrap();
        let table = RouteTable::open(RouteOverrides::default()).unwrap();
        let near = table.interface("near0").unwrap();
        let capture = lab.capture().unwrap();
        let options = SweepOptions { rate_pps: 20_000, ..SweepOptions::default() };
        let source = "fd00:77::1".parse().unwrap();
        let started = Instant::now();
        let found = neighbor::sweep(near, source, &targets, options, &AtomicBool::new(false));
        let took = started.elapsed();
        assert_eq!(found.unwrap().len(), 4_096);
        // No faster than the rate, which is the promise; what is slower is this host's.
        assert!(took >= Duration::from_millis(200), "{took:?}");
        let (_, solicited) = asked(&capture.stop().unwrap().frames);
        assert_eq!(solicited.iter().filter(|a| targets.contains((**a).into())).count(), 4_096);
    });
}
