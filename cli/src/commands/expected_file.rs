//! What is expected, as a TOML file that can live in git: one table an entry, always in the same
//! order, so that a change of one entry is a change of a few lines.

use std::fmt::Write as _;

use portolan_store::{Expectation, Selector, SiteName};
use serde::Deserialize;
use toml::Spanned;

use super::expected::one_range;
use crate::args::scan::PortRange;

/// The first lines of every file.
const HEAD: &str = "\
# What is expected of this network. `portolan expected import FILE` makes it so.
# An entry for one address and one port requires its state; one for a range permits it.
version = 1
";

/// An entry and where it stands.
#[derive(Debug)]
pub(super) struct Entry {
    /// Line of its first key, from 1.
    pub(super) line: usize,
    /// What it says.
    pub(super) expectation: Expectation,
}

/// The file that holds `entries`, sorted by place.
pub(super) fn write(mut entries: Vec<Expectation>) -> String {
    entries.sort_by(|a, b| a.selector.cmp(&b.selector));
    let mut text = HEAD.to_owned();
    for Expectation { selector, state, comment } in &entries {
        text.push_str("\n[[expected]]\n");
        if selector.site != SiteName::default() {
            let _ = writeln!(text, "site = \"{}\"", selector.site);
        }
        let _ = writeln!(text, "addr = \"{}\"", selector.addrs);
        let _ = writeln!(text, "proto = \"{}\"", selector.transport);
        let _ = writeln!(text, "ports = \"{}\"", ports(selector.ports));
        let _ = writeln!(text, "state = \"{state}\"");
        if !comment.is_empty() {
            let _ = writeln!(text, "comment = {}", toml::Value::from(comment.as_str()));
        }
    }
    text
}

/// `22` or `8000-8100`.
pub(super) fn ports((first, last): (u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The entries of a file.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, String> {
    let file: File = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_of(text, span.start));
        format!("line {line}: {}", e.message())
    })?;
    if file.version != 1 {
        return Err(format!("line 1: version {}; this program knows 1", file.version));
    }
    let entry = |raw: Spanned<Raw>| {
        let line = line_of(text, raw.span().start);
        let expectation =
            raw.into_inner().expectation().map_err(|problem| format!("line {line}: {problem}"))?;
        Ok(Entry { line, expectation })
    };
    file.expected.into_iter().map(entry).collect()
}

/// Reads `text` as a file of what is expected; whether it is one.
///
/// # Panics
/// Where what is understood reads otherwise once it is written.
pub fn check_expected(text: &str) -> bool {
    let Ok(entries) = read(text) else { return false };
    let written = write(entries.into_iter().map(|entry| entry.expectation).collect());
    let again = read(&written).map(|all| write(all.into_iter().map(|e| e.expectation).collect()));
    assert!(again.is_ok_and(|again| again == written), "{written}");
    true
}

fn line_of(text: &str, octet: usize) -> usize {
    text.get(..octet).unwrap_or(text).matches('\n').count() + 1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    expected: Vec<Spanned<Raw>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    site: Option<String>,
    addr: String,
    proto: String,
    ports: PortsField,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    comment: String,
}

/// A number or text, as people write ports.
#[derive(Deserialize)]
#[serde(untagged)]
enum PortsField {
    One(u16),
    Text(String),
}

impl Raw {
    fn expectation(self) -> Result<Expectation, String> {
        let ports = match self.ports {
            PortsField::One(port) => port.to_string(),
            PortsField::Text(text) => text,
        };
        let PortRange(first, last) = ports.parse()?;
        let state = self.state.as_deref().unwrap_or("open");
        Ok(Expectation {
            selector: Selector {
                site: match self.site {
                    Some(site) => site.parse().map_err(|e| format!("{e}"))?,
                    None => SiteName::default(),
                },
                addrs: one_range(&self.addr)?,
                transport: self.proto.parse().map_err(|e| format!("{e}"))?,
                ports: (first, last),
            },
            state: state.parse().map_err(|e| format!("{e}"))?,
            comment: self.comment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"version = 1
[[expected]]
addr = "10.0.0.0/24"
proto = "tcp"
ports = "8000-8100"

[[expected]]
addr = "10.0.0.1"
proto = "tcp"
ports = 22
state = "open"
comment = "a \"quoted\" line\nand \\ another"
"#;

    #[test]
    fn what_is_written_is_read_back() {
        let entries: Vec<Expectation> =
            read(FILE).unwrap().into_iter().map(|e| e.expectation).collect();
        assert_eq!(entries.len(), 2);
        let text = write(entries.clone());
        let mut again: Vec<Expectation> =
            read(&text).unwrap().into_iter().map(|e| e.expectation).collect();
        assert_eq!(write(again.clone()), text);
        again.sort_by_key(|e| std::cmp::Reverse(e.selector.addrs.span()));
        assert_eq!(again, entries);
    }

    #[test]
    fn what_is_wrong_is_located() {
        for (from, to, says) in [
            ("ports = 22", "ports = 0", "line 7"),
            ("10.0.0.0/24", "10.0.0.0/33", "line 2"),
            ("\"tcp\"\nports = 22", "\"tpc\"\nports = 22", "protocol"),
            ("state = \"open\"", "sate = \"open\"", "line 11"),
            ("version = 1", "version = 2", "version 2"),
            ("ports = 22", "ports = ", "line 10"),
        ] {
            let text = FILE.replace(from, to);
            assert_ne!(text, FILE, "{from}");
            let error = read(&text).unwrap_err();
            assert!(error.contains(says), "{to}: {error}");
        }
    }
}
