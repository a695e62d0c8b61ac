use super::*;

use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, PacketBuilder, icmpv4::DestUnreachableHeader,
};

const PORTS: RangeInclusive<u16> = 40_960..=45_055;

/// A classic BPF machine, as in the BSD packet filter paper: loads outside the frame return 0.
fn run(program: &[Instruction], frame: &[u8]) -> u32 {
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
    let byte = |i: u32| frame.get(i as usize).copied().map(u32::from);
    let half = |i: u32| Some(byte(i)? << 8 | byte(i + 1)?);
    loop {
        let line = program[at];
        let k = line.operand;
        at += 1;
        let loaded = match line.code {
            LOAD_HALF => half(k),
            LOAD_BYTE => byte(k),
            LOAD_HALF_AT_X => half(x + k),
            LOAD_BYTE_AT_X => byte(x + k),
            LOAD_X_HEADER_LEN => byte(k).map(|octet| {
                x = (octet & 0xf) * 4;
                a
            }),
            SHIFT_RIGHT => Some(a >> k),
            RETURN => return k,
            _ => {
                let holds = match line.code {
                    IF_EQUAL => a == k,
                    IF_ABOVE => a > k,
                    IF_AT_LEAST => a >= k,
                    IF_ANY_SET => a & k != 0,
                    other => panic!("operation {other:#x}"),
                };
                at += usize::from(if holds { line.jump_true } else { line.jump_false });
                Some(a)
            }
        };
        match loaded {
            Some(value) => a = value,
            None => return 0,
        }
    }
}

/// Whether the filter passes the frame, both with and without its Ethernet header.
fn passes(frame: &[u8]) -> bool {
    let with = Filter::new(Encapsulation::Ethernet).ports(PORTS).program();
    let without = Filter::new(Encapsulation::Ip).ports(PORTS).program();
    let verdict = run(&with, frame);
    assert_eq!(verdict, run(&without, &frame[14..]), "the two encapsulations agree");
    assert!(verdict == 0 || verdict == SNAP_LEN);
    verdict != 0
}

fn v4() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
}

fn v6() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6([1; 16], [2; 16], 64)
}

/// Writes a built packet.
macro_rules! frame {
    ($builder:expr) => {{
        let builder = $builder;
        let mut out = Vec::new();
        builder.write(&mut out, b"payload").unwrap();
        out
    }};
}

#[test]
fn answers_to_our_ports_pass_and_others_do_not() {
    for (port, expected) in [
        (40_959, false),
        (40_960, true),
        (43_000, true),
        (45_055, true),
        (45_056, false),
        (22, false),
    ] {
        assert_eq!(passes(&frame!(v4().tcp(80, port, 1, 100).syn().ack(2))), expected, "{port}");
        assert_eq!(passes(&frame!(v4().udp(53, port))), expected, "{port}");
        assert_eq!(passes(&frame!(v6().tcp(80, port, 1, 100).rst())), expected, "{port}");
        assert_eq!(passes(&frame!(v6().udp(53, port))), expected, "{port}");
    }
}

#[test]
fn sctp_has_its_ports_where_udp_has_them() {
    for (port, expected) in [(40_959, false), (40_960, true), (45_056, false)] {
        for (mut frame, at) in
            [(frame!(v4().udp(38_412, port)), 14 + 9), (frame!(v6().udp(38_412, port)), 14 + 6)]
        {
            frame[at] = 132;
            assert_eq!(passes(&frame), expected, "{port}");
        }
    }
}

#[test]
fn options_in_the_ipv4_header_move_the_port() {
    let mut header =
        etherparse::Ipv4Header::new(20, 64, etherparse::ip_number::TCP, [1; 4], [2; 4]).unwrap();
    header.options = etherparse::Ipv4Options::from([1_u8; 8]);
    let ip = etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default());
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ip(ip);
    assert!(passes(&frame!(builder.tcp(80, 41_000, 1, 100).syn().ack(2))));
}

#[test]
fn icmp_answers_pass_and_requests_do_not() {
    let echo = IcmpEchoHeader { id: 1, seq: 2 };
    let unreachable = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port);
    assert!(passes(&frame!(v4().icmpv4(unreachable))));
    assert!(passes(&frame!(v4().icmpv4(Icmpv4Type::EchoReply(echo)))));
    assert!(!passes(&frame!(v4().icmpv4(Icmpv4Type::EchoRequest(echo)))));
    assert!(passes(&frame!(v6().icmpv6(Icmpv6Type::EchoReply(echo)))));
    assert!(!passes(&frame!(v6().icmpv6(Icmpv6Type::EchoRequest(echo)))));
    for kind in 0..=255 {
        let raw = Icmpv4Type::Unknown { type_u8: kind, code_u8: 0, bytes5to8: [0; 4] };
        let expected = [0, 3, 11, 14, 18].contains(&kind);
        assert_eq!(passes(&frame!(v4().icmpv4(raw))), expected, "type {kind}");
    }
    for (kind, expected) in
        [(1, true), (2, false), (3, true), (135, true), (136, true), (143, false)]
    {
        let raw = Icmpv6Type::Unknown { type_u8: kind, code_u8: 0, bytes5to8: [0; 4] };
        assert_eq!(passes(&frame!(v6().icmpv6(raw))), expected, "type {kind}");
    }
}

#[test]
fn later_fragments_stop_here() {
    let mut frame = frame!(v4().udp(53, 41_000));
    frame[14 + 7] = 8;
    assert!(!passes(&frame));
    frame[14 + 7] = 0;
    frame[14 + 6] = 0x20;
    assert!(passes(&frame), "the first fragment holds the ports");
}

#[test]
fn extension_headers_are_for_the_parser() {
    for (next, expected) in [(0, true), (43, true), (44, true), (60, true), (50, false)] {
        let mut frame = frame!(v6().udp(53, 41_000));
        frame[14 + 6] = next;
        assert_eq!(passes(&frame), expected, "next header {next}");
    }
}

#[test]
fn arp_replies_pass_when_wanted() {
    let mut frame = vec![0; 42];
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    frame[21] = 2;
    let plain = Filter::new(Encapsulation::Ethernet).program();
    let with_arp = Filter::new(Encapsulation::Ethernet).arp().program();
    assert_eq!(run(&plain, &frame), 0);
    assert_eq!(run(&with_arp, &frame), SNAP_LEN);
    frame[21] = 1;
    assert_eq!(run(&with_arp, &frame), 0);
}

#[test]
fn many_ranges_still_fit_and_each_counts() {
    let mut filter = Filter::new(Encapsulation::Ethernet).arp();
    for i in 0..40_u16 {
        filter = filter.ports(i * 100..=i * 100 + 9);
    }
    let program = filter.program();
    assert!(program.len() < 128);
    let to = |port| run(&program, &frame!(v4().udp(53, port))) != 0;
    assert!(to(5) && to(605) && !to(50) && to(3_909) && !to(4_000));
}

#[test]
fn frames_of_every_length_end_in_a_verdict() {
    let frame = frame!(v6().tcp(80, 41_000, 1, 100).syn().ack(2));
    let program = Filter::new(Encapsulation::Ethernet).ports(PORTS).arp().program();
    for len in 0..=frame.len() {
        let verdict = run(&program, &frame[..len]);
        assert_eq!(verdict != 0, len >= 14 + 40 + 4);
    }
}
