//! Running a scanner against addresses that nobody answers for.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use portolan_core::MacAddr;
use portolan_core::target::{Block, Scope, TargetSet, TargetSpec};
use portolan_net::link::{LinkKind, survey};
use portolan_net::{Cancel, Scan, ScanKinds, ScanOptions};
use portolan_simnet::lab::{NEAR_INTERFACE, NEAR_MAC, NEAR_V4};

use crate::pps::TARGETS;

/// A next hop that the far end is not: its kernel drops the frames as another host's, after the
/// interface has counted them and before anything answers.
const NOBODY: MacAddr = MacAddr([2, 0, 0, 0, 0x77, 0x99]);
/// More than any of them reaches.
const UNLIMITED_PPS: u32 = 50_000_000;

/// A scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The engine, within this process, by one of its links.
    Portolan(LinkKind),
    /// The peer that sends asynchronously with a blackrock order.
    Masscan,
    /// The peer that sends with a cyclic group's order.
    Zmap,
}

impl Sender {
    /// Every link of ours that can run here, and the peers.
    pub(crate) fn all() -> Vec<Self> {
        let able = survey().into_iter().filter(|r| r.obstacle.is_none());
        let ours = able.map(|report| Self::Portolan(report.kind));
        ours.chain([Self::Masscan, Self::Zmap]).collect()
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portolan(kind) => kind.name(),
            Self::Masscan => "masscan",
            Self::Zmap => "zmap",
        }
    }

    /// Whether it can be run at all.
    pub(crate) fn is_installed(self) -> bool {
        matches!(self, Self::Portolan(_)) || self.version_line().is_some()
    }

    /// Its name and version.
    pub(crate) fn version(self) -> String {
        match self {
            Self::Portolan(kind) => format!("portolan {} {kind}", env!("CARGO_PKG_VERSION")),
            Self::Masscan | Self::Zmap => self.version_line().unwrap_or_default(),
        }
    }

    fn version_line(self) -> Option<String> {
        let output = Command::new(self.name()).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.to_lowercase().contains(self.name()))?;
        Some(line.split('(').next().unwrap_or(line).trim().to_lowercase().replace("version ", ""))
    }

    /// Sends one probe to each of the first `ports` ports of every target, as fast as it can.
    pub(crate) fn run(self, ports: u16, threads: u32) -> anyhow::Result<()> {
        let mac = NOBODY.to_string();
        let source = NEAR_V4.to_string();
        let rate = UNLIMITED_PPS.to_string();
        let mut command = Command::new(self.name());
        match self {
            Self::Portolan(link) => return scan(link, ports, threads),
            Self::Masscan => {
                command.args(["--range", TARGETS, "--ports", &format!("1-{ports}")]);
                command.args(["--rate", &rate, "--wait", "0", "--retries", "0"]);
                command.args(["--adapter", NEAR_INTERFACE, "--adapter-ip", &source]);
                command.args(["--adapter-mac", &MacAddr(NEAR_MAC).to_string()]);
                command.args(["--router-mac", &mac, "-oL", "/dev/null"]);
            }
            Self::Zmap => {
                // It asks one port, so it asks that port once for each of ours.
                // Short flags, as some long ones have changed their names.
                command.args(["-C", "/dev/null", "-b", "/dev/null", "-p", "80"]);
                command.args(["-P", &ports.to_string(), "-r", &rate, "-c", "1", "-G", &mac]);
                command.args(["-i", NEAR_INTERFACE, "-S", &source]);
                command.args(["-T", &threads.to_string(), "-v", "0"]);
                // Full queues are no reason to give up.
                command.args(["--max-sendto-failures", "2000000000"]);
                command.args(["-q", "-o", "/dev/null", TARGETS]);
            }
        }
        let output = command.stdin(Stdio::null()).output().context("starting it")?;
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

fn scan(link: LinkKind, ports: u16, threads: u32) -> anyhow::Result<()> {
    let addrs = TARGETS.parse::<TargetSpec>()?.addrs().clone();
    let block = Block { addrs, tcp: (1..=ports).collect(), ..Block::default() };
    let options = ScanOptions {
        kinds: ScanKinds { syn: true, ..ScanKinds::default() },
        rate_pps: UNLIMITED_PPS,
        retries: 0,
        cooldown: Some(Duration::ZERO),
        interface: Some(NEAR_INTERFACE.to_owned()),
        router_mac: Some(NOBODY),
        threads,
        link,
        ..ScanOptions::default()
    };
    let scan = Scan::plan(&TargetSet::single(block), &Scope::unbounded(), options)?;
    scan.run(&Cancel::default(), &mut |_| {})?;
    Ok(())
}
