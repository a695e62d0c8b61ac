//! nmap's XML, in the order that its DTD fixes, for the programs that read it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use portolan_core::probe::TcpScan;
use portolan_core::{Reason, Transport, UnixTime};
use portolan_store::{CertificateRecord, ServiceRecord, cpe};

use super::{Choices, End, Header, ResultWriter, Sink, escape};
use crate::finding::{Finding, rfc3339};
use crate::ledger::{HostEntry, Listed, Portrait, Summed};

/// Silent hosts that are listed as down, as `nmap -v` does: readers learn from it what was asked.
/// Beyond that a scan of a large network would be all silence.
const DOWN_LISTED_MAX: usize = 65_536;

/// The writer: by host, so everything but the head is written at the end.
pub(super) struct NmapXml {
    out: Sink,
    choices: Choices,
    tcp_scan: TcpScan,
}

impl NmapXml {
    pub(super) const fn new(out: Sink, choices: Choices) -> Self {
        Self { out, choices, tcp_scan: TcpScan::Syn }
    }

    fn down_hosts(&mut self, end: &End<'_>) -> io::Result<()> {
        let addrs = end.asked.addrs();
        let few = addrs.len().is_ok_and(|n| usize::try_from(n).is_ok_and(|n| n <= DOWN_LISTED_MAX));
        if self.choices.open_only || !few {
            return Ok(());
        }
        for range in addrs.ranges() {
            for bits in range.first_bits()..=range.last_bits() {
                let addr = range.family().addr(bits);
                if !end.ledger.hosts().contains_key(&addr) {
                    let status = r#"<status state="down" reason="no-response" reason_ttl="0"/>"#;
                    writeln!(self.out, "<host>{status}{}</host>", address(addr))?;
                }
            }
        }
        Ok(())
    }
}

impl ResultWriter for NmapXml {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.tcp_scan = header.tcp_scan;
        let (args, version) = (escape::xml(&header.command_line), env!("CARGO_PKG_VERSION"));
        let (start, words) = (header.started.as_seconds(), in_words(header.started));
        // The DTD allows no other scanner than nmap; args and version say who it was.
        let mut head = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n\
             <nmaprun scanner=\"nmap\" args=\"{args}\" start=\"{start}\" startstr=\"{words}\" \
             version=\"portolan {version}\" xmloutputversion=\"1.05\">\n"
        );
        for transport in Transport::WITH_PORTS {
            let blocks = header.targets.blocks().iter().filter_map(|b| b.ports(transport));
            let ports = blocks.fold(portolan_core::target::PortSet::new(), |all, p| all.union(p));
            if !ports.is_empty() {
                let kind = match (transport, header.connect) {
                    (Transport::Udp, _) => "udp",
                    (Transport::Sctp, _) => "sctpinit",
                    (_, true) => "connect",
                    _ => header.tcp_scan.name(),
                };
                let _ = writeln!(
                    head,
                    "<scaninfo type=\"{kind}\" protocol=\"{transport}\" numservices=\"{}\" \
                     services=\"{ports}\"/>",
                    ports.len()
                );
            }
        }
        head.push_str("<verbose level=\"0\"/>\n<debugging level=\"0\"/>\n");
        self.out.write_all(head.as_bytes())
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, end: &End<'_>) -> io::Result<()> {
        for (addr, host) in end.ledger.hosts() {
            let portrait =
                Portrait::new(*addr, host, (end.asked, self.tcp_scan), self.choices.open_only);
            self.out.write_all(host_element(*addr, host, &portrait).as_bytes())?;
        }
        self.down_hosts(end)?;
        let (time, words) = (end.finished.as_seconds(), in_words(end.finished));
        let elapsed = end.stats.duration.as_secs_f64();
        let (up, total) = (end.ledger.hosts().len() as u64, end.stats.targets);
        let down = total.saturating_sub(up);
        let exit = if end.complete {
            "exit=\"success\"".to_owned()
        } else {
            "exit=\"error\" errormsg=\"interrupted\"".to_owned()
        };
        writeln!(
            self.out,
            "<runstats><finished time=\"{time}\" timestr=\"{words}\" \
             summary=\"{}\" elapsed=\"{elapsed:.2}\" {exit}/>\
             <hosts up=\"{up}\" down=\"{down}\" total=\"{total}\"/></runstats>\n</nmaprun>",
            end.in_words()
        )?;
        self.out.flush()
    }

    fn wants_ledger(&self) -> bool {
        true
    }
}

