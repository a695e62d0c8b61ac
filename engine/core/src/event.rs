//! What a running scan says: one typed stream feeds output, store, metrics and tests.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::note::Note;
use crate::observation::{HostObservation, Observation};

/// One thing that a scan has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum ScanEvent {
    /// An endpoint answered; each endpoint is reported once.
    Endpoint(Observation),
    /// A host showed that it is there; each host is reported once.
    Host(HostObservation),
    /// Something is odd about a host or a prefix; told once.
    Note(Note),
    /// How far the scan is, a few times a second.
    Progress(Progress),
    /// Something its reader should know and that is not an error.
    Warning(String),
    /// Everything told before this is about to be taken for known: whoever writes it down puts it
    /// where it survives this process before the call returns, or cancels the scan.
    Settle,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The pass that runs, from 0.
    pub pass: u8,
    /// How many passes there will be at most.
    pub passes: u8,
    /// Probes of this pass that are done with, skipped ones included.
    pub done: u64,
    /// Probes of this pass in all.
    pub planned: u64,
    /// Probes sent since the scan began.
    pub sent: u64,
    /// Valid replies since the scan began.
    pub replies: u64,
    /// Open endpoints found.
    pub open: u64,
    /// Answers that this host's kernel dropped because they were not read in time.
    pub kernel_drops: u64,
    /// Since the scan began.
    pub elapsed: Duration,
}

/// What a scan did, counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScanStats {
    /// Addresses planned.
    pub targets: u64,
    /// Ports planned per address, over all transports; the largest block's.
    pub ports: u64,
    /// Endpoints planned.
    pub planned: u64,
    /// Endpoints that were asked at least once.
    pub asked: u64,
    /// Probes the kernel accepted.
    pub probes_sent: u64,
    /// Valid replies, repetitions included.
    pub replies: u64,
    /// Valid replies to something already answered.
    pub duplicates: u64,
    /// Endpoints found open.
    pub open: u64,
    /// Endpoints found closed.
    pub closed: u64,
    /// Endpoints found filtered by an ICMP error.
    pub filtered: u64,
    /// Endpoints found reachable by an ACK scan, which does not tell open from closed.
    pub unfiltered: u64,
    /// Asked endpoints that stayed silent.
    pub silent: u64,
    /// Hosts that showed any life.
    pub hosts_up: u64,
    /// Frames that were no answer, by cause.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Frames that the kernel dropped before we could read them.
    pub kernel_drops: u64,
    /// Times the kernel's queue was full and the sender waited.
    pub back_pressure: u64,
    /// From first to last moment.
    pub duration: Duration,
    /// Share of probe-and-reply exchanges lost, estimated from endpoints that were asked twice
    /// or from which pass was answered; `None` where one pass or no answer leaves nothing to tell
    /// from.
    pub loss_estimate: Option<f64>,
    /// Expected share (0 to 1) of the answering endpoints that were heard: the asked share times
    /// one minus the loss to the power of the passes.
    pub coverage: f64,
    /// The bounds between which the coverage is with 95 % confidence, as far as loss is the cause;
    /// `None` where nothing tells of loss.
    pub coverage_bounds: Option<(f64, f64)>,
    /// Open endpoints of hosts that are open on every port, that were not told one by one.
    pub kept_back: u64,
    /// Probes to canaries, which `probes_sent` counts too.
    pub canary_probes: u64,
}

impl ScanStats {
    /// Probes a second, averaged over the scan.
    pub fn rate_pps(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let sent = self.probes_sent as f64;
        if seconds > 0.0 { sent / seconds } else { 0.0 }
    }
}
