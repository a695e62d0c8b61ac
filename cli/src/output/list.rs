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
        if let Some(banner) = &finding.banner {
            let name = finding.service.as_ref().map_or("unknown", |s| s.name.as_str());
            let name = escape::line(name).replace(' ', "_");
            let text = escape::lossy(banner);
            writeln!(self.out, "banner {proto} {port} {addr} {at} {name} {}", escape::line(&text))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _end: &End<'_>) -> io::Result<()> {
        writeln!(self.out, "# end")?;
        self.out.flush()
    }
}
