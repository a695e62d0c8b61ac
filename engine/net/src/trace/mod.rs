//! The packets of a scan as they pass, for a capture file and for people who watch.
//!
//! Threads that send and receive put frames into a queue of fixed size and never wait; a thread of
//! its own writes. What finds the queue full is counted, and told.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::wire::{Rejection, describe};

use crate::link::{LinkError, TxLink};
use pcapng::{Direction, Pcapng};

/// Capture files.
mod pcapng;

/// Octets that may wait to be written: some 80,000 probes.
const QUEUE_LEN_MAX: usize = 8 << 20;
/// How long the writer sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(50);
/// Octets before each frame in the queue: time, link, verdict, length.
const HEAD_LEN: usize = 8 + 4 + 1 + 2;
/// Ethernet headers of zeros in front of IPv4 and IPv6.
const BARE_V4: [u8; 14] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00];
const BARE_V6: [u8; 14] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd];
/// The verdicts that are no [`Rejection`].
const SENT: u8 = 0xff;
const ACCEPTED: u8 = 0xfe;

/// Where packets go, besides the wire; clones share one queue.
#[derive(Clone)]
pub struct Trace {
    shared: Arc<Shared>,
    worker: Arc<Mutex<Option<JoinHandle<io::Result<()>>>>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trace(..)")
    }
}

/// What became of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceCounts {
    /// Written.
    pub written: u64,
    /// Lost, because writing was slower than the scan.
    pub missed: u64,
}

#[derive(Default)]
struct Shared {
    /// Whether packets that are rejected are told too.
    tells_all: bool,
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    octets: Vec<u8>,
    links: Vec<(String, Encapsulation)>,
    counts: TraceCounts,
    stop: bool,
}

impl Trace {
    /// Writes the probes that are sent and the replies that are accepted into `pcap`, and a line
    /// for every packet, those that are rejected included, into `lines`.
    ///
    /// # Errors
    /// When the file can't be begun, or no thread be had.
    pub fn start(
        pcap: Option<Box<dyn Write + Send>>,
        lines: Option<Box<dyn Write + Send>>,
    ) -> io::Result<Self> {
        let pcap = pcap.map(Pcapng::begin).transpose()?;
        let tells_all = lines.is_some();
        let shared = Arc::new(Shared { tells_all, ..Shared::default() });
        lock(&shared).octets = Vec::with_capacity(QUEUE_LEN_MAX);
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            pcap,
            lines,
            octets: Vec::with_capacity(QUEUE_LEN_MAX),
            links: Vec::new(),
            told_missed: 0,
            started: now(),
        };
        let worker = thread::Builder::new().name("trace".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared, worker: Arc::new(Mutex::new(Some(worker))) })
    }

    /// Writes what still waits, and ends.
    ///
    /// # Errors
    /// What could not be written; everything after it is missing.
    pub fn finish(&self) -> io::Result<TraceCounts> {
        lock(&self.shared).stop = true;
        self.shared.ready.notify_all();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            worker.join().map_err(|_| io::Error::other("the trace's thread panicked"))??;
        }
        Ok(lock(&self.shared).counts)
    }

    /// A link whose packets are told.
    pub(crate) fn link(&self, name: &str, encapsulation: Encapsulation) -> LinkTrace {
        let mut queue = lock(&self.shared);
        let known = queue.links.iter().position(|(n, e)| (n.as_str(), *e) == (name, encapsulation));
        let at = known.unwrap_or_else(|| {
            queue.links.push((name.to_owned(), encapsulation));
            queue.links.len() - 1
        });
        let link = u32::try_from(at).unwrap_or(u32::MAX);
        LinkTrace { shared: Arc::clone(&self.shared), link, encapsulation, is_bare: false }
    }
}

/// The packets of one link.
pub(crate) struct LinkTrace {
    shared: Arc<Shared>,
    link: u32,
    encapsulation: Encapsulation,
    /// Whether frames that leave lack the header.
    is_bare: bool,
}

