//! nmap's XML output, as its `nmap.dtd` 1.05 describes it.
//!
//! Only elements and attributes that say something of hosts and ports are looked at; the rest is
//! read past. Entities beyond XML's own five are refused, as is a document type with contents of
//! its own; nothing outside the report is ever fetched.

use std::io::BufRead;

use portolan_core::target::PortSet;
use portolan_core::{Transport, UnixTime};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::bounded::Bounded;
use super::nmap_host::{Extra, Host, PortEntry, Run};
use super::{Limits, ReportError};
use crate::report::{ScanReport, ServiceRecord, SiteName};

/// Reads nmap's XML output (`-oX`) as the scan it tells of.
///
/// What `scaninfo` and `extraports` cover and do not list as open is closed or filtered in the
/// report; a host that is down has answered nothing, so its ports are filtered. Addresses are
/// told apart by their type.
///
/// # Errors
/// The first place that is no nmap XML, is too large, or where the report ends too early.
pub fn nmap_xml(
    reader: impl BufRead,
    site: SiteName,
    limits: Limits,
) -> Result<ScanReport, ReportError> {
    let mut reader = Reader::from_reader(Bounded::new(reader, &limits));
    let mut parser = Parser::new(limits);
    let mut buffer = Vec::new();
    let result = loop {
        buffer.clear();
        reader.get_mut().mark();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => break parser.at_end(),
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => break Err(error.to_string()),
            Err(error) => break Err(format!("not well-formed: {error}")),
        };
        if let Err(problem) = parser.event(&event) {
            break Err(problem);
        }
    };
    match result {
        Ok(()) => parser
            .run
            .into_report(site)
            .map_err(|problem| ReportError { line: reader.get_mut().line(), problem }),
        Err(problem) => Err(ReportError { line: reader.get_mut().line(), problem }),
    }
}

struct Parser {
    limits: Limits,
    /// The names of the elements that are open.
    open: Vec<String>,
    started: bool,
    run: Run,
    host: Option<Host>,
    port: Option<PortEntry>,
    extra: Option<Extra>,
    in_cpe: bool,
}

type Attributes = Vec<(String, String)>;

