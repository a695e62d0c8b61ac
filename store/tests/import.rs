//! Other programs' reports, and what is not one.

use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::process::Command;

use portolan_core::{Endpoint, MacAddr, PortState, Reason, Transport, UnixTime};
use portolan_store::import::{Limits, detect, masscan_json, masscan_list, nmap_xml};
use portolan_store::{Filter, PageRequest, ScanReport, SiteName, Source, Store, StoreOptions};

#[cfg(test)]
mod help {
    use super::*;

    pub(super) const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -p 20-30 10.0.0.1-3" start="1700000000" version="7.93" xmloutputversion="1.05">
<scaninfo type="syn" protocol="tcp" numservices="11" services="20-30"/>
"#;
    pub(super) const TAIL: &str = r#"<runstats><finished time="1700000009" exit="success"/><hosts up="1" down="2" total="3"/></runstats>
</nmaprun>
"#;

    pub(super) fn addr(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    pub(super) fn read(text: &str) -> ScanReport {
        nmap_xml(text.as_bytes(), SiteName::default(), Limits::default()).unwrap()
    }

    pub(super) fn refused(text: &str) -> String {
        let limits = Limits { total_bytes: 4 << 20, ..Limits::default() };
        nmap_xml(text.as_bytes(), SiteName::default(), limits).unwrap_err().to_string()
    }

    pub(super) fn has(program: &str) -> bool {
        Command::new(program).arg("--version").output().is_ok()
    }
}

use help::*;

#[test]
fn a_host_with_extraports_a_service_and_a_hardware_address() {
    let host = r#"<host starttime="1700000001" endtime="1700000005"><status state="up" reason="arp-response"/>
<address addr="10.0.0.1" addrtype="ipv4"/>
<address addr="02:00:00:00:00:01" addrtype="mac" vendor="Example &amp; Sons"/>
<ports><extraports state="closed" count="9"><extrareasons reason="reset" count="9" proto="tcp" ports="20-21,24-30"/></extraports>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="ssh" product="OpenSSH" version="9.2p1" extrainfo="Debian" method="probed" conf="10"><cpe>cpe:/a:openbsd:openssh:9.2p1</cpe></service></port>
<port protocol="tcp" portid="23"><state state="filtered" reason="no-response" reason_ttl="0"/><service name="telnet" method="table" conf="3"/></port>
</ports></host>
"#;
    let report = read(&format!("{HEAD}{host}{TAIL}"));
    assert_eq!(report.started_at, UnixTime::from_seconds(1_700_000_000));
    assert_eq!(report.finished_at, UnixTime::from_seconds(1_700_000_009));
    assert!(report.complete);
    let open = &report.states[0];
    assert_eq!((open.state, open.reason, open.ttl), (PortState::Open, Reason::SynAck, Some(64)));
    let service = open.service.as_ref().unwrap();
    assert_eq!((service.name.as_str(), service.version.as_deref()), ("ssh", Some("9.2p1")));
    assert_eq!(service.cpe, ["cpe:2.3:a:openbsd:openssh:9.2p1:*:*:*:*:*:*:*"]);
    assert_eq!(report.state_of(&Endpoint::tcp(addr(1), 25)), Some(PortState::Closed));
    assert_eq!(report.state_of(&Endpoint::tcp(addr(1), 23)), Some(PortState::Filtered));
    assert_eq!(report.state_of(&Endpoint::tcp(addr(1), 31)), None);
    assert_eq!(report.hosts[0].mac, Some(MacAddr([2, 0, 0, 0, 0, 1])));
    // Two hosts were scanned, are down, and are not listed: silent.
    assert_eq!(report.state_of(&Endpoint::tcp(addr(3), 22)), Some(PortState::Filtered));
    assert_eq!(report.state_of(&Endpoint::tcp(addr(4), 22)), None);
}

#[test]
fn extraports_without_lists_are_what_is_left() {
    let host = r#"<host><status state="up" reason="echo-reply"/><address addr="10.0.0.1" addrtype="ipv4"/>
<ports><extraports state="closed" count="10"/>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/></port></ports></host>"#;
    let report = read(&format!("{HEAD}{host}{TAIL}"));
    assert_eq!(report.state_of(&Endpoint::tcp(addr(1), 20)), Some(PortState::Closed));
    assert_eq!(report.state_of(&Endpoint::tcp(addr(1), 22)), Some(PortState::Open));
}

#[test]
fn sctp_ports_are_covered_whether_they_answered_or_not() {
    let head = HEAD.replace("\"syn\" protocol=\"tcp\"", "\"sctpinit\" protocol=\"sctp\"");
    let host = r#"<host><status state="up" reason="echo-reply"/><address addr="10.0.0.1" addrtype="ipv4"/>
<ports><extraports state="filtered" count="10"/>
<port protocol="sctp" portid="22"><state state="open" reason="init-ack" reason_ttl="64"/></port>
</ports></host>
"#;
    let report = read(&format!("{head}{host}{TAIL}"));
    let of = |port| report.state_of(&Endpoint::new(addr(1), Transport::Sctp, port));
    assert_eq!(of(22), Some(PortState::Open));
    assert_eq!((of(20), of(30)), (Some(PortState::Filtered), Some(PortState::Filtered)));
    assert_eq!((of(19), of(31)), (None, None));
    assert!(!report.coverage.contains(&Endpoint::tcp(addr(1), 22)));
}

#[test]
fn a_host_that_is_down_closes_nothing() {
    let up = r#"<host><status state="up"/><address addr="10.0.0.1" addrtype="ipv4"/><ports><port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/></port></ports></host>"#;
    let down = r#"<host><status state="down" reason="no-response"/><address addr="10.0.0.1" addrtype="ipv4"/></host>"#;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { cache_bytes: 1 << 20, reserve_bytes: 0 };
    let store = Store::open(dir.path(), options).unwrap();
    store.commit_scan(&read(&format!("{HEAD}{up}{TAIL}"))).unwrap();
    let later = format!("{HEAD}{down}{TAIL}").replace("1700000000", "1700000100");
    store.commit_scan(&read(&later)).unwrap();
    let port = Filter { ports: Some([22_u16].into_iter().collect()), ..Filter::default() };
    let rows = store.current(&port, &PageRequest::all()).unwrap().items;
    assert_eq!(rows.iter().map(|r| r.state).collect::<Vec<_>>(), [PortState::Filtered]);
}

#[test]
fn what_is_no_report_is_refused_with_its_line() {
    let whole = format!(
        "{HEAD}<host><address addr=\"10.0.0.1\"/><ports><port protocol=\"tcp\" portid=\"22\"><state state=\"open\"/></port></ports></host>{TAIL}"
    );
    read(&whole);
    for cut in 0..whole.trim_end().len() {
        let problem = refused(&whole[..cut]);
        assert!(problem.starts_with("line "), "{problem}");
    }
    let port = |attributes: &str| {
        format!(
            "{HEAD}<host><address addr=\"10.0.0.1\"/><ports><port {attributes}><state state=\"open\"/></port></ports></host>{TAIL}"
        )
    };
    for bad in [
        "",
        "protocol=\"tcp\"",
        "protocol=\"tcp\" portid=\"0\"",
        "protocol=\"tcp\" portid=\"65536\"",
        "protocol=\"tcp\" portid=\"-1\"",
        "protocol=\"carrier\" portid=\"1\"",
        "protocol=\"tcp\" portid=\"&evil;\"",
        "protocol=\"tcp\" protocol=\"tcp\" portid=\"1\"",
    ] {
        let problem = refused(&port(bad));
        assert!(problem.starts_with("line 5"), "{bad}: {problem}");
    }
    assert!(refused(&whole.replace("open", "ajar")).contains("state"));
    assert!(refused("<html></html>").contains("nmaprun"));
    assert!(refused("").contains("nmaprun"));
    assert!(refused(&format!("{whole}{whole}")).starts_with("line"));
}

#[test]
fn entities_depth_and_size_are_bounded() {
    let subset = "<!DOCTYPE nmaprun [<!ENTITY a \"aaaa\">]><nmaprun></nmaprun>";
    assert!(refused(subset).contains("document type"));
    assert!(refused("<nmaprun>&a;</nmaprun>").contains("entity"));
    read("<nmaprun>&amp;&#65;</nmaprun>");
    assert!(refused(&format!("<nmaprun>{}", "<a>".repeat(100))).contains("inside one another"));
    let many = (0..100).map(|i| format!(" a{i}=\"\"")).collect::<Vec<_>>().concat();
    assert!(refused(&format!("<nmaprun{many}/>")).contains("attributes"));
    assert!(refused(&format!("<nmaprun a=\"{}\"/>", "x".repeat(2 << 20))).contains("too long"));
    assert!(refused(&format!("<nmaprun>{}", "<a/>".repeat(2 << 20))).contains("too large"));
    let limits = Limits { ports_per_host: 2, ..Limits::default() };
    let ports = (1..9)
        .map(|p| format!("<port protocol=\"tcp\" portid=\"{p}\"><state state=\"open\"/></port>"))
        .collect::<Vec<_>>()
        .concat();
    let text =
        format!("{HEAD}<host><address addr=\"10.0.0.1\"/><ports>{ports}</ports></host>{TAIL}");
    assert!(nmap_xml(text.as_bytes(), SiteName::default(), limits).is_err());
}

#[test]
fn masscan_json_in_all_its_shapes() {
    let record = |port: u16| {
        format!(
            "{{   \"ip\": \"10.0.0.1\",   \"timestamp\": \"1700000000\", \"ports\": [ {{\"port\": {port}, \"proto\": \"tcp\", \"status\": \"open\", \"reason\": \"syn-ack\", \"ttl\": 64}} ] }}"
        )
    };
    let banner = "{ \"ip\": \"10.0.0.1\", \"timestamp\": \"1700000001\", \"ports\": [ {\"port\": 22, \"proto\": \"tcp\", \"service\": {\"name\": \"ssh\", \"banner\": \"SSH-2.0-x\"}} ] }";
    let (a, b) = (record(22), record(80));
    let line = "{\"ip\":\"10.0.0.1\",\"timestamp\":\"1700000000\",\"port\":80,\"proto\":\"tcp\",\"rec_type\":\"status\",\"data\":{\"status\":\"open\",\"reason\":\"syn-ack\",\"ttl\":64}}";
    for text in [
        format!("[\n{a}\n,\n{b}\n,\n{banner}\n]\n"),
        format!("[\n{a},\n{b},\n{banner},\n]\n"),
        format!("[\n{a},\n{b},\n{banner},\n{{finished: 1}}\n]\n"),
        format!("[\n{a}\n,\n{b}\n,\n{banner}\n"),
        format!("[{a},{b},{banner}]"),
        format!("{a}\n{line}\n{banner}\n"),
    ] {
        let report = masscan_json(text.as_bytes(), SiteName::default(), Limits::default()).unwrap();
        let open: Vec<u16> = report.states.iter().map(|s| s.endpoint.port).collect();
        assert_eq!(open, [22, 80], "{text}");
        assert_eq!(report.states[0].banner.as_deref(), Some(b"SSH-2.0-x".as_slice()));
        assert_eq!(report.started_at, UnixTime::from_seconds(1_700_000_000));
        assert_eq!(report.state_of(&Endpoint::tcp(addr(1), 23)), None);
    }
    for (text, line) in [
        ("[\n{\"ip\": \"10.0.0\"}\n]", 2),
        ("[\n{\"ip\": \"10.0.0.1\", \"ports\": [{\"port\": 70000, \"proto\": \"tcp\"}]}", 2),
        ("[\n\n{\"ip\": \"10.0.0.1\", \"ports\": [{\"port\": 7", 3),
        ("nonsense", 1),
    ] {
        let error = masscan_json(text.as_bytes(), SiteName::default(), Limits::default());
        assert_eq!(error.unwrap_err().line, line, "{text}");
    }
}

#[test]
fn masscan_lists() {
    let text = "#masscan\nopen tcp 80 10.0.0.1 1700000000\nclosed tcp 81 10.0.0.1 1700000002\nbanner tcp 80 10.0.0.1 1700000001 http Server: x y\nopen udp 53 2001:db8::1 1700000000\n# end\n";
    let report = masscan_list(text.as_bytes(), SiteName::default(), Limits::default()).unwrap();
    assert_eq!(report.states.len(), 3);
    assert_eq!(report.states[0].banner.as_deref(), Some(b"Server: x y".as_slice()));
    assert_eq!(report.states[1].state, PortState::Closed);
    for (text, line) in [
        ("#masscan\nopen tcp 80 10.0.0.1\n", 2),
        ("open tcp 0 10.0.0.1 1\n", 1),
        ("open tcp 65536 10.0.0.1 1\n", 1),
        ("ajar tcp 1 10.0.0.1 1\n", 1),
    ] {
        let error = masscan_list(text.as_bytes(), SiteName::default(), Limits::default());
        assert_eq!(error.unwrap_err().line, line, "{text}");
    }
}

#[test]
fn a_report_is_known_by_its_beginning() {
    assert_eq!(detect(HEAD.as_bytes()), Some(Source::NmapXml));
    assert_eq!(detect(b"[\n{ \"ip\": \"10.0.0.1\""), Some(Source::MasscanJson));
    assert_eq!(detect(b"#masscan\n"), Some(Source::MasscanList));
    assert_eq!(detect(b"{\"ts\":\"2026-11-21T19:00:00.123Z\""), Some(Source::Ndjson));
    assert_eq!(detect(b"\x7fELF"), None);
    assert_eq!(detect(b""), None);
}

/// nmap itself, where it is installed: a connect scan of one open and many closed ports.
#[test]
fn nmaps_own_output_is_read() {
    if !has("nmap") {
        let mut out = std::io::stderr();
        out.write_all(b"nmap is not installed: its own output was NOT read\n").unwrap();
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = Command::new("nmap")
        .args(["-n", "-Pn", "-sT", "-oX", "-", "-p", &format!("1-50,{port}"), "127.0.0.1"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let report =
        nmap_xml(output.stdout.as_slice(), SiteName::default(), Limits::default()).unwrap();
    let localhost = IpAddr::from([127, 0, 0, 1]);
    assert_eq!(report.state_of(&Endpoint::tcp(localhost, port)), Some(PortState::Open));
    assert_eq!(report.coverage.len(), Ok(51));
    assert_eq!(report.counters.open + report.counters.closed + report.counters.filtered, 51);
    assert!(report.complete);
    drop(listener);
}

/// Any cut and any changed byte of whole reports is an answer or an error, never a panic.
#[test]
fn no_report_makes_a_reader_panic() {
    let seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut out = std::io::stderr();
    out.write_all(format!("seed {seed}\n").as_bytes()).unwrap();
    let mut state = u64::from(seed) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let whole = format!(
        "{HEAD}<host><status state=\"up\"/><address addr=\"::1\" addrtype=\"ipv6\"/><ports><extraports state=\"filtered\" count=\"3\"/><port protocol=\"udp\" portid=\"53\"><state state=\"open|filtered\"/><service name=\"x\" method=\"probed\"><cpe>a&lt;</cpe></service></port></ports></host>{TAIL}"
    );
    let json = "[\n{\"ip\":\"10.0.0.1\",\"timestamp\":\"1\",\"ports\":[{\"port\":1,\"proto\":\"tcp\"}]},\n]\n";
    let list = "open tcp 80 10.0.0.1 1700000000\nbanner tcp 80 10.0.0.1 1 http x\n";
    for _ in 0..3000 {
        for text in [whole.as_str(), json, list] {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random() % 4 {
                let at = usize::try_from(random()).unwrap() % bytes.len();
                bytes[at] = random().to_le_bytes()[0];
            }
            let site = SiteName::default;
            let _ = nmap_xml(bytes.as_slice(), site(), Limits::default());
            let _ = masscan_json(bytes.as_slice(), site(), Limits::default());
            let _ = masscan_list(bytes.as_slice(), site(), Limits::default());
            let _ = detect(&bytes);
            let _ = portolan_store::check_line(&bytes);
            let _ = portolan_store::check_record(&bytes[..8.min(bytes.len())], &bytes);
        }
    }
}
