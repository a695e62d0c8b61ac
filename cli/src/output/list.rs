//! masscan's list (`-oL`): `open tcp 80 10.0.0.1 1763751600`, one open port a line.

use std::io::{self, Write};

use portolan_core::PortState;

use super::{End, Header, ResultWriter, Sink, escape};
use crate::finding::Finding;

/// The list writer. As masscan's, it holds what is open and nothing else.
pub(super) struct List {
    out: Sink,
}

impl List {
    pub(super) const fn new(out: Sink) -> Self {
        Self { out }
    }
}

impl ResultWriter for List {
    fn begin(&mut self, _header: &Header) -> io::Result<()> {
        // The first line by which readers of this form know it.
        writeln!(self.out, "#masscan")
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let seen = &finding.seen;
        if seen.state != PortState::Open {
            return Ok(());
        }
        let endpoint = seen.endpoint;
        let (proto, port, addr) = (endpoint.transport, endpoint.port, endpoint.addr);
        let at = seen.at.as_seconds();
        writeln!(self.out, "open {proto} {port} {addr} {at}")?;
        let (service, banner) = (finding.service.as_ref(), finding.banner.as_deref());
        if service.is_none() && banner.is_none() {
            return Ok(());
        }
        let name = escape::line(service.map_or("unknown", |s| s.name.as_str())).replace(' ', "_");
        let text = escape::lossy(banner.unwrap_or_default());
        let line = format!("banner {proto} {port} {addr} {at} {name} {}", escape::line(&text));
        writeln!(self.out, "{}", line.trim_end())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _end: &End<'_>) -> io::Result<()> {
        writeln!(self.out, "# end")?;
        self.out.flush()
    }
}
