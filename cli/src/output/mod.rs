//! The formats of results: one writer a format, all fed by the same events.

/// Comma-separated values.
mod csv;
/// Text from outside, made safe for where it is written.
pub(crate) mod escape;
/// nmap's grepable lines.
mod grepable;
/// One JSON document.
mod json;
/// masscan's list.
mod list;
/// masscan's JSON.
mod masscan_json;
/// One JSON object a line, and the records that it and the document share.
pub(crate) mod ndjson;
/// nmap's XML.
mod nmap_xml;
/// A service, as it is written.
pub(crate) mod service;
/// Where writers write.
mod sink;
/// Rows for people.
mod table;

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;

use portolan_core::probe::TcpScan;
use portolan_core::target::TargetSet;
use portolan_core::{HostObservation, Note, PortState, ScanStats, UnixTime};

use crate::args::scan::{Format, OutputArgs};
use crate::earlier::{self, Record};
use crate::exit::{Exit, Failure};
use crate::finding::Finding;
use crate::ledger::Ledger;

/// What is known before a scan starts.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// The command line, words quoted where a shell would need it.
    pub(crate) command_line: String,
    /// When it started.
    pub(crate) started: UnixTime,
    /// The site that the addresses belong to.
    pub(crate) site: String,
    /// What is to be asked.
    pub(crate) targets: TargetSet,
    /// Whether TCP is probed by connecting.
    pub(crate) connect: bool,
    /// Which segment TCP ports are sent otherwise.
    pub(crate) tcp_scan: TcpScan,
    /// Whether hosts are all that is looked for.
    pub(crate) hosts_only: bool,
}

/// What is known once a scan has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    /// What it did, counted.
    pub(crate) stats: &'a ScanStats,
    /// Whether it ran to its end.
    pub(crate) complete: bool,
    /// What was asked.
    pub(crate) asked: &'a TargetSet,
    /// When it ended.
    pub(crate) finished: UnixTime,
    /// Every answer by host; empty unless a writer wants it.
    pub(crate) ledger: &'a Ledger,
}

impl End<'_> {
    /// `2 IP addresses (1 host up) scanned in 1.50 seconds`.
    fn in_words(&self) -> String {
        let (total, up) = (self.stats.targets, self.ledger.hosts().len());
        let addresses = if total == 1 { "address" } else { "addresses" };
        let hosts = if up == 1 { "host" } else { "hosts" };
        let seconds = self.stats.duration.as_secs_f64();
        format!("{total} IP {addresses} ({up} {hosts} up) scanned in {seconds:.2} seconds")
    }
}

/// A format of results. Every method writes whole lines or elements, so that what is on disk is
/// readable up to the last one.
pub(crate) trait ResultWriter {
    /// Before the first result.
    fn begin(&mut self, header: &Header) -> io::Result<()>;
    /// An endpoint answered.
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    /// A host showed that it is there. A format that holds ports alone has nothing to write of it,
    /// and one that goes by hosts finds it in [`End::ledger`].
    fn host(&mut self, _host: &HostObservation) -> io::Result<()> {
        Ok(())
    }
    /// Something is odd about a host or a prefix. What has no place in a format is told on standard
    /// error alone.
    fn note(&mut self, _note: &Note) -> io::Result<()> {
        Ok(())
    }
    /// After the last result, interrupted or not: leaves a valid document.
    fn end(&mut self, end: &End<'_>) -> io::Result<()>;
    /// Passes on what is held back.
    fn flush(&mut self) -> io::Result<()>;
    /// Whether [`End::ledger`] must hold every answer.
    fn wants_ledger(&self) -> bool {
        false
    }
}

/// What a writer is made of.
pub(crate) type Sink = Box<dyn Write>;

/// Choices that more than one format knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choices {
    /// Write only what is open.
    pub(crate) open_only: bool,
    /// Show closed and filtered ports in the table too.
    pub(crate) verbose: bool,
}

/// The writer of `format` onto `sink`.
pub(crate) fn writer(format: Format, sink: Sink, choices: Choices) -> Box<dyn ResultWriter> {
    match format {
        Format::Table => Box::new(table::Table::new(sink, choices)),
        Format::Ndjson => Box::new(ndjson::Ndjson::new(sink)),
        Format::Json => Box::new(json::Json::new(sink)),
        Format::NmapXml => Box::new(nmap_xml::NmapXml::new(sink, choices)),
        Format::Grepable => Box::new(grepable::Grepable::new(sink, choices)),
        Format::Csv => Box::new(csv::Csv::new(sink)),
        Format::List => Box::new(list::List::new(sink)),
        Format::MasscanJson => Box::new(masscan_json::MasscanJson::new(sink)),
    }
}

/// What becomes of files that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// They are written anew.
    Replaced,
    /// They are not touched: a resumed scan would overwrite what it found before.
    Kept,
    /// The main one is continued, and the others are written anew from what it holds.
    Continued,
}

/// Every output of one run.
pub(crate) struct Outputs {
    writers: Vec<(String, Box<dyn ResultWriter>)>,
    /// Whether the last writer's file is continued.
    continued: bool,
    /// Hosts that the file that is continued holds.
    told: HashSet<IpAddr>,
    open_only: bool,
    hosts_only: bool,
    ledger: Option<Ledger>,
    holding: sink::Holding,
}

