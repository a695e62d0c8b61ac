//! Every format of the same scan, hostile banners included.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use portolan_core::target::{Block, PortSet, TargetSpec};
use portolan_core::{
    Endpoint, HostObservation, MacAddr, Observation, PortState, Reason, Transport,
};
use portolan_store::{
    CertificateRecord, HostKeyRecord, ServiceRecord, SshAlgorithms, SshRecord, TlsRecord,
    WeaknessRecord,
};

use super::*;
use crate::args::scan::Format;

/// What was written, shared with the writer that holds the sink.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn addr(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn at(seconds: i64) -> UnixTime {
    // 2026-11-21T19:00:00.123Z and on.
    UnixTime::from_millis(1_795_287_600_123 + seconds * 1_000)
}

fn seen(transport: Transport, port: u16, state: PortState, reason: Reason) -> Finding {
    Finding::from(Observation {
        at: at(0),
        endpoint: Endpoint::new(addr(7), transport, port),
        state,
        reason,
        ttl: Some(64),
        rtt: Some(Duration::from_micros(210)),
        reply: None,
    })
}

const HOSTILE: &[u8] = b"=cmd|'/c calc'!A1\x1b[31m\"><script>&\r\n,\xff\xe2\x80\xae]]>";

/// A service whose every text means harm.
fn hostile_service() -> ServiceRecord {
    let text = || "=HYPERLINK(\"x\")\t<&/,\u{202e}\x1b[2J\r\n\u{0}\u{fffe}]]>'".to_owned();
    let certificate = CertificateRecord {
        subject: text(),
        common_name: Some(text()),
        names: vec![text(), text()],
        names_total: 2,
        issuer: text(),
        serial: text(),
        key: text(),
        signature: text(),
        sha256: Some([0xab; 32]),
        ..CertificateRecord::default()
    };
    let tls = TlsRecord {
        version: Some(text()),
        cipher: Some(text()),
        alpn: Some(text()),
        accepted: vec![text()],
        fingerprint: Some(text()),
        certificate: Some(certificate),
        chain_len: 1,
    };
    let weakness = WeaknessRecord {
        name: text(),
        kind: text(),
        severity: text(),
        why: text(),
        source: text(),
    };
    let ssh = SshRecord {
        software: Some(text()),
        host_keys: vec![HostKeyRecord { kind: text(), bits: None, sha256: [1; 32] }],
        algorithms: SshAlgorithms { kex: vec![text()], ..SshAlgorithms::default() },
        auth_methods: Some(vec![text()]),
        weaknesses: vec![weakness],
        terrapin: Some(true),
    };
    ServiceRecord {
        name: "http".to_owned(),
        product: Some(text()),
        version: Some(text()),
        extra: Some(text()),
        vendor: Some(text()),
        os: Some(text()),
        device: Some(text()),
        cpe: vec![text()],
        tls: true,
        tls_info: Some(Box::new(tls)),
        ssh: Some(Box::new(ssh)),
    }
}

/// An endpoint with all that can be known of one, and its line of NDJSON.
pub(crate) fn full_finding() -> (Finding, String) {
    let mut finding = seen(Transport::Tcp, 80, PortState::Open, Reason::SynAck);
    finding.service = Some(hostile_service());
    finding.banner = Some(HOSTILE.to_vec());
    let record = ndjson::EndpointRecord::new("default", &finding);
    let line = serde_json::to_string(&record).unwrap() + "\n";
    (finding, line)
}

