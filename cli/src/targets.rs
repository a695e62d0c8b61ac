//! Targets from the command line, from files and from the DNS, and errors that say where.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use portolan_core::target::{AddrRange, AddrSet, SpecError, TargetSpec};

use crate::exit::{Exit, Failure};

/// Longest line of a targets file, in octets: nothing that people write is longer.
const LINE_LEN_MAX: u64 = 1 << 20;

/// Which addresses of a name are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameRules {
    /// Only IPv4.
    pub(crate) ipv4: bool,
    /// Only IPv6.
    pub(crate) ipv6: bool,
    /// Every address, not only the first.
    pub(crate) all: bool,
}

impl NameRules {
    /// Every address of a name: for exclusions.
    pub(crate) const EVERY: Self = Self { ipv4: false, ipv6: false, all: true };
}

/// The addresses of `words` and of what `files` list, names resolved.
///
/// # Errors
/// The first word that is no target, with file, line and column; a file that can't be read; a
/// name that resolves to nothing.
pub(crate) fn gather(
    flag: &str,
    words: &[String],
    files: &[impl AsRef<Path>],
    rules: NameRules,
) -> Result<AddrSet, Failure> {
    let mut listed = Listed::default();
    for word in words {
        let spec = word.parse().map_err(|e| Failure::usage(format_args!("{flag}: {e}")))?;
        listed.add(&spec);
    }
    for file in files {
        read_file(file.as_ref(), &mut listed)?;
    }
    listed.resolve(rules)
}

/// The addresses of `spec`, names resolved.
///
/// # Errors
/// A name that resolves to nothing.
pub(crate) fn resolve(spec: &TargetSpec, rules: NameRules) -> Result<AddrSet, Failure> {
    let mut listed = Listed::default();
    listed.add(spec);
    listed.resolve(rules)
}

/// Ranges as they come, so that a long list is sorted once.
#[derive(Default)]
struct Listed {
    ranges: Vec<AddrRange>,
    names: Vec<String>,
}

impl Listed {
    fn add(&mut self, spec: &TargetSpec) {
        self.ranges.extend_from_slice(spec.addrs().ranges());
        self.names.extend_from_slice(spec.names());
    }

    /// The addresses, names looked up as every program of this host would.
    fn resolve(self, rules: NameRules) -> Result<AddrSet, Failure> {
        let mut found = AddrSet::from_iter(self.ranges);
        if !self.names.is_empty() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            for name in &self.names {
                found = found.union(&runtime.block_on(look_up(name, rules))?);
            }
        }
        Ok(found)
    }
}

/// Adds what the file at `path` lists; `-` is stdin.
fn read_file(path: &Path, listed: &mut Listed) -> Result<(), Failure> {
    let shown = path.display();
    if path.as_os_str() == "-" {
        return read_lines(&"stdin", io::stdin().lock(), listed);
    }
    let file =
        File::open(path).map_err(|e| Failure::message(Exit::Io, format_args!("{shown}: {e}")))?;
    read_lines(&shown, BufReader::new(file), listed)
}

fn read_lines(
    name: &dyn fmt::Display,
    mut lines: impl BufRead,
    listed: &mut Listed,
) -> Result<(), Failure> {
    let mut octets = Vec::new();
    for number in 1_usize.. {
        octets.clear();
        let read = lines.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut octets);
        let read = read
            .map_err(|e| Failure::message(Exit::Io, format_args!("{name}, line {number}: {e}")))?;
        if read == 0 {
            break;
        }
        if u64::try_from(read).is_ok_and(|r| r == LINE_LEN_MAX) {
            return Err(Failure::usage(format_args!(
                "{name}, line {number}: the line is too long"
            )));
        }
        let line = std::str::from_utf8(&octets).map_err(|e| {
            let column = e.valid_up_to() + 1;
            Failure::usage(format_args!("{name}, line {number}, octet {column}: not UTF-8 text"))
        })?;
        // A list of a million addresses is one of bare addresses.
        if let Ok(addr) = line.trim().parse::<IpAddr>() {
            listed.ranges.push(AddrRange::single(addr));
            continue;
        }
        let spec = line
            .parse()
            .map_err(|e: SpecError| Failure::usage(format_args!("{name}, line {number}, {e}")))?;
        listed.add(&spec);
    }
    Ok(())
}

/// Reads `text` as a file of targets; whether it is one.
///
/// # Panics
/// Where what is wrong is said of a line that is not there.
pub fn check_list(text: &[u8]) -> bool {
    let Err(failure) = read_lines(&"text", text, &mut Listed::default()) else { return true };
    let words = failure.to_string();
    let number = words.strip_prefix("text, line ").and_then(|rest| rest.split([':', ',']).next());
    let lines = text.split(|octet| *octet == b'\n').count();
    let there = number.and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n <= lines);
    assert!(there, "{words:?} of {lines} lines");
    false
}

async fn look_up(name: &str, rules: NameRules) -> Result<AddrSet, Failure> {
    let fail = |why: &dyn fmt::Display| {
        Failure::usage(format_args!("{name:?} resolves to no address: {why}"))
    };
    let answers = tokio::net::lookup_host((name, 0)).await.map_err(|e| fail(&e))?;
    let mut addrs: Vec<IpAddr> = answers.map(|socket| socket.ip()).collect();
    addrs.retain(|a| !(rules.ipv4 && a.is_ipv6() || rules.ipv6 && a.is_ipv4()));
    if addrs.is_empty() {
        return Err(fail(&"none of the family that was asked for"));
    }
    if !rules.all {
        // As nmap: the first address, IPv4 where there is one.
        let first = addrs.iter().find(|a| a.is_ipv4()).or_else(|| addrs.first()).copied();
        addrs = first.into_iter().collect();
    }
    Ok(addrs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &[u8]) -> String {
        format!("{:?}", read_lines(&"list.txt", text, &mut Listed::default()).unwrap_err())
    }

    #[test]
    fn a_list_is_read_with_its_comments() {
        let text = b"# the lab\n10.0.0.1 # router\n\n10.0.0.8/30\nlocalhost\n";
        let mut listed = Listed::default();
        read_lines(&"list.txt", &text[..], &mut listed).unwrap();
        assert_eq!(listed.names, ["localhost"]);
        assert_eq!(AddrSet::from_iter(listed.ranges).to_string(), "10.0.0.1,10.0.0.8/30");
    }

    #[test]
    fn what_is_wrong_in_a_list_is_located() {
        assert!(error_of(b"10.0.0.1\n  10.0.0.300\n").contains("list.txt, line 2, column 3"));
        assert!(error_of(b"10.0.0.1\n\xff\n").contains("line 2, octet 1"));
    }

    #[test]
    fn names_are_resolved_or_named() {
        let rules = NameRules { ipv4: true, ipv6: false, all: false };
        let none: [&str; 0] = [];
        let found = gather("TARGET", &["localhost".to_owned()], &none, rules).unwrap();
        assert_eq!(found.to_string(), "127.0.0.1");
        let error = gather("TARGET", &["nosuch.invalid".to_owned()], &none, rules).unwrap_err();
        assert!(format!("{error:?}").contains("nosuch.invalid"));
    }
}
