//! The near side: a process that identifies, and nothing else.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_core::Endpoint;
use portolan_fingerprints::{Database, Kind};
use portolan_identify::{Identified, Options as How, Target, identify};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::persona::{self, Persona};
use super::serve::Far;
use super::talk::{Answer, answer, greeting};
use super::used::{Used, limit_descriptors};

/// Endpoints that wait to be asked, and answers that wait to be heard.
const QUEUE: usize = 256;
/// Descriptors that are left to the rest of the process.
const DESCRIPTORS_KEPT: u64 = 256;
/// The first host.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
/// A prime: endpoints so far apart follow each other, as in a scan.
const STRIDE: usize = 7_919;
/// How often each persona's words are looked up to see what that takes.
const LOOKUPS: u32 = 500;

/// What the process is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Who is asked
    pub(crate) far: Far,
    /// How many endpoints
    pub(crate) endpoints: usize,
    /// How many at once, where that is not left to the library
    #[arg(long)]
    pub(crate) concurrency: Option<usize>,
    /// How many descriptors it may open, where that is not as many as the system lets
    #[arg(long)]
    pub(crate) descriptors: Option<u64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) wall_s: f64,
    /// While it asked; the peak of memory is that since just before.
    pub(crate) used: Used,
    /// Octets resident just before.
    pub(crate) resident_before: u64,
    /// Descriptors that it could open.
    pub(crate) descriptors: u64,
    pub(crate) tally: Tally,
    /// Microseconds that the signatures take for one answer.
    pub(crate) lookup_us: f64,
}

/// What was told, and what of it was right.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Endpoints that were told of.
    pub(crate) told: usize,
    /// A service was named.
    pub(crate) named: usize,
    /// It was the right one.
    pub(crate) services: usize,
    /// The product was the right one too.
    pub(crate) products: usize,
    /// Another product was told.
    pub(crate) products_wrong: usize,
    /// The server tells a version.
    pub(crate) with_version: usize,
    /// And it was told.
    pub(crate) versions: usize,
    /// By the service that was expected: how many right, of how many.
    pub(crate) by_service: std::collections::BTreeMap<String, (usize, usize)>,
}

impl Tally {
    fn add(&mut self, told: &Identified) {
        self.told += 1;
        self.named += usize::from(told.service.is_some());
        let IpAddr::V4(addr) = told.endpoint.addr else { return };
        let Some(persona) = persona::at(addr, told.endpoint.port) else { return };
        let of_service = self.by_service.entry(persona.service.to_owned()).or_default();
        of_service.1 += 1;
        self.with_version += usize::from(!persona.version.is_empty());
        let Some(service) = &told.service else { return };
        let right = service.name == persona.service;
        of_service.0 += usize::from(right);
        self.services += usize::from(right);
        let product = service.product.as_deref().map(str::to_lowercase);
        let same = product.as_ref().is_some_and(|product| product.contains(persona.product));
        self.products += usize::from(right && same);
        self.products_wrong += usize::from(product.is_some() && !same);
        let version = service.version.as_deref().unwrap_or_default();
        let tells = !persona.version.is_empty() && version == persona.version;
        self.versions += usize::from(right && same && tells);
    }
}

/// Runs the process in the caller's namespace, and returns what it tells.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Measured> {
    let Options { far, endpoints, concurrency, descriptors } = options;
    let mut child = Command::new(std::env::current_exe().context("finding this program")?);
    child.args(["identify-ask", far.name(), &endpoints.to_string()]).stdin(Stdio::null());
    if let Some(concurrency) = concurrency {
        child.args(["--concurrency", &concurrency.to_string()]);
    }
    if let Some(descriptors) = descriptors {
        child.args(["--descriptors", &descriptors.to_string()]);
    }
    let output = child.stderr(Stdio::inherit()).output().context("starting who asks")?;
    if !output.status.success() {
        bail!("who asks ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("what was measured")
}

/// The process.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(descriptors) = options.descriptors {
        limit_descriptors(descriptors)?;
    }
    let descriptors = portolan_net::raise_descriptor_limit()?;
    let database = Database::embedded();
    let mut how = How::default();
    how.concurrency = options.concurrency;
    // As `portolan scan` does.
    let spare = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_KEPT)).unwrap_or(usize::MAX);
    how.sockets = spare.max(how.sockets / 4);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let before = Used::reset_own_peak()?;
    let begun = Instant::now();
    let endpoints = endpoints(options.far, options.endpoints);
    let tally = runtime.block_on(ask(endpoints, &how, database));
    let (wall, after) = (begun.elapsed(), Used::of("self")?);
    let measured = Measured {
        wall_s: wall.as_secs_f64(),
        used: after.since(before),
        resident_before: before.resident,
        descriptors,
        tally,
        lookup_us: lookup(database).as_secs_f64() * 1e6,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &measured)?;
    Ok(out.flush()?)
}

async fn ask(
    endpoints: impl Iterator<Item = Endpoint>,
    how: &How,
    database: &'static Database,
) -> Tally {
    let (targets, asked) = mpsc::channel(QUEUE);
    let (teller, mut found) = mpsc::channel(QUEUE);
    let feeding = async {
        for endpoint in endpoints {
            if targets.send(Target::new(endpoint)).await.is_err() {
                break;
            }
        }
        drop(targets);
    };
    let hearing = async {
        let mut tally = Tally::default();
        while let Some(told) = found.recv().await {
            tally.add(&told);
        }
        tally
    };
    tokio::join!(feeding, identify(asked, teller, how, database), hearing).2
}

/// The first `count` endpoints of hosts with all ports of `far`, in an order that leaps between
/// hosts.
fn endpoints(far: Far, count: usize) -> impl Iterator<Item = Endpoint> {
    let ports = far.ports();
    (0..count).filter_map(move |at| {
        let at = if count.is_multiple_of(STRIDE) { at } else { at * STRIDE % count };
        let host = u32::try_from(at / ports.len()).ok()?;
        let addr = Ipv4Addr::from(u32::from(FIRST).checked_add(host)?);
        Some(Endpoint::tcp(addr.into(), *ports.get(at % ports.len())?))
    })
}

/// What the signatures take for one answer, on average over all personas.
fn lookup(database: &Database) -> Duration {
    let said: Vec<(Kind, Vec<u8>)> = persona::all().map(words).collect();
    let begun = Instant::now();
    for _ in 0..LOOKUPS {
        for (kind, octets) in &said {
            std::hint::black_box(database.identify(None, *kind, std::hint::black_box(octets)));
        }
    }
    begun.elapsed() / LOOKUPS / u32::try_from(said.len()).unwrap_or(1).max(1)
}

/// What tells most of `persona`.
fn words(persona: &'static Persona) -> (Kind, Vec<u8>) {
    match answer(persona, b"GET / HTTP/1.0\r\n\r\n") {
        Answer::Say(said) if persona.service == "http" => (Kind::HttpHead, said),
        _ => (Kind::Banner, greeting(persona)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_endpoint_comes_once_and_is_somebody() {
        let all: BTreeSet<Endpoint> = endpoints(Far::Mix, 20_000).collect();
        assert_eq!(all.len(), 20_000);
        let persona = |endpoint: &Endpoint| match endpoint.addr {
            IpAddr::V4(addr) => persona::at(addr, endpoint.port),
            IpAddr::V6(_) => None,
        };
        let web = all.iter().filter_map(persona).filter(|persona| persona.service == "http");
        assert_eq!(web.count(), 10_000);
        assert!(all.iter().all(|endpoint| persona(endpoint).is_some()));
    }
}
