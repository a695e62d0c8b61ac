//! One JSON document: `{"scan":{…},"results":[…],"summary":{…}}`, results written as they come.

use std::io::{self, Write};

use portolan_core::HostObservation;
use serde::Serialize;

use super::ndjson::{EndpointRecord, HostRecord, SummaryRecord};
use super::{End, Header, ResultWriter, Sink};
use crate::finding::{Finding, rfc3339};

/// The JSON writer.
pub(super) struct Json {
    out: Sink,
    site: String,
    separator: &'static str,
}

impl Json {
    pub(super) const fn new(out: Sink) -> Self {
        Self { out, site: String::new(), separator: "\n" }
    }
}

#[derive(Serialize)]
struct ScanObject<'a> {
    scanner: &'static str,
    version: &'static str,
    command_line: &'a str,
    started: String,
    site: &'a str,
    targets: String,
}

impl ResultWriter for Json {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.site.clone_from(&header.site);
        let scan = serde_json::to_string(&ScanObject {
            scanner: "portolan",
            version: env!("CARGO_PKG_VERSION"),
            command_line: &header.command_line,
            started: rfc3339(header.started),
            site: &header.site,
            targets: header.targets.addrs().to_string(),
        })?;
        write!(self.out, "{{\"scan\":{scan},\n\"results\":[")
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let record = serde_json::to_string(&EndpointRecord::new(&self.site, finding))?;
        write!(self.out, "{}{record}", self.separator)?;
        self.separator = ",\n";
        Ok(())
    }

    fn host(&mut self, host: &HostObservation) -> io::Result<()> {
        let record = serde_json::to_string(&HostRecord::new(&self.site, host))?;
        write!(self.out, "{}{record}", self.separator)?;
        self.separator = ",\n";
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, end: &End<'_>) -> io::Result<()> {
        let summary = serde_json::to_string(&SummaryRecord::new(end))?;
        writeln!(self.out, "],\n\"summary\":{summary}}}")?;
        self.out.flush()
    }
}
