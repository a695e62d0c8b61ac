//! masscan's JSON (`-oJ`): an array with one object an endpoint, the separator before the record.

use std::io::{self, Write};

use portolan_core::{PortState, Reason};
use serde::Serialize;

use super::{End, Header, ResultWriter, Sink, escape};
use crate::finding::Finding;

/// The writer. As masscan's, it holds open endpoints, and banners as records of their own.
pub(super) struct MasscanJson {
    out: Sink,
    separator: &'static str,
}

impl MasscanJson {
    pub(super) const fn new(out: Sink) -> Self {
        Self { out, separator: "" }
    }

    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        let text = serde_json::to_string(record)?;
        writeln!(self.out, "{}{text}", self.separator)?;
        self.separator = ",\n";
        Ok(())
    }
}

#[derive(Serialize)]
struct Record<'a> {
    ip: String,
    timestamp: String,
    ports: [PortObject<'a>; 1],
}

#[derive(Serialize)]
struct PortObject<'a> {
    port: u16,
    proto: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Banner<'a>>,
}

#[derive(Serialize)]
struct Banner<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<String>,
}

impl ResultWriter for MasscanJson {
    fn begin(&mut self, _header: &Header) -> io::Result<()> {
        writeln!(self.out, "[")
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let seen = &finding.seen;
        if seen.state != PortState::Open {
            return Ok(());
        }
        let reason = match seen.reason {
            Reason::ConnAccept => Reason::SynAck,
            other => other,
        };
        let port = |status, reason, ttl, service| Record {
            ip: seen.endpoint.addr.to_string(),
            timestamp: seen.at.as_seconds().to_string(),
            ports: [PortObject {
                port: seen.endpoint.port,
                proto: seen.endpoint.transport.name(),
                status,
                reason,
                ttl,
                service,
            }],
        };
        let ttl = Some(seen.ttl.unwrap_or(0));
        self.record(&port(Some(seen.state.name()), Some(reason.name()), ttl, None))?;
        let (service, banner) = (finding.service.as_ref(), finding.banner.as_deref());
        if service.is_some() || banner.is_some() {
            let name = service.map_or("unknown", |s| s.name.as_str());
            let banner = banner.map(|banner| escape::lossy(banner).into_owned());
            self.record(&port(None, None, None, Some(Banner { name, banner })))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _end: &End<'_>) -> io::Result<()> {
        writeln!(self.out, "]")?;
        self.out.flush()
    }
}
