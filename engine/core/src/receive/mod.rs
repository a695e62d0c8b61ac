//! The receiving half: which frames are answers, and what they mean.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::answered::Answered;
use crate::canary::{CANARY_PASS, Canaries};
use crate::endpoint::{Family, Transport, addr_bits};
use crate::event::ScanEvent;
use crate::host_book::{HostBook, Openness};
use crate::link::Encapsulation;
use crate::note::Note;
use crate::observation::{HostObservation, Observation, REPLY_LEN_MAX, UnixTime};
use crate::pairs::Pairs;
use crate::plan::ScanPlan;
use crate::state::{PortState, Reason};
use crate::target::AddrRange;
use crate::time::Timestamp;
use crate::timeline::Timeline;
use crate::wire::{Rejection, Reply, Segment, parse};

/// Reading of replies.
mod answer;
/// What was counted.
mod counts;
/// What has been reported already.
mod seen;

use answer::{Answer, AnswerReader};
pub use counts::ReceiveCounts;
use seen::Seen;

/// TCP ports of a host that a person may have chosen because they are open: of fewer than that,
/// all are told, however many are.
const CHOSEN_MAX: u32 = 1_000;
/// Asked addresses of a prefix from which it may be said that all are open.
const ALIASED_MIN: u32 = 64;

/// The receiving half of a scan.
pub struct Receiver {
    plan: Arc<ScanPlan>,
    encapsulation: Encapsulation,
    seen: Seen,
    /// Which hosts have been heard. `None` where there are too many, and where each is asked one
    /// thing: then the first answer is the host's first too.
    hosts: Option<Arc<Answered>>,
    /// Whether each host is asked one thing at most.
    asks_once: bool,
    timelines: Vec<Vec<Arc<Timeline>>>,
    shard_count: u64,
    /// UDP ports of the plan whose servers answer from other ports.
    roaming: Vec<u16>,
    book: HostBook,
    keeps_back: bool,
    keeps_replies: bool,
    /// How much of the first pass is over, as far as answers have shown.
    progress: f64,
    canaries: Option<Arc<Canaries>>,
    /// Which of the ears that hear canaries this is.
    ear: Option<usize>,
    pairs: Option<Arc<Pairs>>,
    epoch: UnixTime,
    counts: ReceiveCounts,
}

impl Receiver {
    /// The half that hears the answers to `plan` on a link of `encapsulation`.
    ///
    /// `answered` gets a bit for each endpoint that answers; `None` where the plan is too large.
    /// `timelines` are those of the sending threads, by link and thread, `shard_count` the strides
    /// of all shards and threads together. `epoch` is the civil time of [`Timestamp::ZERO`].
    pub fn new(
        plan: Arc<ScanPlan>,
        encapsulation: Encapsulation,
        answered: Option<Arc<Answered>>,
        timelines: Vec<Vec<Arc<Timeline>>>,
        shard_count: u32,
        epoch: UnixTime,
    ) -> Self {
        let asks_once = plan.blocks().iter().all(|block| block.probes.len() <= 1);
        let hosts = Answered::new(plan.hosts()).filter(|_| !asks_once).map(Arc::new);
        let book = HostBook::new(plan.hosts());
        let seen = Seen::new(answered);
        let payloads = &plan.config().payloads;
        let roams = |port: &u16| payloads.answers_from_elsewhere(*port);
        let roaming: std::collections::BTreeSet<u16> = plan.udp_ports().filter(roams).collect();
        Self {
            roaming: roaming.into_iter().collect(),
            plan,
            encapsulation,
            seen,
            hosts,
            asks_once,
            timelines,
            book,
            keeps_back: false,
            keeps_replies: false,
            progress: 0.0,
            canaries: None,
            ear: None,
            pairs: None,
            shard_count: u64::from(shard_count.max(1)),
            epoch,
            counts: ReceiveCounts::default(),
        }
    }

    /// The same half, for which a host that `other` has heard is no news.
    #[must_use]
    pub fn sharing(mut self, other: &Self) -> Self {
        self.hosts.clone_from(&other.hosts);
        self
    }

    /// The same half, that tells no more open ports of a host once it seems open on every port.
    #[must_use]
    pub const fn keep_back(mut self) -> Self {
        self.keeps_back = true;
        self
    }

