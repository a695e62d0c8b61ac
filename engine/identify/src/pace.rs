//! How long to wait for what, from measured round trips.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The round trip that is assumed before one was measured.
const RTT_ASSUMED: Duration = Duration::from_millis(100);
/// What a server's own work may take before its first octet, beyond the round trip.
const WORK: Duration = Duration::from_millis(1_400);
/// What it takes where the host is not busy.
const LATE: Duration = Duration::from_millis(400);
/// The same for a greeting at a port where none is expected.
const GREETING_UNEXPECTED: Duration = Duration::from_millis(300);
/// The same for a greeting at a port where one is usual.
const GREETING_USUAL: Duration = Duration::from_millis(1_500);
/// How long a greeting is listened for at such a port beside everything else: servers look up
/// their client's name first, and a resolver gives up after five seconds (resolv.conf(5)).
const GREETING_LATE: Duration = Duration::from_secs(8);
/// Silence after octets that ends a reply.
const IDLE: Duration = Duration::from_millis(80);
/// Between two questions to one endpoint.
const STAGGER: Duration = Duration::from_millis(60);
/// How much longer a second look waits.
const PATIENCE: u32 = 3;
/// How long a connection may take to come about.
const CONNECT_MIN: Duration = Duration::from_secs(2);

/// The waits for one endpoint: the least round trip that was seen, and what follows from it.
#[derive(Debug)]
pub(crate) struct Pace {
    rtt_us: AtomicU64,
    /// By how much longer a server's own work may take than usual.
    patience: u32,
}

impl Pace {
    /// For an endpoint whose round trip the scan has measured, or not.
    pub(crate) fn new(rtt: Option<Duration>) -> Self {
        Self { rtt_us: AtomicU64::new(rtt.map_or(u64::MAX, micros)), patience: 1 }
    }

    /// For the same endpoint, when it may have been busy before.
    pub(crate) fn patient(&self) -> Self {
        let rtt_us = AtomicU64::new(self.rtt_us.load(Ordering::Relaxed));
        Self { rtt_us, patience: PATIENCE }
    }

    /// Takes what a connection took.
    pub(crate) fn measured(&self, rtt: Duration) {
        self.rtt_us.fetch_min(micros(rtt), Ordering::Relaxed);
    }

    fn rtt(&self) -> Duration {
        match self.rtt_us.load(Ordering::Relaxed) {
            u64::MAX => RTT_ASSUMED,
            rtt => Duration::from_micros(rtt),
        }
    }

    /// Until a connection stands.
    pub(crate) fn connect(&self) -> Duration {
        CONNECT_MIN + 6 * self.rtt()
    }

    /// Until the first octet of a reply.
    pub(crate) fn reply(&self) -> Duration {
        self.patience * WORK + 3 * self.rtt()
    }

    /// After which a reply is late: the host has more to do than it can.
    pub(crate) fn late(&self) -> Duration {
        LATE + 2 * self.rtt()
    }

    /// Until the first octet of a greeting that is `usual` at this port, or not.
    pub(crate) fn greeting(&self, usual: bool) -> Duration {
        (if usual { GREETING_USUAL } else { GREETING_UNEXPECTED }) * self.patience + 2 * self.rtt()
    }

    /// Until a greeting that is usual is given up.
    pub(crate) fn late_greeting(&self) -> Duration {
        GREETING_LATE + 2 * self.rtt()
    }

    /// Of silence after octets.
    pub(crate) fn idle(&self) -> Duration {
        IDLE * self.patience + self.rtt()
    }

    /// Between two questions.
    pub(crate) fn stagger(&self) -> Duration {
        STAGGER + self.rtt() / 2
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX - 1)
}
