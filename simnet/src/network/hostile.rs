//! Frames that mean harm: random, mutated, and almost right, as fast as they can be made.
//!
//! Each is drawn from a stock of true answers and of answers to another scan's probes, and then
//! bent. With each comes what it may say at most: the result whose proof it carries, or nothing.

use std::net::IpAddr;

use portolan_core::cookie::CookieKey;
use portolan_core::link::Encapsulation;
use portolan_core::plan::{Probe, ScanPlan};
use portolan_core::{Endpoint, PortState, Transport};

use super::hops::{SOURCE_V4, SOURCE_V6};
use super::payloads::EchoPayloads;
use super::reply::{error, headers, nobodys_macs, reset, syn_ack};
use super::rng::Rng;
use super::world::ErrorKind;

/// Frames in stock: enough that no two tries are alike, few enough for the processor's cache.
const STOCK_LEN: usize = 4_096;
/// Longest frame, octets.
const FRAME_LEN_MAX: usize = 1_514;

/// What was done to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Noise from its first octet to its last.
    Noise,
    /// An answer to a probe of another scan: right in everything but the cookie.
    Forged,
    /// The same with octets turned and checksums made right again.
    ForgedAndBent,
    /// A true answer in which one thing that is proved was changed, checksums right: another host,
    /// port, own port, or number.
    Displaced,
    /// A true answer, cut short.
    Cut,
    /// A true answer with a bit turned, checksums left as they were.
    Flipped,
    /// A true answer with headers that were not asked for: IP options, extension headers, tags,
    /// lengths that lead nowhere.
    Garnished,
}

impl Harm {
    /// Every kind, in the order of counts.
    pub const ALL: [Self; 7] = [
        Self::Noise,
        Self::Forged,
        Self::ForgedAndBent,
        Self::Displaced,
        Self::Cut,
        Self::Flipped,
        Self::Garnished,
    ];
}

/// What a frame proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Who it is an answer of.
    pub endpoint: Endpoint,
    /// What it shows.
    pub state: PortState,
}

struct Sample {
    frame: Vec<u8>,
    truth: Truth,
}

/// The source of frames; it allocates nothing once it is made.
pub struct Hostile {
    rng: Rng,
    link_len: usize,
    mine: Vec<Sample>,
    others: Vec<Sample>,
    frame: Vec<u8>,
}

impl Hostile {
    /// Frames against the scan of `plan`, the same for the same `seed`.
    ///
    /// `plan` must send its UDP probes with [`EchoPayloads`]: from ports whose protocol echoes
    /// nothing no datagram is forged, for there a guessed port is all the proof there is.
    pub fn new(seed: u64, plan: &ScanPlan, encapsulation: Encapsulation) -> Self {
        let mut rng = Rng::new(seed).fork("hostile");
        let mut key = [0; 16];
        key.iter_mut().zip(rng.next_u64().to_be_bytes()).for_each(|(to, from)| *to = from);
        let mut stock = |key: Option<CookieKey>| {
            let mut samples = Vec::with_capacity(STOCK_LEN);
            // A plan holds at least one endpoint that can be asked.
            for _ in 0..STOCK_LEN * 4 {
                if samples.len() < STOCK_LEN {
                    samples.extend(sample(&mut rng, plan, encapsulation, key));
                }
            }
            samples
        };
        let (mine, others) = (stock(None), stock(Some(CookieKey::new(key))));
        let frame = Vec::with_capacity(FRAME_LEN_MAX);
        Self { rng, link_len: encapsulation.header_len(), mine, others, frame }
    }

    /// The true answers in stock.
    pub fn true_answers(&self) -> impl Iterator<Item = (Truth, &[u8])> {
        self.mine.iter().map(|sample| (sample.truth, &*sample.frame))
    }

