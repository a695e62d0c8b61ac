//! The scan that needs no privilege: `connect` by connecting, as any program may.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use portolan_core::event::ScanStats;
use portolan_core::{Endpoint, Observation, PortState, Reason, Transport, UnixTime};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::sys::caps;

/// Connections under way at once, at most, whatever the descriptor limit allows.
const CONCURRENCY_MAX: usize = 4_096;
/// Descriptors left to the rest of the program.
const DESCRIPTORS_KEPT: u64 = 64;
/// How often to try again when not even one socket can be had, and how long that takes.
const STARVED_MAX: u32 = 1_000;
const STARVED_PAUSE: Duration = Duration::from_millis(5);

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Attempts a second, at most; `None` is as fast as it goes.
    pub rate_pps: Option<u32>,
    /// Further attempts at what has not answered.
    pub retries: u32,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Connections under way at once; `None` derives it from the descriptor limit, which is
    /// raised as far as it goes.
    pub concurrency: Option<usize>,
    /// Connect from these addresses; used for targets of the same family.
    pub sources: Vec<IpAddr>,
    /// Also report endpoints that stayed silent, as filtered with [`Reason::NoResponse`]. They
    /// are counted either way.
    pub report_silent: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            rate_pps: None,
            retries: 2,
            timeout: Duration::from_secs(1),
            concurrency: None,
            sources: Vec::new(),
            report_silent: false,
        }
    }
}

/// The scan could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not one socket could be had, for seconds.
    #[error("no socket can be opened (descriptor limit?)")]
    Starved(#[source] io::Error),
}

/// Connects to each TCP endpoint of `endpoints` and tells `report` what came of it, each endpoint
/// once, in the order of the answers. Endpoints of other transports are passed over.
///
/// At most `retries + 1` attempts go to an endpoint. Running out of descriptors, ports or buffers
/// slows the scan down and loses no endpoint. Ends early, with what it has, soon after `stop`
/// becomes true; the connections under way are then closed unheard and their endpoints not counted
/// as asked. Connections are closed with RST, so that no port stays in TIME-WAIT.
///
/// In the statistics, `planned` counts the endpoints that were drawn from the iterator.
///
/// # Errors
/// [`ConnectError`] when the system gives no socket at all.
pub async fn connect_scan(
    endpoints: impl Iterator<Item = Endpoint> + Send,
    options: &ConnectOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Observation),
) -> Result<ScanStats, ConnectError> {
    let mut scan = Scan {
        endpoints: endpoints.filter(|e| e.transport == Transport::Tcp),
        again: VecDeque::new(),
        tasks: JoinSet::new(),
        limit: options.concurrency.unwrap_or_else(default_concurrency).max(1),
        starved: 0,
        started: Instant::now(),
        options,
        stats: ScanStats::default(),
    };
    while !stop.load(Ordering::Relaxed) {
        let more = scan.launch();
        if scan.tasks.is_empty() && !more {
            break;
        }
        scan.wait(report).await?;
    }
    scan.tasks.abort_all();
    scan.stats.duration = scan.started.elapsed();
    Ok(scan.stats)
}

/// An endpoint and how many attempts it has had.
type Attempt = (Endpoint, u32);

/// A scan under way.
struct Scan<'a, I> {
    endpoints: I,
    again: VecDeque<Attempt>,
    tasks: JoinSet<(Attempt, Outcome)>,
    limit: usize,
    starved: u32,
    started: Instant,
    options: &'a ConnectOptions,
    stats: ScanStats,
}