impl LinkTrace {
    /// `tx`, whose frames are told once the kernel has taken them.
    ///
    /// Packets that leave bare and arrive with an Ethernet header, as on loopback, are given one
    /// of zeros: few readers take a file with two kinds of links.
    pub(crate) fn tell(mut self, tx: Box<dyn TxLink>) -> Box<dyn TxLink> {
        self.is_bare = tx.encapsulation() == Encapsulation::Ip
            && self.encapsulation == Encapsulation::Ethernet;
        Box::new(TracedTx { tx, trace: self })
    }

    /// A frame arrived `age` ago, and was or was not an answer.
    pub(crate) fn received(&self, age: Duration, frame: &[u8], verdict: Result<(), Rejection>) {
        let verdict = match verdict {
            Ok(()) => ACCEPTED,
            Err(_) if !self.shared.tells_all => return,
            Err(rejection) => {
                let at = Rejection::ALL.iter().position(|known| *known == rejection);
                at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
            }
        };
        lock(&self.shared).push(now().saturating_sub(age), self.link, verdict, [&[], frame]);
        self.shared.ready.notify_one();
    }

    /// `count` frames of `batch`, from index `from` on, have left.
    fn sent(&self, batch: &FrameBatch, from: usize, count: usize) {
        let at = now();
        let mut queue = lock(&self.shared);
        for frame in batch.frames().skip(from).take(count) {
            let header: &[u8] = match frame.first().map(|octet| octet >> 4) {
                Some(4) if self.is_bare => &BARE_V4,
                Some(6) if self.is_bare => &BARE_V6,
                _ => &[],
            };
            queue.push(at, self.link, SENT, [header, frame]);
        }
        drop(queue);
        self.shared.ready.notify_one();
    }
}

impl Queue {
    fn push(&mut self, at: Duration, link: u32, verdict: u8, parts: [&[u8]; 2]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let fits = self.octets.len() + HEAD_LEN + len <= QUEUE_LEN_MAX;
        let (Some(len), true) = (u16::try_from(len).ok(), fits) else {
            self.counts.missed += 1;
            return;
        };
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.octets.extend_from_slice(&nanos.to_le_bytes());
        self.octets.extend_from_slice(&link.to_le_bytes());
        self.octets.push(verdict);
        self.octets.extend_from_slice(&len.to_le_bytes());
        for part in parts {
            self.octets.extend_from_slice(part);
        }
    }
}

/// A sending link whose frames are told.
struct TracedTx {
    tx: Box<dyn TxLink>,
    trace: LinkTrace,
}

impl TxLink for TracedTx {
    fn encapsulation(&self) -> Encapsulation {
        self.tx.encapsulation()
    }

    fn send(&mut self, batch: &FrameBatch, from: usize) -> Result<usize, LinkError> {
        let taken = self.tx.send(batch, from)?;
        self.trace.sent(batch, from, taken);
        Ok(taken)
    }

    fn wait_writable(&mut self, timeout: Duration) -> Result<(), LinkError> {
        self.tx.wait_writable(timeout)
    }

    fn flush(&mut self) -> Result<bool, LinkError> {
        self.tx.flush()
    }

    fn refused(&self) -> u64 {
        self.tx.refused()
    }
}

/// The writing thread.
struct Writer {
    shared: Arc<Shared>,
    pcap: Option<Pcapng>,
    lines: Option<Box<dyn Write + Send>>,
    octets: Vec<u8>,
    links: Vec<Encapsulation>,
    told_missed: u64,
    started: Duration,
}

impl Writer {
    fn run(&mut self) -> io::Result<()> {
        loop {
            let (stop, missed) = self.take()?;
            let octets = std::mem::take(&mut self.octets);
            let mut rest = octets.as_slice();
            let mut written = 0;
            while let Some((packet, behind)) = Packet::read(rest) {
                self.write(&packet, missed.saturating_sub(self.told_missed))?;
                self.told_missed = missed;
                (rest, written) = (behind, written + 1);
            }
            self.octets = octets;
            self.octets.clear();
            lock(&self.shared).counts.written += written;
            if stop {
                self.pcap.as_mut().map_or(Ok(()), Pcapng::flush)?;
                return self.lines.as_mut().map_or(Ok(()), Write::flush);
            }
        }
    }

