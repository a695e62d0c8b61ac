//! Who answers without having been asked: a blind forger who knows everything but the cookies.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use portolan_core::link::Encapsulation;
use portolan_core::plan::ScanPlan;
use portolan_core::{Endpoint, Transport};

use super::hops::{SOURCE_V4, SOURCE_V6};
use super::payloads::EchoPayloads;
use super::reply::{error, headers, nobodys_macs, reset, syn_ack};
use super::rng::Rng;
use super::world::ErrorKind;

/// Makes answers with right checksums to probes that it has not seen.
///
/// It knows the scanner's addresses and source ports, and every endpoint of the plan; of sequence
/// numbers, identifications and flow labels it knows nothing. It forges no datagram from a port
/// whose protocol echoes nothing: there a blind guess of the source port is enough, and no
/// receiver can tell.
pub struct Forger {
    rng: Rng,
    encapsulation: Encapsulation,
    endpoints: Vec<Endpoint>,
    ports: (u16, u64),
}

impl Forger {
    /// The forger of `seed` against the endpoints of `plan`.
    pub fn new(seed: u64, plan: &ScanPlan, encapsulation: Encapsulation) -> Self {
        let aims = (0..plan.len()).filter_map(|index| plan.aim(index));
        let ports = plan.config().source_ports;
        Self {
            rng: Rng::new(seed).fork("forger"),
            encapsulation,
            endpoints: aims.map(|aim| aim.probe.endpoint(aim.addr)).collect(),
            ports: (ports.first(), u64::from(ports.span()) + 1),
        }
    }

    /// The next forgery.
    pub fn forge(&mut self) -> Option<Vec<u8>> {
        let endpoint = *self.endpoints.get(self.rng.index(self.endpoints.len()))?;
        let from = endpoint.addr;
        let ours = if from.is_ipv4() { SOURCE_V4 } else { SOURCE_V6 };
        let macs = nobodys_macs(self.encapsulation);
        let step = headers(macs, from, ours, 57)?;
        let to = self.guessed_port();
        let guess = self.rng.next_u32();
        if self.rng.chance(0.4) {
            return self.forged_error(endpoint, ours, to);
        }
        match endpoint.transport {
            Transport::Tcp if self.rng.chance(0.5) => syn_ack(step, endpoint.port, to, guess),
            Transport::Tcp => reset(step, endpoint.port, to, guess),
            Transport::Udp if EchoPayloads::echoes(endpoint.port) => {
                let mut frame = Vec::new();
                let payload = self.rng.next_u64().to_be_bytes();
                step.udp(endpoint.port, to).write(&mut frame, &payload).ok()?;
                Some(frame)
            }
            Transport::Udp => self.forged_error(endpoint, ours, to),
            _ => {
                let mut frame = Vec::new();
                let sequence = guess.to_be_bytes();
                let written = if from.is_ipv4() {
                    step.icmpv4_raw(0, 0, sequence).write(&mut frame, &[0; 8])
                } else {
                    step.icmpv6_raw(129, 0, sequence).write(&mut frame, &[0; 8])
                };
                written.ok()?;
                Some(frame)
            }
        }
    }

    fn guessed_port(&mut self) -> u16 {
        let (first, count) = self.ports;
        first.saturating_add(u16::try_from(self.rng.below(count)).unwrap_or(0))
    }

    /// An error that quotes a probe as it may have looked.
    fn forged_error(&mut self, endpoint: Endpoint, ours: IpAddr, port: u16) -> Option<Vec<u8>> {
        let kind = match self.rng.below(3) {
            0 => ErrorKind::Port,
            1 => ErrorKind::Host,
            _ => ErrorKind::Prohibited,
        };
        let quote = self.imagined_probe(endpoint, ours, port)?;
        let step = headers(nobodys_macs(self.encapsulation), endpoint.addr, ours, 57)?;
        error(step, kind, (endpoint.addr.is_ipv6(), quote))
    }

    fn imagined_probe(&mut self, endpoint: Endpoint, ours: IpAddr, port: u16) -> Option<Vec<u8>> {
        let mut probe = Vec::new();
        let (guess, v4) = (self.rng.next_u32(), ours.is_ipv4());
        let step = headers(None, ours, endpoint.addr, 61)?;
        match endpoint.transport {
            Transport::Tcp => step.tcp(port, endpoint.port, guess, 64_240).write(&mut probe, &[]),
            Transport::Udp => step.udp(port, endpoint.port).write(&mut probe, &[]),
            _ if v4 => step.icmpv4_raw(8, 0, guess.to_be_bytes()).write(&mut probe, &[0; 8]),
            _ => step.icmpv6_raw(128, 0, guess.to_be_bytes()).write(&mut probe, &[0; 8]),
        }
        .ok()?;
        // Identification, or flow label behind version and traffic class.
        let [a, b, c, _] = self.rng.next_u32().to_be_bytes();
        if v4 {
            probe.get_mut(4..6)?.copy_from_slice(&[a, b]);
        } else {
            probe.get_mut(1..4)?.copy_from_slice(&[a & 0x0f, b, c]);
        }
        Some(probe)
    }

    /// A mutation of a true answer's TCP ports, addresses or acknowledgement that makes it the
    /// answer to another probe than the one it proves; `None` for what is not TCP over IPv4
    /// without a link header.
    pub fn bend(&mut self, answer: &[u8]) -> Option<Vec<u8>> {
        let packet = etherparse::SlicedPacket::from_ip(answer).ok()?;
        let Some(etherparse::NetSlice::Ipv4(ip)) = packet.net else { return None };
        let Some(etherparse::TransportSlice::Tcp(slice)) = packet.transport else { return None };
        let (mut from, to) = (ip.header().source(), ip.header().destination());
        let mut tcp = slice.to_header();
        match self.rng.below(4) {
            0 => tcp.source_port = other(tcp.source_port, self.rng.next_u16()),
            1 => tcp.destination_port = other(tcp.destination_port, self.guessed_port()),
            2 => {
                let IpAddr::V4(addr) =
                    self.endpoints.get(self.rng.index(self.endpoints.len()))?.addr
                else {
                    return None;
                };
                if addr.octets() == from {
                    return None;
                }
                from = addr.octets();
            }
            _ => {
                // Next to the right number, but for the two that are allowed.
                let by = 2 + u32::from(self.rng.next_u16());
                tcp.acknowledgment_number = tcp.acknowledgment_number.wrapping_add(by);
            }
        }
        let mut frame = Vec::new();
        PacketBuilder::ipv4(from, to, 57).tcp_header(tcp).write(&mut frame, &[]).ok()?;
        Some(frame)
    }
}

const fn other(port: u16, candidate: u16) -> u16 {
    if candidate == port { port ^ 1 } else { candidate }
}
