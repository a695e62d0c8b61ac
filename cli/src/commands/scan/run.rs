//! Runs the engine on its own thread and hands its events over.

use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use portolan_core::ScanEvent;
use portolan_core::target::{AddrSet, Scope, TargetSet};
use portolan_identify::Identified;
use portolan_store::{ScanReport, SiteName};

use super::identification::{Identification, Stage};
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

/// What is said while a scan runs.
pub(crate) enum Word {
    /// By the engine.
    Event(ScanEvent),
    /// By the engine, last: what it has asked.
    Scanned(TargetSet),
    /// By the stage that asks open ports who they are.
    Identified(Box<Identified>),
}

/// Runs `scan`, and `stage` beside it; `take` gets what they say in order on this thread, and
/// `None` whenever nothing waits. Ends when both have ended.
///
/// The engine goes on from [`ScanEvent::Settle`] once `take` has returned from it.
///
/// # Errors
/// As the engine's, with the exit code.
pub(crate) fn events(
    scan: Scan,
    stage: Option<Stage>,
    cancel: &Cancel,
    mut take: impl FnMut(Option<Word>),
) -> Result<ScanOutcome, Failure> {
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(EVENTS_WAITING_MAX);
        let (settled, settling) = mpsc::sync_channel(1);
        if let Some(stage) = stage {
            stage.start(scope, cancel, send.clone())?;
        }
        let engine =
            thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, move || {
                let outcome = scan.run(cancel, &mut |event| {
                    let settle = event == ScanEvent::Settle;
                    // The receiver outlives the engine; were it gone, nobody would want the event.
                    if send.send(Word::Event(event)).is_ok() && settle {
                        let _ = settling.recv();
                    }
                });
                let asked = outcome.as_ref().map(|o| o.asked.clone()).unwrap_or_default();
                let _ = send.send(Word::Scanned(asked));
                outcome
            })?;
        loop {
            let word = match receive.try_recv() {
                Ok(word) => word,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    take(None);
                    let Ok(word) = receive.recv() else { break };
                    word
                }
            };
            let settle = matches!(word, Word::Event(ScanEvent::Settle));
            take(Some(word));
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
    let mut identification = Identification::new(request.identify.clone());
    let outcome = events(scan, identification.stage(), cancel, |word| match word {
        Some(Word::Event(event)) => match event {
            ScanEvent::Endpoint(seen) => {
                if let Some(seen) = identification.take(seen) {
                    ledger.add(&Finding::from(seen));
                }
            }
            ScanEvent::Host(host) => ledger.add_host(&host),
            ScanEvent::Warning(words) => tracing::warn!(scan = name, "{words}"),
            ScanEvent::Note(note) => tracing::info!(scan = name, "{note}"),
            ScanEvent::Progress(_) | ScanEvent::Settle => {}
        },
        Some(Word::Scanned(asked)) => identification.close(&asked),
        Some(Word::Identified(identified)) => {
            identification.told(*identified).iter().for_each(|finding| ledger.add(finding));
        }
        None => {}
    })?;
    identification.rest().iter().for_each(|finding| ledger.add(finding));
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