    /// Swaps buffers with the queue, as soon as there is something in it; whether this is the end,
    /// and how many packets have been lost.
    fn take(&mut self) -> io::Result<(bool, u64)> {
        let shared = Arc::clone(&self.shared);
        let mut queue = lock(&shared);
        while queue.octets.is_empty() && !queue.stop {
            let (woken, _) =
                shared.ready.wait_timeout(queue, NAP).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
        }
        std::mem::swap(&mut queue.octets, &mut self.octets);
        let new: Vec<_> = queue.links.iter().skip(self.links.len()).cloned().collect();
        let (stop, missed) = (queue.stop, queue.counts.missed);
        drop(queue);
        for (name, encapsulation) in new {
            if let Some(pcap) = &mut self.pcap {
                pcap.link(&name, encapsulation)?;
            }
            self.links.push(encapsulation);
        }
        Ok((stop, missed))
    }

    fn write(&mut self, packet: &Packet<'_>, missed: u64) -> io::Result<()> {
        let Packet { at, link, verdict, frame } = *packet;
        if let Some(pcap) = self.pcap.as_mut().filter(|_| verdict >= ACCEPTED) {
            let direction = if verdict == SENT { Direction::Out } else { Direction::In };
            pcap.frame(link, at, direction, missed, frame)?;
        }
        let Some(out) = &mut self.lines else { return Ok(()) };
        let place = usize::try_from(link).ok().and_then(|link| self.links.get(link));
        let packet = describe(frame, place.copied().unwrap_or(Encapsulation::Ip));
        let seconds = at.saturating_sub(self.started).as_secs_f64();
        let rejected = Rejection::ALL.get(usize::from(verdict)).map(|r| r.name());
        match (verdict, rejected) {
            (SENT, _) => writeln!(out, "{seconds:.6} sent {packet}"),
            (_, None) => writeln!(out, "{seconds:.6} received {packet}: accepted"),
            (_, Some(why)) => writeln!(out, "{seconds:.6} received {packet}: rejected, {why}"),
        }
    }
}

