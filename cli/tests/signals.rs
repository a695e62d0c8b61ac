//! Interrupts and the daemon, as processes that a person or a service manager starts and stops.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn spawn(dir: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_portolan"))
        .current_dir(dir)
        .args(args)
        .env_remove("PORTOLAN_LOG")
        .env_remove("PORTOLAN_CONFIG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn an_interrupted_scan_ends_with_130_and_all_that_was_found() {
    let dir = tempfile::tempdir().unwrap();
    // At this rate it would take an hour.
    let args = ["scan", "127.0.0.1", "-sT", "-p-", "--rate", "20", "-f", "ndjson", "-oX", "a.xml"];
    let mut scan = spawn(dir.path(), &args);
    let mut out = BufReader::new(scan.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    signal(&scan, "INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let mut said = String::new();
    scan.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(scan.wait().unwrap().code(), Some(130), "{said}");
    let last: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(last["summary"]["complete"], false, "{last}");
    assert!(fs::read_to_string(dir.path().join("a.xml")).unwrap().ends_with("</nmaprun>\n"));
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn an_interrupted_raw_scan_goes_on_where_it_stopped() {
    if !common::portolan().arg("doctor").assert().get_output().status.success() {
        eprintln!("SKIPPED: raw scans can't run here, so none can be resumed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = ["scan", "127.0.0.1", "-p-", "--rate", "2000", "-f", "ndjson"];
    let mut scan = spawn(dir.path(), &args);
    let mut out = BufReader::new(scan.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    signal(&scan, "INT");
    let mut found = first;
    out.read_to_string(&mut found).unwrap();
    let mut said = String::new();
    scan.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(scan.wait().unwrap().code(), Some(130), "{said}");
    let file = said.lines().find_map(|l| l.split_once("--resume ")).unwrap().1.to_owned();
    let run = common::portolan()
        .current_dir(dir.path())
        .args(["scan", "--resume", &file, "--rate", "100k", "-f", "ndjson"])
        .assert()
        .success();
    found.push_str(std::str::from_utf8(&run.get_output().stdout).unwrap());
    let ports: std::collections::BTreeSet<u64> = found
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).unwrap()["port"].as_u64())
        .collect();
    assert_eq!(ports.len(), 65_535);
    assert!(!dir.path().join(&file).exists(), "a scan that has ended leaves no resume file");
}

/// One HTTP/1.1 request on a connection of its own; the whole answer.
fn request(addr: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let len = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_daemon_starts_with_nothing_and_says_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "store"];
    let mut daemon = spawn(dir.path(), &args);
    let mut said = BufReader::new(daemon.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended early");
    }
    assert!(line.contains("--config"), "{line}");
    let addr = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(request(&addr, "GET /health", "").contains(r#"{"status":"ok"}"#));

    // The store is taken: who asks it directly is told so, and shown the way.
    let run = common::portolan()
        .current_dir(dir.path())
        .args(["diff", "--data", "store"])
        .assert()
        .code(5);
    let locked = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(locked.contains("/v1/diff"), "{locked}");
    signal(&daemon, "TERM");
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}

#[test]
fn a_configured_scan_runs_and_drift_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let (_open, port) = common::listener();
    let config = format!(
        "[[scan]]\nname = \"here\"\ntargets = [\"127.0.0.1\"]\nports = \"{port}\"\n\
         kinds = [\"connect\"]\ninterval = \"1h\"\n"
    );
    fs::write(dir.path().join("portolan.toml"), config).unwrap();
    let args =
        ["serve", "-c", "portolan.toml", "-l", "127.0.0.1:0", "-d", "s", "--log-format", "json"];
    let mut daemon = spawn(dir.path(), &args);
    let mut addr = String::new();
    for line in BufReader::new(daemon.stderr.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["message"] == "listening" {
            event["address"].as_str().unwrap().clone_into(&mut addr);
        }
        if event["message"] == "scan stored" {
            break;
        }
    }
    let diff = request(&addr, "GET /v1/diff", "");
    assert!(diff.contains(&format!(r#""port":{port}"#)), "{diff}");
    let rogue = r#"portmantool_ports_rogue{host="127.0.0.1",protocol="tcp"} 1"#;
    assert!(request(&addr, "GET /metrics", "").contains(rogue));
    let accept = format!(
        r#"[{{"address":"127.0.0.1","port":{port},"protocol":"tcp","state":"open","comment":"ours"}}]"#
    );
    let accepted = request(&addr, "PATCH /v1/expected", &accept);
    assert!(accepted.starts_with("HTTP/1.1 204"), "{accepted}");
    assert!(!request(&addr, "GET /v1/diff", "").contains(&format!(r#""port":{port}"#)));
    assert!(!request(&addr, "GET /metrics", "").contains(rogue));
    signal(&daemon, "TERM");
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}

#[test]
fn a_configuration_that_is_no_toml_ends_with_2_and_its_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.toml"), "listen = \"127.0.0.1:0\"\nnonsense\n").unwrap();
    let run = common::portolan()
        .current_dir(dir.path())
        .args(["serve", "-c", "bad.toml"])
        .assert()
        .code(2);
    let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(said.contains("bad.toml") && said.contains("line 2"), "{said}");
    let run = common::portolan()
        .current_dir(dir.path())
        .args(["serve", "-l", "0.0.0.0:0"])
        .assert()
        .code(2);
    let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(said.contains("token"), "{said}");
}