impl<I: Iterator<Item = Endpoint>> Scan<'_, I> {
    /// Starts attempts as far as rate and limit allow; whether more are to come.
    fn launch(&mut self) -> bool {
        // Starved: one at a time, after a pause.
        while self.tasks.len() < self.limit && self.allowed() {
            let Some((endpoint, tries)) = self.draw() else { return false };
            self.stats.probes_sent += 1;
            let source = self.source_for(endpoint.addr);
            let timeout = self.options.timeout;
            self.tasks.spawn(async move {
                ((endpoint, tries), attempt(endpoint, source, timeout).await)
            });
        }
        true
    }

    fn draw(&mut self) -> Option<Attempt> {
        self.again.pop_front().or_else(|| {
            let endpoint = self.endpoints.next()?;
            self.stats.planned += 1;
            Some((endpoint, 0))
        })
    }

    /// Whether the rate allows one more attempt by now.
    fn allowed(&self) -> bool {
        self.options.rate_pps.is_none_or(|rate| {
            // One more than whole intervals have passed: the first goes at once.
            let due = self.started.elapsed().as_nanos().saturating_mul(u128::from(rate));
            u128::from(self.stats.probes_sent) <= due / 1_000_000_000
        })
    }

    fn source_for(&self, addr: IpAddr) -> Option<IpAddr> {
        self.options.sources.iter().copied().find(|s| s.is_ipv4() == addr.is_ipv4())
    }

    /// Waits for an attempt to end or for the rate, and takes every one that has ended.
    async fn wait(&mut self, report: &mut dyn FnMut(Observation)) -> Result<(), ConnectError> {
        if self.tasks.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else {
            // The pause bounds how late a stop or a due attempt is noticed.
            let pause = Duration::from_millis(if self.options.rate_pps.is_some() { 1 } else { 20 });
            let ended = tokio::time::timeout(pause, self.tasks.join_next()).await;
            if let Ok(Some(Ok((tried, outcome)))) = ended {
                self.settle(tried, outcome, report).await?;
            }
        }
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok((tried, outcome)) = ended {
                self.settle(tried, outcome, report).await?;
            }
        }
        Ok(())
    }

    /// Draws the conclusion from an attempt.
    async fn settle(
        &mut self,
        (endpoint, tries): Attempt,
        outcome: Outcome,
        report: &mut dyn FnMut(Observation),
    ) -> Result<(), ConnectError> {
        let (state, reason, rtt) = match outcome {
            Outcome::NotSent(error) => {
                // No packet left: the attempt does not count, and fewer run at once from now on.
                self.stats.probes_sent -= 1;
                self.stats.back_pressure += 1;
                self.limit = self.tasks.len().max(1);
                self.again.push_front((endpoint, tries));
                if self.tasks.is_empty() {
                    self.starved += 1;
                    if self.starved > STARVED_MAX {
                        return Err(ConnectError::Starved(error));
                    }
                    tokio::time::sleep(STARVED_PAUSE).await;
                }
                return Ok(());
            }
            Outcome::Silent if tries < self.options.retries => {
                self.again.push_back((endpoint, tries + 1));
                return Ok(());
            }
            Outcome::Silent => {
                self.stats.asked += 1;
                self.stats.silent += 1;
                if !self.options.report_silent {
                    return Ok(());
                }
                (PortState::Filtered, Reason::NoResponse, None)
            }
            Outcome::Answer(state, reason, rtt) => {
                self.starved = 0;
                self.stats.asked += 1;
                self.stats.replies += 1;
                match state {
                    PortState::Open => self.stats.open += 1,
                    PortState::Closed => self.stats.closed += 1,
                    _ => self.stats.filtered += 1,
                }
                (state, reason, Some(rtt))
            }
        };
        let at = now();
        report(Observation { at, endpoint, state, reason, ttl: None, rtt, reply: None });
        Ok(())
    }
}

/// What came of an attempt.
#[derive(Debug)]
enum Outcome {
    /// Something answered, after this long.
    Answer(PortState, Reason, Duration),
    /// Nothing answered.
    Silent,
    /// This host had no descriptor, port or buffer for it.
    NotSent(io::Error),
}

