//! The sending half: which frames leave, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::answered::Answered;
use crate::link::{BATCH_LEN_MAX, FrameBatch};
use crate::pacer::{Pacer, RatePps};
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
            templates,
            asked: 0,
            sent: 0,
        }
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
        let allowance = self.pacer.allowance(now, BATCH_LEN_MAX);
        if allowance == 0 {
            return Step::Wait(self.pacer.due());
        }
        let mut skips = 0;
        while batch.len() < allowance && skips < SKIPS_MAX {
            let Some(position) = self.cursor.peek() else { break };
            self.cursor.advance();
            if batch.is_empty() {
                self.timeline.note(position, now);
            }
            if !self.push_probe(position, batch) {
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

    fn push_probe(&mut self, position: u64, batch: &mut FrameBatch) -> bool {
        let index = self.plan.permutation().element(position);
        let look = self.pass > 0 || self.skips_answered;
        let known = look && self.answered.as_ref().is_some_and(|a| a.contains(index));
        if known && self.pass > 0 {
            return false;
        }
        let Some(aim) = self.plan.aim(index) else { return false };
        let (hop, mac) = match aim.way {
            Way::Hop(hop) => (hop, None),
            Way::Neighbor(hop, mac) => (hop, Some(mac)),
            Way::Unresolved | Way::Unroutable => return false,
        };
        if self.plan.hops().get(hop).is_none_or(|h| h.link != self.link) {
            return false;
        }
        let Some(templates) = self.templates.get_mut(hop) else { return false };
        if self.pass == 0 {
            self.asked += 1;
        }
        // It was asked before the scan was resumed.
        if known {
            return false;
        }
        let frame = templates.frame(&aim, mac, self.pass, &self.plan);
        batch.push(frame).is_some()
    }
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
        let (scan, options) = (plan.config().tcp_scan, style.tcp_options);
        Self {
            tcp: ProbeTemplate::tcp(source, header, scan, options).styled(style),
            sctp: ProbeTemplate::sctp_init(source, header).styled(style),
            echo: ProbeTemplate::echo(source, header).styled(style),
            timestamp: ProbeTemplate::timestamp(source, header).styled(style),
            address_mask: ProbeTemplate::address_mask(source, header).styled(style),
            udp_empty: udp(&[]),
            udp: plan.udp_ports().filter_map(usual).collect(),
        }
    }

    fn frame(
        &mut self,
        aim: &Aim,
        mac: Option<crate::observation::MacAddr>,
        pass: u8,
        plan: &ScanPlan,
    ) -> &[u8] {
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
