//! The commands around the store, as a user runs them one after the other.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::assert::Assert;
use common::{listener, portolan};
use serde_json::Value;

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// Runs the binary on the store in `dir`.
fn on(dir: &Path, args: &[&str]) -> Assert {
    portolan().args(args).arg("--data").arg(dir.join("store")).assert()
}

fn rows(assert: &Assert) -> Vec<Value> {
    stdout(assert).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_port_that_opens_is_drift_until_it_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (open, port) = listener();
    let port = port.to_string();
    let scan = ["scan", "127.0.0.1", "-sT", "-p", &port, "--retries", "0", "-f", "ndjson"];
    let run = on(dir.path(), &scan).success();
    assert!(stderr(&run).contains("stored as scan"), "{}", stderr(&run));

    let run = on(dir.path(), &["diff", "--fail-on-change"]).code(1);
    let found = rows(&run);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["kind"], "unexpected_open");
    assert_eq!(found[0]["to"], "open");

    on(dir.path(), &["expected", "accept", "--comment", "the \"test\"\nlistener"]).success();
    let run = on(dir.path(), &["diff", "--fail-on-change"]).code(0);
    assert!(stdout(&run).is_empty());

    // Closed means covered and asked, and confirmed.
    drop(open);
    on(dir.path(), &scan).success();
    let run = on(dir.path(), &["diff", "--fail-on-change"]).code(1);
    assert_eq!(rows(&run)[0]["kind"], "missing");

    // The expected state goes through a file and comes back the same.
    let file = dir.path().join("expected.toml");
    let name = file.to_str().unwrap();
    on(dir.path(), &["expected", "export", name]).success();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#"addr = "127.0.0.1""#), "{text}");
    on(dir.path(), &["expected", "delete", "127.0.0.1", "tcp", &port]).success();
    on(dir.path(), &["diff", "--fail-on-change"]).code(0);
    on(dir.path(), &["expected", "import", name]).success();
    assert_eq!(stdout(&on(dir.path(), &["expected", "export"]).success()), text);
    on(dir.path(), &["diff", "--fail-on-change"]).code(1);
}

#[test]
fn expectations_by_range_permit() {
    let dir = tempfile::tempdir().unwrap();
    let set = ["expected", "set", "10.0.0.0/24", "tcp", "8000-8100", "--comment", "apps"];
    on(dir.path(), &set).success();
    let run = on(dir.path(), &["expected", "get", "-f", "ndjson"]).success();
    let found = rows(&run);
    assert_eq!(found[0]["addr"], "10.0.0.0/24");
    assert_eq!(found[0]["ports"], "8000-8100");
    on(dir.path(), &["diff", "--fail-on-change"]).code(0);
}

#[test]
fn a_file_of_expectations_that_is_wrong_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    on(dir.path(), &["expected", "set", "10.0.0.1", "tcp", "22"]).success();
    let file = dir.path().join("bad.toml");
    let text = "version = 1\n[[expected]]\naddr = \"10.0.0.2\"\nproto = \"tcp\"\nports = \"0\"\n";
    fs::write(&file, text).unwrap();
    let run = on(dir.path(), &["expected", "import", file.to_str().unwrap()]).code(2);
    assert!(stderr(&run).contains("bad.toml, line 2"), "{}", stderr(&run));
    let run = on(dir.path(), &["expected", "get"]).success();
    assert_eq!(rows(&run).len(), 1);
}

#[test]
fn a_store_goes_out_and_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (_open, port) = listener();
    let port = port.to_string();
    on(dir.path(), &["scan", "127.0.0.1", "-sT", "-p", &port, "-f", "ndjson"]).success();
    on(dir.path(), &["expected", "set", "127.0.0.1", "tcp", "22"]).success();
    let file = dir.path().join("out.ndjson");
    on(dir.path(), &["export", file.to_str().unwrap()]).success();

    let other = tempfile::tempdir().unwrap();
    on(other.path(), &["import", file.to_str().unwrap()]).success();
    let diff = |at: &Path| stdout(&on(at, &["diff", "-f", "json"]).success());
    assert_eq!(diff(dir.path()), diff(other.path()));
    assert!(diff(dir.path()).contains("unexpected_open"));
    // An export is read into an empty store only.
    let run = on(other.path(), &["import", file.to_str().unwrap()]).code(2);
    assert!(stderr(&run).contains("empty"), "{}", stderr(&run));
}