    /// The next frame: what was done to it, what it may say at most, and its octets.
    pub fn next_frame(&mut self) -> (Harm, Option<Truth>, &[u8]) {
        let harm = Harm::ALL.get(self.rng.index(Harm::ALL.len())).copied().unwrap_or(Harm::Noise);
        let stock = match harm {
            Harm::Forged | Harm::ForgedAndBent => &self.others,
            _ => &self.mine,
        };
        let Some(sample) = stock.get(self.rng.index(stock.len())) else {
            return (Harm::Noise, None, &[]);
        };
        self.frame.clear();
        self.frame.extend_from_slice(&sample.frame);
        let mut truth = Some(sample.truth);
        match harm {
            Harm::Noise => {
                truth = None;
                self.noise();
            }
            Harm::Forged => truth = None,
            Harm::ForgedAndBent => {
                truth = None;
                for _ in 0..=self.rng.below(4) {
                    self.turn_octet();
                }
                self.sum();
            }
            Harm::Displaced => {
                truth = None;
                self.displace();
                self.sum();
            }
            Harm::Cut => {
                let len = self.rng.index(self.frame.len());
                self.frame.truncate(len);
            }
            Harm::Flipped => {
                // One, which every checksum shows; two can undo each other in a sum of 16 bits.
                self.flip_bit();
            }
            Harm::Garnished => self.garnish(),
        }
        (harm, truth, &self.frame)
    }

    fn noise(&mut self) {
        let len = self.rng.index(160);
        self.frame.clear();
        for _ in 0..len.div_ceil(8) {
            self.frame.extend_from_slice(&self.rng.next_u64().to_be_bytes());
        }
        self.frame.truncate(len);
        // Half of it gets beyond the first look.
        if self.rng.chance(0.5) && len > 34 {
            if self.link_len > 0 {
                put(&mut self.frame, 12, &[0x08, 0x00]);
            }
            put(&mut self.frame, self.link_len, &[0x45]);
        }
    }

    fn turn_octet(&mut self) {
        let at = self.rng.index(self.frame.len());
        let [new, ..] = self.rng.next_u64().to_be_bytes();
        put(&mut self.frame, at, &[new]);
    }

    fn flip_bit(&mut self) {
        let at = self.rng.index(self.frame.len());
        let bit = 1_u8 << self.rng.below(8);
        if let Some(octet) = self.frame.get_mut(at) {
            *octet ^= bit;
        }
    }

    /// Changes one of the things by which an answer proves what it answers.
    fn displace(&mut self) {
        let v6 = self.is_v6();
        let (addr, body) = if v6 { (8, 40) } else { (12, 20) };
        let (addr, body) = (self.link_len + addr, self.link_len + body);
        let protocol = self.protocol();
        let addr_len: usize = if v6 { 16 } else { 4 };
        let [first, .., last] = self.rng.next_u64().to_be_bytes();
        let changed = match (protocol, self.rng.below(4)) {
            // Who answers, and to whom.
            (_, 0) => addr + addr_len - 1,
            (_, 1) => addr + 2 * addr_len - 1,
            // TCP: port, own port or acknowledgement; UDP: port, own port or cookie.
            (6, 2) => body + 1 + 2 * usize::from(last & 1),
            (6, _) => body + 8 + usize::from(last & 1),
            (17, 2) => body + 3,
            (17, _) => body + 8 + usize::from(last & 7),
            // An echo's identifier and sequence, a quote's ports.
            (_, _) if self.is_echo(body) => body + 4 + usize::from(last & 3),
            // An echo's has neither: identifier and sequence stand behind them.
            (_, _) => {
                let quote = body + 8;
                let kind = self.frame.get(quote + if v6 { 6 } else { 9 });
                let skip = if matches!(kind, Some(1 | 58)) { 4 } else { 0 };
                quote + (if v6 { 40 } else { 20 }) + skip + usize::from(last & 3)
            }
        };
        let error = matches!(protocol, 1 | 58) && !self.is_echo(body);
        // An error may come from anyone on the way: only what it quotes is proved.
        let quoted = body + 8 + (if v6 { 24 } else { 16 }) + addr_len - 1;
        let at = if error && changed < body { quoted } else { changed };
        if let Some(octet) = self.frame.get_mut(at) {
            // The next two acknowledgements may be right too; a difference of 16 or more is not.
            *octet = octet.wrapping_add(16 + (first & 0x7f));
        }
    }

    fn is_echo(&self, body: usize) -> bool {
        matches!(self.frame.get(body), Some(0 | 129))
    }

