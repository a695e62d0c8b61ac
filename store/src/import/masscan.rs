//! masscan's JSON (`-oJ`, `-oD`) and list (`-oL`) output.
//!
//! These tell only what was found, not what was asked: they open ports and close only those that
//! they name.

use std::io::BufRead;
use std::net::IpAddr;

use portolan_core::target::TargetSet;
use portolan_core::{Endpoint, PortState, Reason, Transport, UnixTime};
use serde::Deserialize;

use super::bounded::Bounded;
use super::nmap_xml::short;
use super::{Limits, MAX_STATES, ReportError};
use crate::report::{EndpointState, ScanReport, ServiceRecord, SiteName, Source};

/// One line of JSON: a host with some ports.
#[derive(Deserialize)]
struct Record {
    ip: IpAddr,
    #[serde(default)]
    timestamp: Seconds,
    #[serde(default)]
    ports: Vec<Port>,
    // One record a line (`-oD`): the port is the record's own.
    port: Option<u16>,
    proto: Option<String>,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
struct Data {
    status: Option<String>,
    reason: Option<String>,
    ttl: Option<u8>,
    service_name: Option<String>,
    banner: Option<String>,
}

#[derive(Deserialize)]
struct Port {
    #[serde(rename = "port")]
    number: u16,
    proto: String,
    status: Option<String>,
    reason: Option<String>,
    ttl: Option<u8>,
    service: Option<Service>,
}

#[derive(Deserialize)]
struct Service {
    name: Option<String>,
    banner: Option<String>,
}

/// masscan writes its times as text; other tools that write its format as numbers.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Seconds {
    #[default]
    None,
    Text(String),
    Number(i64),
}

impl Seconds {
    fn time(&self) -> Result<Option<UnixTime>, String> {
        match self {
            Self::None => Ok(None),
            Self::Number(seconds) => Ok(Some(UnixTime::from_seconds(*seconds))),
            Self::Text(text) => {
                let seconds = text.parse().map_err(|_| format!("timestamp {:?}", short(text)))?;
                Ok(Some(UnixTime::from_seconds(seconds)))
            }
        }
    }
}

/// Reads masscan's JSON output (`-oJ`, `-oD`): an array with a record a line, whole or cut off
/// between records, with or without commas, or bare records, one a line.
///
/// # Errors
/// The first line that is no masscan JSON or is too large.
pub fn masscan_json(
    reader: impl BufRead,
    site: SiteName,
    limits: Limits,
) -> Result<ScanReport, ReportError> {
    let mut gathering = Gathering::new(site, Source::MasscanJson);
    each_line(reader, &limits, |line| {
        // A record ends with a brace: brackets and commas outside are the array's, wherever
        // masscan has put them.
        let outside = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '\0');
        let line = line.trim_matches(outside);
        if line.is_empty() || line.starts_with("{finished") || line.starts_with("{ \"finished\"") {
            return Ok(());
        }
        let mut rest = line;
        while !rest.is_empty() {
            let mut records = serde_json::Deserializer::from_str(rest).into_iter::<Record>();
            match records.next() {
                Some(Ok(record)) => gathering.record(record, limits.ports_per_host)?,
                Some(Err(error)) => return Err(format!("not a record: {error}")),
                None => break,
            }
            let end = records.byte_offset();
            rest = rest.get(end..).unwrap_or_default().trim_start_matches(outside);
        }
        Ok(())
    })?;
    Ok(gathering.report())
}

/// Reads masscan's list output (`-oL`): `open tcp 80 10.0.0.1 1700000000`.
///
/// # Errors
/// The first line that is none of a list's or is too large.
pub fn masscan_list(
    reader: impl BufRead,
    site: SiteName,
    limits: Limits,
) -> Result<ScanReport, ReportError> {
    let mut gathering = Gathering::new(site, Source::MasscanList);
    each_line(reader, &limits, |line| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        gathering.list_line(line)
    })?;
    Ok(gathering.report())
}