fn findings() -> Vec<Finding> {
    let mut ssh = seen(Transport::Tcp, 22, PortState::Open, Reason::SynAck);
    ssh.service = Some(ServiceRecord {
        name: "ssh".to_owned(),
        product: Some("OpenSSH".to_owned()),
        version: Some("9.2p1".to_owned()),
        extra: Some("Debian-2+deb12u10".to_owned()),
        cpe: vec!["cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*".to_owned()],
        ..ServiceRecord::default()
    });
    ssh.banner = Some(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n".to_vec());
    let mut evil = seen(Transport::Tcp, 80, PortState::Open, Reason::SynAck);
    evil.service = Some(hostile_service());
    evil.banner = Some(HOSTILE.to_vec());
    let mut all = vec![ssh, evil];
    all.push(seen(Transport::Udp, 53, PortState::Open, Reason::UdpResponse));
    all.push(seen(Transport::Tcp, 25, PortState::Filtered, Reason::AdminProhibited));
    all.extend((100..150).map(|p| seen(Transport::Tcp, p, PortState::Closed, Reason::Reset)));
    all
}

fn header() -> Header {
    let addrs = "10.0.0.7-10.0.0.8".parse::<TargetSpec>().unwrap().addrs().clone();
    let tcp = PortSet::from_iter([(22, 22), (25, 25), (80, 80), (100, 160)]);
    let udp = PortSet::from_iter([53_u16]);
    Header {
        command_line: "portolan scan 10.0.0.7-10.0.0.8 '<&>'".to_owned(),
        started: at(0),
        site: "default".to_owned(),
        targets: TargetSet::single(Block { addrs, tcp, udp, ..Block::default() }),
        connect: false,
        tcp_scan: TcpScan::Syn,
        hosts_only: false,
    }
}

fn written(format: Format, choices: Choices) -> String {
    let shared = Shared::default();
    let mut writer = writer(format, Box::new(shared.clone()), choices);
    let header = header();
    let mut ledger = Ledger::default();
    writer.begin(&header).unwrap();
    for finding in findings() {
        ledger.add(&finding);
        if !choices.open_only || finding.seen.state == PortState::Open {
            writer.finding(&finding).unwrap();
        }
    }
    let host = HostObservation {
        at: at(1),
        addr: addr(7),
        reason: Reason::ArpResponse,
        mac: Some(MacAddr([2, 0, 0x5e, 0x10, 0, 1])),
        ttl: None,
        rtt: Some(Duration::from_micros(95)),
    };
    ledger.add_host(&host);
    writer.host(&host).unwrap();
    let stats = ScanStats {
        targets: 2,
        ports: 65,
        probes_sent: 300,
        replies: 54,
        open: 3,
        closed: 50,
        filtered: 1,
        silent: 76,
        hosts_up: 1,
        duration: Duration::from_millis(1_500),
        loss_estimate: Some(0.0),
        coverage: 1.0,
        coverage_bounds: Some((0.998, 1.0)),
        rejected: [("bad cookie", 2)].into_iter().collect(),
        ..ScanStats::default()
    };
    let asked = &header.targets;
    let end = End { stats: &stats, complete: true, asked, finished: at(2), ledger: &ledger };
    writer.end(&end).unwrap();
    drop(writer);
    String::from_utf8(shared.0.borrow().clone()).unwrap()
}

fn lines(format: Format) -> Vec<String> {
    written(format, Choices::default()).lines().map(str::to_owned).collect()
}

#[test]
fn ndjson_is_as_the_contract_says() {
    let lines = lines(Format::Ndjson);
    assert_eq!(
        lines[0],
        r#"{"ts":"2026-11-21T19:00:00.123Z","site":"default","addr":"10.0.0.7","proto":"tcp","port":22,"state":"open","reason":"syn-ack","ttl":64,"rtt_us":210,"service":{"name":"ssh","product":"OpenSSH","version":"9.2p1","extra":"Debian-2+deb12u10","cpe":["cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*"],"tls":false},"banner":"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n"}"#
    );
    let evil: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    assert!(evil["banner"].as_str().unwrap().contains('\u{fffd}'));
    let raw = evil["banner_base64"].as_str().unwrap();
    let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, raw).unwrap();
    assert_eq!(raw, HOSTILE);
    let host = &lines[lines.len() - 2];
    assert_eq!(
        host,
        r#"{"ts":"2026-11-21T19:00:01.123Z","site":"default","addr":"10.0.0.7","host":"up","reason":"arp-response","mac":"02:00:5e:10:00:01","rtt_us":95}"#
    );
    assert_eq!(
        lines.last().unwrap(),
        r#"{"summary":{"targets":2,"ports":65,"probes_sent":300,"replies":54,"open":3,"closed":50,"filtered":1,"unfiltered":0,"silent":76,"hosts_up":1,"duplicates":0,"duration_s":1.5,"rate_pps":200.0,"loss_estimate":0.0,"coverage":1.0,"coverage_low":0.998,"coverage_high":1.0,"kept_back":0,"canary_probes":0,"kernel_drops":0,"complete":true,"finished":"2026-11-21T19:00:02.123Z","rejected":{"bad cookie":2}}}"#
    );
    assert_eq!(lines.len(), findings().len() + 2);
}

