//! The sending half: which frames leave, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::answered::Answered;
use crate::auto::Auto;
use crate::group_gate::{GroupGate, GroupLimits};
use crate::link::{BATCH_LEN_MAX, FrameBatch};
use crate::observation::MacAddr;
use crate::pacer::{Pacer, RatePps, Smoothness};
use crate::pairs::Pairs;
use crate::permutation::{Cursor, Shard};
use crate::plan::{Aim, Hop, Probe, ScanPlan, Way};
use crate::time::Timestamp;
use crate::timeline::Timeline;
use crate::wire::ProbeTemplate;

/// Positions looked at in one call while nothing is found to send: bounds the time of a call.
const SKIPS_MAX: u32 = 65_536;

/// What the driver has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send the batch's frames.
    Transmit,
    /// Ask again at this moment.
    Wait(Timestamp),
    /// This stride of this pass is done.
    EndOfPass,
}

/// What a link that makes its probes itself has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Send up to `frames` probes, from `position` of the stride on.
    Due {
        /// The next position.
        position: u64,
        /// Probes that may leave.
        frames: u32,
    },
    /// Ask again at this moment.
    Wait(Timestamp),
    /// This stride of this pass is done.
    EndOfPass,
}

/// One sending thread's half of a scan.
pub struct Transmitter {
    plan: Arc<ScanPlan>,
    link: usize,
    answered: Option<Arc<Answered>>,
    timeline: Arc<Timeline>,
    shard: Shard,
    cursor: Cursor,
    pass: u8,
    skips_answered: bool,
    pacer: Pacer,
    auto: Option<Auto>,
    gates: Gates,
    pairs: Option<Arc<Pairs>>,
    templates: Vec<HopTemplates>,
    asked: u64,
    sent: u64,
}

impl Transmitter {
    /// The half that sends what of `shard` of `plan` leaves by link `link`, at `rate`, beginning
    /// with pass 0.
    ///
    /// `answered` is read in passes after the first only, unless
    /// [`skip_answered`](Self::skip_answered) says otherwise.
    pub fn new(
        plan: Arc<ScanPlan>,
        link: usize,
        answered: Option<Arc<Answered>>,
        timeline: Arc<Timeline>,
        shard: Shard,
        rate: RatePps,
        now: Timestamp,
    ) -> Self {
        let templates = plan.hops().iter().map(|hop| HopTemplates::new(hop, &plan)).collect();
        let cursor = Cursor::new(shard, plan.len());
        let pacer = Pacer::new(rate, now);
        timeline.begin_pass(0);
        Self {
            plan,
            link,
            answered,
            timeline,
            shard,
            cursor,
            pass: 0,
            skips_answered: false,
            pacer,
            auto: None,
            gates: Gates::default(),
            pairs: None,
            templates,
            asked: 0,
            sent: 0,
        }
    }

    /// The same half, at the rate of `auto`'s dial from `now` on and with its canaries among the
    /// probes.
    #[must_use]
    pub fn auto(mut self, auto: Auto, now: Timestamp) -> Self {
        self.pacer = Pacer::with_smoothness(auto.rate(), Smoothness::SMOOTH, now);
        self.auto = Some(auto);
        self
    }

    /// The same half, that asks no host and no subnet more often than `limits` say; the plan must
    /// be [striped](ScanPlan::striped) by their [grouping](GroupLimits::grouping), and no other
    /// half may ask the same groups.
    #[must_use]
    pub fn limited(mut self, limits: GroupLimits) -> Self {
        let gate = |most: Option<RatePps>| most.map(GroupGate::new);
        self.gates = Gates { host: gate(limits.host), subnet: gate(limits.subnet) };
        self
    }

    /// The same half, that asks what `pairs` holds twice even where it has answered.
    #[must_use]
    pub fn pairs(mut self, pairs: Arc<Pairs>) -> Self {
        self.pairs = Some(pairs);
        self
    }

    /// Starts pass `pass`, its first `taken` positions already done with.
    pub fn begin_pass(&mut self, pass: u8, taken: u64) {
        self.pass = pass;
        self.cursor = Cursor::new(self.shard, self.plan.len()).skip(taken);
        self.timeline.begin_pass(pass);
    }

    /// In pass 0 too, skips what has answered: in a scan that is resumed, some have.
    pub const fn skip_answered(&mut self) {
        self.skips_answered = true;
    }

    /// Positions of this pass done with: what a checkpoint keeps.
    pub const fn taken(&self) -> u64 {
        self.cursor.taken(self.shard)
    }

    /// How many positions this stride has.
    pub fn share(&self) -> u64 {
        self.shard.share_of(self.plan.len())
    }

