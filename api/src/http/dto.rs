//! The rows of answers. Names and order of the first fields are portmantool's.

use std::net::IpAddr;

use jiff::Timestamp;
use portolan_core::{PortState, UnixTime};
use portolan_store::{
    CurrentRow, DiffRow, EndpointRow, Expectation, HostRow, ScanId, ScanRecord, ServiceRecord,
    Transition,
};
use serde::Serialize;

use crate::facts::{SshDto, TlsDto};
use crate::scheduler::{LastRun, ScanStatus, StartedRun};

/// RFC 3339 in UTC, with the fraction where there is one.
pub(super) fn time(at: UnixTime) -> Option<String> {
    Timestamp::from_millisecond(at.as_millis()).ok().map(|t| t.to_string())
}

/// portmantool has a missing state as the empty string.
fn state(state: Option<PortState>) -> &'static str {
    state.map_or("", PortState::name)
}

fn id(scan: Option<ScanId>) -> Option<i64> {
    scan.map(ScanId::as_i64)
}

/// A row of `/v1/diff`.
#[derive(Serialize)]
pub(super) struct Drift {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    expected_state: &'static str,
    actual_state: &'static str,
    scan_id: Option<i64>,
    comment: String,
    site: String,
    kind: &'static str,
}

impl From<DiffRow> for Drift {
    fn from(row: DiffRow) -> Self {
        Self {
            address: row.endpoint.addr,
            port: row.endpoint.port,
            protocol: row.endpoint.transport.name(),
            expected_state: state(row.from),
            actual_state: state(row.to),
            scan_id: id(row.to_scan),
            comment: row.comment,
            site: row.site.to_string(),
            kind: row.kind.name(),
        }
    }
}

/// A row of `/v1/diff/{id1}` and `/v1/diff/{id1}/{id2}`.
#[derive(Serialize)]
pub(super) struct Change {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    state_a: &'static str,
    state_b: &'static str,
    scan_a: Option<i64>,
    scan_b: Option<i64>,
    comment: String,
    site: String,
    kind: &'static str,
    changes: Vec<ServiceChange>,
}

/// What changed of a service.
#[derive(Serialize)]
struct ServiceChange {
    kind: &'static str,
    from: String,
    to: String,
}

impl From<portolan_store::Change> for ServiceChange {
    fn from(change: portolan_store::Change) -> Self {
        Self { kind: change.kind.name(), from: change.from, to: change.to }
    }
}

impl From<DiffRow> for Change {
    fn from(row: DiffRow) -> Self {
        Self {
            address: row.endpoint.addr,
            port: row.endpoint.port,
            protocol: row.endpoint.transport.name(),
            state_a: state(row.from),
            state_b: state(row.to),
            scan_a: id(row.from_scan),
            scan_b: id(row.to_scan),
            comment: row.comment,
            site: row.site.to_string(),
            kind: row.kind.name(),
            changes: row.changes.into_iter().map(ServiceChange::from).collect(),
        }
    }
}

/// A row of `/v1/expected`.
#[derive(Serialize)]
pub(super) struct Expected {
    address: String,
    port: Ports,
    protocol: &'static str,
    state: &'static str,
    comment: String,
    site: String,
}

/// One port as a number, several as text.
#[derive(Serialize)]
#[serde(untagged)]
enum Ports {
    One(u16),
    Range(String),
}

impl From<Expectation> for Expected {
    fn from(expectation: Expectation) -> Self {
        let selector = expectation.selector;
        let (first, last) = selector.ports;
        Self {
            address: selector.addrs.to_string(),
            port: if first == last {
                Ports::One(first)
            } else {
                Ports::Range(format!("{first}-{last}"))
            },
            protocol: selector.transport.name(),
            state: expectation.state.name(),
            comment: expectation.comment,
            site: selector.site.to_string(),
        }
    }
}

/// What is known of the service behind a port.
#[derive(Serialize)]
pub(super) struct Service {
    name: String,
    product: Option<String>,
    version: Option<String>,
    extra: Option<String>,
    cpe: Vec<String>,
    tls: bool,
    vendor: Option<String>,
    os: Option<String>,
    device: Option<String>,
    tls_info: Option<TlsDto>,
    ssh: Option<SshDto>,
}

impl From<ServiceRecord> for Service {
    fn from(record: ServiceRecord) -> Self {
        let ServiceRecord { name, product, version, extra, vendor, os, device, cpe, tls, .. } =
            record;
        let tls_info = record.tls_info.map(|tls| TlsDto::from(*tls));
        let ssh = record.ssh.map(|ssh| SshDto::from(*ssh));
        Self { name, product, version, extra, cpe, tls, vendor, os, device, tls_info, ssh }
    }
}

/// A row of `/v1/scan/{id}`.
#[derive(Serialize)]
pub(super) struct Found {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    state: &'static str,
    scan_id: i64,
    site: String,
    reason: &'static str,
    ttl: Option<u8>,
    rtt_us: Option<u64>,
    at: Option<String>,
    service: Option<Service>,
    banner: Option<String>,
}