#[test]
fn json_is_one_document() {
    let text = written(Format::Json, Choices::default());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["results"].as_array().unwrap().len(), findings().len() + 1);
    assert_eq!(document["summary"]["open"], 3);
    assert_eq!(document["scan"]["targets"], "10.0.0.7-10.0.0.8");
}

#[test]
fn the_table_shows_what_matters_and_nothing_hostile() {
    let text = written(Format::Table, Choices::default());
    assert!(text.is_ascii() || !text.contains('\u{202e}'));
    assert!(!text.contains('\x1b'));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ADDRESS          PORT       STATE          SERVICE           DETAIL");
    assert_eq!(
        lines[1],
        "10.0.0.7         22/tcp     open           ssh               OpenSSH 9.2p1 (Debian-2+deb12u10)"
    );
    assert!(lines[2].contains("ssl/http"), "{}", lines[2]);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    assert_eq!(lines.len(), 4, "closed and filtered ports are counted, not listed: {text}");
    let verbose = written(Format::Table, Choices { verbose: true, open_only: false });
    assert_eq!(verbose.lines().count(), findings().len() + 1);
}

#[test]
fn csv_cells_start_no_formula() {
    let text = written(Format::Csv, Choices::default());
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), findings().len() + 1, "a row for the host as well");
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let cell = |row: usize, name: &str| &rows[row][head.iter().position(|h| h == name).unwrap()];
    assert_eq!(head[12], "banner", "what was there stays where it was");
    assert_eq!((cell(0, "extra"), cell(0, "tls")), ("Debian-2+deb12u10", "false"));
    assert_eq!((cell(1, "cert_sha256"), cell(1, "tls")), (&*"ab".repeat(32), "true"));
    assert!(
        cell(1, "ssh_host_keys").ends_with(" SHA256:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE")
    );
    assert_eq!(cell(2, "tls"), "", "nothing is known");
    let host: Vec<&str> = rows.last().unwrap().iter().skip(2).take(7).collect();
    assert_eq!(host, ["10.0.0.7", "", "", "up", "arp-response", "", "95"]);
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell:?}");
        assert!(!cell.contains(|c: char| c.is_control()), "{cell:?}");
    }
    assert!(rows[1][12].starts_with("'=cmd|"));
}

#[test]
fn lists_are_masscans() {
    let text = written(Format::List, Choices::default());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["#masscan", "open tcp 22 10.0.0.7 1795287600"]);
    assert!(lines[2].starts_with("banner tcp 22 10.0.0.7 1795287600 ssh SSH-2.0-OpenSSH"));
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    assert_eq!(lines.last(), Some(&"# end"));
    let json: serde_json::Value =
        serde_json::from_str(&written(Format::MasscanJson, Choices::default())).unwrap();
    assert_eq!(json[0]["ports"][0]["status"], "open");
    assert_eq!(json[0]["timestamp"], "1795287600");
    assert_eq!(json[1]["ports"][0]["service"]["name"], "ssh");
    assert_eq!(json.as_array().unwrap().len(), 5);
}

#[test]
fn grepable_lines_have_their_fields() {
    let lines = lines(Format::Grepable);
    assert_eq!(lines[1], "Host: 10.0.0.7 ()\tStatus: Up");
    let fields: Vec<&str> = lines[2].split('\t').collect();
    assert_eq!(fields.len(), 3, "{}", lines[2]);
    let ports: Vec<&str> = fields[1].strip_prefix("Ports: ").unwrap().split(", ").collect();
    assert_eq!(ports[0], "22/open/tcp//ssh//OpenSSH 9.2p1 (Debian-2+deb12u10)/");
    let http = ports.iter().find(|port| port.starts_with("80/")).unwrap();
    assert!(http.starts_with("80/open/tcp//ssl|http//=HYPERLINK("), "{http}");
    assert!(!lines.concat().contains(|c: char| c.is_control() && c != '\t'));
    assert!(
        ports.iter().all(|p| p.matches('/').count() == 7 || p.matches('/').count() == 6),
        "{ports:?}"
    );
    assert_eq!(fields[2], "Ignored State: closed (50)");
}