    /// Endpoints asked in pass 0.
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    /// Probes written so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Fills `batch` with what is due at `now`.
    ///
    /// Everything put into the batch must be sent before the next call; a full queue is waited
    /// for, never skipped.
    pub fn poll_transmit(&mut self, now: Timestamp, batch: &mut FrameBatch) -> Step {
        batch.clear();
        if self.cursor.peek().is_none() {
            return Step::EndOfPass;
        }
        if let Some(auto) = &self.auto {
            self.pacer.set_rate(auto.rate(), now);
        }
        let allowance = self.pacer.allowance(now, BATCH_LEN_MAX);
        if allowance == 0 {
            return Step::Wait(self.pacer.due());
        }
        let (mut skips, mut noted) = (0, false);
        while batch.len() < allowance && skips < SKIPS_MAX {
            if self.push_canary(now, batch) {
                continue;
            }
            let Some(position) = self.cursor.peek() else { break };
            if let Some(due) = self.gated(position).filter(|due| *due > now) {
                if batch.is_empty() {
                    return Step::Wait(due);
                }
                break;
            }
            self.cursor.advance();
            if !noted {
                noted = true;
                self.timeline.note(position, now);
            }
            if self.push_position(position, batch) {
                self.note_gated(position, now);
            } else {
                skips += 1;
            }
        }
        self.pacer.spend(batch.len());
        self.sent = self.sent.saturating_add(u64::try_from(batch.len()).unwrap_or(0));
        if batch.is_empty() && self.cursor.peek().is_none() {
            return Step::EndOfPass;
        }
        if batch.is_empty() { Step::Wait(now) } else { Step::Transmit }
    }

    /// What is due at `now`, at most `frames_max`, for a link that makes the probes itself.
    ///
    /// What it made of that must be told to [`Transmitter::took`] before the next call.
    pub fn poll_positions(&mut self, now: Timestamp, frames_max: u32) -> Positions {
        let Some(position) = self.cursor.peek() else { return Positions::EndOfPass };
        let most = usize::try_from(frames_max).unwrap_or(usize::MAX);
        match u32::try_from(self.pacer.allowance(now, most)) {
            Ok(0) => Positions::Wait(self.pacer.due()),
            due => {
                self.timeline.note(position, now);
                Positions::Due { position, frames: due.unwrap_or(frames_max) }
            }
        }
    }

    /// The next `positions` of the stride are done with: `frames` probes left for them.
    pub fn took(&mut self, positions: u64, frames: u32) {
        self.cursor = self.cursor.skip(positions);
        self.pacer.spend(usize::try_from(frames).unwrap_or(usize::MAX));
        self.sent = self.sent.saturating_add(u64::from(frames));
        if self.pass == 0 {
            self.asked = self.asked.saturating_add(u64::from(frames));
        }
    }

    /// The link that it sends by.
    pub const fn link(&self) -> usize {
        self.link
    }

    /// The stride.
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// Whether this pass skips what has answered.
    pub const fn looks_at_answers(&self) -> bool {
        self.pass > 0 || self.skips_answered
    }

    /// The pass that is being sent, from 0.
    pub const fn pass(&self) -> u8 {
        self.pass
    }

    /// When the limits let the probe at `position` go; none for what is not sent anyway.
    fn gated(&self, position: u64) -> Option<Timestamp> {
        if !self.gates.any() {
            return None;
        }
        let index = self.plan.element(position);
        self.reach(index).filter(|_| self.is_wanted(index))?;
        self.gates.due(&self.rounds_at(position)?)
    }

    /// Whether this pass asks the endpoint at `index`.
    fn is_wanted(&self, index: u64) -> bool {
        let paired = || self.pass == 1 && self.pairs.as_ref().is_some_and(|p| p.contains(index));
        !self.looks_at_answers()
            || self.answered.as_ref().is_none_or(|a| !a.contains(index))
            || paired()
    }

    fn note_gated(&mut self, position: u64, now: Timestamp) {
        if self.gates.any()
            && let Some(rounds) = self.rounds_at(position)
        {
            self.gates.note(&rounds, now);
        }
    }

    /// The place of `position` in rounds over all passes; none where the plan is not striped.
    fn rounds_at(&self, position: u64) -> Option<Rounds> {
        let stripe = self.plan.stripe()?;
        let before = f64::from(self.pass);
        Some(Rounds {
            host: before * stripe.host_rounds() + stripe.host_rounds_at(position),
            subnet: before * stripe.rounds() + stripe.rounds_at(position),
        })
    }

    fn push_position(&mut self, position: u64, batch: &mut FrameBatch) -> bool {
        let index = self.plan.element(position);
        let wanted = self.is_wanted(index);
        if !wanted && self.pass > 0 {
            return false;
        }
        let Some(reach) = self.reach(index) else { return false };
        self.asked += u64::from(self.pass == 0);
        // It was asked before the scan was resumed.
        if !wanted {
            return false;
        }
        let pushed = self.push_probe(&reach, self.pass, batch);
        if let Some(auto) = self.auto.as_mut().filter(|_| pushed) {
            auto.earn();
        }
        pushed
    }

    fn push_canary(&mut self, now: Timestamp, batch: &mut FrameBatch) -> bool {
        let canary = self.auto.as_mut().and_then(|auto| auto.canary(now));
        let Some((index, pass)) = canary else { return false };
        self.reach(index).is_some_and(|reach| self.push_probe(&reach, pass, batch))
    }

