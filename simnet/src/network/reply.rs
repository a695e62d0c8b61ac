//! Writing answers, with right checksums.

use std::net::IpAddr;

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep, TcpHeader};
use portolan_core::link::Encapsulation;

use super::payloads::TFTP;
use super::probe::{Ask, Probe};
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
        (Answer::Reset { plain }, Ask::Syn { from, to, sequence }) => {
            let next = if plain { sequence } else { sequence.wrapping_add(1) };
            reset(step, to, from, next)
        }
        (Answer::Silence | Answer::Reset { .. }, _) => None,
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
