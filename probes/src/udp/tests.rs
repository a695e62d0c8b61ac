//! What holds for every probe, and the helper that each protocol's own tests use.

use proptest::prelude::*;

use super::*;

/// `answer` makes of each patched request the reply that a server would send; it must confirm the
/// cookie and no other.
pub(super) fn round_trip(probe: &UdpProbe, answer: impl Fn(&[u8]) -> Vec<u8>) {
    for cookie in [0, 1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
        let reply = answer(&patched(probe, cookie));
        assert_eq!(probe.check(&reply, cookie), Echo::Confirmed, "{cookie:#x}: {reply:x?}");
        // A cookie that differs in every narrow field as well.
        let other = cookie ^ 0x5555_5555_5555_5555;
        assert_ne!(probe.check(&reply, other), Echo::Confirmed, "{cookie:#x}: {reply:x?}");
    }
}

fn patched(probe: &UdpProbe, cookie: u64) -> Vec<u8> {
    let mut payload = probe.template().to_vec();
    probe.patch(&mut payload, cookie);
    payload
}

fn all() -> Vec<&'static UdpProbe> {
    let mut all: Vec<&UdpProbe> =
        udp_probe_ports().flat_map(udp_probes).chain(udp_anywhere()).copied().collect();
    let further: Vec<_> = all.iter().flat_map(|probe| udp_further(probe.service())).collect();
    all.extend(further.into_iter().copied());
    all.push(&EMPTY);
    all.sort_by_key(|probe| std::ptr::from_ref(*probe));
    all.dedup_by_key(|probe| std::ptr::from_ref(*probe));
    all
}

#[test]
fn templates_are_the_payload_of_cookie_zero() {
    for probe in all() {
        assert_eq!(patched(probe, 0), probe.template(), "{}", probe.name);
        assert!(probe.template().len() <= UDP_PAYLOAD_LEN_MAX, "{}", probe.name);
        assert!(!probe.source.is_empty(), "{}", probe.name);
    }
}

#[test]
fn the_usual_services_are_there() {
    let usual = [
        (53, "dns"),
        (123, "ntp"),
        (161, "snmp"),
        (137, "netbios-ns"),
        (5060, "sip"),
        (69, "tftp"),
        (1900, "ssdp"),
        (5353, "mdns"),
        (11211, "memcached"),
        (500, "ike"),
        (4500, "ike-nat-t"),
        (3478, "stun"),
        (5683, "coap"),
        (111, "rpcbind"),
        (443, "quic"),
        (1194, "openvpn"),
        (514, "syslog"),
    ];
    for (port, name) in usual {
        assert_eq!(udp_probe(port).name, name);
        assert!(!udp_probe(port).template().is_empty());
    }
    assert_eq!(udp_probe(1).template(), b"");
}

#[test]
fn what_is_said_anywhere_is_said_once() {
    let mut said: Vec<_> = udp_anywhere().iter().map(|probe| probe.template()).collect();
    assert!(!said.iter().any(|template| template.is_empty()));
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), udp_anywhere().len());
    assert!((25..=50).contains(&said.len()));
}

#[test]
fn the_engine_sees_the_first_probe_of_a_port() {
    let payloads = UsualPayloads;
    let mut payload = payloads.template(53).to_vec();
    payloads.patch(53, &mut payload, 0x1234);
    assert_eq!(payload[..2], [0x12, 0x34]);
    payload[2] |= 0x80;
    assert_eq!(payloads.check(53, &payload, 0x1234), Echo::Confirmed);
    assert_eq!(payloads.check(53, &payload, 0x1235), Echo::Contradicted);
    assert!(payloads.answers_from_elsewhere(69) && !payloads.answers_from_elsewhere(53));
    assert_eq!(payloads.template(1), b"");
}

/// A host that reflects datagrams confirms nothing, but for the echo service whose job it is, and
/// SNMP version 3 whose report has the request's shape.
#[test]
fn reflections_do_not_confirm() {
    for probe in all() {
        let cookie = 0x0123_4567_89ab_cdef;
        let verdict = probe.check(&patched(probe, cookie), cookie);
        let v3 = probe.source.starts_with("RFC 3412");
        assert_eq!(verdict == Echo::Confirmed, probe.name == "echo" || v3, "{}", probe.name);
    }
}

proptest! {
    #[test]
    fn nothing_panics_on_any_octets(
        mut octets in proptest::collection::vec(any::<u8>(), 0..200),
        cookie: u64,
    ) {
        for probe in all() {
            let _ = probe.check(&octets, cookie);
            probe.patch(&mut octets, cookie);
        }
    }

    /// Replies cut short and damaged: the shapes that come closest to real ones.
    #[test]
    fn nothing_panics_on_damaged_requests(cookie: u64, cut: usize, at: usize, octet: u8) {
        for probe in all() {
            let mut octets = patched(probe, cookie);
            octets.truncate(cut % (octets.len() + 1));
            if let Some(damaged) = at.checked_rem(octets.len()).and_then(|at| octets.get_mut(at)) {
                *damaged = octet;
            }
            let _ = probe.check(&octets, cookie);
        }
    }
}
