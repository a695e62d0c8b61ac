//! nmap's grepable lines (`-oG`): two lines a host, fields apart by tabs.

use std::fmt::Write as _;
use std::io::{self, Write};

use portolan_core::Transport;
use portolan_core::probe::TcpScan;

use super::service::{full_name, in_words};
use super::{Choices, End, Header, ResultWriter, Sink, escape};
use crate::finding::{Finding, rfc3339};
use crate::ledger::{Listed, Portrait};

/// The writer: by host, so everything is written at the end.
pub(super) struct Grepable {
    out: Sink,
    choices: Choices,
    tcp_scan: TcpScan,
}

impl Grepable {
    pub(super) const fn new(out: Sink, choices: Choices) -> Self {
        Self { out, choices, tcp_scan: TcpScan::Syn }
    }
}

impl ResultWriter for Grepable {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.tcp_scan = header.tcp_scan;
        let version = env!("CARGO_PKG_VERSION");
        let (at, line) = (rfc3339(header.started), escape::line(&header.command_line));
        writeln!(self.out, "# Portolan {version} scan initiated {at} as: {line}")
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, end: &End<'_>) -> io::Result<()> {
        for (addr, host) in end.ledger.hosts() {
            writeln!(self.out, "Host: {addr} ()\tStatus: Up")?;
            let portrait =
                Portrait::new(*addr, host, (end.asked, self.tcp_scan), self.choices.open_only);
            if portrait.listed.is_empty() && portrait.summed.is_empty() {
                continue;
            }
            let fields = portrait
                .listed
                .iter()
                .map(|(&(transport, port), listed)| field(transport, port, listed));
            let mut line =
                format!("Host: {addr} ()\tPorts: {}", fields.collect::<Vec<_>>().join(", "));
            // nmap names one ignored state: the most frequent.
            let counts = portrait.summed.iter();
            let counts = counts
                .map(|(state, kinds)| (kinds.iter().map(|k| k.ports.len()).sum::<usize>(), state));
            if let Some((count, state)) = counts.max() {
                let _ = write!(line, "\tIgnored State: {state} ({count})");
            }
            writeln!(self.out, "{line}")?;
        }
        let word = if end.complete { "done" } else { "interrupted" };
        let (at, summary) = (rfc3339(end.finished), end.in_words());
        writeln!(self.out, "# Portolan {word} at {at} -- {summary}")?;
        self.out.flush()
    }

    fn wants_ledger(&self) -> bool {
        true
    }
}

/// `22/open/tcp//ssh//OpenSSH 9.2p1 (Debian-2+deb12u10)/`; inside TLS, `ssl|http` as nmap has it.
fn field(transport: Transport, port: u16, listed: &Listed<'_>) -> String {
    let service = listed.finding.and_then(|f| f.service.as_ref());
    let usual = || portolan_fingerprints::name_of(transport, port).map(str::to_owned);
    let name = service.map(full_name).or_else(usual);
    let name = escape::grepable(&name.unwrap_or_default());
    let version = escape::grepable(&service.map(in_words).unwrap_or_default());
    format!("{port}/{}/{transport}//{name}//{version}/", listed.state)
}
