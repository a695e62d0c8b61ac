//! The results that a scan wrote before it was interrupted or killed: they are known, and neither
//! asked for nor told again.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use portolan_core::{Endpoint, HostObservation, Observation, PortState, Reason, UnixTime};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::args::scan::{Format, OutputArgs};
use crate::exit::{Exit, Failure, OrFail as _};
use crate::finding::Finding;
use crate::output::service::ServiceDto;

/// Longest line that is read, octets.
const LINE_LEN_MAX: u64 = 1 << 20;

/// The NDJSON file that a resumed scan goes on in.
#[derive(Debug)]
pub(crate) struct Earlier {
    path: PathBuf,
    begun: UnixTime,
}

/// One result from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// An endpoint.
    Endpoint(Box<Finding>),
    /// A host.
    Host(HostObservation),
}

/// Endpoints by state, as the file holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Recalled {
    /// Open ones.
    pub(crate) open: u64,
    /// Closed ones.
    pub(crate) closed: u64,
    /// Filtered ones.
    pub(crate) filtered: u64,
}

#[derive(Deserialize)]
struct Line {
    summary: Option<IgnoredAny>,
    ts: Option<Timestamp>,
    addr: Option<IpAddr>,
    proto: Option<String>,
    port: Option<u16>,
    state: Option<String>,
    reason: Option<String>,
    ttl: Option<u8>,
    rtt_us: Option<u64>,
    mac: Option<String>,
    service: Option<ServiceDto>,
    banner: Option<String>,
    banner_base64: Option<String>,
}

impl Earlier {
    /// The file that `args` write NDJSON to, if it holds anything of the scan begun at `begun`.
    pub(crate) fn of(args: &OutputArgs, begun: UnixTime) -> Option<Self> {
        let path = args.output.as_ref().filter(|path| path.as_os_str() != "-")?;
        let lines = matches!(args.format, None | Some(Format::Ndjson));
        (lines && holds_something(path)).then(|| Self { path: path.clone(), begun })
    }

    /// Hands every result to `take`, and takes from the end of the file what the next line must not
    /// follow: half a line that a kill left, and the summary of an interrupted part.
    ///
    /// # Errors
    /// A file that can't be read or written, or whose lines are no results of this scan; it is
    /// unchanged then.
    pub(crate) fn recall(&self, take: &mut dyn FnMut(Record)) -> Result<Recalled, Failure> {
        let name = self.path.display();
        let open = || OpenOptions::new().read(true).write(true).open(&self.path);
        let file = open().or_fail(Exit::Io, &name)?;
        let (recalled, keep) = read(&name, BufReader::new(&file), self.begun, take)?;
        file.set_len(keep).or_fail(Exit::Io, &name)?;
        Ok(recalled)
    }
}

/// The results in `lines`, which are called `name`, and how many octets of it hold them whole.
///
/// # Errors
/// Lines that can't be read, or are no results of a scan that began at `begun`.
fn read(
    name: &dyn fmt::Display,
    mut lines: impl BufRead,
    begun: UnixTime,
    take: &mut dyn FnMut(Record),
) -> Result<(Recalled, u64), Failure> {
    let mut recalled = Recalled::default();
    let (mut keep, mut at, mut number) = (0_u64, 0_u64, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let len = lines.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        let len = len.or_fail(Exit::Io, name)?;
        at += u64::try_from(len).unwrap_or(0);
        if line.last() != Some(&b'\n') && at - keep < LINE_LEN_MAX {
            // The end, or half a line before it.
            return Ok((recalled, keep));
        }
        number += 1;
        let wrong = |what: &str| {
            Failure::usage(format_args!(
                "{name}, line {number}: {what}; --resume goes on in an NDJSON file of the same scan"
            ))
        };
        let read: Line = serde_json::from_slice(&line).map_err(|_| wrong("no result"))?;
        if read.summary.is_some() {
            continue;
        }
        let result = read.result().ok_or_else(|| wrong("no result"))?;
        if number == 1 && result.at() < begun {
            return Err(wrong("a result from before this scan began"));
        }
        recalled.count(&result);
        take(result);
        keep = at;
    }
}

/// Reads `text` as the output of an interrupted scan; whether it is one.
///
/// # Panics
/// Where what is to be kept of it does not say the same once it stands alone.
pub fn check_results(text: &[u8]) -> bool {
    let read = |text: &[u8]| {
        let mut results = Vec::new();
        let begun = UnixTime::from_millis(i64::MIN);
        let (_, keep) = read(&"text", text, begun, &mut |result| results.push(result)).ok()?;
        Some((results, usize::try_from(keep).ok()?))
    };
    let Some((results, keep)) = read(text) else { return false };
    let alone = read(text.get(..keep).unwrap_or_default());
    assert!(alone.is_some_and(|again| again == (results, keep)), "what is kept reads otherwise");
    true
}

