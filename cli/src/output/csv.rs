//! Comma-separated values, RFC 4180, with a header; no cell starts a formula.

use std::io::{self, Write};

use portolan_core::HostObservation;

use super::{End, Header, ResultWriter, Sink, escape};
use crate::finding::{Finding, rfc3339};

/// The columns.
const COLUMNS: [&str; 13] = [
    "ts", "site", "addr", "proto", "port", "state", "reason", "ttl", "rtt_us", "service",
    "product", "version", "banner",
];

/// The CSV writer. A host of a discovery is a row without protocol and port whose state is `up`;
/// an interrupted file is valid up to its end.
pub(super) struct Csv {
    out: Sink,
    site: String,
}

impl Csv {
    pub(super) const fn new(out: Sink) -> Self {
        Self { out, site: String::new() }
    }

    fn row(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = ::csv::WriterBuilder::new().from_writer(Vec::new());
        line.write_record(cells).map_err(io::Error::other)?;
        let line = line.into_inner().map_err(::csv::IntoInnerError::into_error)?;
        self.out.write_all(&line)
    }
}

impl ResultWriter for Csv {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.site.clone_from(&header.site);
        self.row(&COLUMNS.map(str::to_owned))
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let seen = &finding.seen;
        let service = finding.service.as_ref();
        let foreign = |text: Option<&String>| text.map(|t| escape::csv(t)).unwrap_or_default();
        let cells = [
            rfc3339(seen.at),
            escape::csv(&self.site),
            seen.endpoint.addr.to_string(),
            seen.endpoint.transport.to_string(),
            seen.endpoint.port.to_string(),
            seen.state.to_string(),
            seen.reason.to_string(),
            optional(seen.ttl),
            optional(seen.rtt.map(|rtt| rtt.as_micros())),
            foreign(service.map(|s| &s.name)),
            foreign(service.and_then(|s| s.product.as_ref())),
            foreign(service.and_then(|s| s.version.as_ref())),
            finding.banner.as_ref().map(|b| escape::csv(&escape::lossy(b))).unwrap_or_default(),
        ];
        self.row(&cells)
    }

    fn host(&mut self, host: &HostObservation) -> io::Result<()> {
        let mut cells: [String; COLUMNS.len()] = Default::default();
        let known = [
            rfc3339(host.at),
            escape::csv(&self.site),
            host.addr.to_string(),
            String::new(),
            String::new(),
            "up".to_owned(),
            host.reason.to_string(),
            optional(host.ttl),
            optional(host.rtt.map(|rtt| rtt.as_micros())),
        ];
        cells.iter_mut().zip(known).for_each(|(cell, value)| *cell = value);
        self.row(&cells)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _end: &End<'_>) -> io::Result<()> {
        self.out.flush()
    }
}

/// A number where it is known.
fn optional(number: Option<impl ToString>) -> String {
    number.map(|n| n.to_string()).unwrap_or_default()
}