    /// The same half, that hands over what UDP ports answer with the first answer of each: one
    /// allocation an endpoint, none for a repetition.
    #[must_use]
    pub const fn keep_replies(mut self) -> Self {
        self.keeps_replies = true;
        self
    }

    /// The same half, that offers answering endpoints as canaries and hears those.
    #[must_use]
    pub fn canaries(mut self, canaries: Arc<Canaries>) -> Self {
        self.ear = canaries.join();
        self.canaries = Some(canaries);
        self
    }

    /// Says that everything that had arrived by `at` has been handed over.
    pub fn drained(&self, at: Timestamp) {
        if let (Some(canaries), Some(ear)) = (self.canaries.as_ref(), self.ear) {
            canaries.drained(ear, at);
        }
    }

    /// The same half, that notes which probes of `pairs` were answered.
    #[must_use]
    pub fn pairs(mut self, pairs: Arc<Pairs>) -> Self {
        self.pairs = Some(pairs);
        self
    }

    /// What was counted so far.
    pub const fn counts(&self) -> &ReceiveCounts {
        &self.counts
    }

    /// Notes that a host is known already: its first answer is neither news nor counted as that.
    pub fn know_host(&self, addr: IpAddr) {
        if let (Some(host), Some(hosts)) = (self.plan.find_host(addr), self.hosts.as_ref()) {
            hosts.insert(host);
        }
    }

    /// Takes in one frame that arrived at `now` and tells `sink` what it newly shows.
    ///
    /// # Errors
    /// Why the frame is no answer; it has been counted.
    pub fn handle_frame(
        &mut self,
        now: Timestamp,
        frame: &[u8],
        sink: &mut dyn FnMut(ScanEvent),
    ) -> Result<(), Rejection> {
        let outcome = parse(frame, self.encapsulation).and_then(|reply| {
            let answer = self.reader().read(&reply)?;
            self.accept(now, &reply, answer, sink);
            Ok(())
        });
        if let Err(rejection) = outcome {
            let at = Rejection::ALL.iter().position(|r| *r == rejection).unwrap_or(0);
            if let Some(count) = self.counts.rejected.get_mut(at) {
                *count += 1;
            }
        }
        outcome
    }

