//! The settings each scanner is tried with: the best complete one counts.

use std::time::Duration;

use portolan_core::MacAddr;
use portolan_simnet::lab::{FAR_MAC, NEAR_INTERFACE, NEAR_MAC, NEAR_V4};

use super::tool::{Installed, Tool};
use super::work::Work;

/// A scanner and how it is run.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) tool: Tool,
    /// The scanner, its version, and the link where it has several.
    pub(crate) name: String,
    /// What is particular about this setting.
    pub(crate) flags: String,
    /// Packets a second asked for.
    pub(crate) rate_pps: Option<u32>,
    pub(crate) command: Vec<String>,
    /// Whether it takes answers in by an XDP program of its own.
    pub(crate) brings_program: bool,
}

/// All settings of `installed` for `work`; none where it can't do such a work in one go.
pub(crate) fn settings(installed: &Installed, work: Work) -> Vec<Setting> {
    let maker = Maker { installed, work };
    match installed.tool {
        Tool::Portolan => maker.portolan(),
        Tool::Masscan => maker.masscan(),
        Tool::Zmap => maker.zmap(),
        Tool::Nmap => maker.nmap(),
        Tool::Rustscan => maker.rustscan(),
    }
}

/// How long a scanner may take for `work`.
pub(crate) const fn timeout(work: Work) -> Duration {
    match work {
        Work::Wide | Work::WideLossy => Duration::from_mins(2),
        Work::Host => Duration::from_mins(1),
        Work::HostFar => Duration::from_mins(3),
        Work::Odd => Duration::from_secs(90),
    }
}

struct Maker<'a> {
    installed: &'a Installed,
    work: Work,
}

