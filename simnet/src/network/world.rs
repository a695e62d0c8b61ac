//! Who is there and how they behave: a function of seed, address and port.

use std::net::IpAddr;
use std::time::Duration;

use portolan_core::Family;
use portolan_core::endpoint::addr_bits;
use portolan_core::probe::TcpScan;

use super::probe::Question;
use super::rng::draw;

/// How hosts and ports are mixed, in parts of a thousand; what is left is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Hosts that are up and behave.
    pub hosts_up: u64,
    /// Hosts where every port accepts, as behind some proxies and tar pits.
    pub hosts_all_open: u64,
    /// Hosts behind a filter that rejects with "administratively prohibited".
    pub hosts_prohibited: u64,
    /// Addresses for which a router answers "host unreachable".
    pub hosts_unreachable: u64,
    /// Hosts behind a filter that rejects with "port unreachable", from an address of its own.
    pub hosts_rejected: u64,
    /// Of the hosts that are up: open ports.
    pub ports_open: u64,
    /// Of the hosts that are up: closed ports.
    pub ports_closed: u64,
    /// Answers that come up to eight seconds late.
    pub slow: u64,
    /// Answers that are sent a second time, one second later.
    pub twice: u64,
    /// Hosts that send at most ten ICMP errors a second.
    pub limited: u64,
}

impl Mix {
    /// Something of everything, but no limits: the truth does not depend on time.
    pub const VARIED: Self = Self {
        hosts_up: 500,
        hosts_all_open: 20,
        hosts_prohibited: 80,
        hosts_unreachable: 80,
        hosts_rejected: 60,
        ports_open: 250,
        ports_closed: 500,
        slow: 50,
        twice: 100,
        limited: 0,
    };

    /// Every host is up, every port is open or closed, at once and once.
    pub const PLAIN: Self = Self {
        hosts_up: 1_000,
        hosts_all_open: 0,
        hosts_prohibited: 0,
        hosts_unreachable: 0,
        hosts_rejected: 0,
        ports_open: 300,
        ports_closed: 700,
        slow: 0,
        twice: 0,
        limited: 0,
    };
}

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Silence,
    /// What an open port says: a SYN-ACK, a datagram, an echo reply.
    Open,
    /// A RST; `plain` acknowledges the SYN's own number instead of the next, as a few stacks do.
    Reset {
        /// See above.
        plain: bool,
    },
    /// An ICMP error.
    Error {
        /// Its kind.
        kind: ErrorKind,
        /// Its sender, where that is not the target itself.
        router: Option<IpAddr>,
        /// Whether the whole probe is quoted, or only eight octets behind its IP header.
        whole: bool,
    },
}

/// The ICMP errors that the world sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Port unreachable.
    Port,
    /// Host or address unreachable.
    Host,
    /// Administratively prohibited.
    Prohibited,
}

/// What happens to one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// What comes back.
    pub answer: Answer,
    /// How long the host takes.
    pub delay: Duration,
    /// Whether it comes back twice.
    pub twice: bool,
    /// Time to live or hop limit on arrival.
    pub ttl: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostKind {
    Up,
    AllOpen,
    Prohibited,
    Unreachable,
    Rejected,
    Absent,
}

/// Every host there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    seed: u64,
    mix: Mix,
}

/// What a number is drawn for, so that no two uses share one.
#[derive(Clone, Copy)]
enum Use {
    Host = 1,
    Port,
    Slow,
    SlowBy,
    Twice,
    Plain,
    Quote,
    Limited,
    Ttl,
}

impl World {
    /// The world that `seed` makes of `mix`.
    pub const fn new(seed: u64, mix: Mix) -> Self {
        Self { seed, mix }
    }

    /// What it was made from.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What happens to a probe; the same whenever it is asked.
    pub fn behaviour(&self, addr: IpAddr, question: Question) -> Behaviour {
        let answer = self.answer(addr, question);
        let slow = self.permille(Use::Slow, addr, Some(question)) < self.mix.slow;
        let delay = if slow {
            Duration::from_millis(self.draw(Use::SlowBy, addr, Some(question)) % 8_000)
        } else {
            Duration::from_micros(200)
        };
        let twice = self.permille(Use::Twice, addr, Some(question)) < self.mix.twice;
        let hops = self.permille(Use::Ttl, addr, None) % 30;
        let ttl = 64 - u8::try_from(hops).unwrap_or(0);
        Behaviour { answer, delay, twice, ttl }
    }

    /// The shortest time between two ICMP errors of a host that limits them.
    pub fn error_period(&self, addr: IpAddr) -> Option<Duration> {
        let limited = self.permille(Use::Limited, addr, None) < self.mix.limited;
        limited.then_some(Duration::from_millis(100))
    }

