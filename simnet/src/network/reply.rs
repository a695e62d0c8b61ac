//! Writing answers, with right checksums.

use std::net::IpAddr;

use etherparse::{IpHeaders, IpNumber, PacketBuilder, PacketBuilderStep, TcpHeader};
use portolan_core::link::Encapsulation;
use portolan_core::probe::TcpScan;

use super::payloads::TFTP;
use super::probe::{Ask, Probe, crc32c};
use super::world::{Answer, Behaviour, ErrorKind};

/// An octet pattern that shows in captures who a frame is from.
const NOBODY: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

/// The frame that answers `probe`, or `None` for silence.
pub fn write(
    probe: &Probe<'_>,
    behaviour: &Behaviour,
    encapsulation: Encapsulation,
) -> Option<Vec<u8>> {
    let wrap = |from| {
        let macs = probe.macs.filter(|_| encapsulation == Encapsulation::Ethernet);
        headers(macs.map(|(theirs, ours)| (ours, theirs)), from, probe.source, behaviour.ttl)
    };
    let step = wrap(probe.target)?;
    match (behaviour.answer, probe.ask) {
        (Answer::Open, Ask::Syn { from, to, sequence }) => {
            syn_ack(step, to, from, sequence.wrapping_add(1))
        }
        (Answer::Open, Ask::Datagram { from, to, payload }) => {
            // RFC 1350 §4: a TFTP server answers from a port of its own choice.
            let port = if to == TFTP { 32_768 + from % 16_384 } else { to };
            finish(|frame| step.udp(port, from).write(frame, payload).ok())
        }
        (Answer::Open, Ask::Echo { sequence, payload }) => match probe.target {
            IpAddr::V4(_) => {
                finish(|frame| step.icmpv4_raw(0, 0, sequence).write(frame, payload).ok())
            }
            IpAddr::V6(_) => {
                finish(|frame| step.icmpv6_raw(129, 0, sequence).write(frame, payload).ok())
            }
        },
        (Answer::Open, Ask::Init { from, to, tag }) => sctp(step, (to, from), tag, &INIT_ACK),
        (Answer::Reset { .. }, Ask::Init { from, to, tag }) => {
            sctp(step, (to, from), tag, &[6, 0, 0, 4])
        }
        (Answer::Open, Ask::Timestamp { sequence }) => {
            finish(|frame| step.icmpv4_raw(14, 0, sequence).write(frame, &[7; 12]).ok())
        }
        (Answer::Open, Ask::AddressMask { sequence }) => {
            finish(|frame| step.icmpv4_raw(18, 0, sequence).write(frame, &[255; 4]).ok())
        }
        (Answer::Reset { plain }, Ask::Segment { from, to, kind, sequence, acknowledges }) => {
            match kind {
                // RFC 9293 §3.10.7.1.
                TcpScan::Ack => bare_reset(step, to, from, acknowledges),
                TcpScan::Null => reset(step, to, from, sequence),
                _ => reset(step, to, from, sequence.wrapping_add(u32::from(!plain))),
            }
        }
        (Answer::Reset { plain }, Ask::Syn { from, to, sequence }) => {
            let next = if plain { sequence } else { sequence.wrapping_add(1) };
            reset(step, to, from, next)
        }
        (Answer::Silence | Answer::Reset { .. } | Answer::Open, _) => None,
        (Answer::Error { kind, router, whole }, _) => {
            error(wrap(router.unwrap_or(probe.target))?, kind, quoted(probe, whole)?)
        }
    }
}

/// Link and IP headers; `None` for addresses of two families.
pub(crate) fn headers(
    macs: Option<([u8; 6], [u8; 6])>,
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
) -> Option<PacketBuilderStep<IpHeaders>> {
    let link = macs.map(|(from, to)| PacketBuilder::ethernet2(from, to));
    Some(match (from, to, link) {
        (IpAddr::V4(from), IpAddr::V4(to), None) => {
            PacketBuilder::ipv4(from.octets(), to.octets(), ttl)
        }
        (IpAddr::V4(from), IpAddr::V4(to), Some(link)) => {
            link.ipv4(from.octets(), to.octets(), ttl)
        }
        (IpAddr::V6(from), IpAddr::V6(to), None) => {
            PacketBuilder::ipv6(from.octets(), to.octets(), ttl)
        }
        (IpAddr::V6(from), IpAddr::V6(to), Some(link)) => {
            link.ipv6(from.octets(), to.octets(), ttl)
        }
        _ => return None,
    })
}