    fn reader(&self) -> AnswerReader<'_> {
        let canaries = self.canaries.as_deref();
        AnswerReader { plan: &self.plan, roaming: &self.roaming, canaries }
    }

    /// Whether an answer was to a canary probe; it has been counted then and is no news.
    fn is_canary(&mut self, answer: &Answer, now: Timestamp) -> bool {
        if answer.pass < CANARY_PASS {
            return false;
        }
        self.counts.canaries += 1;
        if let Some(canaries) = self.canaries.as_ref().filter(|_| answer.is_own()) {
            canaries.hear(answer.found.index, answer.pass, now);
        }
        true
    }

    /// Who answers for itself may be asked again.
    fn offer(&self, answer: &Answer) {
        let Some(canaries) = self.canaries.as_ref() else { return };
        if answer.is_own()
            && let Some(hop) = answer.found.hop.and_then(|hop| self.plan.hops().get(hop))
        {
            // Of what shares a limit one may stand for all.
            let group = self.plan.stripe().and_then(|stripe| stripe.group(answer.found.index));
            let group = group.unwrap_or(answer.found.host);
            canaries.offer(answer.found.index, group, hop.link);
        }
    }

    /// Whether the host that `answer` shows to be up was not known; `first` is whether its endpoint
    /// was not.
    fn is_new_host(&self, answer: &Answer, first: bool) -> bool {
        if let Some(hosts) = &self.hosts {
            return hosts.insert(answer.found.host);
        }
        // Neighbours are known by having answered for their addresses.
        let hop = answer.found.hop.and_then(|hop| self.plan.hops().get(hop));
        first && self.asks_once && hop.is_none_or(|hop| !hop.on_link)
    }

    fn accept(
        &mut self,
        now: Timestamp,
        reply: &Reply<'_>,
        answer: Answer,
        sink: &mut dyn FnMut(ScanEvent),
    ) {
        self.counts.replies += 1;
        if self.is_canary(&answer, now) {
            return;
        }
        let endpoint = answer.probe.endpoint(answer.addr);
        let rtt = self.rtt(&answer, now);
        let (state, reason) = answer.verdict;
        let at = self.epoch.after(now.since(Timestamp::ZERO));
        let first = self.seen.insert(answer.found.index);
        if answer.life && self.is_new_host(&answer, first) {
            self.counts.hosts_up += 1;
            let ttl = Some(reply.ttl);
            sink(ScanEvent::Host(HostObservation {
                at,
                addr: answer.addr,
                reason,
                mac: None,
                ttl,
                rtt,
            }));
        }
        let second = self.pairs.as_ref().is_some_and(|p| p.note(answer.found.index, answer.pass));
        if !first {
            self.counts.duplicates += u64::from(!second);
            return;
        }
        // A repetition's age is not the network's: hosts repeat a SYN-ACK for many seconds.
        self.counts.rtt_max = self.counts.rtt_max.max(rtt.unwrap_or_default());
        self.offer(&answer);
        if let Some(count) = self.counts.first_in_pass.get_mut(usize::from(answer.pass)) {
            *count += 1;
        }
        if self.plan.config().discover || endpoint.transport == Transport::Ip {
            return;
        }
        if self.is_kept_back(&answer, endpoint.transport, sink) {
            self.counts.kept_back += 1;
            return;
        }
        match state {
            PortState::Open => self.counts.open += 1,
            PortState::Closed => self.counts.closed += 1,
            PortState::Unfiltered => self.counts.unfiltered += 1,
            _ => self.counts.filtered += 1,
        }
        let ttl = Some(reply.ttl);
        let reply = self.kept(reply);
        sink(ScanEvent::Endpoint(Observation { at, endpoint, state, reason, ttl, rtt, reply }));
    }

    /// What `reply` carries, if that is UDP's and to be kept.
    fn kept(&self, reply: &Reply<'_>) -> Option<Box<[u8]>> {
        match reply.segment {
            Segment::Udp { payload, .. } if self.keeps_replies => {
                Some(payload.get(..REPLY_LEN_MAX).unwrap_or(payload).into())
            }
            _ => None,
        }
    }

    /// Enters an answer into the host's figures, and tells if that shows something odd; whether the
    /// answer itself is not to be told.
    fn is_kept_back(
        &mut self,
        answer: &Answer,
        transport: Transport,
        sink: &mut dyn FnMut(ScanEvent),
    ) -> bool {
        let host = answer.found.host;
        match (transport, answer.verdict) {
            (Transport::Tcp, (PortState::Open, _)) => {
                // Answers that took long would make it seem less than it is.
                let progress = if answer.pass == 0 { self.progress(answer) } else { 1.0 };
                self.progress = self.progress.max(progress);
                let asked = self.asked_of_host(answer);
                match self.book.open(host, asked) {
                    Openness::Usual => false,
                    Openness::Everything => self.keeps_back,
                    Openness::Found { open } => {
                        let addr = answer.addr;
                        let asked = whole(asked).max(open);
                        sink(ScanEvent::Note(Note::EverythingOpen { addr, open, asked }));
                        false
                    }
                }
            }
            (Transport::Udp, (PortState::Closed, Reason::PortUnreach)) => {
                let progress = (answer.pass == 0).then(|| self.progress(answer));
                self.book.udp_closed(host, progress);
                false
            }
            (Transport::Udp, (PortState::Open, _)) => {
                self.book.udp_open(host);
                false
            }
            _ => false,
        }
    }

    /// How much of the first pass was over when the probe left that was answered, 0 to 1.
    fn progress(&self, answer: &Answer) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a part")]
        let part = |at: u64, of: u64| (at as f64 + 1.0) / of.max(1) as f64;
        part(self.plan.position(answer.found.index), self.plan.len())
    }

    /// About how many ports of the host of `answer` this part of the scan has asked; more than can
    /// be open where that shows nothing.
    fn asked_of_host(&self, answer: &Answer) -> f64 {
        let (tcp, _) = self.plan.ports_of(answer.found.index);
        if tcp < CHOSEN_MAX {
            return f64::INFINITY;
        }
        let threads = self.timelines.first().map_or(1, Vec::len).max(1);
        let threads = u32::try_from(threads).unwrap_or(1);
        let shards = u32::try_from(self.shard_count).unwrap_or(u32::MAX) / threads;
        f64::from(tcp) * self.progress / f64::from(shards.max(1))
    }

    /// Tells what only the end of a scan shows: hosts that limit their ICMP errors, and prefixes
    /// of which every address is open.
    pub fn conclude(&self, sink: &mut dyn FnMut(ScanEvent)) {
        for (host, figures) in self.book.hosts() {
            let Some((addr, udp)) = self.plan.host(host) else { continue };
            if figures.is_icmp_limited(udp) {
                let closed = figures.udp_closed.1;
                let silent = udp.saturating_sub(closed).saturating_sub(figures.udp_open);
                sink(ScanEvent::Note(Note::IcmpLimited { addr, closed, silent }));
            }
        }
        let group = |host| self.plan.host(host).and_then(|(addr, _)| prefix_of(addr));
        for (range, hosts) in self.book.open_hosts(group) {
            let asked = self.plan.hosts_within(range);
            if asked >= ALIASED_MIN && u64::from(hosts) * 20 >= u64::from(asked) * 19 {
                sink(ScanEvent::Note(Note::EveryAddressOpen { range, hosts, asked }));
            }
        }
    }

    /// The permutation's inverse says when the probe left.
    fn rtt(&self, answer: &Answer, now: Timestamp) -> Option<Duration> {
        let position = self.plan.position(answer.found.index);
        let link = self.plan.hops().get(answer.found.hop?)?.link;
        let threads = self.timelines.get(link)?;
        // Stride s of shards × threads belongs to thread s / shards.
        let stride = position % self.shard_count;
        let shards = self.shard_count / u64::try_from(threads.len()).ok()?.max(1);
        let line = threads.get(usize::try_from(stride / shards.max(1)).ok()?)?;
        line.age(answer.pass, position, now)
    }
}

