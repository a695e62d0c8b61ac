//! Reading of replies: which are answers, and what they say.

use std::net::IpAddr;

use crate::canary::Canaries;
use crate::cookie::Cookie;
use crate::plan::{Found, Probe, ScanPlan};
use crate::probe::TcpScan;
use crate::state::{PortState, Reason};
use crate::udp::Echo;
use crate::wire::parse::Quote;
use crate::wire::{Rejection, Reply, Segment};

/// An answer that proved itself.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) found: Found,
    pub(super) probe: Probe,
    pub(super) addr: IpAddr,
    pub(super) pass: u8,
    pub(super) verdict: (PortState, Reason),
    /// Whether the host itself spoke.
    pub(super) life: bool,
}

impl Answer {
    /// Whether the host itself answered, and by what hosts do not limit as they do ICMP errors.
    pub(super) const fn is_own(&self) -> bool {
        matches!(self.verdict.1, Reason::SynAck | Reason::Reset | Reason::EchoReply)
    }
}

/// What proofs are judged by.
pub(super) struct AnswerReader<'a> {
    pub(super) plan: &'a ScanPlan,
    /// UDP ports of the plan whose servers answer from other ports.
    pub(super) roaming: &'a [u16],
    /// Those whose answers prove themselves too.
    pub(super) canaries: Option<&'a Canaries>,
}

