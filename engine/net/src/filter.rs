//! The kernel filter in front of the receiver: a classic BPF program that lets answers through.
//!
//! It keeps what may be an answer to our probes and drops the rest of the host's traffic before it
//! is copied. It judges ports and ICMP types only; cookies are checked by the parser behind it.

use std::ops::RangeInclusive;

use portolan_core::link::Encapsulation;

/// Octets of a frame that are kept, at most.
pub const SNAP_LEN: u32 = 2_048;

/// Source-port ranges in one filter, at most.
pub const RANGES_MAX: usize = 8;

/// One classic BPF instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions skipped when a comparison holds.
    pub jump_true: u8,
    /// Instructions skipped when it does not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

/// Which frames may be answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    encapsulation: Encapsulation,
    ports: Vec<RangeInclusive<u16>>,
    arp: bool,
    listeners: bool,
}

impl Filter {
    /// TCP, UDP and SCTP to no port yet; ICMP errors and replies to queries; ICMPv6 likewise, and
    /// neighbour discovery; no ARP; IPv6 with extension headers (the parser judges); no later
    /// fragments.
    pub const fn new(encapsulation: Encapsulation) -> Self {
        Self { encapsulation, ports: Vec::new(), arp: false, listeners: false }
    }

    /// Also TCP, UDP and SCTP to destination ports in `range`, our source ports.
    ///
    /// Beyond [`RANGES_MAX`] ranges the last one grows to cover the rest.
    #[must_use]
    pub fn ports(mut self, range: RangeInclusive<u16>) -> Self {
        let full = self.ports.len() >= RANGES_MAX;
        match self.ports.last_mut() {
            Some(last) if full => {
                *last = *last.start().min(range.start())..=*last.end().max(range.end());
            }
            _ => self.ports.push(range),
        }
        self
    }

    /// Also ARP replies.
    #[must_use]
    pub const fn arp(mut self) -> Self {
        self.arp = true;
        self
    }

    /// Also ICMPv6 parameter problems and reports of multicast listeners without an extension
    /// header; those with one pass anyway.
    #[must_use]
    pub const fn multicast_listeners(mut self) -> Self {
        self.listeners = true;
        self
    }

    /// How the frames begin that it reads.
    pub const fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }

    /// The program: returns [`SNAP_LEN`] for what passes, and 0 for the rest.
    pub fn program(&self) -> Vec<Instruction> {
        let base = match self.encapsulation {
            Encapsulation::Ethernet => 14,
            Encapsulation::Ip => 0,
        };
        let mut asm = Assembler::default();
        self.dispatch(&mut asm);
        asm.label(Label::V4);
        asm.load(LOAD_HALF, base + 6);
        asm.jump(IF_ANY_SET, 0x1fff, Label::Reject, Label::Next);
        asm.load(LOAD_BYTE, base + 9);
        asm.jump(IF_EQUAL, TCP, Label::V4Ports, Label::Next);
        asm.jump(IF_EQUAL, UDP, Label::V4Ports, Label::Next);
        asm.jump(IF_EQUAL, SCTP, Label::V4Ports, Label::Next);
        asm.jump(IF_EQUAL, ICMP, Label::Next, Label::Reject);
        asm.load(LOAD_X_HEADER_LEN, base);
        asm.load(LOAD_BYTE_AT_X, base);
        asm.any_of(&ICMP_TYPES);
        asm.label(Label::V4Ports);
        asm.load(LOAD_X_HEADER_LEN, base);
        asm.load(LOAD_HALF_AT_X, base + 2);
        self.port_ranges(&mut asm);
        asm.label(Label::V6);
        asm.load(LOAD_BYTE, base + 6);
        asm.jump(IF_EQUAL, TCP, Label::V6Ports, Label::Next);
        asm.jump(IF_EQUAL, UDP, Label::V6Ports, Label::Next);
        asm.jump(IF_EQUAL, SCTP, Label::V6Ports, Label::Next);
        asm.jump(IF_EQUAL, ICMPV6, Label::V6Icmp, Label::Next);
        asm.any_of(&EXTENSION_HEADERS);
        asm.label(Label::V6Icmp);
        asm.load(LOAD_BYTE, base + 40);
        if self.listeners {
            asm.any_of(&[&ICMPV6_TYPES[..], &LISTENER_TYPES].concat());
        } else {
            asm.any_of(&ICMPV6_TYPES);
        }
        asm.label(Label::V6Ports);
        asm.load(LOAD_HALF, base + 42);
        self.port_ranges(&mut asm);
        asm.label(Label::Accept);
        asm.load(RETURN, SNAP_LEN);
        asm.label(Label::Reject);
        asm.load(RETURN, 0);
        asm.finish()
    }

    /// From the start of the frame to its protocol.
    fn dispatch(&self, asm: &mut Assembler) {
        match self.encapsulation {
            Encapsulation::Ethernet => {
                asm.load(LOAD_HALF, 12);
                asm.jump(IF_EQUAL, 0x0800, Label::V4, Label::Next);
                asm.jump(IF_EQUAL, 0x86dd, Label::V6, Label::Next);
                if self.arp {
                    asm.jump(IF_EQUAL, 0x0806, Label::Next, Label::Reject);
                    asm.load(LOAD_HALF, 14 + 6);
                    asm.any_of(&[ARP_REPLY]);
                } else {
                    asm.load(RETURN, 0);
                }
            }
            Encapsulation::Ip => {
                asm.load(LOAD_BYTE, 0);
                asm.load(SHIFT_RIGHT, 4);
                asm.jump(IF_EQUAL, 4, Label::V4, Label::Next);
                asm.jump(IF_EQUAL, 6, Label::V6, Label::Reject);
            }
        }
    }

    /// Accepts a port in the accumulator that is in a range, rejects others.
    fn port_ranges(&self, asm: &mut Assembler) {
        for range in &self.ports {
            let (low, high) = (u32::from(*range.start()), u32::from(*range.end()));
            // Below `low`: on to the next range, two instructions away from the first of this one.
            asm.jump(IF_AT_LEAST, low, Label::Next, Label::AfterNext);
            asm.jump(IF_ABOVE, high, Label::Next, Label::Accept);
        }
        asm.load(RETURN, 0);
    }
}