impl Parser {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Vec::new(),
            started: false,
            run: Run::default(),
            host: None,
            port: None,
            extra: None,
            in_cpe: false,
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => {
                let name = self.start(tag)?;
                if self.open.len() >= self.limits.depth {
                    return Err(format!(
                        "more than {} elements inside one another",
                        self.limits.depth
                    ));
                }
                self.open.push(name);
            }
            Event::Empty(tag) => {
                let name = self.start(tag)?;
                self.end(&name)?;
            }
            Event::End(_) => {
                let name = self.open.pop().ok_or("an element ends that has not begun")?;
                self.end(&name)?;
            }
            Event::Text(text) if self.in_cpe => {
                let text = text.as_ref().to_owned();
                self.cpe(&text);
            }
            Event::GeneralRef(reference) => {
                let name: &str = reference.as_ref();
                let known = ["amp", "lt", "gt", "quot", "apos"].contains(&name);
                if !known && !reference.is_char_ref() {
                    return Err(format!("the entity {name:?} is not one of XML's five"));
                }
            }
            Event::DocType(text) => {
                let text: &str = text.as_ref();
                if text.contains('[') || !text.trim_start().starts_with("nmaprun") {
                    return Err("a document type with contents of its own".to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn at_end(&self) -> Result<(), String> {
        match self.open.last() {
            Some(name) => Err(format!("the report ends inside <{name}>")),
            None if !self.started => Err("there is no <nmaprun>".to_owned()),
            None => Ok(()),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<String, String> {
        let name: String = AsRef::<str>::as_ref(&tag.name()).to_owned();
        if self.open.is_empty() {
            if name != "nmaprun" || self.started {
                return Err(format!("<{}> is not the one <nmaprun>", short(&name)));
            }
            self.started = true;
        }
        let attributes = self.attributes(tag)?;
        let get = |wanted: &str| -> Option<&str> {
            attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        match name.as_str() {
            "nmaprun" => {
                self.run.started = get("start").map(|text| seconds("start", text)).transpose()?;
                get("args").unwrap_or_default().clone_into(&mut self.run.args);
            }
            "scaninfo" => self.scaninfo(&attributes)?,
            "finished" => {
                self.run.finished = get("time").map(|text| seconds("time", text)).transpose()?;
                self.run.success = get("exit").is_none_or(|exit| exit == "success");
            }
            "hosts" if self.open.last().is_some_and(|parent| parent == "runstats") => {
                self.run.total = get("total").and_then(|text| text.parse().ok());
            }
            "host" => {
                let mut host = Host::default();
                host.ended = get("endtime").map(|text| seconds("endtime", text)).transpose()?;
                self.host = Some(host);
            }
            _ => self.inside_host(&name, &attributes)?,
        }
        Ok(name)
    }

    fn scaninfo(&mut self, attributes: &Attributes) -> Result<(), String> {
        let get = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, v)| v);
        let (Some(protocol), Some(services)) = (get("protocol"), get("services")) else {
            return Ok(());
        };
        let ports = port_list(services)?;
        let transport = protocol.parse::<Transport>().map_err(|e| e.to_string())?;
        if let Some(asked) = self.run.asked.ports_mut(transport) {
            *asked = asked.union(&ports);
        }
        Ok(())
    }

    fn inside_host(&mut self, name: &str, attributes: &Attributes) -> Result<(), String> {
        let Some(host) = &mut self.host else { return Ok(()) };
        let get = |wanted: &str| -> Option<&str> {
            attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        match name {
            "status" => host.status(get("state"), get("reason")),
            "address" => host.address(get("addr"), get("addrtype"))?,
            "extraports" => self.extra = Some(Extra::new(get("state"))?),
            "extrareasons" => {
                if let Some(extra) = &mut self.extra {
                    let ports = get("ports").map(port_list).transpose()?;
                    extra.reason(get("reason"), get("proto"), ports)?;
                }
            }
            "port" => self.port = Some(PortEntry::new(get("protocol"), get("portid"))?),
            "state" => {
                if let Some(port) = &mut self.port {
                    port.state(get("state"), get("reason"), get("reason_ttl"))?;
                }
            }
            "service" => {
                if let Some(port) = &mut self.port {
                    port.service = service(&get);
                }
            }
            "cpe" => self.in_cpe = true,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), String> {
        match name {
            "cpe" => self.in_cpe = false,
            "port" => {
                if let (Some(host), Some(port)) = (&mut self.host, self.port.take()) {
                    host.port(port, self.limits.ports_per_host)?;
                }
            }
            "extraports" => {
                if let (Some(host), Some(extra)) = (&mut self.host, self.extra.take()) {
                    host.extras.push(extra);
                }
            }
            "host" => {
                if let Some(host) = self.host.take() {
                    self.run.add(host)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn cpe(&mut self, text: &str) {
        let service = self.port.as_mut().and_then(|port| port.service.as_mut());
        if let Some(service) = service.filter(|service| service.cpe.len() < 8) {
            service.cpe.push(crate::cpe::from_uri(text));
        }
    }

    fn attributes(&self, tag: &BytesStart<'_>) -> Result<Attributes, String> {
        let mut all = Vec::new();
        for attribute in tag.attributes() {
            if all.len() >= self.limits.attributes {
                return Err(format!("more than {} attributes", self.limits.attributes));
            }
            let attribute =
                attribute.map_err(|e| format!("an attribute is not well-formed: {e}"))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|e| format!("an attribute: {e}"))?;
            let name: &str = attribute.key.as_ref();
            all.push((name.to_owned(), value.into_owned()));
        }
        Ok(all)
    }
}

/// The service, where nmap asked it rather than looked its port up in a table.
fn service<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Option<ServiceRecord> {
    let text = |name: &str| get(name).map(str::to_owned);
    (get("method") == Some("probed")).then(|| ServiceRecord {
        name: get("name").unwrap_or("unknown").to_owned(),
        product: text("product"),
        version: text("version"),
        extra: text("extrainfo"),
        os: text("ostype"),
        device: text("devicetype"),
        tls: get("tunnel") == Some("ssl"),
        ..ServiceRecord::default()
    })
}

fn seconds(name: &str, text: &str) -> Result<UnixTime, String> {
    let number: i64 =
        text.parse().map_err(|_| format!("{name} {:?} is no UNIX time", short(text)))?;
    Ok(UnixTime::from_seconds(number))
}

/// nmap's lists of ports: `22,80,8000-8100`.
fn port_list(text: &str) -> Result<PortSet, String> {
    let bad = |part: &str| format!("{:?} is no port or range", short(part));
    let mut ranges = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range: (u16, u16) =
            (first.parse().map_err(|_| bad(part))?, last.parse().map_err(|_| bad(part))?);
        if range.0 > range.1 {
            return Err(bad(part));
        }
        ranges.push(range);
    }
    Ok(ranges.into_iter().collect())
}

/// A text short enough for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
