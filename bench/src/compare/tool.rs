//! The scanners: what is installed, and what each reports.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use super::work::OpenSet;

/// A scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Ours
    Portolan,
    /// masscan
    Masscan,
    /// zmap
    Zmap,
    /// nmap
    Nmap,
    /// rustscan
    Rustscan,
}

impl Tool {
    pub(crate) const ALL: [Self; 5] =
        [Self::Portolan, Self::Zmap, Self::Masscan, Self::Nmap, Self::Rustscan];

    /// The program.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portolan => "portolan",
            Self::Masscan => "masscan",
            Self::Zmap => "zmap",
            Self::Nmap => "nmap",
            Self::Rustscan => "rustscan",
        }
    }
}

/// A scanner that is installed.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) tool: Tool,
    pub(crate) program: PathBuf,
    /// Digits and dots.
    pub(crate) version: String,
    /// Ours: the links that can run here, by name.
    pub(crate) links: Vec<String>,
}

impl Installed {
    /// Those of `tools` that are there; ours is `portolan`, or built beside this program.
    pub(crate) fn find(tools: &[Tool], portolan: Option<&Path>) -> anyhow::Result<Vec<Self>> {
        let mut found = Vec::new();
        for tool in tools {
            let program =
                if *tool == Tool::Portolan { own(portolan)? } else { PathBuf::from(tool.name()) };
            let Some(version) = version(&program, *tool) else { continue };
            let links = if *tool == Tool::Portolan { links(&program) } else { Vec::new() };
            found.push(Self { tool: *tool, program, version, links });
        }
        Ok(found)
    }

    /// The first number of its version.
    pub(crate) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

fn own(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("portolan");
    let program = given.map_or(beside, Path::to_path_buf);
    program.canonicalize().with_context(|| {
        format!("{}: build it first: cargo build --release -p portolan", program.display())
    })
}

fn version(program: &Path, tool: Tool) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    let line = text.lines().find(|line| line.contains(tool.name()))?;
    let bare = |word: &'_ str| word.trim_start_matches('v').to_owned();
    let number =
        |word: &String| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    line.split_whitespace().map(bare).find(number)
}

/// The links that can run here, as its doctor tells them: "ok    link mmsg    can run here".
fn links(program: &Path) -> Vec<String> {
    let Ok(output) = Command::new(program).arg("doctor").output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let link = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ok", "link", link, ..] => Some((*link).to_owned()),
            _ => None,
        }
    };
    text.lines().filter_map(link).collect()
}

/// What a scanner reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) open: OpenSet,
    /// Reports of what was reported before.
    pub(crate) duplicates: u64,
}

impl Found {
    fn add(&mut self, addr: Ipv4Addr, port: u16) {
        self.duplicates += u64::from(!self.open.insert((addr, port)));
    }
}

/// Reads what `tool` left in `folder`.
pub(crate) fn read(tool: Tool, folder: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| match tool {
            Tool::Rustscan => path.ends_with("stdout"),
            _ => path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("out")),
        })
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        for line in String::from_utf8_lossy(&text).lines() {
            read_line(tool, line, &mut found);
        }
    }
    Ok(found)
}

fn read_line(tool: Tool, line: &str, found: &mut Found) {
    match tool {
        // "open tcp 80 10.78.0.1 1700000000"
        Tool::Portolan | Tool::Masscan => {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["open", "tcp", port, addr, ..] = words.as_slice()
                && let (Ok(port), Ok(addr)) = (port.parse(), addr.parse())
            {
                found.add(addr, port);
            }
        }
        // "10.78.0.1,80,1,0": whether it is open, and whether it was written before.
        Tool::Zmap => {
            let fields: Vec<&str> = line.trim().split(',').collect();
            if let [addr, port, "1", "0"] = fields.as_slice()
                && let (Ok(addr), Ok(port)) = (addr.parse(), port.parse())
            {
                found.add(addr, port);
            }
        }
        // "Host: 10.78.0.1 ()\tPorts: 80/open/tcp//http///, …"
        Tool::Nmap => {
            let Some((host, ports)) = line.split_once("Ports: ") else { return };
            let addr = host.split_whitespace().nth(1).and_then(|addr| addr.parse().ok());
            let Some(addr) = addr else { return };
            for entry in ports.split(", ") {
                if let Some((port, rest)) = entry.split_once('/')
                    && rest.starts_with("open/tcp")
                    && let Ok(port) = port.trim().parse()
                {
                    found.add(addr, port);
                }
            }
        }
        // "10.78.0.1 -> [80,443]"
        Tool::Rustscan => {
            let Some((addr, ports)) = line.split_once(" -> [") else { return };
            let Ok(addr) = addr.trim().parse() else { return };
            for port in ports.trim_end().trim_end_matches(']').split(',') {
                if let Ok(port) = port.trim().parse() {
                    found.add(addr, port);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scanner_is_understood() {
        let cases = [
            (Tool::Portolan, "open tcp 80 10.0.0.1 1700000000", vec![80]),
            (Tool::Masscan, "#masscan", vec![]),
            (Tool::Masscan, "closed tcp 80 10.0.0.1 1700000000", vec![]),
            (Tool::Zmap, "saddr,sport,success,repeat", vec![]),
            (Tool::Zmap, "10.0.0.1,443,1,0", vec![443]),
            (Tool::Zmap, "10.0.0.1,443,0,0", vec![]),
            (Tool::Zmap, "10.0.0.1,443,1,1", vec![]),
            (
                Tool::Nmap,
                "Host: 10.0.0.1 ()\tPorts: 22/open/tcp//ssh///, 23/closed/tcp//telnet///, \
                 80/open/tcp//http///\tIgnored State: closed (9)",
                vec![22, 80],
            ),
            (Tool::Rustscan, "10.0.0.1 -> [22,80]", vec![22, 80]),
        ];
        let addr = Ipv4Addr::new(10, 0, 0, 1);
        for (tool, line, ports) in cases {
            let mut found = Found::default();
            read_line(tool, line, &mut found);
            let expected: OpenSet = ports.into_iter().map(|port| (addr, port)).collect();
            assert_eq!(found.open, expected, "{line}");
            read_line(tool, line, &mut found);
            assert_eq!(found.duplicates, expected.len() as u64, "{line}");
        }
    }
}