/// Hardware addresses for a frame that answers nothing.
pub(crate) const fn nobodys_macs(encapsulation: Encapsulation) -> Option<([u8; 6], [u8; 6])> {
    match encapsulation {
        Encapsulation::Ethernet => Some((NOBODY, NOBODY)),
        Encapsulation::Ip => None,
    }
}

pub(crate) fn syn_ack(
    step: PacketBuilderStep<IpHeaders>,
    from: u16,
    to: u16,
    acknowledges: u32,
) -> Option<Vec<u8>> {
    let mut tcp = TcpHeader::new(from, to, acknowledges.wrapping_mul(3), 64_240);
    (tcp.syn, tcp.ack, tcp.acknowledgment_number) = (true, true, acknowledges);
    finish(|frame| step.tcp_header(tcp).write(frame, &[]).ok())
}

pub(crate) fn reset(
    step: PacketBuilderStep<IpHeaders>,
    from: u16,
    to: u16,
    acknowledges: u32,
) -> Option<Vec<u8>> {
    let mut tcp = TcpHeader::new(from, to, 0, 0);
    (tcp.rst, tcp.ack, tcp.acknowledgment_number) = (true, true, acknowledges);
    finish(|frame| step.tcp_header(tcp).write(frame, &[]).ok())
}

/// A RST that acknowledges nothing.
fn bare_reset(
    step: PacketBuilderStep<IpHeaders>,
    from: u16,
    to: u16,
    sequence: u32,
) -> Option<Vec<u8>> {
    let mut tcp = TcpHeader::new(from, to, sequence, 0);
    tcp.rst = true;
    finish(|frame| step.tcp_header(tcp).write(frame, &[]).ok())
}

/// An INIT ACK without its cookie, which nobody here takes up: RFC 9260 §3.3.3.
const INIT_ACK: [u8; 20] = [2, 0, 0, 20, 9, 9, 9, 9, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1];

/// One chunk under a verification tag.
fn sctp(
    step: PacketBuilderStep<IpHeaders>,
    (from, to): (u16, u16),
    tag: [u8; 4],
    chunk: &[u8],
) -> Option<Vec<u8>> {
    let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
    let mut packet = [&from[..], &to[..], &tag[..], &[0; 4][..], chunk].concat();
    let sum = crc32c(&packet);
    packet.get_mut(8..12)?.copy_from_slice(&sum.to_le_bytes());
    finish(|frame| step.write(frame, IpNumber::SCTP, &packet).ok())
}

/// Types and codes after RFC 792, RFC 1812 §5.2.7.1 and RFC 4443 §3.1.
pub(crate) fn error(
    step: PacketBuilderStep<IpHeaders>,
    kind: ErrorKind,
    (v6, quoted): (bool, Vec<u8>),
) -> Option<Vec<u8>> {
    let unused = [0; 4];
    if v6 {
        let code = match kind {
            ErrorKind::Port => 4,
            ErrorKind::Host => 3,
            ErrorKind::Prohibited => 1,
        };
        return finish(|frame| step.icmpv6_raw(1, code, unused).write(frame, &quoted).ok());
    }
    let code = match kind {
        ErrorKind::Port => 3,
        ErrorKind::Host => 1,
        ErrorKind::Prohibited => 13,
    };
    finish(|frame| step.icmpv4_raw(3, code, unused).write(frame, &quoted).ok())
}

/// The beginning of a probe as a router quotes it: its time to live has gone down on the way, and
/// not everyone puts the header's checksum right before quoting.
fn quoted(probe: &Probe<'_>, whole: bool) -> Option<(bool, Vec<u8>)> {
    let v6 = probe.target.is_ipv6();
    let (ttl_at, header_len) = if v6 { (7, 40) } else { (8, 20) };
    let len = if whole { probe.packet.len() } else { header_len + 8 };
    let mut quote = probe.packet.get(..len)?.to_vec();
    let ttl = quote.get_mut(ttl_at)?;
    *ttl = ttl.saturating_sub(3);
    Some((v6, quote))
}

fn finish(write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    write(&mut frame)?;
    Some(frame)
}