    /// Options, extension headers, tags and lengths.
    fn garnish(&mut self) {
        let start = self.link_len;
        match self.rng.below(5) {
            // Four octets of IP options, and a header length that says so.
            0 if !self.is_v6() => {
                let options = self.rng.next_u32().to_be_bytes();
                insert(&mut self.frame, start + 20, &options);
                put(&mut self.frame, start, &[0x46]);
                self.stretch(4);
            }
            // An extension header in front of the answer, its length at random.
            1 if self.is_v6() => {
                let kinds = [0_u8, 43, 44, 60, 135];
                let kind = kinds.get(self.rng.index(kinds.len())).copied().unwrap_or(0);
                let next = self.protocol();
                let mut header = self.rng.next_u64().to_be_bytes();
                put(&mut header, 0, &[next]);
                if self.rng.chance(0.5) {
                    // Eight octets, as many as it has.
                    put(&mut header, 1, &[0]);
                }
                insert(&mut self.frame, start + 40, &header);
                put(&mut self.frame, start + 6, &[kind]);
                self.stretch(8);
            }
            // A TCP data offset, or an IP length, that leads nowhere.
            2 if self.protocol() == 6 => {
                let body = start + if self.is_v6() { 40 } else { 20 };
                let [offset, ..] = self.rng.next_u64().to_be_bytes();
                put(&mut self.frame, body + 12, &[offset]);
            }
            3 => {
                let len = self.rng.next_u16().to_be_bytes();
                let at = start + if self.is_v6() { 4 } else { 2 };
                put(&mut self.frame, at, &len);
            }
            // Something behind the packet.
            _ => {
                let trailer = self.rng.next_u64().to_be_bytes();
                self.frame.extend_from_slice(&trailer);
            }
        }
        self.sum();
    }

    fn stretch(&mut self, by: u16) {
        let at = self.link_len + if self.is_v6() { 4 } else { 2 };
        let len = self.frame.get(at..).and_then(|rest| rest.first_chunk()).copied();
        let len = u16::from_be_bytes(len.unwrap_or_default()).wrapping_add(by);
        put(&mut self.frame, at, &len.to_be_bytes());
    }

    fn is_v6(&self) -> bool {
        self.frame.get(self.link_len).is_some_and(|octet| octet >> 4 == 6)
    }

    fn protocol(&self) -> u8 {
        let at = self.link_len + if self.is_v6() { 6 } else { 9 };
        self.frame.get(at).copied().unwrap_or(0)
    }

    /// Makes the checksums right, as far as the headers still lead to them.
    fn sum(&mut self) {
        let v6 = self.is_v6();
        let packet = self.frame.get_mut(self.link_len..).unwrap_or_default();
        let header_len = match packet.first() {
            _ if v6 => 40,
            Some(first) => usize::from(first & 0x0f) * 4,
            None => return,
        };
        if packet.len() < header_len || header_len < 20 {
            return;
        }
        let protocol = packet.get(if v6 { 6 } else { 9 }).copied().unwrap_or(0);
        if !v6 {
            put(packet, 10, &[0, 0]);
            let sum = ones(0, packet.get(..header_len).unwrap_or_default());
            put(packet, 10, &fold(sum));
        }
        let at = match protocol {
            6 => 16,
            17 => 6,
            1 | 58 => 2,
            _ => return,
        };
        put(packet, header_len + at, &[0, 0]);
        let declared = packet.get(if v6 { 4 } else { 2 }..).and_then(|rest| rest.first_chunk());
        let declared = usize::from(u16::from_be_bytes(declared.copied().unwrap_or_default()));
        let end = declared + if v6 { 40 } else { 0 };
        let body = packet.get(header_len..end).or_else(|| packet.get(header_len..));
        let body = body.unwrap_or_default();
        let addrs = packet.get(if v6 { 8..40 } else { 12..20 }).unwrap_or_default();
        let pseudo = u32::from(protocol) + u32::try_from(body.len()).unwrap_or(0);
        let start = if protocol == 1 { 0 } else { ones(pseudo, addrs) };
        let sum = fold(ones(start, body));
        put(packet, header_len + at, &sum);
    }
}

/// The sum of RFC 1071 without its end; written for this module, not shared with what it tests.
fn ones(start: u32, octets: &[u8]) -> u32 {
    octets.chunks(2).fold(start, |sum, pair| {
        let high = pair.first().copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([high, pair.get(1).copied().unwrap_or(0)]))
    })
}