fn each_line(
    reader: impl BufRead,
    limits: &Limits,
    mut take: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), ReportError> {
    let mut reader = Bounded::new(reader, limits);
    let mut buffer = Vec::new();
    loop {
        let line = reader.line();
        let fail = |problem: String| ReportError { line, problem };
        buffer.clear();
        reader.mark();
        let len = reader.read_until(b'\n', &mut buffer).map_err(|e| fail(e.to_string()))?;
        if len == 0 {
            return Ok(());
        }
        let text = std::str::from_utf8(&buffer).map_err(|_| fail("not UTF-8".to_owned()))?;
        take(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(fail)?;
    }
}

struct Gathering {
    report: ScanReport,
    first: Option<UnixTime>,
}

impl Gathering {
    fn new(site: SiteName, source: Source) -> Self {
        let report = ScanReport::empty(site, source, UnixTime::default());
        Self { report, first: None }
    }

    fn record(&mut self, mut record: Record, limit: usize) -> Result<(), String> {
        if let (Some(port), Some(proto)) = (record.port, record.proto.take()) {
            let Data { status, reason, ttl, service_name: name, banner } = record.data;
            let service = (name.is_some() || banner.is_some()).then_some(Service { name, banner });
            record.ports.push(Port { number: port, proto, status, reason, ttl, service });
        }
        if record.ports.len() > limit {
            return Err(format!("more than {limit} ports of one host"));
        }
        let at = record.timestamp.time()?.unwrap_or_default();
        for port in record.ports {
            let transport = transport_of(&port.proto)?;
            let endpoint = endpoint(record.ip, transport, port.number)?;
            // A record with a service has no state: what speaks is open.
            let state = port.status.as_deref().unwrap_or("open");
            let state = state.parse::<PortState>().map_err(|e| e.to_string())?;
            let mut row = row(endpoint, state, at);
            // masscan's reason may name several flags; only its SYN-ACK and RST are ours.
            row.reason = match port.reason.as_deref() {
                Some(reason) => reason.parse().unwrap_or(Reason::Imported),
                None => Reason::Imported,
            };
            row.ttl = port.ttl.filter(|ttl| *ttl > 0);
            if let Some(service) = port.service {
                row.banner = service.banner.map(String::into_bytes);
                row.service =
                    service.name.map(|name| ServiceRecord { name, ..ServiceRecord::default() });
            }
            self.push(row)?;
        }
        Ok(())
    }

    fn list_line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(7, ' ');
        let mut next = |what: &str| words.next().ok_or_else(|| format!("there is no {what}"));
        let kind = next("state")?;
        let transport = transport_of(next("protocol")?)?;
        let text = next("port")?;
        let port = text.parse().map_err(|_| format!("port {:?}", short(text)))?;
        let text = next("address")?;
        let addr = text.parse().map_err(|_| format!("{:?} is no address", short(text)))?;
        let text = next("time")?;
        let at = text.parse().map_err(|_| format!("time {:?}", short(text)))?;
        let at = UnixTime::from_seconds(at);
        let endpoint = endpoint(addr, transport, port)?;
        if kind == "banner" {
            let mut row = row(endpoint, PortState::Open, at);
            let name = next("service")?.to_owned();
            row.banner = words.next().map(|text| text.as_bytes().to_vec());
            row.service = Some(ServiceRecord { name, ..ServiceRecord::default() });
            return self.push(row);
        }
        let state = kind.parse::<PortState>().map_err(|e| e.to_string())?;
        self.push(row(endpoint, state, at))
    }

    fn push(&mut self, row: EndpointState) -> Result<(), String> {
        if self.report.states.len() >= MAX_STATES {
            return Err(format!("more than {MAX_STATES} endpoints"));
        }
        self.first = Some(self.first.map_or(row.at, |first| first.min(row.at)));
        self.report.finished_at = self.report.finished_at.max(row.at);
        self.report.states.push(row);
        Ok(())
    }

    fn report(mut self) -> ScanReport {
        self.report.started_at = self.first.unwrap_or_else(super::now);
        self.report.finished_at = self.report.finished_at.max(self.report.started_at);
        self.report.normalise();
        let endpoints: Vec<Endpoint> = self.report.states.iter().map(|s| s.endpoint).collect();
        self.report.coverage = TargetSet::of_endpoints(&endpoints);
        super::count(&mut self.report);
        self.report
    }
}

fn transport_of(text: &str) -> Result<Transport, String> {
    text.parse().map_err(|e| format!("{e}"))
}

fn endpoint(addr: IpAddr, transport: Transport, port: u16) -> Result<Endpoint, String> {
    if port == 0 && transport != Transport::Ip {
        return Err("port 0; expected 1 to 65535".to_owned());
    }
    Ok(Endpoint::new(addr, transport, port))
}

const fn row(endpoint: Endpoint, state: PortState, at: UnixTime) -> EndpointState {
    EndpointState {
        endpoint,
        state,
        reason: Reason::Imported,
        ttl: None,
        rtt: None,
        at,
        service: None,
        banner: None,
    }
}