impl Outputs {
    /// Opens what `args` name; `stdout_is_terminal` chooses between table and NDJSON.
    ///
    /// # Errors
    /// A file that can't be created, or must not be; two outputs on stdout.
    pub(crate) fn open(
        args: &OutputArgs,
        stdout_is_terminal: bool,
        keep_ledger: bool,
        files: Files,
    ) -> Result<Self, Failure> {
        let extra = [
            (Format::NmapXml, &args.xml_file),
            (Format::Grepable, &args.grepable_file),
            (Format::Table, &args.table_file),
            (Format::MasscanJson, &args.masscan_json_file),
            (Format::List, &args.list_file),
        ];
        let mut wanted: Vec<(Format, PathBuf)> = extra
            .into_iter()
            .flat_map(|(format, files)| files.iter().map(move |f| (format, f.clone())))
            .collect();
        let stdout_taken = wanted.iter().any(|(_, path)| path.as_os_str() == "-");
        if args.output.is_some() || args.format.is_some() || !stdout_taken {
            let path = args.output.clone().unwrap_or_else(|| PathBuf::from("-"));
            let for_people = stdout_is_terminal && path.as_os_str() == "-";
            let usual = if for_people { Format::Table } else { Format::Ndjson };
            wanted.push((args.format.unwrap_or(usual), path));
        }
        if wanted.iter().filter(|(_, path)| path.as_os_str() == "-").count() > 1 {
            return Err(Failure::usage(
                "only one output can go to stdout; name a file for the rest",
            ));
        }
        let choices = Choices { open_only: args.open, verbose: args.verbose > 0 };
        let holding = sink::Holding::default();
        let mut writers = Vec::new();
        // The main output is the last.
        let main = wanted.len().saturating_sub(1);
        for (at, (format, path)) in wanted.into_iter().enumerate() {
            if files == Files::Kept && earlier::holds_something(&path) {
                return Err(Failure::usage(format_args!(
                    "{}: is there already, and would lose what was found before the scan was \
                     interrupted; name another file, or with -o the NDJSON file to go on in",
                    path.display()
                )));
            }
            let continued = files == Files::Continued && at == main;
            let (name, sink) = sink::open(&path, &holding, continued)?;
            writers.push((name, writer(format, sink, choices)));
        }
        let keep = keep_ledger || writers.iter().any(|(_, w)| w.wants_ledger());
        let ledger = keep.then(Ledger::default);
        Ok(Self {
            writers,
            continued: files == Files::Continued,
            told: HashSet::new(),
            open_only: args.open,
            hosts_only: false,
            ledger,
            holding,
        })
    }

    /// Takes what the file that is continued holds: for all the other outputs, and the ledger.
    pub(crate) fn recall(&mut self, record: Record) -> Result<(), Failure> {
        // Without the last writer, whose file has it.
        let main = if self.continued { self.writers.pop() } else { None };
        let taken = match record {
            Record::Endpoint(found) => self.finding(&found),
            Record::Host(host) => {
                let taken = self.host(&host);
                self.told.insert(host.addr);
                taken
            }
        };
        self.writers.extend(main);
        taken
    }

    /// Before the first result.
    pub(crate) fn begin(&mut self, header: &Header) -> Result<(), Failure> {
        self.hosts_only = header.hosts_only;
        self.each(|w| w.begin(header))
    }

    /// An endpoint answered.
    pub(crate) fn finding(&mut self, finding: &Finding) -> Result<(), Failure> {
        if let Some(ledger) = &mut self.ledger {
            ledger.add(finding);
        }
        if self.open_only && finding.seen.state != PortState::Open {
            return Ok(());
        }
        self.each(|w| w.finding(finding))
    }

    /// A host showed that it is there: a result of its own where hosts are what is looked for. A
    /// scan of ports tells of a host by its ports, and a line without one would surprise whoever
    /// reads ports.
    pub(crate) fn host(&mut self, host: &HostObservation) -> Result<(), Failure> {
        if let Some(ledger) = &mut self.ledger {
            ledger.add_host(host);
        }
        if !self.hosts_only || self.told.contains(&host.addr) {
            return Ok(());
        }
        self.each(|w| w.host(host))
    }

    /// Something is odd about a host or a prefix.
    pub(crate) fn note(&mut self, note: &Note) -> Result<(), Failure> {
        self.each(|w| w.note(note))
    }

    /// Whether there is anything to pass on.
    pub(crate) fn holds(&self) -> bool {
        self.holding.get()
    }

    /// Passes on what is held back: called whenever there is nothing else to do.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.holding.set(false);
        self.each(|w| w.flush())
    }

    /// After the last result. Gives back what was kept for the store.
    pub(crate) fn end(mut self, end: End<'_>) -> Result<Option<Ledger>, Failure> {
        let ledger = self.ledger.take();
        let none = Ledger::default();
        let mut end = end;
        end.ledger = ledger.as_ref().unwrap_or(&none);
        // One full disk must not keep the other outputs from their last line.
        let mut result = Ok(());
        for (name, writer) in &mut self.writers {
            if let Err(error) = writer.end(&end) {
                result = result.and(Err(write_failure(name, error)));
            }
        }
        result.map(|()| ledger)
    }

    fn each(
        &mut self,
        mut write: impl FnMut(&mut dyn ResultWriter) -> io::Result<()>,
    ) -> Result<(), Failure> {
        for (name, writer) in &mut self.writers {
            write(writer.as_mut()).map_err(|e| write_failure(name, e))?;
        }
        Ok(())
    }
}

fn write_failure(name: &str, error: io::Error) -> Failure {
    let what = format!("{name}: results up to here are written, the rest could not be");
    Failure::new(Exit::Io, anyhow::Error::new(error).context(what))
}

#[cfg(test)]
pub(crate) mod tests;