/// The 256 addresses to which `addr` belongs.
fn prefix_of(addr: IpAddr) -> Option<AddrRange> {
    let first = addr_bits(addr) & !0xff;
    AddrRange::from_bits(Family::of(addr), first, first | 0xff)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates"
)]
const fn whole(value: f64) -> u32 {
    value.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::FrameBatch;
    use crate::pacer::RatePps;
    use crate::permutation::Shard;
    use crate::plan::PlanConfig;
    use crate::plan::tests::{bare_hops, config, plan};
    use crate::probe::TcpScan;
    use crate::transmit::{Step, Transmitter};
    use etherparse::{PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};

    struct Rig {
        transmitter: Transmitter,
        receiver: Receiver,
        now: Timestamp,
    }

    fn rig(config: PlanConfig) -> Rig {
        let plan = Arc::new(plan(config));
        let answered = Arc::new(Answered::new(plan.len()).unwrap());
        let line = Arc::new(Timeline::default());
        let rate = RatePps::new(1_000_000).unwrap();
        let transmitter = Transmitter::new(
            Arc::clone(&plan),
            0,
            Some(Arc::clone(&answered)),
            Arc::clone(&line),
            Shard::default(),
            rate,
            Timestamp::ZERO,
        );
        let epoch = UnixTime::from_seconds(1_000);
        let link = Encapsulation::Ip;
        let receiver = Receiver::new(plan, link, Some(answered), vec![vec![line]], 1, epoch);
        Rig { transmitter, receiver, now: Timestamp::ZERO }
    }

    impl Rig {
        /// Runs the pass out and returns its frames.
        fn probes(&mut self) -> Vec<Vec<u8>> {
            let mut batch = FrameBatch::new();
            let mut frames = Vec::new();
            loop {
                match self.transmitter.poll_transmit(self.now, &mut batch) {
                    Step::Transmit => frames.extend(batch.frames().map(<[u8]>::to_vec)),
                    Step::Wait(until) => self.now = until,
                    Step::EndOfPass => return frames,
                }
            }
        }

        fn hear(&mut self, frame: &[u8]) -> Result<Vec<ScanEvent>, Rejection> {
            let mut events = Vec::new();
            let sink = &mut |event| events.push(event);
            self.receiver.handle_frame(self.now, frame, sink).map(|()| events)
        }
    }

    /// What a host that is open on every port answers.
    fn answer(probe: &[u8], acknowledge: u32) -> Vec<u8> {
        let packet = SlicedPacket::from_ip(probe).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!() };
        let Some(etherparse::NetSlice::Ipv4(ip)) = packet.net else { panic!() };
        let mut reply = TcpHeader::new(tcp.destination_port(), tcp.source_port(), 9, 1_000);
        (reply.syn, reply.ack) = (true, true);
        reply.acknowledgment_number = tcp.sequence_number().wrapping_add(acknowledge);
        let mut frame = Vec::new();
        PacketBuilder::ipv4(ip.header().destination(), ip.header().source(), 60)
            .tcp_header(reply)
            .write(&mut frame, &[])
            .unwrap();
        frame
    }

    #[test]
    fn every_probe_is_recognised_in_its_answer_once() {
        let mut rig = rig(config("10.0.0.0/28", &[22, 80], &[]));
        let probes = rig.probes();
        assert_eq!(probes.len(), 32);
        rig.now = rig.now + Duration::from_millis(3);
        for probe in &probes {
            let events = rig.hear(&answer(probe, 1)).unwrap();
            let seen = events.iter().find_map(|e| match e {
                ScanEvent::Endpoint(o) => Some(o),
                _ => None,
            });
            let seen = seen.unwrap();
            assert_eq!((seen.state, seen.reason), (PortState::Open, Reason::SynAck));
            let rtt = seen.rtt.unwrap();
            assert!((3..4).contains(&rtt.as_millis()), "{rtt:?}");
            assert_eq!(rig.hear(&answer(probe, 1)), Ok(vec![]), "a repetition says nothing new");
        }
        let counts = *rig.receiver.counts();
        assert_eq!((counts.open, counts.duplicates, counts.hosts_up), (32, 32, 16));
        rig.transmitter.begin_pass(1, 0);
        assert!(rig.probes().is_empty(), "nobody is left to ask again");
    }

    /// What a UDP port answers to `probe`.
    fn datagram(probe: &[u8], payload: &[u8]) -> Vec<u8> {
        let packet = SlicedPacket::from_ip(probe).unwrap();
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!() };
        let Some(etherparse::NetSlice::Ipv4(ip)) = packet.net else { panic!() };
        let mut frame = Vec::new();
        PacketBuilder::ipv4(ip.header().destination(), ip.header().source(), 60)
            .udp(udp.destination_port(), udp.source_port())
            .write(&mut frame, payload)
            .unwrap();
        frame
    }

    #[test]
    fn what_a_udp_port_answers_is_handed_over_once_and_only_where_it_is_kept() {
        for (keeps, len) in [(false, 5), (true, 0), (true, 5), (true, 1_600)] {
            let mut rig = rig(config("10.0.0.1", &[], &[53]));
            if keeps {
                rig.receiver = rig.receiver.keep_replies();
            }
            let probe = rig.probes().remove(0);
            let payload: Vec<u8> = (0_u8..=255).cycle().take(len).collect();
            let mut events = rig.hear(&datagram(&probe, &payload)).unwrap();
            let Some(ScanEvent::Endpoint(seen)) = events.pop() else { panic!() };
            assert_eq!((seen.state, seen.reason), (PortState::Open, Reason::UdpResponse));
            let wanted = keeps.then(|| payload[..len.min(REPLY_LEN_MAX)].into());
            assert_eq!(seen.reply, wanted, "{len}");
            assert_eq!(rig.hear(&datagram(&probe, b"other")), Ok(vec![]));
        }
    }

    #[test]
    fn silence_is_asked_again_with_new_cookies_and_no_more_often_than_allowed() {
        let mut rig = rig(config("10.0.0.1", &[22], &[]));
        let first = rig.probes();
        rig.transmitter.begin_pass(1, 0);
        let second = rig.probes();
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first, second);
        rig.hear(&answer(&first[0], 1)).unwrap();
        assert_eq!(rig.receiver.counts().first_in_pass[0], 1, "a late answer to the first");
        rig.transmitter.begin_pass(2, 0);
        assert!(rig.probes().is_empty());
    }

    #[test]
    fn what_does_not_prove_itself_is_rejected() {
        let mut rig = rig(config("10.0.0.1", &[22], &[]));
        let probe = rig.probes().remove(0);
        assert_eq!(rig.hear(&answer(&probe, 2)), Err(Rejection::BadCookie));
        assert_eq!(rig.hear(&probe), Err(Rejection::Unexpected));
        let mut stranger = rig_for("10.0.0.2");
        let foreign = stranger.probes().remove(0);
        assert_eq!(rig.hear(&answer(&foreign, 1)), Err(Rejection::NotATarget));
        assert_eq!(rig.receiver.counts().rejected.iter().sum::<u64>(), 3);
        assert_eq!(rig.receiver.counts().replies, 0);
    }

    #[test]
    fn a_reset_means_what_was_asked_and_proves_it() {
        for scan in TcpScan::ALL {
            let mut config = config("10.0.0.1", &[22, 80], &[]);
            config.tcp_scan = scan;
            let mut rig = rig(config);
            let probes = rig.probes();
            let reset = |probe: &[u8], sequence: Option<u32>, acknowledges: Option<u32>| {
                let mut frame = answer(probe, 0);
                frame[33] = 0x04 | if acknowledges.is_some() { 0x10 } else { 0 };
                frame[24..28].copy_from_slice(&sequence.unwrap_or(0).to_be_bytes());
                frame[28..32].copy_from_slice(&acknowledges.unwrap_or(0).to_be_bytes());
                frame[36..38].fill(0);
                let addr = |at: usize| IpAddr::from(*frame[at..].first_chunk::<4>().unwrap());
                let pseudo = crate::wire::checksum::Checksum::ZERO;
                let sum = pseudo.pseudo_header(addr(12), addr(16), 6, 20).octets(&frame[20..]);
                frame[36..38].copy_from_slice(&sum.finish().to_be_bytes());
                frame
            };
            let sent = |probe: &[u8]| u32::from_be_bytes(*probe[24..].first_chunk().unwrap());
            for probe in &probes {
                // RFC 9293 §3.10.7.1, after which the state is known.
                let next = sent(probe).wrapping_add(u32::from(scan != TcpScan::Null));
                let (right, wrong) = if scan == TcpScan::Ack {
                    (reset(probe, Some(sent(probe)), None), reset(probe, None, Some(next)))
                } else {
                    (reset(probe, None, Some(next)), reset(probe, Some(sent(probe)), None))
                };
                assert_eq!(rig.hear(&wrong), Err(Rejection::BadCookie), "{scan:?}");
                let events = rig.hear(&right).unwrap();
                let state = events.iter().find_map(|event| match event {
                    ScanEvent::Endpoint(seen) => Some((seen.state, seen.reason)),
                    _ => None,
                });
                assert_eq!(state, Some((scan.reset_state(), Reason::Reset)), "{scan:?}");
                if scan != TcpScan::Syn {
                    assert_eq!(rig.hear(&answer(probe, 1)), Err(Rejection::Unexpected));
                }
            }
            let counts = rig.receiver.counts();
            let reached = if scan == TcpScan::Ack { (2, 0) } else { (0, 2) };
            assert_eq!((counts.unfiltered, counts.closed), reached, "{scan:?}");
        }
    }

    fn rig_for(target: &str) -> Rig {
        rig(config(target, &[22], &[]))
    }

    #[test]
    fn neighbours_without_an_address_are_asked_nothing() {
        let (mut hops, routes) = bare_hops();
        hops[0].on_link = true;
        let plan = ScanPlan::new(config("10.0.0.1", &[1], &[]), hops, &routes, &|_| None).unwrap();
        let rate = RatePps::new(1_000).unwrap();
        let line = Arc::new(Timeline::default());
        let (shard, start) = (Shard::default(), Timestamp::ZERO);
        let mut transmitter = Transmitter::new(Arc::new(plan), 0, None, line, shard, rate, start);
        let mut batch = FrameBatch::new();
        assert_eq!(transmitter.poll_transmit(start, &mut batch), Step::EndOfPass);
        assert!(batch.is_empty());
    }
}