impl From<EndpointRow> for Found {
    fn from(row: EndpointRow) -> Self {
        let scan_id = row.scan.as_i64();
        let found = row.state;
        Self {
            address: found.endpoint.addr,
            port: found.endpoint.port,
            protocol: found.endpoint.transport.name(),
            state: found.state.name(),
            scan_id,
            site: row.site.to_string(),
            reason: found.reason.name(),
            ttl: found.ttl,
            rtt_us: found.rtt.and_then(|rtt| u64::try_from(rtt.as_micros()).ok()),
            at: time(found.at),
            service: found.service.map(Service::from),
            // As escaped text: a banner may hold any bytes.
            banner: found.banner.map(|bytes| bytes.escape_ascii().to_string()),
        }
    }
}

/// A row of `/v1/current`.
#[derive(Serialize)]
pub(super) struct Current {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    state: &'static str,
    scan_id: i64,
    site: String,
    reason: &'static str,
    service: Option<Service>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    since: Option<String>,
}

impl From<CurrentRow> for Current {
    fn from(row: CurrentRow) -> Self {
        let scan_id = row.scan.as_i64();
        Self {
            address: row.endpoint.addr,
            port: row.endpoint.port,
            protocol: row.endpoint.transport.name(),
            state: row.state.name(),
            scan_id,
            site: row.site.to_string(),
            reason: row.reason.name(),
            service: row.service.map(Service::from),
            first_seen: time(row.first_seen),
            last_seen: time(row.last_seen),
            since: time(row.since),
        }
    }
}

/// A row of `/v1/hosts`.
#[derive(Serialize)]
pub(super) struct Host {
    address: IpAddr,
    site: String,
    mac: Option<String>,
    open: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
}

impl From<HostRow> for Host {
    fn from(row: HostRow) -> Self {
        Self {
            address: row.addr,
            site: row.site.to_string(),
            mac: row.mac.map(|mac| mac.to_string()),
            open: row.open,
            first_seen: time(row.first_seen),
            last_seen: time(row.last_seen),
        }
    }
}

/// A row of `/v1/transitions`.
#[derive(Serialize)]
pub(super) struct Turn {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    from: &'static str,
    to: &'static str,
    scan_id: i64,
    at: Option<String>,
    site: String,
    kind: &'static str,
    before: Option<String>,
    after: Option<String>,
}

impl From<Transition> for Turn {
    fn from(row: Transition) -> Self {
        let scan_id = row.scan.as_i64();
        Self {
            address: row.endpoint.addr,
            port: row.endpoint.port,
            protocol: row.endpoint.transport.name(),
            from: state(row.from),
            to: row.to.name(),
            scan_id,
            at: time(row.at),
            site: row.site.to_string(),
            kind: row.kind.name(),
            before: row.before,
            after: row.after,
        }
    }
}

/// A row of `/v1/scans`.
#[derive(Serialize)]
pub(super) struct Scan {
    id: i64,
    site: String,
    source: &'static str,
    name: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    complete: bool,
    pruned: bool,
    endpoints: Option<u64>,
    probes_sent: u64,
    replies: u64,
    open: u64,
    closed: u64,
    filtered: u64,
    loss_estimate: Option<f64>,
    coverage: f64,
    kernel_drops: u64,
}

impl From<ScanRecord> for Scan {
    fn from(record: ScanRecord) -> Self {
        let id = record.id.as_i64();
        let counters = record.counters;
        Self {
            id,
            site: record.site.to_string(),
            source: record.source.name(),
            name: record.name,
            started_at: time(record.started_at),
            finished_at: time(record.finished_at),
            complete: record.complete,
            pruned: record.pruned,
            endpoints: record.coverage.len().ok(),
            probes_sent: counters.probes_sent,
            replies: counters.replies,
            open: counters.open,
            closed: counters.closed,
            filtered: counters.filtered,
            loss_estimate: counters.loss_estimate,
            coverage: counters.coverage,
            kernel_drops: counters.kernel_drops,
        }
    }
}

/// The answer to `POST /v1/run`.
#[derive(Serialize)]
pub(super) struct RunsStarted {
    pub(super) runs: Vec<Run>,
}

/// A run that goes on.
#[derive(Serialize)]
pub(super) struct Run {
    id: i64,
    name: String,
    started: bool,
}

impl From<StartedRun> for Run {
    fn from(run: StartedRun) -> Self {
        Self { id: run.id, name: run.name, started: run.new }
    }
}

/// A row of `/v1/schedule`.
#[derive(Serialize)]
pub(super) struct Scheduled {
    name: String,
    site: String,
    cadence: String,
    running: Option<i64>,
    next_due: Option<String>,
    last_run: Option<Ended>,
}

/// A run that ended.
#[derive(Serialize)]
struct Ended {
    id: i64,
    started_at: Option<String>,
    finished_at: Option<String>,
    scan_id: Option<i64>,
    error: Option<String>,
}

impl From<&ScanStatus> for Scheduled {
    fn from(status: &ScanStatus) -> Self {
        Self {
            name: status.spec.name.clone(),
            site: status.spec.site.to_string(),
            cadence: status.cadence.clone(),
            running: status.running,
            next_due: status.next_due.and_then(time),
            last_run: status.last.as_ref().map(Ended::from),
        }
    }
}

impl From<&LastRun> for Ended {
    fn from(run: &LastRun) -> Self {
        Self {
            id: run.id,
            started_at: time(run.started_at),
            finished_at: time(run.finished_at),
            scan_id: run.outcome.as_ref().ok().map(|id| id.as_i64()),
            error: run.outcome.as_ref().err().cloned(),
        }
    }
}
