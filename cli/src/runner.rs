//! The engine as the daemon's scanner: each job on a thread of its own.

use std::num::NonZeroU32;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use portolan_api::{RunnerError, ScanJob, ScanKind, ScanRate, ScanRunner, ScanSpec};
use portolan_core::target::{Block, TargetSet};
use portolan_store::ScanReport;

use crate::commands::scan::request::{Request, asking, default_ports, within};
use crate::commands::scan::run;
use crate::exit::Failure;
use crate::targets::{self, NameRules};
use portolan_net::options::AUTO_PPS_MAX;
use portolan_net::{Cancel, ScanKinds, ScanOptions};

/// Scans with the packets of this host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineRunner;

impl ScanRunner for EngineRunner {
    fn run(&self, job: ScanJob) -> BoxFuture<'static, Result<ScanReport, RunnerError>> {
        async move {
            let cancel = Cancel::default();
            let (stop, flag) = (job.cancel.clone(), cancel.clone());
            let watch = tokio::spawn(async move {
                stop.cancelled().await;
                flag.cancel();
            });
            let done = tokio::task::spawn_blocking(move || scan(&job, &cancel)).await;
            watch.abort();
            match done {
                Ok(report) => report.map_err(|failure| RunnerError::new(failure.to_string())),
                Err(broken) => Err(RunnerError::new("the scan broke off").caused_by(broken)),
            }
        }
        .boxed()
    }
}

/// Runs `job` on this thread.
fn scan(job: &ScanJob, cancel: &Cancel) -> Result<ScanReport, Failure> {
    let spec = job.spec.as_ref();
    let name = Some(job.name.as_str());
    let excluded = targets::resolve(&spec.exclude, NameRules::EVERY)?;
    let scope = spec.scope.clone().without(&excluded);
    let kinds = kinds(spec);
    if let Some(endpoints) = &job.recheck {
        let targets = TargetSet::of_endpoints(endpoints);
        let options = options(spec, ports_only(kinds))?;
        let request = Request { targets, scope, options, identify: None };
        return run::collect(&request, &spec.site, name, cancel);
    }
    let first = NameRules { ipv4: false, ipv6: false, all: false };
    let addrs = within(&scope, &targets::resolve(&spec.targets, first)?)?;
    let tell = |words: &str| tracing::info!(scan = name, "{words}");
    let addrs = run::expand(&addrs, &scope, &options(spec, kinds)?, cancel, &tell)?;
    let (tcp, udp) = match &spec.ports {
        None => default_ports(kinds.syn || kinds.connect, kinds.udp, None),
        Some(ports) => ports.for_scan(kinds.syn || kinds.connect, kinds.udp),
    };
    let block = Block { addrs: addrs.clone(), tcp, udp, ..Block::default() };
    let request = |block, kinds| {
        let (targets, scope) = (TargetSet::single(block), scope.clone());
        let identify = spec.identify.then(asking);
        let options = ScanOptions { keep_replies: spec.identify, ..options(spec, kinds)? };
        Ok::<_, Failure>(Request { targets, scope, options, identify })
    };
    let mut hosts = None;
    if kinds.discover {
        let only = ScanKinds { discover: true, ..ScanKinds::default() };
        let found = run::collect(
            &request(Block { addrs, ..Block::default() }, only)?,
            &spec.site,
            name,
            cancel,
        )?;
        if !(kinds.syn || kinds.connect || kinds.udp) || cancel.is_cancelled() {
            return Ok(found);
        }
        hosts = Some(found.hosts);
    }
    let mut report = run::collect(&request(block, ports_only(kinds))?, &spec.site, name, cancel)?;
    report.hosts.extend(hosts.into_iter().flatten());
    Ok(report)
}

fn kinds(spec: &ScanSpec) -> ScanKinds {
    let has = |kind| spec.kinds.contains(&kind);
    ScanKinds {
        syn: has(ScanKind::Syn) && !has(ScanKind::Connect),
        udp: has(ScanKind::Udp),
        connect: has(ScanKind::Connect),
        discover: has(ScanKind::Discover),
        ..ScanKinds::default()
    }
}

const fn ports_only(kinds: ScanKinds) -> ScanKinds {
    ScanKinds { discover: false, ..kinds }
}

/// How `spec` wants it done.
///
/// # Errors
/// A link that there is none of.
fn options(spec: &ScanSpec, kinds: ScanKinds) -> Result<ScanOptions, Failure> {
    let mut options = ScanOptions { kinds, ..ScanOptions::default() };
    match spec.rate {
        Some(ScanRate::Fixed(pps)) => options.rate_pps = pps.get(),
        Some(ScanRate::Auto) => (options.rate_pps, options.auto_rate) = (AUTO_PPS_MAX, true),
        None => {}
    }
    options.max_host_pps = spec.max_host_rate.map(NonZeroU32::get);
    options.max_subnet_pps = spec.max_subnet_rate.map(NonZeroU32::get);
    options.retries = spec.retries.unwrap_or(options.retries);
    options.threads = spec.threads.map_or(options.threads, NonZeroU32::get);
    if let Some(link) = &spec.link {
        options.link = link.as_str().parse().map_err(Failure::usage)?;
    }
    Ok(options)
}
