//! Runs the engine on its own thread and hands its events over.

use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use portolan_core::ScanEvent;
use portolan_core::target::{AddrSet, Scope};
use portolan_store::{ScanReport, SiteName};

use super::request::Request;
use crate::exit::{Exit, Failure};
use crate::finding::{self, Finding};
use crate::ledger::Ledger;
use crate::report;
use portolan_net::{
    Cancel, OnLinkError, PrepareError, Scan, ScanError, ScanOptions, ScanOutcome, ScanPlanError,
    on_link,
};

/// Events that may wait for a slow output before the engine does: some 4 MB.
const EVENTS_WAITING_MAX: usize = 1 << 15;

/// Plans what `request` asks for.
///
/// # Errors
/// As the engine's, with the exit code.
pub(crate) fn plan(request: &Request) -> Result<Scan, Failure> {
    Scan::plan(&request.targets, &request.scope, request.options.clone()).map_err(plan_failure)
}

/// What of `addrs` is scanned: in the place of IPv6 prefixes too large to sweep, their hosts that
/// are found on the link. `tell` hears of that.
///
/// # Errors
/// As the engine's, with the exit code.
pub(crate) fn expand(
    addrs: &AddrSet,
    scope: &Scope,
    options: &ScanOptions,
    cancel: &Cancel,
    tell: &dyn Fn(&str),
) -> Result<AddrSet, Failure> {
    let expanded = on_link::expand(addrs, scope, options, cancel).map_err(on_link_failure)?;
    expanded.told.iter().for_each(|words| tell(words));
    Ok(expanded.addrs)
}

/// How to ask again what seems to have gone: as before, unhurried, whole.
pub(crate) fn confirmation(options: &ScanOptions) -> ScanOptions {
    ScanOptions {
        shard: portolan_core::permutation::Shard::default(),
        seed: None,
        checkpoint: None,
        resume: None,
        ..options.clone()
    }
}

/// Runs `scan`; `take` gets its events in order on this thread, and `None` whenever none waits.
///
/// The engine goes on from [`ScanEvent::Settle`] once `take` has returned from it.
///
/// # Errors
/// As the engine's, with the exit code.
pub(crate) fn events(
    scan: Scan,
    cancel: &Cancel,
    mut take: impl FnMut(Option<ScanEvent>),
) -> Result<ScanOutcome, Failure> {
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(EVENTS_WAITING_MAX);
        let (settled, settling) = mpsc::sync_channel(1);
        let engine =
            thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, move || {
                scan.run(cancel, &mut |event| {
                    let settle = event == ScanEvent::Settle;
                    // The receiver outlives the engine; were it gone, nobody would want the event.
                    if send.send(event).is_ok() && settle {
                        let _ = settling.recv();
                    }
                })
            })?;
        loop {
            let event = match receive.try_recv() {
                Ok(event) => event,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    take(None);
                    let Ok(event) = receive.recv() else { break };
                    event
                }
            };
            let settle = event == ScanEvent::Settle;
            take(Some(event));
            if settle {
                // The engine waits for this; were it gone, nobody would.
                let _ = settled.send(());
            }
        }
        take(None);
        match engine.join() {
            Ok(outcome) => outcome.map_err(scan_failure),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs `request` and gathers a report of it.
///
/// # Errors
/// As the engine's, with the exit code.
pub(crate) fn collect(
    request: &Request,
    site: &SiteName,
    name: Option<&str>,
    cancel: &Cancel,
) -> Result<ScanReport, Failure> {
    let started = finding::now();
    let scan = plan(request)?;
    let mut ledger = Ledger::default();
    let outcome = events(scan, cancel, |event| match event {
        Some(ScanEvent::Endpoint(seen)) => ledger.add(&Finding::from(seen)),
        Some(ScanEvent::Host(host)) => ledger.add_host(&host),
        Some(ScanEvent::Warning(words)) => tracing::warn!(scan = name, "{words}"),
        Some(ScanEvent::Note(note)) => tracing::info!(scan = name, "{note}"),
        Some(ScanEvent::Progress(_) | ScanEvent::Settle) | None => {}
    })?;
    let about = report::About {
        site: site.clone(),
        name: name.map(ToOwned::to_owned),
        started,
        finished: finding::now(),
        asked: &outcome.asked,
        complete: outcome.complete,
        stats: &outcome.stats,
    };
    Ok(report::report(about, &ledger))
}

fn plan_failure(error: ScanPlanError) -> Failure {
    let exit = match &error {
        ScanPlanError::NeedsPrivilege { .. } => Exit::Privilege,
        _ => Exit::Usage,
    };
    Failure::new(exit, error)
}

fn on_link_failure(error: OnLinkError) -> Failure {
    let exit = match &error {
        OnLinkError::NeedsPrivilege { .. } => Exit::Privilege,
        OnLinkError::Excluded { .. } => Exit::OutOfScope,
        OnLinkError::Sharded { .. } | OnLinkError::Prepare(PrepareError::NoInterface { .. }) => {
            Exit::Usage
        }
        _ => Exit::Io,
    };
    Failure::new(exit, error)
}

fn scan_failure(error: ScanError) -> Failure {
    let exit = match &error {
        ScanError::Prepare(PrepareError::NoInterface { .. }) => Exit::Usage,
        _ => Exit::Io,
    };
    Failure::new(exit, error)
}