fn fold(sum: u32) -> [u8; 2] {
    let once = (sum >> 16) + (sum & 0xffff);
    let twice = (once >> 16) + (once & 0xffff);
    let [.., high, low] = (!twice).to_be_bytes();
    [high, low]
}

fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    octets.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
}

fn insert(frame: &mut Vec<u8>, at: usize, value: &[u8]) {
    if at <= frame.len() && frame.len() + value.len() <= FRAME_LEN_MAX {
        frame.splice(at..at, value.iter().copied());
    }
}

/// An answer to a probe of `plan` under its own key, or under another.
fn sample(
    rng: &mut Rng,
    plan: &ScanPlan,
    encapsulation: Encapsulation,
    key: Option<CookieKey>,
) -> Option<Sample> {
    let aim = plan.aim(rng.below(plan.len()))?;
    let endpoint = aim.probe.endpoint(aim.addr);
    let pass = u8::try_from(rng.below(u64::from(plan.config().passes))).ok()?;
    let key = key.unwrap_or_else(|| plan.config().key);
    let cookie = key.cookie(&endpoint, pass);
    let ours = if aim.addr.is_ipv4() { SOURCE_V4 } else { SOURCE_V6 };
    let to = cookie.source_port(plan.config().source_ports);
    let ttl = 40 + u8::try_from(rng.below(80)).ok()?;
    let step = || headers(nobodys_macs(encapsulation), aim.addr, ours, ttl);
    let next = cookie.sequence().wrapping_add(1);
    let (frame, state) = match (aim.probe, rng.below(3)) {
        (Probe::Tcp(port), 0) => (syn_ack(step()?, port, to, next)?, PortState::Open),
        (Probe::Tcp(port), 1) => (reset(step()?, port, to, next)?, PortState::Closed),
        (Probe::Udp(port), 0) => {
            if !EchoPayloads::echoes(port) {
                return None;
            }
            let mut frame = Vec::new();
            let payload = cookie.bits().to_be_bytes();
            step()?.udp(port, to).write(&mut frame, &payload).ok()?;
            (frame, PortState::Open)
        }
        (Probe::Echo, 0 | 1) => (echo(step()?, aim.addr, cookie.sequence())?, PortState::Open),
        _ => {
            let quote = quote(endpoint, ours, to, cookie)?;
            let v6 = aim.addr.is_ipv6();
            (error(step()?, ErrorKind::Prohibited, (v6, quote))?, PortState::Filtered)
        }
    };
    Some(Sample { frame, truth: Truth { endpoint, state } })
}

fn echo(
    step: etherparse::PacketBuilderStep<etherparse::IpHeaders>,
    addr: IpAddr,
    sequence: u32,
) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let sequence = sequence.to_be_bytes();
    match addr {
        IpAddr::V4(_) => step.icmpv4_raw(0, 0, sequence).write(&mut frame, &[0; 8]).ok()?,
        IpAddr::V6(_) => step.icmpv6_raw(129, 0, sequence).write(&mut frame, &[0; 8]).ok()?,
    }
    Some(frame)
}

/// A probe as an error on the way back quotes it.
fn quote(
    endpoint: Endpoint,
    ours: IpAddr,
    port: u16,
    cookie: portolan_core::cookie::Cookie,
) -> Option<Vec<u8>> {
    let mut probe = Vec::new();
    let sequence = cookie.sequence();
    let step = headers(None, ours, endpoint.addr, 61)?;
    match endpoint.transport {
        Transport::Tcp => {
            step.tcp(port, endpoint.port, sequence, 1_024).syn().write(&mut probe, &[])
        }
        Transport::Udp => step.udp(port, endpoint.port).write(&mut probe, &[0; 8]),
        _ if ours.is_ipv4() => {
            step.icmpv4_raw(8, 0, sequence.to_be_bytes()).write(&mut probe, &[0; 8])
        }
        _ => step.icmpv6_raw(128, 0, sequence.to_be_bytes()).write(&mut probe, &[0; 8]),
    }
    .ok()?;
    if ours.is_ipv4() {
        put(&mut probe, 4, &cookie.ip_id().to_be_bytes());
    } else {
        let [_, label @ ..] = cookie.flow_label().to_be_bytes();
        put(&mut probe, 1, &label);
    }
    Some(probe)
}
