//! One conversation: what was said, and what came back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use portolan_core::Endpoint;
use portolan_fingerprints::Database;
use portolan_probes::{ReplyPort, UdpProbe, udp_probes};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::answer::{Answer, payload};
use crate::identified::Identified;
use crate::options::Options;
use crate::target::Target;

/// Octets of one datagram that are read.
const REPLY_LEN_MAX: usize = 4_096;
/// Datagrams of one port that are read.
const REPLIES_MAX: usize = 64;
/// Octets that are handed on as what the port said.
const BANNER_LEN_MAX: usize = 2_048;

/// One conversation with one port.
pub(super) struct Conversation<'a> {
    endpoint: Endpoint,
    database: &'a Database,
    /// Connected: hears refusals, and no other port.
    socket: UdpSocket,
    /// Hears whatever port of the host answers, for protocols that answer from a fresh one.
    roaming: Option<UdpSocket>,
    source: IpAddr,
    said: Vec<(&'static UdpProbe, u64)>,
    /// What the server wants to be sent before it tells more.
    demanded: Option<Vec<u8>>,
    best: Option<Answer>,
    octets_left: usize,
    replies_left: usize,
    refused: bool,
    until: Instant,
    buffer: Vec<u8>,
}

impl<'a> Conversation<'a> {
    /// Opens a socket towards `target`.
    ///
    /// # Errors
    /// What the kernel says: no descriptor, no route.
    pub(super) async fn open(
        target: &Target,
        options: &Options,
        database: &'a Database,
    ) -> io::Result<Self> {
        let endpoint = target.endpoint;
        let own = options.sources.iter().find(|own| own.is_ipv4() == endpoint.addr.is_ipv4());
        let source = own.copied().unwrap_or_else(|| match endpoint.addr {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        let socket = UdpSocket::bind((source, 0)).await?;
        socket.connect((endpoint.addr, endpoint.port)).await?;
        Ok(Self {
            endpoint,
            database,
            socket,
            roaming: None,
            source,
            said: Vec::new(),
            demanded: None,
            best: None,
            octets_left: options.endpoint_octets_max,
            replies_left: REPLIES_MAX,
            refused: false,
            until: Instant::now() + options.endpoint_time_max,
            buffer: vec![0; REPLY_LEN_MAX],
        })
    }

    /// Takes `reply` for what one of `probes`, said earlier by somebody else, was answered.
    pub(super) fn recall(&mut self, reply: &[u8], probes: &[&'static UdpProbe]) {
        self.demanded = probes.iter().find_map(|probe| probe.follow_up(reply));
        let reply = reply.get(..REPLY_LEN_MAX).unwrap_or(reply);
        self.consider(reply);
    }

    /// Says `probe` with a fresh cookie.
    pub(super) async fn say(&mut self, probe: &'static UdpProbe) {
        let cookie = cookie();
        let datagram = payload(probe, cookie);
        self.said.push((probe, cookie));
        if probe.reply_port == ReplyPort::Any {
            self.say_roaming(&datagram).await;
        } else {
            self.send(&datagram).await;
        }
    }

    /// Sends what the server demanded; whether it demanded anything.
    pub(super) async fn follow_up(&mut self) -> bool {
        let Some(datagram) = self.demanded.take() else { return false };
        self.send(&datagram).await;
        true
    }

    async fn send(&mut self, datagram: &[u8]) {
        if let Err(error) = self.socket.send(datagram).await {
            self.refused |= error.kind() == io::ErrorKind::ConnectionRefused;
        }
    }

    async fn say_roaming(&mut self, datagram: &[u8]) {
        if self.roaming.is_none() {
            self.roaming = UdpSocket::bind((self.source, 0)).await.ok();
        }
        if let Some(socket) = &self.roaming {
            // What is not sent is not answered, as if it had been lost.
            let to = (self.endpoint.addr, self.endpoint.port);
            let _lost = socket.send_to(datagram, to).await;
        }
    }

    /// Listens for `span`, or until the first answer that is understood.
    pub(super) async fn hear_for(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while !self.is_over() && self.hear_until(end).await {}
    }

    /// Listens until one datagram has come, or until `end`; whether one has.
    pub(super) async fn hear_until(&mut self, end: Instant) -> bool {
        loop {
            if self.refused || self.replies_left == 0 || self.octets_left == 0 {
                return false;
            }
            let connected = tokio::select! {
                biased;
                _ = self.socket.readable() => true,
                () = readable(self.roaming.as_ref()) => false,
                () = sleep_until(end.min(self.until)) => return false,
            };
            let got = match &self.roaming {
                Some(roaming) if !connected => match roaming.try_recv_from(&mut self.buffer) {
                    Ok((_, from)) if !self.is_from_host(from) => continue,
                    got => got.map(|(len, _)| len),
                },
                _ => self.socket.try_recv(&mut self.buffer),
            };
            match got {
                Ok(len) => {
                    self.take_in(len);
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An ICMP error, of which no more is to be expected.
                Err(_) => self.refused = true,
            }
        }
    }

    fn is_from_host(&self, from: SocketAddr) -> bool {
        from.ip().to_canonical() == self.endpoint.addr.to_canonical()
    }

    /// Reads the datagram of `len` octets in the buffer.
    fn take_in(&mut self, len: usize) {
        self.replies_left = self.replies_left.saturating_sub(1);
        self.octets_left = self.octets_left.saturating_sub(len.max(1));
        let reply = self.buffer.get(..len).unwrap_or_default().to_vec();
        let demanded = self.said.iter().find_map(|(probe, _)| probe.follow_up(&reply));
        self.demanded = demanded.or_else(|| self.demanded.take());
        self.consider(&reply);
    }

    /// Keeps `reply` if it says more than what was said before.
    fn consider(&mut self, reply: &[u8]) {
        let usual = udp_probes(self.endpoint.port).first().copied();
        let answer = Answer::read(self.database, &self.said, usual, reply);
        if self.best.as_ref().is_none_or(|best| best.weight() < answer.weight()) {
            self.best = Some(answer);
        }
    }

    /// Whether `probe` was said.
    pub(super) fn has_said(&self, probe: &UdpProbe) -> bool {
        self.said.iter().any(|(said, _)| std::ptr::eq(*said, probe))
    }

    /// The name of the service, as far as it is known.
    pub(super) fn service(&self) -> Option<&str> {
        Some(self.best.as_ref()?.service.as_ref()?.name.as_str())
    }

    /// Whether the service is known.
    pub(super) fn is_known(&self) -> bool {
        self.service().is_some()
    }

    /// Whether product and version are known.
    pub(super) fn is_told(&self) -> bool {
        let service = self.best.as_ref().and_then(|best| best.service.as_ref());
        service.is_some_and(|service| service.product.is_some() && service.version.is_some())
    }

    /// Whether nothing more need or may be said to find out which service this is.
    pub(super) fn is_over(&self) -> bool {
        let spent = self.replies_left == 0 || self.octets_left == 0;
        self.is_known() || self.refused || spent || Instant::now() >= self.until
    }

    /// What came of it.
    pub(super) fn tell(self) -> Identified {
        let mut told = Identified::nothing(self.endpoint);
        if let Some(best) = self.best {
            told.service = best.service;
            let mut banner = best.reply;
            banner.truncate(BANNER_LEN_MAX);
            told.banner = Some(banner);
        }
        told
    }
}

/// Waits until `socket` has something; for ever without one.
async fn readable(socket: Option<&UdpSocket>) {
    match socket {
        // An error is read, and with it the reason.
        Some(socket) => drop(socket.readable().await),
        None => std::future::pending().await,
    }
}

/// A number that nobody guesses, never zero.
fn cookie() -> u64 {
    let mut octets = [0; 8];
    // Without randomness a fixed one still does; it is only easier to forge.
    let _fixed = getrandom::fill(&mut octets);
    u64::from_ne_bytes(octets).max(1)
}
