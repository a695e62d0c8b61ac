//! What Prometheus reads: the counters of this process, and one snapshot of the store.
//!
//! The families are put together anew for every scrape, from one consistent snapshot: no series is
//! ever half refilled, and a label value is compared, not hashed. No label holds text from a
//! scanned host; addresses occur in the `portmantool_*` families only, with a cap.

/// Building blocks of a family.
mod family;
/// The process itself.
mod process;
/// The store's figures.
mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portolan_core::UnixTime;
use portolan_store::{ScanReport, Source, Summary};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramOpts, TextEncoder};

use crate::config::MetricsConfig;
use crate::scheduler::ScanStatus;
use family::{Families, number};

/// The content type of the text format; Prometheus 3 takes nothing else.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Most different scans, sites and rejection reasons with series of their own.
const LABEL_VALUES_MAX: usize = 1_000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunResult {
    /// All of it was scanned.
    Success,
    /// It was interrupted; what was found is stored.
    Partial,
    /// Nothing was stored.
    Failed,
    /// It was cancelled and nothing was stored.
    Cancelled,
}

impl RunResult {
    const ALL: [Self; 4] = [Self::Success, Self::Partial, Self::Failed, Self::Cancelled];

    const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One answered request, for the counters. All texts come from the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpLabels {
    /// `GET`, …, or `other`.
    pub method: &'static str,
    /// The route's template, or `unknown`.
    pub route: &'static str,
    /// The status.
    pub code: u16,
}

#[derive(Default)]
struct Counters {
    runs: BTreeMap<(String, RunResult), u64>,
    coverage: BTreeMap<String, f64>,
    probes_sent: u64,
    responses: u64,
    dropped: BTreeMap<String, u64>,
    http: BTreeMap<HttpLabels, u64>,
    imports: BTreeMap<(&'static str, bool), u64>,
    refused: u64,
    config_ok: bool,
    config_at: UnixTime,
    series_dropped: BTreeMap<&'static str, u64>,
}

/// The counters of this process; they start at zero with it.
pub struct Metrics {
    counters: Mutex<Counters>,
    scan_seconds: Histogram,
    http_seconds: Histogram,
    started_at: UnixTime,
}

/// What is true of everything else at the moment of a scrape.
pub struct Snapshot<'a> {
    /// The store's figures.
    pub summary: Arc<Summary>,
    /// The configured scans.
    pub scans: &'a [ScanStatus],
    /// The store's size on disk, bytes.
    pub store_bytes: u64,
    /// Whether the store has stopped taking writes.
    pub store_read_only: bool,
    /// What to show.
    pub config: &'a MetricsConfig,
}

/// The figures could not be put into words.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A histogram's buckets or name are not sound.
    #[error("a metric is not sound")]
    Unsound(#[source] prometheus::Error),
    /// The text could not be encoded.
    #[error("the metrics could not be encoded")]
    Encode(#[source] prometheus::Error),
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// [`MetricsError::Unsound`], which is a bug.
    pub fn new(started_at: UnixTime) -> Result<Self, MetricsError> {
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            Histogram::with_opts(options).map_err(MetricsError::Unsound)
        };
        Ok(Self {
            counters: Mutex::new(Counters {
                config_ok: true,
                config_at: started_at,
                ..Counters::default()
            }),
            scan_seconds: histogram(
                "portolan_scan_duration_seconds",
                "How long runs of scans took, confirmation included.",
                &[0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0],
            )?,
            http_seconds: histogram(
                "portolan_http_request_duration_seconds",
                "How long it took to answer requests.",
                &[0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0],
            )?,
            started_at,
        })
    }

    /// A run of `scan` ended.
    pub fn run_ended(&self, scan: &str, result: RunResult, elapsed: Duration) {
        self.scan_seconds.observe(elapsed.as_secs_f64());
        count(&mut self.lock().runs, (scan.to_owned(), result), 1);
    }

    /// What a run of `scan` did on the network.
    pub fn count_report(&self, scan: &str, report: &ScanReport) {
        let counters = &report.counters;
        let mut own = self.lock();
        if own.coverage.len() < LABEL_VALUES_MAX || own.coverage.contains_key(scan) {
            own.coverage.insert(scan.to_owned(), counters.coverage);
        }
        own.probes_sent = own.probes_sent.saturating_add(counters.probes_sent);
        own.responses = own.responses.saturating_add(counters.replies);
        count(&mut own.dropped, "kernel".to_owned(), counters.kernel_drops);
        for (reason, n) in &counters.rejected {
            count(&mut own.dropped, reason.clone(), *n);
        }
    }

    /// A request was answered.
    pub fn http(&self, labels: HttpLabels, elapsed: Duration) {
        self.http_seconds.observe(elapsed.as_secs_f64());
        count(&mut self.lock().http, labels, 1);
    }

    /// A report was imported, or was not.
    pub fn import_ended(&self, source: Option<Source>, succeeded: bool) {
        let format = source.map_or("unknown", Source::name);
        count(&mut self.lock().imports, (format, succeeded), 1);
    }

    /// A request was refused for who sent it.
    pub fn refused(&self) {
        let mut own = self.lock();
        own.refused = own.refused.saturating_add(1);
    }

    /// The configuration was loaded again, or could not be.
    pub fn config_loaded(&self, succeeded: bool, at: UnixTime) {
        let mut own = self.lock();
        own.config_ok = succeeded;
        if succeeded {
            own.config_at = at;
        }
    }

    /// All of it in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// [`MetricsError::Encode`], which is a bug.
    pub fn render(&self, snapshot: &Snapshot<'_>) -> Result<String, MetricsError> {
        let families = self.families(snapshot);
        TextEncoder::new().encode_to_string(&families).map_err(MetricsError::Encode)
    }

    fn families(&self, snapshot: &Snapshot<'_>) -> Vec<MetricFamily> {
        let mut all = Families::default();
        let mut own = self.lock();
        let dropped = stored::add(&mut all, snapshot);
        for (family, n) in dropped {
            count(&mut own.series_dropped, family, n);
        }
        scans(&mut all, &own, snapshot.scans);
        packets(&mut all, &own);
        requests(&mut all, &own);
        configuration(&mut all, &own);
        drop(own);
        process::add(&mut all, self.started_at);
        all.extend(self.scan_seconds.collect());
        all.extend(self.http_seconds.collect());
        all.into_sorted()
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        // Counters stay usable whoever panicked while counting.
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scans(all: &mut Families, own: &Counters, scans: &[ScanStatus]) {
    let names: Vec<&str> =
        scans.iter().map(|s| s.spec.name.as_str()).take(LABEL_VALUES_MAX).collect();
    let runs = names.iter().flat_map(|name| RunResult::ALL.map(|result| (*name, result)));
    let help = "Runs of configured scans, by how they ended.";
    all.counter(
        "portolan_scans_total",
        help,
        runs.map(|(name, result)| {
            let n = own.runs.get(&(name.to_owned(), result)).copied().unwrap_or(0);
            (vec![("scan", name.to_owned()), ("result", result.name().to_owned())], number(n))
        }),
    );
    let help = "Share of the last run's endpoints that were asked.";
    all.gauge(
        "portolan_scan_coverage_ratio",
        help,
        names.iter().filter_map(|name| {
            own.coverage.get(*name).map(|ratio| (vec![("scan", (*name).to_owned())], *ratio))
        }),
    );
    let active = scans.iter().filter(|s| s.running.is_some()).count();
    let help = "Scans that run at this moment.";
    all.gauge("portolan_scans_active", help, [(vec![], number(active))]);
}

fn packets(all: &mut Families, own: &Counters) {
    let help = "Probes that were sent.";
    all.counter("portolan_probes_sent_total", help, [(vec![], number(own.probes_sent))]);
    let help = "Valid answers to probes.";
    all.counter("portolan_responses_total", help, [(vec![], number(own.responses))]);
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::from([("kernel", 0)]);
    for (reason, n) in own.dropped.iter().take(LABEL_VALUES_MAX) {
        reasons.insert(reason, *n);
    }
    let help = "Frames that were no answer, or were lost before they could be read.";
    all.counter(
        "portolan_packets_dropped_total",
        help,
        reasons.into_iter().map(|(reason, n)| (vec![("reason", reason.to_owned())], number(n))),
    );
}

fn requests(all: &mut Families, own: &Counters) {
    let help = "Requests that were answered.";
    all.counter(
        "portolan_http_requests_total",
        help,
        own.http.iter().map(|(labels, n)| {
            let code = labels.code.to_string();
            let method = labels.method.to_owned();
            let route = labels.route.to_owned();
            (vec![("method", method), ("route", route), ("code", code)], number(*n))
        }),
    );
    let help = "Requests that were refused for who sent them.";
    all.counter("portolan_auth_failures_total", help, [(vec![], number(own.refused))]);
    let mut imports: BTreeMap<(&str, bool), u64> = BTreeMap::new();
    for succeeded in [false, true] {
        imports.insert((Source::NmapXml.name(), succeeded), 0);
    }
    imports.extend(&own.imports);
    let help = "Reports of other programs that were imported, or were not.";
    all.counter(
        "portolan_imports_total",
        help,
        imports.into_iter().map(|((format, ok), n)| {
            let result = if ok { "success" } else { "failed" };
            (vec![("format", format.to_owned()), ("result", result.to_owned())], number(n))
        }),
    );
}

fn configuration(all: &mut Families, own: &Counters) {
    let help = "Whether the configuration could be read the last time.";
    let ok = if own.config_ok { 1.0 } else { 0.0 };
    all.gauge("portolan_config_last_reload_successful", help, [(vec![], ok)]);
    let help = "When the configuration was last read with success.";
    let at = family::seconds(own.config_at);
    all.gauge("portolan_config_last_reload_success_timestamp_seconds", help, [(vec![], at)]);
    let help = "Series that were left out because a family has too many.";
    let mut dropped = BTreeMap::from([("portmantool_ports", 0), ("portolan_ports", 0)]);
    dropped.extend(&own.series_dropped);
    all.counter(
        "portolan_series_dropped_total",
        help,
        dropped.into_iter().map(|(name, n)| (vec![("family", name.to_owned())], number(n))),
    );
    let help = "What runs: always 1.";
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let revision = option_env!("PORTOLAN_REVISION").unwrap_or("unknown").to_owned();
    let labels = vec![("version", version), ("revision", revision)];
    all.gauge("portolan_build_info", help, [(labels, 1.0)]);
}

/// Adds to one counter of a family, unless it were one counter too many.
fn count<K: Ord>(counters: &mut BTreeMap<K, u64>, key: K, n: u64) {
    if counters.len() < LABEL_VALUES_MAX * 4 || counters.contains_key(&key) {
        let counter = counters.entry(key).or_default();
        *counter = counter.saturating_add(n);
    }
}

#[cfg(test)]
mod tests;