const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_AT_X: u16 = 0x48;
const LOAD_BYTE_AT_X: u16 = 0x50;
/// X becomes four times the low nibble of the octet: the length of an IPv4 header.
const LOAD_X_HEADER_LEN: u16 = 0xb1;
const SHIFT_RIGHT: u16 = 0x74;
const IF_EQUAL: u16 = 0x15;
const IF_ABOVE: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

const ICMP: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;
const ICMPV6: u32 = 58;
const ARP_REPLY: u32 = 2;
const SCTP: u32 = 132;
/// Echo reply, unreachable, time exceeded, timestamp reply (RFC 792); address mask reply (RFC 950).
const ICMP_TYPES: [u32; 5] = [0, 3, 11, 14, 18];
/// Unreachable, time exceeded, echo reply (RFC 4443); solicitation, advertisement (RFC 4861).
const ICMPV6_TYPES: [u32; 5] = [1, 3, 129, 135, 136];
/// Parameter problem (RFC 4443); listener reports (RFC 2710, RFC 3810).
const LISTENER_TYPES: [u32; 3] = [4, 131, 143];
/// Hop-by-hop, routing, fragment, destination options: RFC 8200 §4.
const EXTENSION_HEADERS: [u32; 4] = [0, 43, 44, 60];

/// Where a jump may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Next,
    AfterNext,
    V4,
    V4Ports,
    V6,
    V6Ports,
    V6Icmp,
    Accept,
    Reject,
}

/// Instructions whose jumps still name labels.
#[derive(Debug, Default)]
struct Assembler {
    lines: Vec<(u16, u32, Label, Label)>,
    labels: Vec<(Label, usize)>,
}

impl Assembler {
    fn label(&mut self, label: Label) {
        self.labels.push((label, self.lines.len()));
    }

    fn load(&mut self, code: u16, operand: u32) {
        self.jump(code, operand, Label::Next, Label::Next);
    }

    fn jump(&mut self, code: u16, operand: u32, then: Label, or_else: Label) {
        self.lines.push((code, operand, then, or_else));
    }

    /// Accepts when the accumulator is one of `values`, rejects otherwise.
    fn any_of(&mut self, values: &[u32]) {
        for value in values {
            self.jump(IF_EQUAL, *value, Label::Accept, Label::Next);
        }
        self.load(RETURN, 0);
    }

    fn finish(self) -> Vec<Instruction> {
        let offset = |at: usize, label: Label| -> u8 {
            let target = match label {
                Label::Next => at + 1,
                Label::AfterNext => at + 2,
                named => self
                    .labels
                    .iter()
                    .find(|(label, _)| *label == named)
                    .map_or(at + 1, |(_, target)| *target),
            };
            // RANGES_MAX keeps the whole program under 128 instructions.
            u8::try_from(target.saturating_sub(at + 1)).unwrap_or(u8::MAX)
        };
        let lines = self.lines.iter().enumerate();
        lines
            .map(|(at, &(code, operand, then, or_else))| Instruction {
                code,
                jump_true: offset(at, then),
                jump_false: offset(at, or_else),
                operand,
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