/// Connects once.
async fn attempt(endpoint: Endpoint, source: Option<IpAddr>, timeout: Duration) -> Outcome {
    let target = SocketAddr::new(endpoint.addr, endpoint.port);
    let opened = match endpoint.addr {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = match opened {
        Ok(socket) => socket,
        Err(error) => return Outcome::NotSent(error),
    };
    if let Some(source) = source
        && let Err(error) = socket.bind(SocketAddr::new(source, 0))
    {
        return Outcome::NotSent(error);
    }
    // Without it the connection still ends, only later.
    let _slower = caps::reset_on_close(&socket);
    let started = Instant::now();
    let connected = tokio::time::timeout(timeout, socket.connect(target)).await;
    let rtt = started.elapsed();
    match connected {
        Err(_elapsed) => Outcome::Silent,
        Ok(Err(error)) => conclude(error, rtt),
        Ok(Ok(stream)) => {
            // A closed port of this host in the ephemeral range can be connected to itself
            // (simultaneous open, RFC 9293 §3.5): nobody accepts there.
            let own = stream.local_addr().is_ok_and(|local| local == target);
            if own {
                Outcome::Answer(PortState::Closed, Reason::ConnRefused, rtt)
            } else {
                Outcome::Answer(PortState::Open, Reason::ConnAccept, rtt)
            }
        }
    }
}

/// What an error of `connect` says of the endpoint.
fn conclude(error: io::Error, rtt: Duration) -> Outcome {
    let (state, reason) = match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => (PortState::Closed, Reason::ConnRefused),
        Some(libc::ECONNRESET) => (PortState::Closed, Reason::Reset),
        Some(libc::EHOSTUNREACH | libc::EHOSTDOWN) => (PortState::Filtered, Reason::HostUnreach),
        Some(libc::ENETUNREACH) => (PortState::Filtered, Reason::NetUnreach),
        Some(libc::EACCES | libc::EPERM) => (PortState::Filtered, Reason::AdminProhibited),
        Some(libc::ENOPROTOOPT | libc::EPROTO) => (PortState::Filtered, Reason::ProtoUnreach),
        Some(
            libc::EMFILE
            | libc::ENFILE
            | libc::ENOBUFS
            | libc::ENOMEM
            | libc::EADDRNOTAVAIL
            | libc::EADDRINUSE
            | libc::EAGAIN,
        ) => return Outcome::NotSent(error),
        _ => return Outcome::Silent,
    };
    Outcome::Answer(state, reason, rtt)
}

fn default_concurrency() -> usize {
    let descriptors = caps::raise_descriptor_limit().unwrap_or(1_024);
    let spare = descriptors.saturating_sub(DESCRIPTORS_KEPT) / 2;
    usize::try_from(spare).unwrap_or(CONCURRENCY_MAX).clamp(16, CONCURRENCY_MAX)
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::default().after(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn scan(
        endpoints: Vec<Endpoint>,
        options: &ConnectOptions,
    ) -> (ScanStats, Vec<(Endpoint, PortState)>) {
        let mut seen = Vec::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let stats = runtime
            .block_on(connect_scan(
                endpoints.into_iter(),
                options,
                &AtomicBool::new(false),
                &mut |o| seen.push((o.endpoint, o.state)),
            ))
            .unwrap();
        seen.sort_unstable();
        (stats, seen)
    }

    #[test]
    fn open_and_closed_ports_of_this_host() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open =
            Endpoint::tcp(IpAddr::from([127, 0, 0, 1]), listener.local_addr().unwrap().port());
        let bound = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = Endpoint::tcp(open.addr, bound.local_addr().unwrap().port());
        drop(bound);
        let udp = Endpoint::udp(open.addr, 53);
        let (stats, mut seen) = scan(vec![open, closed, udp], &ConnectOptions::default());
        seen.sort_by_key(|(_, state)| *state);
        assert_eq!(seen, [(open, PortState::Open), (closed, PortState::Closed)]);
        assert_eq!((stats.planned, stats.asked, stats.probes_sent), (2, 2, 2));
    }

    #[test]
    fn the_rate_is_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoints = vec![Endpoint::tcp(IpAddr::from([127, 0, 0, 1]), port); 51];
        let options = ConnectOptions { rate_pps: Some(100), ..ConnectOptions::default() };
        let (stats, _) = scan(endpoints, &options);
        assert_eq!(stats.open, 51);
        assert!(stats.duration >= Duration::from_millis(500), "{:?}", stats.duration);
    }

    #[test]
    fn a_stopped_scan_ends_with_what_it_has() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let endless = std::iter::repeat(Endpoint::tcp(IpAddr::from([127, 0, 0, 1]), 1));
        let stop = AtomicBool::new(false);
        let options = ConnectOptions { concurrency: Some(8), ..ConnectOptions::default() };
        let mut count = 0;
        let stats = runtime
            .block_on(connect_scan(endless, &options, &stop, &mut |_| {
                count += 1;
                stop.store(count >= 100, Ordering::Relaxed);
            }))
            .unwrap();
        assert!((100..200).contains(&stats.asked), "{}", stats.asked);
    }
}
