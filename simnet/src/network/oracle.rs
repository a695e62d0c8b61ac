//! The truth, and how a scan compares with it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use portolan_core::plan::ScanPlan;
use portolan_core::probe::TcpScan;
use portolan_core::{Endpoint, Observation, PortState, Reason, Transport};

use super::probe::Question;
use super::world::{Answer, ErrorKind, World};

/// What a faultless scan says of one endpoint; silence is said by nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub state: PortState,
    /// The evidence.
    pub reason: Reason,
}

/// The ground truth of one plan in one world.
#[derive(Debug, Clone)]
pub struct Oracle {
    seed: u64,
    truth: BTreeMap<Endpoint, Option<Verdict>>,
    /// Hosts whose own packets a faultless scan gets to see.
    hosts: Vec<IpAddr>,
}

/// How observations compare with the truth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Score {
    /// The seed of the world, for whoever reads a failure.
    pub seed: u64,
    /// Endpoints that answer, in truth.
    pub answering: u64,
    /// Endpoints that are open, in truth.
    pub open: u64,
    /// Endpoints whose truth was told.
    pub right: u64,
    /// Open endpoints among them.
    pub open_found: u64,
    /// Endpoints that answer, and of which nothing was said.
    pub missed: Vec<Endpoint>,
    /// Open endpoints among them.
    pub open_missed: Vec<Endpoint>,
    /// Endpoints of which something else was said than the truth.
    pub wrong: Vec<(Endpoint, Verdict, Verdict)>,
    /// Endpoints that are silent or were never to be asked, and of which something was said.
    pub spurious: Vec<Endpoint>,
    /// Endpoints of which something was said more than once.
    pub repeated: Vec<Endpoint>,
}

impl Oracle {
    /// The truth of every endpoint of `plan` in `world`. Echo requests are told by hosts, not
    /// endpoints.
    pub fn new(world: &World, plan: &ScanPlan) -> Self {
        let mut truth = BTreeMap::new();
        let mut hosts = Vec::new();
        for aim in (0..plan.len()).filter_map(|index| plan.aim(index)) {
            let endpoint = aim.probe.endpoint(aim.addr);
            let question = match endpoint.transport {
                Transport::Tcp => Question::Tcp(plan.config().tcp_scan, endpoint.port),
                Transport::Udp => Question::Udp(endpoint.port),
                Transport::Sctp => Question::Sctp(endpoint.port),
                Transport::Ip => Question::Echo,
            };
            let answer = world.behaviour(aim.addr, question).answer;
            if speaks_itself(answer) {
                hosts.push(aim.addr);
            }
            if question != Question::Echo {
                truth.insert(endpoint, verdict(answer, question));
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        Self { seed: world.seed(), truth, hosts }
    }

    /// What is true of an endpoint; `None` where it is silent or not in the plan.
    pub fn truth(&self, endpoint: &Endpoint) -> Option<Verdict> {
        self.truth.get(endpoint).copied().flatten()
    }

    /// Hosts that show themselves, sorted.
    pub fn hosts(&self) -> &[IpAddr] {
        &self.hosts
    }

    /// Compares observations with the truth.
    pub fn score(&self, said: &[Observation]) -> Score {
        let mut score = Score { seed: self.seed, ..Score::default() };
        let mut seen = BTreeMap::new();
        for observation in said {
            let verdict = Verdict { state: observation.state, reason: observation.reason };
            let endpoint = observation.endpoint;
            if seen.insert(endpoint, verdict).is_some() {
                score.repeated.push(endpoint);
                continue;
            }
            match self.truth(&endpoint) {
                Some(truth) if truth == verdict => score.right += 1,
                Some(truth) => score.wrong.push((endpoint, verdict, truth)),
                None => score.spurious.push(endpoint),
            }
        }
        for (endpoint, truth) in &self.truth {
            let Some(truth) = truth else { continue };
            let open = truth.state == PortState::Open;
            let found = seen.get(endpoint) == Some(truth);
            score.answering += 1;
            score.open += u64::from(open);
            score.open_found += u64::from(open && found);
            if !seen.contains_key(endpoint) {
                score.missed.push(*endpoint);
                if open {
                    score.open_missed.push(*endpoint);
                }
            }
        }
        score
    }
}

impl Score {
    /// Whether nothing false was said, and nothing twice.
    pub const fn is_true(&self) -> bool {
        self.wrong.is_empty() && self.spurious.is_empty() && self.repeated.is_empty()
    }

    /// Whether everything was said besides.
    pub const fn is_exact(&self) -> bool {
        self.is_true() && self.missed.is_empty()
    }

    /// The share of the open endpoints that were found.
    pub fn recall(&self) -> f64 {
        ratio(self.open_found, self.open)
    }

    /// The share of what was said that is true.
    pub fn precision(&self) -> f64 {
        let false_ones = self.wrong.len() + self.spurious.len();
        ratio(self.right, self.right + u64::try_from(false_ones).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Score {
    /// One line that names the seed, the shares, and up to three examples of each failing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PORTOLAN_SEED={}: recall {:.5}, precision {:.5}, {} of {} answering said right",
            self.seed,
            self.recall(),
            self.precision(),
            self.right,
            self.answering,
        )?;
        let lists =
            [("missed", &self.missed), ("spurious", &self.spurious), ("repeated", &self.repeated)];
        for (name, list) in lists {
            if let [first, ..] = list.as_slice() {
                write!(f, "; {} {name}, the first {first}", list.len())?;
            }
        }
        if let [(endpoint, said, truth), ..] = self.wrong.as_slice() {
            write!(f, "; {} wrong, the first {endpoint}: ", self.wrong.len())?;
            write!(f, "{} ({}) ", said.state, said.reason)?;
            write!(f, "instead of {} ({})", truth.state, truth.reason)?;
        }
        Ok(())
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
    let (part, whole) = (part as f64, whole as f64);
    if whole > 0.0 { part / whole } else { 1.0 }
}

/// Whether the host's own packets show that it is there: routers' errors do not.
const fn speaks_itself(answer: Answer) -> bool {
    matches!(
        answer,
        Answer::Open
            | Answer::Reset { .. }
            | Answer::Error { kind: ErrorKind::Port, router: None, .. }
    )
}

/// What an answer means, by the book: RFC 9293 §3.10.7, RFC 1122 §4.1.3.1, and nmap's words.
fn verdict(answer: Answer, question: Question) -> Option<Verdict> {
    let udp = matches!(question, Question::Udp(_));
    let sctp = matches!(question, Question::Sctp(_));
    let (state, reason) = match answer {
        Answer::Silence => return None,
        Answer::Open if udp => (PortState::Open, Reason::UdpResponse),
        Answer::Open if sctp => (PortState::Open, Reason::InitAck),
        Answer::Open => (PortState::Open, Reason::SynAck),
        Answer::Reset { .. } if sctp => (PortState::Closed, Reason::Abort),
        Answer::Reset { .. } if matches!(question, Question::Tcp(TcpScan::Ack, _)) => {
            (PortState::Unfiltered, Reason::Reset)
        }
        Answer::Reset { .. } => (PortState::Closed, Reason::Reset),
        Answer::Error { kind: ErrorKind::Port, router: None, .. } if udp => {
            (PortState::Closed, Reason::PortUnreach)
        }
        Answer::Error { kind, .. } => (
            PortState::Filtered,
            match kind {
                ErrorKind::Port => Reason::PortUnreach,
                ErrorKind::Host => Reason::HostUnreach,
                ErrorKind::Prohibited => Reason::AdminProhibited,
            },
        ),
    };
    Some(Verdict { state, reason })
}