    fn answer(&self, addr: IpAddr, question: Question) -> Answer {
        let whole = self.draw(Use::Quote, addr, Some(question)).is_multiple_of(2);
        let router = Some(router_of(addr));
        match self.host(addr) {
            HostKind::Absent => Answer::Silence,
            HostKind::AllOpen => heard(Answer::Open, question),
            HostKind::Prohibited => Answer::Error { kind: ErrorKind::Prohibited, router, whole },
            HostKind::Unreachable => Answer::Error { kind: ErrorKind::Host, router, whole },
            HostKind::Rejected => Answer::Error { kind: ErrorKind::Port, router, whole },
            HostKind::Up => self.port(addr, question, whole),
        }
    }

    fn port(&self, addr: IpAddr, question: Question, whole: bool) -> Answer {
        if !question.is_to_port() {
            return Answer::Open;
        }
        let part = self.permille(Use::Port, addr, Some(question));
        if part < self.mix.ports_open {
            return heard(Answer::Open, question);
        }
        if part >= self.mix.ports_open + self.mix.ports_closed {
            return Answer::Silence;
        }
        match question {
            Question::Udp(_) => Answer::Error { kind: ErrorKind::Port, router: None, whole },
            _ => Answer::Reset {
                plain: self.draw(Use::Plain, addr, Some(question)).is_multiple_of(8),
            },
        }
    }

    fn host(&self, addr: IpAddr) -> HostKind {
        let mut part = self.permille(Use::Host, addr, None);
        let kinds = [
            (HostKind::Up, self.mix.hosts_up),
            (HostKind::AllOpen, self.mix.hosts_all_open),
            (HostKind::Prohibited, self.mix.hosts_prohibited),
            (HostKind::Unreachable, self.mix.hosts_unreachable),
            (HostKind::Rejected, self.mix.hosts_rejected),
        ];
        for (kind, parts) in kinds {
            if part < parts {
                return kind;
            }
            part -= parts;
        }
        HostKind::Absent
    }

    fn permille(&self, use_: Use, addr: IpAddr, question: Option<Question>) -> u64 {
        self.draw(use_, addr, question) % 1_000
    }

    fn draw(&self, use_: Use, addr: IpAddr, question: Option<Question>) -> u64 {
        let [high, low] = halves(addr_bits(addr));
        let question = match question {
            None => 0,
            // A port is open or closed whatever it is asked.
            Some(Question::Tcp(_, port)) => 0x1_0000 + u64::from(port),
            Some(Question::Udp(port)) => 0x2_0000 + u64::from(port),
            Some(Question::Echo) => 0x3_0000,
            Some(Question::Timestamp) => 0x3_0001,
            Some(Question::AddressMask) => 0x3_0002,
            Some(Question::Sctp(port)) => 0x4_0000 + u64::from(port),
        };
        draw(self.seed, [use_ as u64, high, low, question])
    }
}

/// What an open port says: RFC 9293 §3.10.7.2 has one that listens drop what is neither RST, ACK
/// nor SYN, and answer an ACK by RST.
const fn heard(open: Answer, question: Question) -> Answer {
    match question {
        Question::Tcp(TcpScan::Ack, _) => Answer::Reset { plain: false },
        Question::Tcp(TcpScan::Fin | TcpScan::Null | TcpScan::Xmas, _) => Answer::Silence,
        _ => open,
    }
}

fn halves(bits: u128) -> [u64; 2] {
    let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    [u64::try_from(bits >> 64).unwrap_or(0), low]
}

/// The router that answers for an address: of its family, and nobody's target.
fn router_of(addr: IpAddr) -> IpAddr {
    match Family::of(addr) {
        Family::V4 => IpAddr::from([198, 51, 100, 1]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_has_something_of_everything_it_was_asked_for() {
        let world = World::new(3, Mix::VARIED);
        let mut kinds = std::collections::BTreeMap::<String, u32>::new();
        for host in 0..2_000_u32 {
            let addr = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + host));
            for port in [22, 53] {
                let behaviour = world.behaviour(addr, Question::Udp(port));
                assert_eq!(behaviour, world.behaviour(addr, Question::Udp(port)));
                let kind = format!("{:?}", behaviour.answer);
                let kind = kind.split(", whole").next().unwrap_or_default().to_owned();
                *kinds.entry(kind).or_default() += 1;
            }
        }
        // Silence, open, three errors by routers, one by the host itself.
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        assert!(kinds.values().all(|n| *n > 150), "{kinds:?}");
    }
}