/// Whether `path` is a file with anything in it.
pub(crate) fn holds_something(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0)
}

impl Recalled {
    fn count(&mut self, result: &Record) {
        if let Record::Endpoint(found) = result {
            match found.seen.state {
                PortState::Open => self.open += 1,
                PortState::Closed => self.closed += 1,
                _ => self.filtered += 1,
            }
        }
    }
}

impl Record {
    const fn at(&self) -> UnixTime {
        match self {
            Self::Endpoint(found) => found.seen.at,
            Self::Host(host) => host.at,
        }
    }
}

impl Line {
    fn result(self) -> Option<Record> {
        let at = UnixTime::from_millis(self.ts?.as_millisecond());
        let addr = self.addr?;
        let reason: Reason = self.reason.as_ref()?.parse().ok()?;
        let rtt = self.rtt_us.map(Duration::from_micros);
        let (Some(proto), Some(port)) = (&self.proto, self.port) else {
            let mac = self.mac.as_ref().and_then(|mac| mac.parse().ok());
            let host = HostObservation { at, addr, reason, mac, ttl: self.ttl, rtt };
            return Some(Record::Host(host));
        };
        let endpoint = Endpoint::new(addr, proto.parse().ok()?, port);
        let state = self.state.as_ref()?.parse().ok()?;
        let (ttl, reply) = (self.ttl, None);
        let seen = Observation { at, endpoint, state, reason, ttl, rtt, reply };
        let service = match self.service {
            Some(service) => Some(service.into_record()?),
            None => None,
        };
        let banner = match self.banner_base64 {
            Some(text) => Some(BASE64.decode(text).ok()?),
            None => self.banner.map(String::into_bytes),
        };
        Some(Record::Endpoint(Box::new(Finding { seen, service, banner })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = r#"{"ts":"2026-11-21T19:00:00.123Z","site":"default","addr":"10.0.0.7","proto":"tcp","port":22,"state":"open","reason":"syn-ack","ttl":64,"rtt_us":210}"#;
    const HOST: &str = r#"{"ts":"2026-11-21T19:00:01.123Z","site":"default","addr":"10.0.0.8","host":"up","reason":"arp-response","mac":"02:00:5e:10:00:01"}"#;
    const SUMMARY: &str = r#"{"summary":{"targets":1}}"#;

    fn recalled(text: &str) -> (Result<Recalled, Failure>, Vec<Record>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        std::fs::write(&path, text).unwrap();
        let begun = "2026-11-21T19:00:00Z".parse::<Timestamp>().unwrap();
        let begun = UnixTime::from_millis(begun.as_millisecond());
        let earlier = Earlier { path: path.clone(), begun };
        let mut results = Vec::new();
        let outcome = earlier.recall(&mut |result| results.push(result));
        (outcome, results, std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn whole_results_are_recalled_and_the_rest_is_cut_off() {
        let whole = format!("{OPEN}\n{HOST}\n");
        for tail in ["", SUMMARY, "{\"ts\":\"2026", &format!("{SUMMARY}\n")] {
            let (outcome, results, left) = recalled(&format!("{whole}{tail}"));
            assert_eq!(outcome.unwrap(), Recalled { open: 1, ..Recalled::default() });
            assert_eq!(left, whole, "{tail}");
            let [Record::Endpoint(found), Record::Host(host)] = &results[..] else {
                panic!("{results:?}");
            };
            let seen = &found.seen;
            assert_eq!(seen.endpoint.to_string(), "10.0.0.7:22/tcp");
            assert_eq!((seen.ttl, seen.rtt), (Some(64), Some(Duration::from_micros(210))));
            assert_eq!(host.reason, Reason::ArpResponse);
        }
    }

    #[test]
    fn what_an_endpoint_told_is_recalled_whole() {
        let (finding, line) = crate::output::tests::full_finding();
        let (outcome, results, _) = recalled(&line);
        assert_eq!(outcome.unwrap().open, 1);
        assert_eq!(results, [Record::Endpoint(Box::new(finding))]);
        let (outcome, ..) = recalled(&line.replace("abab", "zz"));
        assert!(outcome.is_err(), "no digest");
    }

    #[test]
    fn what_is_not_of_this_scan_is_refused_and_left_alone() {
        let old = OPEN.replace("T19:", "T18:");
        for text in [format!("{old}\n"), format!("{OPEN}\nPORT STATE\n{OPEN}\n"), "[]\n".into()] {
            let (outcome, _, left) = recalled(&text);
            assert!(outcome.is_err(), "{text}");
            assert_eq!(left, text);
        }
    }
}