impl Maker<'_> {
    fn setting(
        &self,
        link: Option<&str>,
        rate_pps: Option<u32>,
        common: &str,
        flags: &str,
    ) -> Setting {
        let Installed { tool, program, version, .. } = self.installed;
        let mut command = vec![program.display().to_string()];
        command.extend(common.split_whitespace().map(ToOwned::to_owned));
        command.extend(flags.split_whitespace().map(ToOwned::to_owned));
        let name = match link {
            Some(link) => format!("{} {version} {link}", tool.name()),
            None => format!("{} {version}", tool.name()),
        };
        let able = self.installed.links.iter().any(|link| link == "bpf");
        let brings_program = able && link.is_some_and(|link| link != "mmsg");
        let flags = flags.to_owned();
        Setting { tool: *tool, name, flags, rate_pps, command, brings_program }
    }

    fn portolan(&self) -> Vec<Setting> {
        let (targets, last) = (self.work.targets(), self.work.last_port());
        let common = format!("scan {targets} -p 1-{last} --open -f list -o out");
        let (rates, retries, rest): (&[u32], &[u8], &str) = match self.work {
            Work::Wide => (&[600_000, 2_000_000], &[0, 1], ""),
            Work::WideLossy => (&[600_000, 2_000_000], &[3], ""),
            Work::Host => (&[100_000, 300_000, 1_000_000], &[1], ""),
            Work::HostFar => (&[50_000, 100_000, 200_000], &[3], ""),
            Work::Odd => (&[20_000, 100_000], &[2], "--cooldown 8.5"),
        };
        let links: Vec<Option<&str>> = if self.installed.links.is_empty() {
            vec![None]
        } else {
            self.installed.links.iter().map(|link| Some(link.as_str())).collect()
        };
        let mut all = Vec::new();
        for link in links {
            for rate in rates {
                for retries in retries {
                    let chosen = link.map(|l| format!(" --link {l}")).unwrap_or_default();
                    let flags = format!("--rate {rate} --retries {retries} {rest}");
                    let flags = format!("{}{chosen}", flags.trim());
                    all.push(self.setting(link, Some(*rate), &common, &flags));
                    if rates.last() == Some(rate) && self.work != Work::HostFar {
                        let flags = format!("{flags} --threads 2");
                        all.push(self.setting(link, Some(*rate), &common, &flags));
                    }
                }
            }
        }
        all
    }

    fn masscan(&self) -> Vec<Setting> {
        let (targets, last) = (self.work.targets(), self.work.last_port());
        let (near, far) = (MacAddr(NEAR_MAC), MacAddr(FAR_MAC));
        let common = format!(
            "--range {targets} --ports 1-{last} --adapter {NEAR_INTERFACE} --adapter-ip {NEAR_V4} \
             --adapter-mac {near} --router-mac {far} -oL out"
        );
        let (rates, rest): (&[u32], &str) = match self.work {
            Work::Wide => (&[300_000, 600_000, 2_000_000], "--retries 0 --wait 2"),
            Work::WideLossy => (&[300_000], "--retries 2 --wait 2"),
            Work::Host => (&[50_000, 300_000], "--retries 0 --wait 1"),
            Work::HostFar => (&[50_000], "--retries 2 --wait 2"),
            Work::Odd => (&[100_000], "--retries 0 --wait 9"),
        };
        let one =
            |rate: &u32| self.setting(None, Some(*rate), &common, &format!("--rate {rate} {rest}"));
        rates.iter().map(one).collect()
    }

    fn zmap(&self) -> Vec<Setting> {
        let probes: &[u8] = if self.work.is_lossy() { &[2, 3] } else { &[1] };
        let mut all = Vec::new();
        for probes in probes {
            if self.installed.major() >= 4 {
                all.extend(self.zmap_at_once(*probes));
            } else if !self.work.is_one_host() {
                all.extend(self.zmap_by_port(*probes));
            }
        }
        all
    }

    fn zmap_common(&self) -> String {
        let gateway = MacAddr(FAR_MAC);
        let targets = self.work.targets();
        format!(
            "-C /dev/null -b /dev/null -i {NEAR_INTERFACE} -S {NEAR_V4} -G {gateway} -q -v 0 \
             -O csv -f saddr,sport,success,repeat {targets}"
        )
    }

    /// Several ports in one run, which it can from its version 4 on.
    fn zmap_at_once(&self, probes: u8) -> Vec<Setting> {
        let (rates, cooldown): (&[u32], u8) = match self.work {
            Work::Wide => (&[300_000, 600_000, 2_000_000], 2),
            Work::WideLossy => (&[300_000, 2_000_000], 2),
            Work::Host => (&[100_000, 300_000, 1_000_000], 1),
            Work::HostFar => (&[50_000, 100_000, 200_000], 2),
            Work::Odd => (&[100_000], 9),
        };
        let common = format!("{} -o out -p 1-{}", self.zmap_common(), self.work.last_port());
        let of_threads = |threads: u8| {
            let common = &common;
            rates.iter().map(move |rate| {
                let flags = format!("-r {rate} -T {threads} -P {probes} -c {cooldown}");
                self.setting(None, Some(*rate), common, &flags)
            })
        };
        of_threads(1).chain(of_threads(2)).collect()
    }

    /// A run a port, some of them at once: what its earlier versions can.
    fn zmap_by_port(&self, probes: u8) -> Vec<Setting> {
        let cooldown = if self.work == Work::Odd { 9 } else { 1 };
        let runs = u32::from(self.work.last_port());
        let program = self.installed.program.display();
        let mut all = Vec::new();
        let ways: &[(u32, u32)] = if self.work == Work::Odd {
            &[(32, 100_000)]
        } else {
            &[(8, 300_000), (32, 300_000), (32, 600_000)]
        };
        for &(at_once, rate) in ways {
            let each = rate / at_once;
            let common = self.zmap_common();
            let script = format!(
                "seq 1 {runs} | xargs -P {at_once} -I % {program} {common} -o out.% -p % \
                 -r {each} -T 1 -P {probes} -c {cooldown}"
            );
            let flags = format!("-r {each} -T 1 -P {probes} -c {cooldown}, {at_once} at once");
            let mut setting = self.setting(None, Some(rate), "", &flags);
            setting.command = ["sh", "-c", &script].map(ToOwned::to_owned).to_vec();
            all.push(setting);
        }
        all
    }

    fn nmap(&self) -> Vec<Setting> {
        let (targets, last) = (self.work.targets(), self.work.last_port());
        let common = format!("-sS -n -Pn --open -p 1-{last} -oG out {targets}");
        let flags: &[&str] = match self.work {
            Work::Host => &["-T5", "-T4"],
            Work::HostFar => &["-T5", "-T5 --min-rate 20000"],
            _ => &["-T5 --min-rate 100000"],
        };
        flags.iter().map(|flags| self.setting(None, None, &common, flags)).collect()
    }

    fn rustscan(&self) -> Vec<Setting> {
        let (targets, last) = (self.work.targets(), self.work.last_port());
        let common = format!("-a {targets} -r 1-{last} -g --no-config --scripts none");
        let flags: &[&str] = match self.work {
            Work::Host => &["-b 4500 -t 1500", "-b 15000 -t 1500"],
            Work::HostFar => &["-b 5000 -t 1500 --tries 2"],
            _ => &["-b 15000 -t 500"],
        };
        let one =
            |flags: &&str| self.setting(None, None, &common, &format!("{flags} --ulimit 20000"));
        flags.iter().map(one).collect()
    }
}
