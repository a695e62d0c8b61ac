//! nmap's grepable lines (`-oG`): two lines a host, fields apart by tabs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use portolan_core::{HostObservation, PortState, Transport};

use super::{Choices, End, Header, ResultWriter, Sink, escape};
use crate::finding::{Finding, rfc3339};
use crate::ledger::{HostEntry, asked_ports, silent_state};
use crate::services;

/// Ports of one kind that are listed one by one; more are only counted.
const LISTED_MAX: usize = 10;

/// The writer: by host, so everything is written at the end.
pub(super) struct Grepable {
    out: Sink,
    choices: Choices,
}

impl Grepable {
    pub(super) const fn new(out: Sink, choices: Choices) -> Self {
        Self { out, choices }
    }
}

impl ResultWriter for Grepable {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let (at, line) = (rfc3339(header.started), escape::line(&header.command_line));
        writeln!(self.out, "# Portolan {version} scan initiated {at} as: {line}")
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, _host: &HostObservation) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> io::Result<()> {
        for (addr, host) in end.ledger.hosts() {
            writeln!(self.out, "Host: {addr} ()\tStatus: Up")?;
            let mut ignored: BTreeMap<PortState, usize> = BTreeMap::new();
            let ports = ports_field(host, self.choices, &mut ignored);
            for transport in [Transport::Tcp, Transport::Udp] {
                let asked = asked_ports(end.asked, *addr, transport);
                let silent = asked.len().saturating_sub(host.answered(transport).len());
                if silent > 0 {
                    *ignored.entry(silent_state(transport)).or_default() += silent;
                }
            }
            if ports.is_empty() && ignored.is_empty() {
                continue;
            }
            let mut line = format!("Host: {addr} ()\tPorts: {ports}");
            // nmap names one ignored state: the most frequent.
            if let Some((state, count)) = ignored.iter().max_by_key(|(_, count)| **count) {
                let _ = write!(line, "\tIgnored State: {state} ({count})");
            }
            writeln!(self.out, "{line}")?;
        }
        let word = if end.complete { "done" } else { "interrupted" };
        let (at, addresses, up) = (rfc3339(end.finished), end.stats.targets, end.ledger.hosts().len());
        let seconds = end.stats.duration.as_secs_f64();
        writeln!(
            self.out,
            "# Portolan {word} at {at} -- {addresses} IP addresses ({up} hosts up) scanned in \
             {seconds:.2} seconds"
        )?;
        self.out.flush()
    }

    fn wants_ledger(&self) -> bool {
        true
    }
}

/// `22/open/tcp//ssh///, …`; what is too many to list goes to `ignored`.
fn ports_field(
    host: &HostEntry,
    choices: Choices,
    ignored: &mut BTreeMap<PortState, usize>,
) -> String {
    let mut fields: BTreeMap<(Transport, u16), String> = BTreeMap::new();
    for ((transport, port), finding) in &host.told {
        if choices.open_only && finding.seen.state != PortState::Open {
            continue;
        }
        let service = finding.service.as_ref();
        let name = service.map(|s| s.name.as_str());
        let name = name.or_else(|| services::name_of(*transport, *port)).unwrap_or_default();
        let version = [service.and_then(|s| s.product.as_deref()), service.and_then(|s| s.version.as_deref())];
        let version: Vec<&str> = version.into_iter().flatten().collect();
        let (name, version) = (escape::grepable(name), escape::grepable(&version.join(" ")));
        let state = finding.seen.state;
        fields.insert((*transport, *port), format!("{port}/{state}/{transport}//{name}//{version}/"));
    }
    for ((transport, state, _), ports) in host.quiet() {
        if choices.open_only || ports.len() > LISTED_MAX {
            *ignored.entry(state).or_default() += ports.len();
            continue;
        }
        for port in ports.iter() {
            let name = escape::grepable(services::name_of(transport, port).unwrap_or_default());
            fields.insert((transport, port), format!("{port}/{state}/{transport}//{name}///"));
        }
    }
    fields.into_values().collect::<Vec<_>>().join(", ")
}
