//! `portolan scan`: one scan, from flags to results.

/// Open ports are asked who they are.
mod identification;
/// From flags to what the engine is asked to do.
pub(crate) mod request;
/// Runs the engine and hands its events over.
pub(crate) mod run;

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use portolan_core::ScanEvent;
use portolan_core::target::{Block, TargetSet};
use portolan_store::{ScanReport, SiteName, Store};

use crate::args::ScanArgs;
use crate::args::scan::Format;
use crate::earlier::{Earlier, Recalled, Record};
use crate::exit::{Exit, Failure, OrFail as _};
use crate::finding::{self, Finding};
use crate::ledger::Ledger;
use crate::output::{End, Files, Header, Outputs};
use crate::progress::Bar;
use crate::{console, report, signals, store};
use identification::Identification;
use portolan_net::{Cancel, Checkpoint, Method, Scan, ScanOutcome};
use request::Request;
use run::Word;

/// Endpoints that are made known to the engine at once.
const KNOWN_LEN_MAX: usize = 1 << 16;

/// Scans.
///
/// # Errors
/// What went wrong, with its exit code; results up to then are written.
pub(crate) fn run(args: &ScanArgs) -> Result<Exit, Failure> {
    let site = store::site(&args.out.site)?;
    let mut request = match &args.resume {
        Some(file) => resumed(args, file)?,
        None => request::from_flags(args)?,
    };
    if args.dry_run {
        return dry_run(&request, args.out.format);
    }
    let trace = args.trace.start()?;
    request.options.trace.clone_from(&trace);
    let done = whole(args, request, &site);
    // Packets are written whatever became of the scan, and its failure is the one that is told.
    let traced = trace.map_or(Ok(()), |trace| args.trace.finish(&trace));
    done.and_then(|exit| traced.map(|()| exit))
}

/// Runs what was asked for, from the first packet to the store.
fn whole(args: &ScanArgs, mut request: Request, site: &SiteName) -> Result<Exit, Failure> {
    let started = finding::now();
    let checkpoint = args.checkpoint.clone().or_else(|| args.resume.clone());
    let checkpoint = checkpoint
        .unwrap_or_else(|| PathBuf::from(format!("portolan-{}.resume", started.as_seconds())));
    // What waits to be identified is not written down yet, and no checkpoint may claim it: such a
    // scan leaves one where it is interrupted, and none where it is killed.
    request.options.checkpoint = request.identify.is_none().then(|| checkpoint.clone());
    let cancel = Cancel::default();
    let on_interrupt = cancel.clone();
    signals::on_interrupt(move || on_interrupt.cancel())?;
    expand(&mut request, &cancel)?;

    let header = Header {
        command_line: command_line(std::env::args_os()),
        started,
        site: site.to_string(),
        targets: request.targets.clone(),
        connect: request.options.kinds.connect,
        tcp_scan: request.options.kinds.tcp_scan(),
        hosts_only: request.options.kinds.discover,
    };
    let scan = run::plan(&request)?;
    if request.options.trace.is_some() && scan.method() == Method::Connect {
        return Err(Failure::usage(
            "--pcap and --packet-trace tell of this program's own packets; a connect scan sends none",
        ));
    }
    let store = args.out.data.as_deref().map(store::open).transpose()?;
    let terminal = io::stdout().is_terminal();
    let (outputs, recalled) = outputs(args, &header, &request, &scan, store.is_some())?;

    let bar = Bar::new(!args.trace.packet_trace);
    let mut identification = Identification::new(request.identify.clone());
    let stage = identification.stage();
    let mut session = Session { outputs, bar, identification, written: Ok(()), notes: 0 };
    let outcome = run::events(scan, stage, &cancel, |word| session.take(word, &cancel));
    session.rest(&cancel);
    session.bar.clear();
    let mut outcome = outcome?;
    add_earlier(&mut outcome, args.resume.is_some(), recalled);
    let finished = finding::now();
    let end = End {
        stats: &outcome.stats,
        complete: outcome.complete,
        asked: &outcome.asked,
        finished,
        ledger: &Ledger::default(),
    };
    let Session { outputs, written, .. } = session;
    let ledger = outputs.end(end);
    written?;
    let ledger = ledger?;
    notes(&outcome, terminal || args.out.format == Some(Format::Table));
    keep_checkpoint(&checkpoint, outcome.checkpoint.as_ref().filter(|_| !outcome.complete))?;
    if let (Some(store), Some(ledger)) = (store, ledger) {
        let about = report::About {
            site: site.clone(),
            name: None,
            started,
            finished,
            asked: &outcome.asked,
            complete: outcome.complete,
            stats: &outcome.stats,
        };
        let report = report::report(about, &ledger);
        commit(&store, report, site, &request, &cancel)?;
    }
    Ok(if cancel.is_cancelled() { Exit::Interrupted } else { Exit::Done })
}