    /// How this half reaches the endpoint at `index`, if it does.
    fn reach(&self, index: u64) -> Option<Reach> {
        let aim = self.plan.aim(index)?;
        let (hop, mac) = match aim.way {
            Way::Hop(hop) => (hop, None),
            Way::Neighbor(hop, mac) => (hop, Some(mac)),
            Way::Unresolved | Way::Unroutable => return None,
        };
        let ours = self.plan.hops().get(hop)?.link == self.link;
        ours.then_some(Reach { aim, hop, mac })
    }

    fn push_probe(&mut self, reach: &Reach, pass: u8, batch: &mut FrameBatch) -> bool {
        let Some(templates) = self.templates.get_mut(reach.hop) else { return false };
        let frame = templates.frame(&reach.aim, reach.mac, pass, &self.plan);
        batch.push(frame).is_some()
    }
}

/// A place in the rounds of hosts and of subnets.
struct Rounds {
    host: f64,
    subnet: f64,
}

/// The gates of the groups that have a limit.
#[derive(Default)]
struct Gates {
    host: Option<GroupGate>,
    subnet: Option<GroupGate>,
}

impl Gates {
    const fn any(&self) -> bool {
        self.host.is_some() || self.subnet.is_some()
    }

    /// When all of them are open.
    fn due(&self, rounds: &Rounds) -> Option<Timestamp> {
        let host = self.host.as_ref().map(|gate| gate.due(rounds.host));
        host.max(self.subnet.as_ref().map(|gate| gate.due(rounds.subnet)))
    }

    fn note(&mut self, rounds: &Rounds, now: Timestamp) {
        for (gate, at) in [(&mut self.host, rounds.host), (&mut self.subnet, rounds.subnet)] {
            if let Some(gate) = gate {
                gate.note(at, now);
            }
        }
    }
}

/// An endpoint and the way there.
struct Reach {
    aim: Aim,
    hop: usize,
    mac: Option<MacAddr>,
}

/// The template of TCP probes by `hop`: whoever makes probes elsewhere begins with the same.
pub fn tcp_template(hop: &Hop, plan: &ScanPlan) -> ProbeTemplate {
    let (scan, style) = (plan.config().tcp_scan, &plan.config().style);
    ProbeTemplate::tcp(hop.source, hop.header, scan, style.tcp_options).styled(style)
}

/// The templates of one hop.
struct HopTemplates {
    tcp: ProbeTemplate,
    sctp: ProbeTemplate,
    echo: ProbeTemplate,
    timestamp: ProbeTemplate,
    address_mask: ProbeTemplate,
    udp_empty: ProbeTemplate,
    udp: BTreeMap<u16, ProbeTemplate>,
}

impl HopTemplates {
    fn new(hop: &Hop, plan: &ScanPlan) -> Self {
        let (payloads, style) = (&plan.config().payloads, &plan.config().style);
        let (source, header) = (hop.source, hop.header);
        let udp = |payload| ProbeTemplate::udp(source, header, payload).styled(style);
        let usual = |port| {
            let payload = payloads.template(port);
            (!payload.is_empty()).then(|| (port, udp(payload)))
        };
        Self {
            tcp: tcp_template(hop, plan),
            sctp: ProbeTemplate::sctp_init(source, header).styled(style),
            echo: ProbeTemplate::echo(source, header).styled(style),
            timestamp: ProbeTemplate::timestamp(source, header).styled(style),
            address_mask: ProbeTemplate::address_mask(source, header).styled(style),
            udp_empty: udp(&[]),
            udp: plan.udp_ports().filter_map(usual).collect(),
        }
    }

    fn frame(&mut self, aim: &Aim, mac: Option<MacAddr>, pass: u8, plan: &ScanPlan) -> &[u8] {
        let cookie = plan.cookie(&aim.probe.endpoint(aim.addr), pass);
        let from = cookie.source_port(plan.config().source_ports);
        match aim.probe {
            Probe::Tcp(port) => self.tcp.patch(aim.addr, mac, (from, port), cookie, |_| {}),
            Probe::Sctp(port) => self.sctp.patch(aim.addr, mac, (from, port), cookie, |_| {}),
            Probe::Echo => self.echo.patch(aim.addr, mac, (0, 0), cookie, |_| {}),
            Probe::Timestamp => self.timestamp.patch(aim.addr, mac, (0, 0), cookie, |_| {}),
            Probe::AddressMask => self.address_mask.patch(aim.addr, mac, (0, 0), cookie, |_| {}),
            Probe::Udp(port) => {
                let template = self.udp.get_mut(&port).unwrap_or(&mut self.udp_empty);
                let payloads = &plan.config().payloads;
                template.patch(aim.addr, mac, (from, port), cookie, |payload| {
                    payloads.patch(port, payload, cookie.bits());
                })
            }
        }
    }
}
