//! What arrives at the far end of the cable, as its interface counts it.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use portolan_simnet::lab::{FAR_INTERFACE, FAR_V4, Lab};

/// An address of the link that nobody has.
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 77, 99, 99);
/// How often the counter is read.
const PERIOD: Duration = Duration::from_millis(10);

/// A counter that is read while a scanner sends.
pub(crate) struct Meter {
    stop: Sender<()>,
    reader: JoinHandle<io::Result<Vec<Sample>>>,
}

/// What was measured of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Frames that arrived.
    pub(crate) packets: u64,
    /// Frames a second, over the middle nine tenths of them: starting and ending are not sending.
    pub(crate) pps: f64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    packets: u64,
}

impl Meter {
    /// Reads the far end's counter from now on.
    pub(crate) fn start(lab: &Lab) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        // A thread that is started there stays there.
        let reader = lab.far(|| {
            // masscan ends only once something arrives after its wait. Asking for an address that
            // nobody has makes the far side broadcast an ARP request a second, and nobody answer.
            let caller = UdpSocket::bind((FAR_V4, 0))?;
            let read = move || {
                let mut samples = vec![sample()?];
                while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    let _unreachable = caller.send_to(&[], (NOBODY, 9));
                    samples.push(sample()?);
                }
                samples.push(sample()?);
                Ok(samples)
            };
            std::thread::Builder::new().name("meter".to_owned()).spawn(read)
        })?;
        Ok(Self { stop, reader })
    }

    /// Ends the run.
    pub(crate) fn stop(self) -> anyhow::Result<Measured> {
        drop(self.stop);
        let samples = self.reader.join().map_err(|_| anyhow!("the meter panicked"))??;
        Ok(measured(&samples))
    }
}

fn measured(samples: &[Sample]) -> Measured {
    let packets = match samples {
        [first, .., last] => last.packets.saturating_sub(first.packets),
        _ => 0,
    };
    let before = samples.first().map_or(0, |s| s.packets);
    let reached = |part: u64| samples.iter().find(|s| (s.packets - before) * 20 >= packets * part);
    let pps = match (reached(1), reached(19)) {
        (Some(from), Some(to)) if to.at > from.at => {
            let frames = u32::try_from(to.packets - from.packets).unwrap_or(u32::MAX);
            f64::from(frames) / (to.at - from.at).as_secs_f64()
        }
        _ => 0.0,
    };
    Measured { packets, pps }
}

/// `/sys` shows the interfaces of whoever mounted it; `/proc/thread-self` shows this thread's.
fn sample() -> io::Result<Sample> {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = table
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(FAR_INTERFACE)?.strip_prefix(':'));
    let packets = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
    let packets = packets.ok_or_else(|| io::Error::other("the far interface is gone"))?;
    Ok(Sample { at: Instant::now(), packets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_do_not_count() {
        let zero = Instant::now();
        let sample = |millis, packets| Sample { at: zero + Duration::from_millis(millis), packets };
        // Idle for a second, 100,000 in a second, idle for another.
        let mut samples = vec![sample(0, 50), sample(990, 50)];
        samples.extend((0..=100).map(|i| sample(1_000 + i * 10, 50 + i * 1_000)));
        samples.push(sample(3_000, 100_050));
        let measured = measured(&samples);
        assert_eq!(measured.packets, 100_000);
        assert!((measured.pps - 100_000.0).abs() < 1.0, "{measured:?}");
    }
}