/// Finds the hosts of prefixes on the link that are too large to sweep.
fn expand(request: &mut Request, cancel: &Cancel) -> Result<(), Failure> {
    let addrs = request.targets.addrs();
    let found = run::expand(&addrs, &request.scope, &request.options, cancel, &console::say)?;
    if found != addrs {
        let only = |b: &Block| Block { addrs: b.addrs.intersection(&found), ..b.clone() };
        request.targets = request.targets.blocks().iter().map(only).collect();
    }
    request.check()
}

/// Opens the outputs. A scan that is resumed goes on in its NDJSON file where it has one: what is
/// in there is taken for known, and given back counted.
fn outputs(
    args: &ScanArgs,
    header: &Header,
    request: &Request,
    scan: &Scan,
    keep_ledger: bool,
) -> Result<(Outputs, Option<Recalled>), Failure> {
    let resumed = request.options.resume.as_ref();
    let earlier = resumed.and_then(|left| Earlier::of(&args.out, left.begun));
    let files = match (resumed, &earlier) {
        (None, _) => Files::Replaced,
        (Some(_), None) => Files::Kept,
        (Some(_), Some(_)) => Files::Continued,
    };
    let terminal = io::stdout().is_terminal();
    let mut outputs = Outputs::open(&args.out, terminal, keep_ledger, files)?;
    outputs.begin(header)?;
    let Some(earlier) = earlier else { return Ok((outputs, None)) };
    let mut known = Vec::new();
    let mut written = Ok(());
    let recalled = earlier.recall(&mut |record| {
        if let Record::Endpoint(found) = &record {
            known.push(found.seen.endpoint);
        }
        if known.len() >= KNOWN_LEN_MAX {
            scan.know(known.drain(..));
        }
        if written.is_ok() {
            written = outputs.recall(record);
        }
    })?;
    written?;
    scan.know(known.into_iter());
    Ok((outputs, Some(recalled)))
}

/// Counts what was found before the scan was resumed. Where that is not known, what was asked and
/// is not among the answers must not be taken for silent.
fn add_earlier(outcome: &mut ScanOutcome, resumed: bool, earlier: Option<Recalled>) {
    match earlier {
        Some(earlier) => {
            outcome.stats.open += earlier.open;
            outcome.stats.closed += earlier.closed;
            outcome.stats.filtered += earlier.filtered;
        }
        None if resumed => outcome.asked = TargetSet::default(),
        None => {}
    }
}

/// Odd hosts of which people are told, and one line more.
const NOTES_TOLD_MAX: u32 = 10;

/// Where events go.
struct Session {
    outputs: Outputs,
    bar: Bar,
    identification: Identification,
    written: Result<(), Failure>,
    /// What was said of odd hosts.
    notes: u32,
}

impl Session {
    /// Takes a word; an output that fails ends the scan. `None`: nothing is waiting, so what is
    /// held back is passed on.
    fn take(&mut self, word: Option<Word>, cancel: &Cancel) {
        if self.written.is_err() {
            return;
        }
        let written = match word {
            Some(Word::Event(event)) => self.event(event),
            Some(Word::Identified(identified)) => match self.identification.told(*identified) {
                Some(finding) => self.outputs.finding(&finding),
                None => Ok(()),
            },
            Some(Word::Scanned(asked)) => {
                self.identification.close(&asked);
                Ok(())
            }
            None if self.outputs.holds() => self.bar.aside(|| self.outputs.flush()),
            None => Ok(()),
        };
        self.note(written, cancel);
    }

    fn event(&mut self, event: ScanEvent) -> Result<(), Failure> {
        let Self { outputs, bar, notes, identification, .. } = self;
        match event {
            ScanEvent::Endpoint(seen) => match identification.take(seen) {
                Some(seen) => outputs.finding(&Finding::from(seen)),
                None => Ok(()),
            },
            ScanEvent::Host(host) => outputs.host(&host),
            ScanEvent::Progress(progress) => {
                bar.show(&progress);
                Ok(())
            }
            ScanEvent::Warning(words) => {
                bar.warn(&words);
                Ok(())
            }
            ScanEvent::Note(note) => {
                *notes += 1;
                match (*notes).cmp(&NOTES_TOLD_MAX) {
                    Ordering::Less => bar.warn(&note.to_string()),
                    Ordering::Equal => bar.warn("more hosts are odd: -f ndjson tells of each"),
                    Ordering::Greater => {}
                }
                outputs.note(&note)
            }
            ScanEvent::Settle => bar.aside(|| outputs.flush()),
        }
    }

