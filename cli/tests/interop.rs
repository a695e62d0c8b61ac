//! Other programs read what Portolan writes, and the other way round. The programs are test
//! oracles only: where one is not installed its test says so, and fails in CI.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

mod common;

use std::process::Command;

use common::{listener, portolan};
use serde_json::Value;

/// Whether `program` can be run.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} must be installed in CI");
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

#[test]
fn ndiff_reads_our_xml_and_sees_what_changed() {
    if !installed("ndiff") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (open, port) = listener();
    let (_other, stays) = listener();
    let ports = format!("{port},{stays}");
    let scan = |name: &str| {
        let run = ["scan", "127.0.0.1", "-sT", "-p", &ports, "-oX", name, "--retries", "0"];
        portolan().current_dir(dir.path()).args(run).assert().success();
    };
    scan("before.xml");
    drop(open);
    scan("after.xml");
    let diff = Command::new("ndiff")
        .current_dir(dir.path())
        .args(["before.xml", "after.xml"])
        .output()
        .unwrap();
    let text = String::from_utf8(diff.stdout).unwrap();
    assert_eq!(diff.status.code(), Some(1), "{text}");
    let line = |sign: char, state: &str| {
        text.lines().any(|l| l.starts_with(&format!("{sign}{port}/tcp ")) && l.contains(state))
    };
    assert!(line('-', "open") && line('+', "closed"), "{text}");
    assert!(!text.contains(&format!("-{stays}/tcp")), "{text}");
}

#[test]
fn nmaps_own_xml_becomes_a_scan() {
    if !installed("nmap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (open, port) = listener();
    let ports = format!("{port},1-50");
    let report = |name: &str| {
        let scan = ["-sT", "-n", "-Pn", "-p", &ports, "-oX", name, "127.0.0.1"];
        let run = Command::new("nmap").current_dir(dir.path()).args(scan).output().unwrap();
        assert!(run.status.success());
        let import = ["import", name, "--data", "store"];
        portolan().current_dir(dir.path()).args(import).assert().success();
    };
    let diff = || {
        let run = portolan()
            .current_dir(dir.path())
            .args(["diff", "--data", "store", "-f", "ndjson", "--addr", "127.0.0.1"])
            .args(["--ports", &port.to_string()])
            .assert()
            .success();
        let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<Value>>()
    };
    report("open.xml");
    let rows = diff();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["kind"], "unexpected_open");
    // nmap folds closed ports into extraports: they are covered, so the port is closed now.
    drop(open);
    report("closed.xml");
    assert!(diff().is_empty());
}

#[test]
fn masscans_list_and_ours_are_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    let (_open, port) = listener();
    let port = port.to_string();
    let scan = ["scan", "127.0.0.1", "-sT", "-p", &port, "-oL", "a.list", "-oJ", "a.json"];
    portolan().current_dir(dir.path()).args(scan).assert().success();
    for file in ["a.list", "a.json"] {
        let store = format!("store-of-{file}");
        let import = ["import", file, "--data", &store];
        portolan().current_dir(dir.path()).args(import).assert().success();
        let diff = ["diff", "--data", &store, "--fail-on-change", "-f", "ndjson"];
        let run = portolan().current_dir(dir.path()).args(diff).assert().code(1);
        let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        assert!(text.contains(&format!(r#""port":{port},"#)), "{file}: {text}");
    }
}
