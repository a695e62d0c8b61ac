//! A packet in one line, for people who watch a scan.

use std::fmt;
use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice};

use crate::link::Encapsulation;

/// What a frame holds, as text: protocol, addresses, ports, flags, numbers.
///
/// `TCP 10.0.0.1:61440 > 10.0.0.2:22 S ttl=64 seq=7 ack=0 len=44`; a frame that is no packet says
/// how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    frame: &'a [u8],
    encapsulation: Encapsulation,
}

/// The frame of a link with `encapsulation`, as text.
pub const fn describe(frame: &[u8], encapsulation: Encapsulation) -> Described<'_> {
    Described { frame, encapsulation }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = match self.encapsulation {
            Encapsulation::Ethernet => LaxSlicedPacket::from_ethernet(self.frame).ok(),
            Encapsulation::Ip => LaxSlicedPacket::from_ip(self.frame).ok(),
        };
        let known =
            packet.as_ref().and_then(|packet| Some((packet, addresses(packet.net.as_ref()?)?)));
        let Some((packet, (from, to, ttl))) = known else {
            return write!(f, "frame of {} octets", self.frame.len());
        };
        let len = self.frame.len().saturating_sub(self.encapsulation.header_len());
        let ports = |source: u16, target: u16| Ports { from, to, source, target };
        match &packet.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                let (ends, flags) = (ports(tcp.source_port(), tcp.destination_port()), Flags(tcp));
                let (seq, ack) = (tcp.sequence_number(), tcp.acknowledgment_number());
                write!(f, "TCP {ends} {flags} ttl={ttl} seq={seq} ack={ack} len={len}")
            }
            Some(TransportSlice::Udp(udp)) => {
                let ends = ports(udp.source_port(), udp.destination_port());
                write!(f, "UDP {ends} ttl={ttl} len={len}")
            }
            Some(TransportSlice::Icmpv4(icmp)) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                write!(f, "ICMP {from} > {to} type={kind} code={code} ttl={ttl} len={len}")
            }
            Some(TransportSlice::Icmpv6(icmp)) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                write!(f, "ICMPv6 {from} > {to} type={kind} code={code} ttl={ttl} len={len}")
            }
            _ => other(f, packet, (from, to, ttl, len)),
        }
    }
}

/// SCTP, and what this program does not speak.
fn other(
    f: &mut fmt::Formatter<'_>,
    packet: &LaxSlicedPacket<'_>,
    (from, to, ttl, len): (IpAddr, IpAddr, u8, usize),
) -> fmt::Result {
    let ip = packet.net.as_ref().and_then(LaxNetSlice::ip_payload_ref);
    let number = ip.map_or(0, |ip| ip.ip_number.0);
    let head = ip.filter(|_| number == 132).and_then(|ip| ip.payload.first_chunk::<13>());
    let Some(&[from_high, from_low, to_high, to_low, .., chunk]) = head else {
        return write!(f, "IP {from} > {to} protocol={number} ttl={ttl} len={len}");
    };
    let (source, target) =
        (u16::from_be_bytes([from_high, from_low]), u16::from_be_bytes([to_high, to_low]));
    let ends = Ports { from, to, source, target };
    // RFC 9260 §3.2.
    match chunk {
        1 => write!(f, "SCTP {ends} INIT ttl={ttl} len={len}"),
        2 => write!(f, "SCTP {ends} INIT-ACK ttl={ttl} len={len}"),
        6 => write!(f, "SCTP {ends} ABORT ttl={ttl} len={len}"),
        other => write!(f, "SCTP {ends} chunk={other} ttl={ttl} len={len}"),
    }
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr, u8)> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into(), header.ttl()))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            Some((from.into(), to.into(), header.hop_limit()))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

/// `10.0.0.1:61440 > 10.0.0.2:22`.
struct Ports {
    from: IpAddr,
    to: IpAddr,
    source: u16,
    target: u16,
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = ((self.from, self.source), (self.to, self.target));
        write!(f, "{} > {}", std::net::SocketAddr::from(from), std::net::SocketAddr::from(to))
    }
}

/// `SA`; `-` for none.
struct Flags<'a>(&'a TcpSlice<'a>);

impl fmt::Display for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tcp = self.0;
        let all = [
            (tcp.syn(), 'S'),
            (tcp.fin(), 'F'),
            (tcp.rst(), 'R'),
            (tcp.psh(), 'P'),
            (tcp.ack(), 'A'),
            (tcp.urg(), 'U'),
        ];
        let mut none = true;
        for (_, letter) in all.into_iter().filter(|(set, _)| *set) {
            fmt::Write::write_char(f, letter)?;
            none = false;
        }
        if none { f.write_str("-") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    #[test]
    fn packets_are_told_in_one_line() {
        let v4 = || PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let v6 = || PacketBuilder::ipv6([1; 16], [2; 16], 63);
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut frame = Vec::new();
            write(&mut frame);
            describe(&frame, Encapsulation::Ip).to_string()
        };
        assert_eq!(
            text(&|f| v4().tcp(61_440, 22, 7, 100).syn().ack(9).write(f, &[]).unwrap()),
            "TCP 10.0.0.1:61440 > 10.0.0.2:22 SA ttl=64 seq=7 ack=9 len=40"
        );
        assert_eq!(
            text(&|f| v6().tcp(1, 2, 7, 100).write(f, &[]).unwrap()),
            "TCP [101:101:101:101:101:101:101:101]:1 > [202:202:202:202:202:202:202:202]:2 - \
             ttl=63 seq=7 ack=0 len=60"
        );
        assert_eq!(
            text(&|f| v4().udp(61_440, 53).write(f, b"hello").unwrap()),
            "UDP 10.0.0.1:61440 > 10.0.0.2:53 ttl=64 len=33"
        );
        assert_eq!(
            text(&|f| v4().icmpv4_raw(3, 13, [0; 4]).write(f, &[]).unwrap()),
            "ICMP 10.0.0.1 > 10.0.0.2 type=3 code=13 ttl=64 len=28"
        );
        let init = [0x0f, 0xa0, 0x97, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20];
        assert_eq!(
            text(&|f| v4().write(f, etherparse::IpNumber::SCTP, &init).unwrap()),
            "SCTP 10.0.0.1:4000 > 10.0.0.2:38668 INIT ttl=64 len=36"
        );
        assert_eq!(describe(b"x", Encapsulation::Ip).to_string(), "frame of 1 octets");
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_is_one_line(data in prop::collection::vec(any::<u8>(), 0..80)) {
            for link in [Encapsulation::Ethernet, Encapsulation::Ip] {
                prop_assert!(!describe(&data, link).to_string().contains('\n'));
            }
        }
    }
}