    /// What was interrupted before it was identified is told as it is.
    fn rest(&mut self, cancel: &Cancel) {
        for finding in self.identification.rest() {
            if self.written.is_ok() {
                let written = self.outputs.finding(&finding);
                self.note(written, cancel);
            }
        }
    }

    fn note(&mut self, written: Result<(), Failure>, cancel: &Cancel) {
        if let Err(failure) = written {
            cancel.cancel();
            self.written = Err(failure);
        }
    }
}

/// What an interrupted scan left in `file`.
fn resumed(args: &ScanArgs, file: &Path) -> Result<Request, Failure> {
    let text = fs::read_to_string(file).or_fail(Exit::Io, file.display())?;
    let checkpoint: Checkpoint = text.parse().or_fail(Exit::Usage, file.display())?;
    request::from_checkpoint(args, checkpoint)
}

/// Lists what would be sent, one endpoint a line.
fn dry_run(request: &Request, format: Option<Format>) -> Result<Exit, Failure> {
    request.check()?;
    let scan = run::plan(request)?;
    let mut out = io::BufWriter::new(io::stdout());
    for endpoint in scan.endpoints() {
        if format == Some(Format::Ndjson) {
            let (addr, proto, port) = (endpoint.addr, endpoint.transport, endpoint.port);
            writeln!(out, r#"{{"addr":"{addr}","proto":"{proto}","port":{port}}}"#)?;
        } else {
            writeln!(out, "{endpoint}")?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Leaves the checkpoint of a scan that is not complete, and no other.
fn keep_checkpoint(file: &Path, left: Option<&Checkpoint>) -> Result<(), Failure> {
    match left {
        Some(checkpoint) => {
            fs::write(file, checkpoint.to_string()).or_fail(Exit::Io, file.display())?;
            let name = file.display();
            console::say(&format!("to continue: portolan scan --resume {name}"));
        }
        None => match fs::remove_file(file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(e).or_fail(Exit::Io, file.display());
            }
            _ => {}
        },
    }
    Ok(())
}

/// What people should know once a scan has ended.
fn notes(outcome: &ScanOutcome, for_people: bool) {
    let stats = &outcome.stats;
    if stats.kernel_drops > 0 {
        console::warn(&format!(
            "the kernel dropped {} frames before they could be read: a lower --rate hears more",
            stats.kernel_drops
        ));
    }
    if for_people {
        let reached = match stats.unfiltered {
            0 => String::new(),
            count => format!("{count} unfiltered, "),
        };
        let ended = if outcome.complete { "" } else { "interrupted: " };
        console::say(&format!(
            "{ended}{} open, {} closed, {} filtered, {reached}{} silent; {} of {} up; {} probes in {:.1} s, \
             {:.0}/s",
            stats.open,
            stats.closed,
            stats.filtered,
            stats.silent,
            stats.hosts_up,
            stats.targets,
            stats.probes_sent,
            stats.duration.as_secs_f64(),
            stats.rate_pps()
        ));
    }
}

/// Asks again for what was open or expected and is not open now, then commits.
fn commit(
    store: &Store,
    mut report: ScanReport,
    site: &SiteName,
    request: &Request,
    cancel: &Cancel,
) -> Result<(), Failure> {
    let doubtful = store.unconfirmed(&report).map_err(store::fail)?;
    if !doubtful.is_empty() && !cancel.is_cancelled() {
        let again = Request {
            targets: TargetSet::of_endpoints(&doubtful),
            scope: request.scope.clone(),
            options: run::confirmation(&request.options),
            identify: None,
        };
        report.absorb(run::collect(&again, site, None, cancel)?);
    }
    let id = store.commit_scan(&report).map_err(store::fail)?;
    console::say(&format!("stored as scan {id}"));
    Ok(())
}

/// The command line as a shell would take it.
fn command_line(words: impl Iterator<Item = OsString>) -> String {
    let plain = |w: &str| {
        !w.is_empty() && w.chars().all(|c| c.is_alphanumeric() || "-_./:,+@%=!".contains(c))
    };
    let quoted = words.enumerate().map(|(i, word)| {
        let word = word.to_string_lossy();
        match word.as_ref() {
            path if i == 0 => path.rsplit('/').next().unwrap_or(path).to_owned(),
            w if plain(w) => w.to_owned(),
            w => format!("'{}'", w.replace('\'', r"'\''")),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_pasted_back() {
        let words = ["/usr/bin/portolan", "scan", "10.0.0.*", "-p", "22,80", "it's"];
        let line = command_line(words.into_iter().map(OsString::from));
        assert_eq!(line, r"portolan scan '10.0.0.*' -p 22,80 'it'\''s'");
    }
}
