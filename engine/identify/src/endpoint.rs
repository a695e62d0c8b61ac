//! One endpoint, from the first connection to what is told of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portolan_core::{Endpoint, Transport};
use portolan_fingerprints::{Database, Service};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::budget::Budget;
use crate::caller::{Caller, Door};
use crate::identified::Identified;
use crate::interview::interview;
use crate::options::Options;
use crate::pace::Pace;
use crate::ssh::{self, SshFacts};
use crate::target::Target;
use crate::tls::{self, Shaken, TlsFacts};
use crate::udp::{Lanes, identify_udp};
use crate::window::{Window, Windows};

/// Endpoints that get a second look at once: few, so that a host that was busy with the first
/// looks of many is not busy now.
const SECOND_LOOKS: usize = 48;
/// Endpoints that get a second look whatever became of the others; beyond, they get one only where
/// most of the others told who they are.
const SECOND_LOOKS_FREE: usize = 96;

/// The service that is audited.
const SSH: &str = "ssh";

/// Endpoints that said nothing, from which on others of the kind are asked less, and how many times
/// those that told who they are they must be.
const SILENCE: usize = 256;
const SILENCE_RATIO: usize = 8;

/// Everything that all endpoints share.
#[derive(Debug)]
pub(crate) struct Shared {
    options: Options,
    pub(crate) database: &'static Database,
    windows: Windows,
    lanes: Lanes,
    second_looks: Semaphore,
    /// Endpoints that told who they are, and that did not.
    known: AtomicUsize,
    unknown: AtomicUsize,
}

impl Shared {
    /// Nothing asked yet.
    pub(crate) fn new(options: &Options, database: &'static Database) -> Self {
        Self {
            options: options.clone(),
            database,
            windows: Windows::default(),
            lanes: Lanes::default(),
            second_looks: Semaphore::new(SECOND_LOOKS),
            known: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
        }
    }

    /// Whether nearly all endpoints say nothing, as tarpits do and firewalls that accept all: then
    /// the likeliest questions are enough to find the few that would say something.
    pub(crate) fn is_silent(&self) -> bool {
        let unknown = self.unknown.load(Ordering::Relaxed);
        unknown >= SILENCE && unknown > SILENCE_RATIO * self.known.load(Ordering::Relaxed)
    }

    /// Counts an endpoint; whether it is worth a second look.
    fn wants_second_look(&self, known: bool) -> bool {
        if known {
            self.known.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let unknown = self.unknown.fetch_add(1, Ordering::Relaxed);
        unknown < SECOND_LOOKS_FREE || unknown < self.known.load(Ordering::Relaxed)
    }
}

/// Asks `target`.
pub(crate) async fn identify_one(shared: &Shared, target: Target) -> Identified {
    let host = target.endpoint.addr;
    let window = shared.windows.of(host);
    let place = window.place().await;
    let told = match target.endpoint.transport {
        Transport::Tcp => tcp(shared, &target, Arc::clone(&window)).await,
        Transport::Udp => udp(shared, &target).await,
        Transport::Sctp | Transport::Ip => Identified::nothing(target.endpoint),
    };
    drop(place);
    shared.windows.done(host, window);
    told
}

async fn udp(shared: &Shared, target: &Target) -> Identified {
    let host = target.endpoint.addr;
    let lane = shared.lanes.enter(host).await;
    let told = identify_udp(target, &shared.options, shared.database).await;
    shared.lanes.leave(host, lane);
    told
}

async fn tcp(shared: &Shared, target: &Target, window: Arc<Window>) -> Identified {
    let endpoint = target.endpoint;
    let mut caller = Caller {
        addr: SocketAddr::new(endpoint.addr, endpoint.port),
        source: source(&shared.options.sources, endpoint.addr),
        window,
        budget: Budget::new(&shared.options, Instant::now()),
        pace: Pace::new(target.rtt),
    };
    let told = Box::pin(look(shared, &caller, endpoint)).await;
    if !shared.wants_second_look(told.service.is_some()) {
        return told;
    }
    let Ok(_one_of_few) = shared.second_looks.acquire().await else { return told };
    caller.pace = caller.pace.patient();
    caller.budget.begin_again(shared.options.endpoint_time_max, Instant::now());
    let again = Box::pin(look(shared, &caller, endpoint)).await;
    if again.service.is_some() || told.banner.is_none() { again } else { told }
}

/// One look at an endpoint.
async fn look(shared: &Shared, caller: &Caller, endpoint: Endpoint) -> Identified {
    let (evidence, session) = interview(caller, Door::Plain, None, shared).await;
    let mut told = Identified::nothing(endpoint);
    told.service = evidence.service();
    told.banner.clone_from(&evidence.banner);
    if evidence.is_wrapped() {
        told.service = Some(Service::named("tcpwrapped"));
    }
    if session.is_some() {
        let (inside, _) = interview(caller, Door::Tls, session, shared).await;
        told.service = inside.service();
        told.banner = inside.banner;
        told.inside_tls = true;
    }
    told.tls = evidence.tls;
    if evidence.speaks_tls {
        told.inside_tls = true;
        told.service.get_or_insert_with(|| Service::named("tls"));
        if let Some(facts) = &mut told.tls {
            Box::pin(all_of_tls(caller, facts)).await;
        }
    }
    let is_ssh = told.service.as_ref().is_some_and(|service| service.name == SSH);
    if is_ssh && !told.inside_tls && shared.options.ssh_audit {
        told.ssh = Some(Box::pin(all_of_ssh(caller)).await);
    }
    told
}

/// Everything that an audit wants to know.
async fn all_of_ssh(caller: &Caller) -> SshFacts {
    ssh::audit(caller.addr, caller.budget.until(), caller.budget.octets()).await
}

/// What the first handshake left open: certificates of servers that speak old versions alone, and
/// which versions it speaks.
async fn all_of_tls(caller: &Caller, facts: &mut TlsFacts) {
    let until = caller.until(2 * caller.pace.reply());
    if facts.certificates.is_empty()
        && let Shaken::Facts(old) = tls::legacy(caller.addr, None, until).await
        && old.version.is_some()
    {
        *facts = old;
    }
    facts.versions = tls::versions(caller.addr, None, facts.versions, until).await;
}

/// The source address of that family.
fn source(sources: &[IpAddr], to: IpAddr) -> Option<IpAddr> {
    sources.iter().copied().find(|source| source.is_ipv4() == to.is_ipv4())
}
