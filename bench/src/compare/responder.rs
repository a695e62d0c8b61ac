//! The responder in user space: everything that a `World` can do, and slower than the one in
//! XDP, to which it is a complement where that can run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use portolan_simnet::lab::{Stop, Wire, Worker};

use super::frame::{Frame, Syn};
use super::world::{Answer, Manner, RESETS_PER_SECOND_MAX, World, mix, parts};

/// How often it looks whether it should stop.
const IDLE: Duration = Duration::from_millis(5);
/// Frames taken in before late answers are looked at.
const BURST: usize = 256;

/// Who answers plain hosts' probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    /// This one.
    Answered,
    /// An XDP program, which has thrown the dice for the way there already.
    Passed,
}

/// A running responder.
#[derive(Debug)]
pub(crate) struct Responder {
    _worker: Worker,
}

impl Responder {
    /// Answers for `world` on `interface` of the calling thread's namespace.
    pub(crate) fn start(interface: &str, world: World, plain: Plain) -> io::Result<Self> {
        let mut wire = Wire::open(interface)?;
        let mut desk = Desk::new(world, plain);
        let work = move |stop: &Stop| {
            Wire::hurry();
            while !stop.is_asked() {
                let wait = desk
                    .next_due()
                    .map_or(IDLE, |due| due.saturating_duration_since(Instant::now()).min(IDLE));
                wire.receive(BURST, wait, &mut |frame| desk.take(frame, Instant::now()));
                desk.give(Instant::now(), &mut |frame| deliver(&wire, frame));
            }
        };
        Ok(Self { _worker: Worker::start("responder", work)? })
    }
}

/// Sends; a full queue is waited for, so that only the world loses frames.
fn deliver(wire: &Wire, frame: &Frame) {
    const NO_BUFFERS: i32 = 105;
    for _ in 0..1_000 {
        match wire.send(frame) {
            Err(error) if error.raw_os_error() == Some(NO_BUFFERS) => thread::yield_now(),
            _ => return,
        }
    }
}

/// What is to be answered, and when.
struct Desk {
    world: World,
    plain: Plain,
    now: Vec<Frame>,
    late: BinaryHeap<Reverse<(Instant, Frame)>>,
    /// Resets left of each limited host's second, and which second.
    resets: HashMap<Ipv4Addr, (u64, u32)>,
    start: Option<Instant>,
    dice: u64,
}

impl Desk {
    fn new(world: World, plain: Plain) -> Self {
        let (now, late, resets) = (Vec::new(), BinaryHeap::new(), HashMap::new());
        Self { world, plain, now, late, resets, start: None, dice: world.seed }
    }

    fn next_due(&self) -> Option<Instant> {
        self.late.peek().map(|Reverse((due, _))| *due)
    }

    fn take(&mut self, frame: &[u8], at: Instant) {
        let Some(syn) = Syn::read(frame).filter(|syn| self.world.holds(syn.to)) else { return };
        let (answer, manner) = self.world.answer(syn.to, syn.target_port);
        if self.plain == Plain::Answered && self.loses(self.world.loss_in) {
            return;
        }
        let open = match answer {
            Answer::Silence => return,
            Answer::Open => true,
            Answer::Closed => false,
        };
        match manner {
            Manner::Plain if self.plain == Plain::Answered => self.send(&syn, open),
            Manner::Twice => {
                self.send(&syn, open);
                self.send(&syn, open);
            }
            Manner::Limited if open || self.may_reset(syn.to, at) => self.send(&syn, open),
            Manner::Slow(delay) => {
                if !self.loses(self.world.loss_out) {
                    self.late.push(Reverse((at + delay, syn.answer(open))));
                }
            }
            Manner::Plain | Manner::Limited => {}
        }
    }

    fn send(&mut self, syn: &Syn, open: bool) {
        if !self.loses(self.world.loss_out) {
            self.now.push(syn.answer(open));
        }
    }

    /// Gives out what is due.
    fn give(&mut self, at: Instant, out: &mut dyn FnMut(&Frame)) {
        self.now.drain(..).for_each(|frame| out(&frame));
        while let Some(Reverse((due, frame))) = self.late.peek()
            && *due <= at
        {
            out(frame);
            self.late.pop();
        }
    }

    fn may_reset(&mut self, addr: Ipv4Addr, at: Instant) -> bool {
        let second = (at - *self.start.get_or_insert(at)).as_secs();
        let entry = self.resets.entry(addr).or_insert((second, RESETS_PER_SECOND_MAX));
        if entry.0 != second {
            *entry = (second, RESETS_PER_SECOND_MAX);
        }
        let may = entry.1 > 0;
        entry.1 = entry.1.saturating_sub(1);
        may
    }

    fn loses(&mut self, chance: f64) -> bool {
        if chance <= 0.0 {
            return false;
        }
        self.dice = self.dice.wrapping_add(1);
        mix(self.dice) >> 32 < parts(chance)
    }
}
