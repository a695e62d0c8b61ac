//! Comma-separated values, RFC 4180, with a header; no cell starts a formula.

use std::io::{self, Write};

use portolan_core::HostObservation;
use portolan_store::{CertificateRecord, ServiceRecord};

use super::{End, Header, ResultWriter, Sink, escape};
use crate::finding::{Finding, rfc3339};

/// The columns; what came later is behind what was there.
const COLUMNS: [&str; 25] = [
    "ts",
    "site",
    "addr",
    "proto",
    "port",
    "state",
    "reason",
    "ttl",
    "rtt_us",
    "service",
    "product",
    "version",
    "banner",
    "extra",
    "vendor",
    "os",
    "device",
    "cpe",
    "tls",
    "tls_version",
    "cert_subject",
    "cert_not_after",
    "cert_sha256",
    "ssh_host_keys",
    "ssh_weaknesses",
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
        let mut cells = vec![
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
        if let Some(service) = service {
            cells.extend(more(service));
        }
        cells.resize(COLUMNS.len(), String::new());
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

/// The cells behind the banner.
fn more(service: &ServiceRecord) -> [String; 12] {
    let foreign = |text: Option<&String>| text.map(|t| escape::csv(t)).unwrap_or_default();
    let tls = service.tls_info.as_deref();
    let certificate = tls.and_then(|tls| tls.certificate.as_ref());
    let ssh = service.ssh.as_deref();
    let keys = ssh.into_iter().flat_map(|ssh| &ssh.host_keys);
    let keys: Vec<String> = keys.map(|k| format!("{} {}", k.kind, k.fingerprint())).collect();
    let weak = ssh.into_iter().flat_map(|ssh| &ssh.weaknesses);
    let weak: Vec<&str> = weak.map(|weakness| weakness.name.as_str()).collect();
    [
        foreign(service.extra.as_ref()),
        foreign(service.vendor.as_ref()),
        foreign(service.os.as_ref()),
        foreign(service.device.as_ref()),
        escape::csv(&service.cpe.join(" ")),
        service.tls.to_string(),
        foreign(tls.and_then(|tls| tls.version.as_ref())),
        foreign(certificate.map(|c| &c.subject)),
        certificate.map(|c| rfc3339(c.not_after)).unwrap_or_default(),
        certificate.and_then(CertificateRecord::fingerprint).unwrap_or_default(),
        escape::csv(&keys.join("; ")),
        escape::csv(&weak.join(" ")),
    ]
}

/// A number where it is known.
fn optional(number: Option<impl ToString>) -> String {
    number.map(|n| n.to_string()).unwrap_or_default()
}
