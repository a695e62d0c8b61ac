//! `portolan scan` as a user runs it, on loopback, without privilege.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{listener, portolan};
use serde_json::Value;

fn stdout(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn stderr(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

#[test]
fn an_open_port_is_found_and_a_closed_one_too() {
    let (_open, port) = listener();
    let (free, closed) = listener();
    drop(free);
    let ports = format!("{port},{closed}");
    let dir = tempfile::tempdir().unwrap();
    let run = portolan()
        .current_dir(dir.path())
        .args(["scan", "127.0.0.1", "-sT", "-p", &ports, "-f", "ndjson"])
        .args(["-oX", "scan.xml", "-oG", "scan.gnmap", "-oL", "scan.list", "-oJ", "scan.json"])
        .assert()
        .success();
    let text = stdout(&run);
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let state = |port: u16| {
        let line = lines.iter().find(|l| l["port"] == port);
        line.map(|l| l["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(state(port).as_deref(), Some("open"), "{text}");
    assert_eq!(state(closed).as_deref(), Some("closed"), "{text}");
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!((&summary["open"], &summary["closed"]), (&Value::from(1), &Value::from(1)));
    for key in [
        "targets",
        "ports",
        "probes_sent",
        "replies",
        "duration_s",
        "rate_pps",
        "loss_estimate",
        "coverage",
        "rejected",
    ] {
        assert!(summary.get(key).is_some(), "{key} in {summary}");
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(read("scan.xml").ends_with("</nmaprun>\n"));
    assert!(read("scan.gnmap").contains(&format!("{port}/open/tcp/")));
    assert!(read("scan.list").contains(&format!("open tcp {port} 127.0.0.1 ")));
    assert!(serde_json::from_str::<Value>(&read("scan.json")).unwrap().is_array());
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "a scan that ended leaves no resume file: {left:?}");
}

#[test]
fn only_what_is_open_with_open() {
    let (_open, port) = listener();
    let (free, closed) = listener();
    drop(free);
    let ports = format!("{port},{closed}");
    let run = portolan()
        .args(["scan", "127.0.0.1", "-sT", "--open", "-p", &ports, "-f", "csv"])
        .assert()
        .success();
    let text = stdout(&run);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains(&format!(",127.0.0.1,tcp,{port},open,conn-accept,")), "{text}");
}

#[test]
fn shards_together_ask_each_endpoint_once_and_none_that_is_excluded() {
    let mut seen = BTreeSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let run = portolan()
            .args(["scan", "192.0.2.0/28", "2001:db8::/126", "-p", "1-20", "--dry-run"])
            .args(["--exclude", "192.0.2.4/30,2001:db8::2", "--seed", "7", "--shard", shard])
            .assert()
            .success();
        for line in stdout(&run).lines() {
            assert!(seen.insert(line.to_owned()), "{line} twice");
        }
    }
    assert_eq!(seen.len(), (12 + 3) * 20);
    for excluded in ["192.0.2.4:", "192.0.2.5:", "192.0.2.6:", "192.0.2.7:", "[2001:db8::2]:"] {
        assert!(!seen.iter().any(|line| line.starts_with(excluded)), "{excluded}");
    }
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let order = |seed: &str| {
        let args = ["scan", "192.0.2.0/24", "-p", "1-4", "--dry-run", "--seed", seed];
        stdout(&portolan().args(args).assert().success())
    };
    assert_eq!(order("5"), order("5"));
    assert_ne!(order("5"), order("6"));
}

#[test]
fn a_usage_error_ends_with_2_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("hosts.txt");
    fs::write(&list, "10.0.0.1\n  10.0.0.300 # oops\n").unwrap();
    let list = list.to_str().unwrap();
    for (args, says) in [
        (vec!["scan", "-iL", list], "hosts.txt, line 2, column 3"),
        (vec!["scan", "10.0.0.9-10.0.0.1"], "reversed"),
        (vec!["scan", "127.0.0.1", "-p", "22,0"], "column 4"),
        (vec!["scan", "127.0.0.1", "-p", "65536"], "65535"),
        (vec!["scan", "127.0.0.1", "-p", "90-80"], "80-90"),
        (vec!["scan", "nosuch.invalid"], "nosuch.invalid"),
        (vec!["scan", "::/0", "--dry-run"], "too many"),
        (vec!["scan"], "nothing to scan"),
        (vec!["scan", "-O", "127.0.0.1"], "operating systems"),
        (vec!["scan", "-T4", "127.0.0.1"], "--rate"),
        (vec!["scan", "--nosuch", "127.0.0.1"], "--nosuch"),
        (vec!["scan", "127.0.0.1", "--site", "No Site"], "site"),
        (vec!["scan", "127.0.0.1", "-oX", "-", "-oG", "-"], "stdout"),
    ] {
        let run = portolan().args(&args).assert().code(2);
        assert!(stderr(&run).contains(says), "{args:?}: {}", stderr(&run));
        assert!(stdout(&run).is_empty(), "{args:?}");
    }
}

#[test]
fn targets_come_from_stdin_too() {
    let run = portolan()
        .args(["scan", "-iL", "-", "-p", "80", "--dry-run"])
        .write_stdin("192.0.2.1 # one\n192.0.2.7\n")
        .assert()
        .success();
    let lines: BTreeSet<String> = stdout(&run).lines().map(str::to_owned).collect();
    let wanted = ["192.0.2.1:80/tcp", "192.0.2.7:80/tcp"].map(str::to_owned);
    assert_eq!(lines, BTreeSet::from(wanted));
}

#[test]
fn out_of_scope_ends_with_4_and_nothing_sent() {
    let dir = tempfile::tempdir().unwrap();
    let scope = dir.path().join("scope.txt");
    fs::write(&scope, "127.0.0.0/8\n").unwrap();
    let scope = scope.to_str().unwrap();
    let run = portolan().args(["scan", "192.0.2.1", "--scope-file", scope]).assert().code(4);
    assert!(stderr(&run).contains("192.0.2.1"), "{}", stderr(&run));
    portolan().args(["scan", "127.0.0.1", "--exclude", "127.0.0.1"]).assert().code(4);
}

#[test]
fn an_output_that_cannot_be_written_ends_with_5() {
    let args = ["scan", "127.0.0.1", "-sT", "-p", "1", "-o", "/nonexistent/out.json"];
    let run = portolan().args(args).assert().code(5);
    assert!(stderr(&run).contains("/nonexistent/out.json"));
    let full = ["scan", "127.0.0.1", "-sT", "-p", "1-50", "-f", "ndjson", "-o", "/dev/full"];
    let run = portolan().current_dir(std::env::temp_dir()).args(full).assert().code(5);
    assert!(stderr(&run).contains("/dev/full"), "{}", stderr(&run));
}

#[test]
fn help_names_every_flag_of_the_contract() {
    let help = stdout(&portolan().args(["scan", "--help"]).assert().success());
    for flag in [
        "-iL",
        "--targets-file",
        "--ports",
        "--top-ports",
        "--exclude",
        "--exclude-file",
        "-sS",
        "-sU",
        "-sT",
        "-sn",
        "-sV",
        "--identify",
        "--rate",
        "--retries",
        "--interface",
        "--source-ip",
        "--source-port",
        "--router-mac",
        "--seed",
        "--shard",
        "--resume",
        "--dry-run",
        "--output",
        "--format",
        "-oX",
        "-oG",
        "-oN",
        "-oJ",
        "-oL",
        "--open",
        "--data",
        "table",
        "ndjson",
        "json",
        "nmap-xml",
        "grepable",
        "csv",
        "list",
    ] {
        assert!(help.contains(flag), "{flag} is not in the help");
    }
}