#[test]
fn xml_is_well_formed_and_complete() {
    let text = written(Format::NmapXml, Choices::default());
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut open = Vec::new();
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(tag) => {
                for attribute in tag.attributes() {
                    let version = quick_xml::XmlVersion::Explicit1_0;
                    assert!(attribute.unwrap().normalized_value(version).is_ok());
                }
                open.push(tag.name().0.to_owned());
                names.push(tag.name().0.to_owned());
            }
            quick_xml::events::Event::Empty(tag) => {
                names.push(tag.name().0.to_owned());
            }
            quick_xml::events::Event::End(tag) => {
                assert_eq!(open.pop().as_deref(), Some(tag.name().0));
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    let count = |name: &str| names.iter().filter(|n| *n == name).count();
    assert_eq!((count("host"), count("port"), count("extraports")), (2, 4 - 1, 2));
    assert!(text.contains(r#"<extraports state="closed" count="50">"#), "{text}");
    assert!(text.contains(r#"reason="resets" count="50" proto="tcp" ports="100-149"/>"#));
    assert!(text.contains("<cpe>cpe:/a:openbsd:openssh:9.2:p1</cpe>"));
    assert!(text.contains(r#"<address addr="02:00:5E:10:00:01" addrtype="mac"/>"#));
    assert!(text.contains(r#"<status state="down" reason="no-response""#));
    assert!(!text.contains("<script>"));
    assert!(!text.contains(['\0', '\x1b', '\u{fffe}']), "what XML can't hold");
    assert!(text.contains(r#"<service name="ssh" product="OpenSSH" version="9.2p1" "#), "{text}");
    assert!(text.contains(r#"tunnel="ssl" method="probed" conf="10">"#));
    let digest = "ab".repeat(32);
    assert!(text.contains(r#"<script id="ssl-cert" output="Subject: =HYPERLINK("#), "{text}");
    assert!(text.contains(&format!("SHA-256: {digest}\"><elem key=\"sha256\">{digest}</elem>")));
}

#[test]
fn what_is_written_is_read_back_by_the_importer() {
    use portolan_store::import::{self, Limits};
    let text = written(Format::NmapXml, Choices::default());
    let site = portolan_store::SiteName::default();
    let report = import::nmap_xml(text.as_bytes(), site, Limits::default()).unwrap();
    let state = |t, p| report.state_of(&Endpoint::new(addr(7), t, p));
    assert_eq!(state(Transport::Tcp, 22), Some(PortState::Open));
    assert_eq!(state(Transport::Udp, 53), Some(PortState::Open));
    assert_eq!(state(Transport::Tcp, 120), Some(PortState::Closed));
    assert_eq!(state(Transport::Tcp, 25), Some(PortState::Filtered));
    assert_eq!(state(Transport::Tcp, 155), Some(PortState::Filtered));
    assert_eq!(state(Transport::Tcp, 443), None);
    let service = |port| {
        let found = report.states.iter().find(|s| s.endpoint == Endpoint::tcp(addr(7), port));
        found.and_then(|found| found.service.clone()).unwrap()
    };
    assert_eq!(Some(service(22)), findings()[0].service);
    // What XML can't hold comes back in the words that it was written in.
    let (evil, back) = (hostile_service(), service(80));
    assert!(back.tls);
    for (written, read) in [
        (evil.product, back.product),
        (evil.version, back.version),
        (evil.extra, back.extra),
        (evil.os, back.os),
        (evil.device, back.device),
    ] {
        let words = written.unwrap().replace('\x1b', "\\x1b").replace('\0', "\\x00");
        assert_eq!(read.unwrap(), words.replace('\u{fffe}', "\\u{fffe}"));
    }
}

#[test]
fn a_service_is_one_object_wherever_it_is_json() {
    let (finding, line) = full_finding();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let service = &value["service"];
    assert_eq!(service["tls"], true, "a boolean, as the contract says");
    assert_eq!(service["tls_info"]["certificate"]["sha256"], "ab".repeat(32));
    assert_eq!(service["tls_info"]["certificate"]["not_before"], "1970-01-01T00:00:00Z");
    assert_eq!(service["ssh"]["host_keys"][0]["bits"], serde_json::Value::Null);
    let dto = service::ServiceDto::from(finding.service.clone().unwrap());
    assert_eq!(serde_json::to_value(&dto).unwrap(), *service);
    assert_eq!(dto.into_record(), finding.service);
    let text = written(Format::Json, Choices::default());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["results"][1]["service"], *service);
}