impl AnswerReader<'_> {
    /// The answer that `reply` proves itself to be.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn read(&self, reply: &Reply<'_>) -> Result<Answer, Rejection> {
        match reply.segment {
            Segment::Tcp { source_port, target_port, reset, sequence, acknowledges } => {
                let scan = self.plan.config().tcp_scan;
                let verdict = match (scan, reset) {
                    (TcpScan::Syn, false) => (PortState::Open, Reason::SynAck),
                    (_, true) => (scan.reset_state(), Reason::Reset),
                    (_, false) => return Err(Rejection::Unexpected),
                };
                let proves = |cookie: Cookie| {
                    let sent = cookie.sequence();
                    match acknowledges {
                        // RFC 9293 §3.10.7.1: the RST has the number that ours acknowledged.
                        _ if scan == TcpScan::Ack => sequence == sent,
                        // SYN and FIN count one. Some stacks acknowledge no further than the
                        // segment's own number, as all do for one without SYN and FIN.
                        Some(number) => number == sent.wrapping_add(1) || reset && number == sent,
                        None => false,
                    }
                };
                self.answer(reply, Probe::Tcp(source_port), Some(target_port), verdict, proves)
            }
            Segment::Sctp { source_port, target_port, abort, tag } => {
                let verdict = if abort {
                    (PortState::Closed, Reason::Abort)
                } else {
                    (PortState::Open, Reason::InitAck)
                };
                let proves = |cookie: Cookie| cookie.initiate_tag() == tag;
                self.answer(reply, Probe::Sctp(source_port), Some(target_port), verdict, proves)
            }
            Segment::Udp { source_port, target_port, payload } => {
                self.read_udp(reply, source_port, target_port, payload)
            }
            Segment::Ping { probe, sequence } => {
                let reason = match probe {
                    Probe::Timestamp => Reason::TimestampReply,
                    Probe::AddressMask => Reason::AddressMaskReply,
                    _ => Reason::EchoReply,
                };
                let proves = |cookie: Cookie| cookie.sequence() == sequence;
                self.answer(reply, probe, None, (PortState::Open, reason), proves)
            }
            Segment::Error { reason, quote } => self.read_error(reply, reason, &quote),
        }
    }

    /// The answer of `reply`'s sender to `probe`, if it proves itself.
    fn answer(
        &self,
        reply: &Reply<'_>,
        probe: Probe,
        to_port: Option<u16>,
        verdict: (PortState, Reason),
        proves: impl Fn(Cookie) -> bool,
    ) -> Result<Answer, Rejection> {
        let addr = reply.from;
        let (probe, found) = self.find(addr, reply.to, probe)?;
        let pass = self.pass_of(addr, probe, to_port, proves)?;
        Ok(Answer { found, probe, addr, pass, verdict, life: true })
    }

    fn read_udp(
        &self,
        reply: &Reply<'_>,
        source_port: u16,
        target_port: u16,
        payload: &[u8],
    ) -> Result<Answer, Rejection> {
        let payloads = &self.plan.config().payloads;
        let check = |port: u16| {
            let proves =
                |cookie: Cookie| payloads.check(port, payload, cookie.bits()) != Echo::Contradicted;
            let verdict = (PortState::Open, Reason::UdpResponse);
            self.answer(reply, Probe::Udp(port), Some(target_port), verdict, proves)
        };
        let roaming = || self.roaming.iter().find_map(|port| check(*port).ok());
        check(source_port).or_else(|rejection| roaming().ok_or(rejection))
    }

    fn read_error(
        &self,
        reply: &Reply<'_>,
        reason: Reason,
        quote: &Quote,
    ) -> Result<Answer, Rejection> {
        let [source_high, source_low, high, low, sequence @ ..] = quote.head;
        let source_port = u16::from_be_bytes([source_high, source_low]);
        let port = u16::from_be_bytes([high, low]);
        let sequence = u32::from_be_bytes(sequence);
        let (probe, source_port) = match quote.protocol {
            6 => (Probe::Tcp(port), Some(source_port)),
            17 => (Probe::Udp(port), Some(source_port)),
            132 => (Probe::Sctp(port), Some(source_port)),
            1 => match source_high {
                13 => (Probe::Timestamp, None),
                17 => (Probe::AddressMask, None),
                _ => (Probe::Echo, None),
            },
            58 => (Probe::Echo, None),
            _ => return Err(Rejection::Unexpected),
        };
        // The quote must be of a packet from us; the error may come from anyone on the way.
        let (probe, found) = self.find(quote.to, quote.from, probe)?;
        if reply.to != quote.from {
            return Err(Rejection::NotOurs);
        }
        let v4 = quote.to.is_ipv4();
        let proves = |cookie: Cookie| {
            let mark = if v4 { u32::from(cookie.ip_id()) } else { cookie.flow_label() };
            let in_quote = match probe {
                Probe::Udp(_) => true,
                // The verification tag of an INIT, RFC 9260 §8.5.1.
                Probe::Sctp(_) => sequence == 0,
                _ => cookie.sequence() == sequence,
            };
            mark == quote.mark && in_quote
        };
        let pass = self.pass_of(quote.to, probe, source_port, proves)?;
        let from_target = reply.from == quote.to;
        let state = match (probe, reason) {
            (Probe::Udp(_), Reason::PortUnreach) if from_target => PortState::Closed,
            _ => PortState::Filtered,
        };
        let life = from_target && reason == Reason::PortUnreach;
        Ok(Answer { found, probe, addr: quote.to, pass, verdict: (state, reason), life })
    }

    /// The endpoint that `probe` to `addr` is, if the plan asks it from `ours`.
    fn find(&self, addr: IpAddr, ours: IpAddr, probe: Probe) -> Result<(Probe, Found), Rejection> {
        let found = self.plan.find(addr, probe).ok_or(Rejection::NotATarget)?;
        let hop = found.hop.and_then(|hop| self.plan.hops().get(hop));
        if hop.is_some_and(|h| h.source == ours) {
            Ok((probe, found))
        } else {
            Err(Rejection::NotOurs)
        }
    }

    /// The pass whose probe an answer proves to have seen.
    fn pass_of(
        &self,
        addr: IpAddr,
        probe: Probe,
        to_port: Option<u16>,
        proves: impl Fn(Cookie) -> bool,
    ) -> Result<u8, Rejection> {
        let ports = self.plan.config().source_ports;
        if to_port.is_some_and(|p| !ports.contains(p)) {
            return Err(Rejection::NotOurs);
        }
        let endpoint = probe.endpoint(addr);
        let of = |pass: u8| {
            let cookie = self.plan.cookie(&endpoint, pass);
            to_port.is_none_or(|p| cookie.source_port(ports) == p) && proves(cookie)
        };
        let canary = || {
            let canaries = self.canaries?;
            canaries.recognise(self.plan.find(addr, probe)?.index, of)
        };
        let pass = (0..self.plan.config().passes).find(|pass| of(*pass)).or_else(canary);
        pass.ok_or(Rejection::BadCookie)
    }
}
