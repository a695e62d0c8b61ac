//! Rows for people, as they are found.

use std::io::{self, Write};

use portolan_core::{HostObservation, PortState};

use super::service::{full_name, in_words};
use super::{Choices, End, Header, ResultWriter, Sink, escape};
use crate::finding::Finding;

/// Endpoints up to which closed and filtered ones have a row too: who asks for a few ports wants
/// to see what became of each.
const FEW: u64 = 20;

/// The table writer.
pub(super) struct Table {
    out: Sink,
    choices: Choices,
    few: bool,
    hosts_only: bool,
    addr_width: usize,
}

impl Table {
    pub(super) const fn new(out: Sink, choices: Choices) -> Self {
        Self { out, choices, few: false, hosts_only: false, addr_width: 15 }
    }

    /// One row; the last column is as long as it is, and no row ends in blanks.
    fn row(&mut self, cells: [&str; 5]) -> io::Result<()> {
        let [addr, port, state, service, info] = cells;
        let width = self.addr_width;
        let row = format!("{addr:<width$}  {port:<9}  {state:<13}  {service:<16}  {info}");
        writeln!(self.out, "{}", row.trim_end())
    }
}

impl ResultWriter for Table {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.hosts_only = header.hosts_only;
        self.few = header.targets.len().is_ok_and(|endpoints| endpoints <= FEW);
        let addrs = header.targets.addrs();
        let longest = addrs.ranges().iter().map(|r| r.last().to_string().len()).max();
        self.addr_width = longest.unwrap_or(15).clamp(15, 39);
        if self.hosts_only {
            self.row(["ADDRESS", "HOST", "REASON", "MAC", ""])
        } else {
            self.row(["ADDRESS", "PORT", "STATE", "SERVICE", "DETAIL"])
        }
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let seen = &finding.seen;
        let dull = matches!(seen.state, PortState::Closed | PortState::Filtered);
        if dull && !self.choices.verbose && !self.few {
            return Ok(());
        }
        let endpoint = seen.endpoint;
        let port = format!("{}/{}", endpoint.port, endpoint.transport);
        let (service, info) = if let Some(service) = &finding.service {
            (full_name(service), in_words(service))
        } else {
            // The registry's name for the port, which says nothing of who answers there.
            let name = portolan_fingerprints::name_of(endpoint.transport, endpoint.port);
            (name.map(|n| format!("({n})")).unwrap_or_default(), seen.reason.to_string())
        };
        let (service, info) = (escape::line(&service), escape::line(&info));
        let info = escape::cut(&info, escape::CELL_LEN_MAX);
        let service = escape::cut(&service, 16);
        self.row([&endpoint.addr.to_string(), &port, seen.state.name(), &service, &info])
    }

    fn host(&mut self, host: &HostObservation) -> io::Result<()> {
        if !self.hosts_only {
            return Ok(());
        }
        let mac = host.mac.map(|mac| mac.to_string()).unwrap_or_default();
        self.row([&host.addr.to_string(), "up", host.reason.name(), &mac, ""])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _end: &End<'_>) -> io::Result<()> {
        self.out.flush()
    }
}