#[test]
fn a_directory_is_imported_and_archived() {
    let dir = tempfile::tempdir().unwrap();
    let drop_box = dir.path().join("in");
    fs::create_dir(&drop_box).unwrap();
    fs::write(drop_box.join("a.list"), "#masscan\nopen tcp 80 10.0.0.1 1763751600\n# end\n")
        .unwrap();
    fs::write(drop_box.join("b.xml"), "<?xml version=\"1.0\"?>\n<nmaprun><host>").unwrap();
    let name = drop_box.to_str().unwrap();
    on(dir.path(), &["import", "--watch", name, "--once"]).success();
    assert!(drop_box.join("archive/a.list").exists());
    assert!(drop_box.join("failed/b.xml").exists());
    assert!(drop_box.join("failed/b.xml.reason").exists());
    let run = on(dir.path(), &["diff"]).success();
    assert_eq!(rows(&run)[0]["addr"], "10.0.0.1");
}

#[test]
fn a_service_that_changed_is_a_difference_between_scans() {
    let dir = tempfile::tempdir().unwrap();
    let report = |at: u32, version: &str| {
        let service = format!(
            "<service name=\"ssh\" product=\"OpenSSH\" version=\"{version}\" \
             method=\"probed\" conf=\"10\"/>"
        );
        let service = if version.is_empty() { String::new() } else { service };
        let text = format!(
            "<?xml version=\"1.0\"?>\n<nmaprun start=\"{at}\"><host><status state=\"up\"/>\
             <address addr=\"10.0.0.1\"/><ports><port protocol=\"tcp\" portid=\"22\">\
             <state state=\"open\"/>{service}</port></ports></host></nmaprun>\n"
        );
        let file = dir.path().join(format!("{at}.xml"));
        fs::write(&file, text).unwrap();
        on(dir.path(), &["import", file.to_str().unwrap()]).success();
    };
    report(1000, "9.2p1");
    report(2000, "");
    report(3000, "9.3p1\u{202e}");
    let diff = |args: &[&str]| on(dir.path(), &[&["diff", "--fail-on-change"], args].concat());
    diff(&["1000", "2000"]).code(0);
    let run = diff(&["1000", "3000"]).code(1);
    let row = &rows(&run)[0];
    assert_eq!(row["kind"], "version");
    assert_eq!((row["from"].as_str(), row["to"].as_str()), (Some("open"), Some("open")));
    assert_eq!(row["changes"][0]["from"], "9.2p1");
    diff(&["1000", "3000", "--states-only"]).code(0);
    let run = diff(&["1000", "current", "-f", "table"]).code(1);
    let table = stdout(&run);
    assert!(table.contains("version 9.2p1 -> 9.3p1\\u{202e}"), "{table}");
}

#[test]
fn what_is_no_report_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("junk");
    fs::write(&file, "hello").unwrap();
    let run = on(dir.path(), &["import", file.to_str().unwrap()]).code(2);
    assert!(stderr(&run).contains("--format"), "{}", stderr(&run));
    let run = portolan().args(["diff", "--data", "/nonexistent/store"]).assert().code(5);
    assert!(stderr(&run).contains("no store"), "{}", stderr(&run));
    on(dir.path(), &["diff", "expected", "12345"]).code(2);
    on(dir.path(), &["diff", "expected", "sideways"]).code(2);
}

#[test]
fn the_doctor_answers_in_words_and_json() {
    let run = portolan().args(["doctor", "-f", "json"]).assert();
    let report: Value = serde_json::from_str(&stdout(&run)).unwrap();
    let raw = report["raw_scan"].as_bool().unwrap();
    assert_eq!(run.get_output().status.code(), Some(if raw { 0 } else { 3 }));
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["level"] == "ok", check.get("remedy").is_none(), "{check}");
    }
    let text = stdout(&portolan().arg("doctor").assert());
    assert!(text.contains("privileges"), "{text}");
}

#[test]
fn completions_and_manual_pages_come_from_the_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let text = stdout(&portolan().args(["completions", shell]).assert().success());
        assert!(text.contains("exclude-file"), "{shell}");
    }
    assert!(stdout(&portolan().arg("man").assert().success()).contains("portolan"));
    let dir = tempfile::tempdir().unwrap();
    portolan().args(["man", "--dir"]).arg(dir.path()).assert().success();
    let page = fs::read_to_string(dir.path().join("portolan-scan.1")).unwrap();
    assert!(page.contains("exclude\\-file"));
}
