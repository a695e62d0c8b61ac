//! Asking the daemons: by us and by nmap, each in the way that a person would.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use portolan_simnet::lab::{FAR_V4, FAR_V6};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::nmap as xml;
use super::score::Asked;

/// Where something listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    pub(crate) udp: bool,
    pub(crate) ipv6: bool,
    pub(crate) number: u16,
}

/// What a scanner says of an endpoint.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Answer {
    pub(crate) service: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) extra: Option<String>,
    pub(crate) tls: bool,
    pub(crate) banner: Option<String>,
}

/// What it says of all.
pub(crate) type Answers = BTreeMap<Port, Answer>;

/// A scanner's answers, and how long they took.
pub(crate) struct Scan {
    pub(crate) name: String,
    pub(crate) answers: Answers,
    pub(crate) seconds: f64,
}

/// The ports to ask, as text for `-p`, of each address.
pub(crate) struct Ports {
    v4: String,
    v6: String,
    udp_v4: bool,
    udp_v6: bool,
}

impl Ports {
    pub(crate) fn of(asked: &[Asked<'_>]) -> Self {
        let text = |ipv6| {
            let numbers = |udp| {
                let of = asked.iter().map(Asked::port);
                let mut numbers: Vec<u16> =
                    of.filter(|p| p.ipv6 == ipv6 && p.udp == udp).map(|p| p.number).collect();
                numbers.sort_unstable();
                let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
                numbers.join(",")
            };
            let (tcp, udp) = (numbers(false), numbers(true));
            let parts = [("T:", tcp), ("U:", udp)];
            let parts = parts.into_iter().filter(|(_, numbers)| !numbers.is_empty());
            parts.map(|(kind, numbers)| format!("{kind}{numbers}")).collect::<Vec<_>>().join(",")
        };
        let (v4, v6) = (text(false), text(true));
        let (udp_v4, udp_v6) = (v4.contains("U:"), v6.contains("U:"));
        Self { v4, v6, udp_v4, udp_v6 }
    }

    /// Each address that there is something to ask of: whether IPv6, its text, its ports, and
    /// the kinds of scan.
    fn each(&self) -> impl Iterator<Item = (bool, String, &str, Vec<&'static str>)> {
        let kinds = |ports: &str, udp: bool| {
            let mut kinds = Vec::new();
            if ports.starts_with("T:") {
                kinds.push("-sS");
            }
            if udp {
                kinds.push("-sU");
            }
            kinds
        };
        let v4 = (false, FAR_V4.to_string(), self.v4.as_str(), kinds(&self.v4, self.udp_v4));
        let v6 = (true, FAR_V6.to_string(), self.v6.as_str(), kinds(&self.v6, self.udp_v6));
        [v4, v6].into_iter().filter(|(_, _, ports, _)| !ports.is_empty())
    }
}

/// Asks with our program, `given` or built beside this one.
pub(crate) fn portolan(given: Option<&Path>, ports: &Ports) -> anyhow::Result<Scan> {
    let beside = std::env::current_exe()?.with_file_name("portolan");
    let program = given.map_or(beside, PathBuf::from);
    let program = program.canonicalize().with_context(|| {
        format!("{}: build it first: cargo build --release -p portolan", program.display())
    })?;
    let mut answers = Answers::new();
    let mut seconds = 0.0;
    for (ipv6, addr, text, kinds) in ports.each() {
        let mut command = Command::new(&program);
        command.arg("scan").args(kinds).args(["-sV", "-p", text, "-f", "ndjson", &addr]);
        let (output, took) = timed(&mut command)?;
        seconds += took;
        answers.extend(lines(&output, ipv6)?);
    }
    Ok(Scan { name: "portolan".into(), answers, seconds })
}

/// Asks with nmap.
pub(crate) fn nmap(ports: &Ports) -> anyhow::Result<Scan> {
    let mut answers = Answers::new();
    let mut seconds = 0.0;
    for (ipv6, addr, text, kinds) in ports.each() {
        let mut command = Command::new("nmap");
        command.args(["-n", "-Pn"]).args(ipv6.then_some("-6")).args(kinds);
        command.args(["-sV", "-p", text, "-oX", "-", &addr]);
        let (output, took) = timed(&mut command)?;
        seconds += took;
        answers.extend(xml::read(&output, ipv6)?);
    }
    Ok(Scan { name: "nmap".into(), answers, seconds })
}

/// Runs `command`; what it wrote, and the seconds that it took.
fn timed(command: &mut Command) -> anyhow::Result<(String, f64)> {
    writeln!(std::io::stderr(), "{command:?}")?;
    let start = Instant::now();
    command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{command:?}: {}: {words}", output.status);
    }
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), seconds))
}

/// One line of our output; what is not of an endpoint has none of these.
#[derive(Debug, Deserialize)]
struct Line {
    proto: Option<String>,
    port: Option<u16>,
    service: Option<ServiceLine>,
    banner: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ServiceLine {
    name: Option<String>,
    product: Option<String>,
    version: Option<String>,
    extra: Option<String>,
    #[serde(default)]
    tls: Value,
}

/// Our answers, one a line.
fn lines(text: &str, ipv6: bool) -> anyhow::Result<Answers> {
    let mut answers = Answers::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let Line { proto: Some(proto), port: Some(number), service, banner } = line else {
            continue;
        };
        let service = service.unwrap_or_default();
        let answer = Answer {
            service: service.name,
            product: service.product,
            version: service.version,
            extra: service.extra,
            tls: service.tls.as_bool().unwrap_or_else(|| !service.tls.is_null()),
            banner,
        };
        answers.insert(Port { udp: proto == "udp", ipv6, number }, answer);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_lines_are_read() {
        let text = concat!(
            r#"{"addr":"10.0.0.7","proto":"tcp","port":22,"state":"open","service":"#,
            r#"{"name":"ssh","product":"OpenSSH","version":"9.2p1","tls":false},"banner":"SSH-"}"#,
            "\n",
            r#"{"addr":"10.0.0.7","proto":"udp","port":53,"state":"open|filtered"}"#,
            "\n",
            r#"{"summary":{"targets":1}}"#,
        );
        let answers = lines(text, false).unwrap();
        assert_eq!(answers.len(), 2);
        let ssh = &answers[&Port { udp: false, ipv6: false, number: 22 }];
        assert_eq!(ssh.product.as_deref(), Some("OpenSSH"));
        let dns = &answers[&Port { udp: true, ipv6: false, number: 53 }];
        assert_eq!(dns.service, None);
    }
}