fn host_element(addr: IpAddr, host: &HostEntry, portrait: &Portrait<'_>) -> String {
    let mut text = "<host".to_owned();
    if let Some((first, last)) = host.times() {
        let (first, last) = (first.as_seconds(), last.as_seconds());
        let _ = write!(text, " starttime=\"{first}\" endtime=\"{last}\"");
    }
    let listed = portrait.listed.values().map(|l| l.reason);
    let summed = portrait.summed.values().flatten().map(|s| s.reason);
    let answer = listed.chain(summed).find(|r| *r != Reason::NoResponse);
    let seen = host.seen.as_ref();
    let reason = seen.map(|s| s.reason).or(answer).unwrap_or(Reason::NoResponse);
    let ttl = seen.and_then(|s| s.ttl).unwrap_or(0);
    let _ = write!(
        text,
        "><status state=\"up\" reason=\"{reason}\" reason_ttl=\"{ttl}\"/>{}",
        address(addr)
    );
    if let Some(mac) = seen.and_then(|s| s.mac) {
        let mac = mac.to_string().to_uppercase();
        let _ = write!(text, "<address addr=\"{mac}\" addrtype=\"mac\"/>");
    }
    text.push_str("<hostnames></hostnames>");
    if !portrait.listed.is_empty() || !portrait.summed.is_empty() {
        text.push_str("<ports>");
        for (state, kinds) in &portrait.summed {
            let count: usize = kinds.iter().map(|k| k.ports.len()).sum();
            let _ = write!(text, "<extraports state=\"{state}\" count=\"{count}\">");
            for kind in kinds {
                extra_reasons(&mut text, kind);
            }
            text.push_str("</extraports>\n");
        }
        for (&(transport, port), listed) in &portrait.listed {
            port_element(&mut text, transport, port, listed);
        }
        text.push_str("</ports>");
    }
    text.push_str("</host>\n");
    text
}

fn extra_reasons(text: &mut String, kind: &Summed) {
    let reason = match kind.reason {
        Reason::Reset => "resets",
        Reason::NoResponse => "no-responses",
        other => other.name(),
    };
    let (count, proto, ports) = (kind.ports.len(), kind.transport, &kind.ports);
    let _ = write!(
        text,
        "<extrareasons reason=\"{reason}\" count=\"{count}\" proto=\"{proto}\" ports=\"{ports}\"/>"
    );
}

fn port_element(text: &mut String, transport: Transport, port: u16, listed: &Listed<'_>) {
    let (state, reason) = (listed.state, listed.reason);
    let ttl = listed.finding.and_then(|f| f.seen.ttl).unwrap_or(0);
    let _ = write!(
        text,
        "<port protocol=\"{transport}\" portid=\"{port}\">\
         <state state=\"{state}\" reason=\"{reason}\" reason_ttl=\"{ttl}\"/>"
    );
    match listed.finding.and_then(|f| f.service.as_ref()) {
        Some(service) => service_element(text, service),
        None => {
            if let Some(name) = portolan_fingerprints::name_of(transport, port) {
                let name = escape::xml(name);
                let _ = write!(text, "<service name=\"{name}\" method=\"table\" conf=\"3\"/>");
            }
        }
    }
    if let Some(banner) = listed.finding.and_then(|f| f.banner.as_ref()) {
        let banner = escape::xml(&escape::line(&escape::lossy(banner)));
        let _ = write!(text, "<script id=\"banner\" output=\"{banner}\"/>");
    }
    let service = listed.finding.and_then(|f| f.service.as_ref());
    let tls = service.and_then(|service| service.tls_info.as_ref());
    if let Some(certificate) = tls.and_then(|tls| tls.certificate.as_ref()) {
        certificate_script(text, certificate);
    }
    text.push_str("</port>\n");
}

/// What nmap's script `ssl-cert` tells, as far as it is known, in the lines that it has for it.
fn certificate_script(text: &mut String, certificate: &CertificateRecord) {
    let (from, to) = (rfc3339(certificate.not_before), rfc3339(certificate.not_after));
    let mut lines = vec![format!("Subject: {}", certificate.subject)];
    if !certificate.names.is_empty() {
        lines.push(format!("Subject Alternative Name: {}", certificate.names.join(", ")));
    }
    lines.push(format!("Issuer: {}", certificate.issuer));
    lines.push(format!("Signature Algorithm: {}", certificate.signature));
    lines.push(format!("Not valid before: {from}"));
    lines.push(format!("Not valid after:  {to}"));
    let digest = certificate.fingerprint();
    lines.extend(digest.as_ref().map(|digest| format!("SHA-256: {digest}")));
    let lines: Vec<String> = lines.iter().map(|line| escape::xml(&escape::line(line))).collect();
    let _ = write!(text, "<script id=\"ssl-cert\" output=\"{}\">", lines.join("&#10;"));
    if let Some(digest) = digest {
        let _ = write!(text, "<elem key=\"sha256\">{digest}</elem>");
    }
    text.push_str("</script>");
}

fn service_element(text: &mut String, service: &ServiceRecord) {
    let _ = write!(text, "<service name=\"{}\"", escape::xml(&service.name));
    let fields = [
        ("product", &service.product),
        ("version", &service.version),
        ("extrainfo", &service.extra),
        ("ostype", &service.os),
        ("devicetype", &service.device),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = write!(text, " {name}=\"{}\"", escape::xml(value));
        }
    }
    if service.tls {
        text.push_str(" tunnel=\"ssl\"");
    }
    text.push_str(" method=\"probed\" conf=\"10\"");
    if service.cpe.is_empty() {
        text.push_str("/>");
        return;
    }
    text.push('>');
    for cpe in &service.cpe {
        let _ = write!(text, "<cpe>{}</cpe>", escape::xml(&cpe::to_uri(cpe)));
    }
    text.push_str("</service>");
}

fn address(addr: IpAddr) -> String {
    let kind = if addr.is_ipv4() { "ipv4" } else { "ipv6" };
    format!("<address addr=\"{addr}\" addrtype=\"{kind}\"/>")
}

/// `Sat Nov 21 19:00:00 2026`, as nmap writes times for people; here in UTC.
fn in_words(at: UnixTime) -> String {
    let time = Timestamp::from_millisecond(at.as_millis()).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%a %b %e %H:%M:%S %Y").to_string()
}