/// A packet in the queue.
struct Packet<'a> {
    at: Duration,
    link: u32,
    verdict: u8,
    frame: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (nanos, rest) = octets.split_first_chunk::<8>()?;
        let (link, rest) = rest.split_first_chunk::<4>()?;
        let (&[verdict, low, high], rest) = rest.split_first_chunk::<3>()?;
        let (frame, rest) = rest.split_at_checked(u16::from_le_bytes([low, high]).into())?;
        let at = Duration::from_nanos(u64::from_le_bytes(*nanos));
        Some((Self { at, link: u32::from_le_bytes(*link), verdict, frame }, rest))
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Queue> {
    shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Civil time, since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Sheet(Arc<Mutex<Vec<u8>>>);

    impl Write for Sheet {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_capture_holds_what_passed_and_nothing_that_was_refused() {
        let (file, lines) = (Sheet::default(), Sheet::default());
        let trace =
            Trace::start(Some(Box::new(file.clone())), Some(Box::new(lines.clone()))).unwrap();
        let link = trace.link("lo", Encapsulation::Ip);
        let mut batch = FrameBatch::new();
        for frame in [&b"none"[..], b"first", b"second", b"not yet"] {
            batch.push(frame).unwrap();
        }
        link.sent(&batch, 1, 2);
        link.received(Duration::ZERO, b"third", Ok(()));
        link.received(Duration::ZERO, b"fourth", Err(Rejection::BadCookie));
        assert_eq!(trace.finish().unwrap(), TraceCounts { written: 4, missed: 0 });
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let verdicts: Vec<_> = lines.lines().map(|l| l.split_once(' ').unwrap().1).collect();
        assert_eq!(
            verdicts,
            [
                "sent frame of 5 octets",
                "sent frame of 6 octets",
                "received frame of 5 octets: accepted",
                "received frame of 6 octets: rejected, bad_cookie",
            ]
        );
        let file = file.0.lock().unwrap().clone();
        let blocks = blocks(&file);
        assert_eq!(blocks.iter().map(|b| b.0).collect::<Vec<_>>(), [0x0A0D_0D0A, 1, 6, 6, 6]);
        let captured: Vec<_> = blocks[2..].iter().map(|(_, body)| &body[20..25]).collect();
        assert_eq!(captured, [b"first", b"secon", b"third"]);
    }

    /// Kinds and bodies, lengths checked.
    fn blocks(mut file: &[u8]) -> Vec<(u32, &[u8])> {
        let mut blocks = Vec::new();
        while let Some((kind, rest)) = file.split_first_chunk::<4>() {
            let (len, _) = rest.split_first_chunk::<4>().unwrap();
            let total = usize::try_from(u32::from_ne_bytes(*len)).unwrap();
            assert_eq!(total % 4, 0);
            assert_eq!(&file[total - 4..total], len, "the length stands at both ends");
            blocks.push((u32::from_ne_bytes(*kind), &file[8..total - 4]));
            file = &file[total..];
        }
        blocks
    }

    /// What tcpdump reads in a capture file; `None`, and a word, where it can't be run.
    fn tcpdump(file: &[u8]) -> Option<String> {
        let path = std::env::temp_dir().join(format!("portolan-{}.pcapng", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let mut command = std::process::Command::new("tcpdump");
        let output = command
            .args(["-nn", "-Z", "root", "-r"])
            .arg(&path)
            .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
            .output();
        std::fs::remove_file(&path).unwrap();
        let problem = match output {
            Ok(output) if output.status.success() => {
                return Some(String::from_utf8(output.stdout).unwrap());
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        // Where it is and reads files, it must read this one.
        let can_run = !problem.contains("Couldn't change") && !problem.contains("No such file");
        assert!(!can_run, "{problem}");
        let _told = writeln!(io::stderr(), "tcpdump did not read the capture: {problem}");
        None
    }

    #[test]
    fn an_independent_reader_understands_the_capture() {
        let file = Sheet::default();
        let trace = Trace::start(Some(Box::new(file.clone())), None).unwrap();
        let builder = || etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]);
        let mut batch = FrameBatch::new();
        for port in [22, 23] {
            let mut frame = Vec::new();
            let ip = builder().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
            ip.tcp(61_440, port, 7, 100).syn().write(&mut frame, &[]).unwrap();
            batch.push(&frame).unwrap();
        }
        trace.link("a", Encapsulation::Ethernet).sent(&batch, 0, 2);
        let mut reply = Vec::new();
        let ip = builder().ipv6([1; 16], [2; 16], 64);
        ip.tcp(22, 61_440, 9, 100).syn().ack(8).write(&mut reply, &[]).unwrap();
        let other = trace.link("b", Encapsulation::Ethernet);
        other.received(Duration::ZERO, &reply, Ok(()));
        other.received(Duration::ZERO, &reply, Err(Rejection::BadCookie));
        assert_eq!(trace.finish().unwrap(), TraceCounts { written: 3, missed: 0 });
        let Some(read) = tcpdump(&file.0.lock().unwrap()) else { return };
        let lines: Vec<&str> = read.lines().collect();
        assert_eq!(lines.len(), 3, "{read}");
        assert!(lines[0].contains("IP 10.0.0.1.61440 > 10.0.0.2.22: Flags [S]"), "{read}");
        assert!(lines[1].contains("10.0.0.2.23: Flags [S]"), "{read}");
        assert!(lines[2].contains("IP6") && lines[2].contains("Flags [S.]"), "{read}");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut queue = Queue::default();
        let frame = [0; 1_000];
        let fits = QUEUE_LEN_MAX / (HEAD_LEN + frame.len());
        for _ in 0..fits + 7 {
            queue.push(Duration::ZERO, 0, SENT, [&[], &frame]);
        }
        assert_eq!(queue.counts.missed, 7);
        assert!(queue.octets.len() <= QUEUE_LEN_MAX);
        queue.push(Duration::ZERO, 0, SENT, [&[], &vec![0; 70_000]]);
        assert_eq!(queue.counts.missed, 8);
    }
}
