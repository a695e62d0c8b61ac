//! A scan that is killed at any moment and resumed: each endpoint's state is known exactly once.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that can't go on fails its test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portolan_net::suppress;
use portolan_simnet::lab::{Lab, listen_tcp};
use portolan_simnet::lab_test;
use portolan_simnet::network::{Rng, seed_from_env};
use serde_json::Value;

const OUT: &str = "out.ndjson";
const RESUME: &str = "scan.resume";

fn start(dir: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_portolan"))
        .current_dir(dir)
        .args(["scan", "-o", OUT, "--suppress-resets"])
        .args(args)
        .env_remove("PORTOLAN_LOG")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the scan has a checkpoint and `len` octets of results, then kills it; `false` where
/// it has ended before.
fn kill_at(child: &mut Child, dir: &Path, len: u64) -> bool {
    let (out, resume) = (dir.join(OUT), dir.join(RESUME));
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        if resume.exists() && out.metadata().is_ok_and(|about| about.len() >= len) {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The states in the file, each endpoint once, and the summary, which is its last line.
fn results(dir: &Path) -> (BTreeMap<(String, u64), String>, Value) {
    let text = fs::read_to_string(dir.join(OUT)).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let summary = lines.pop().unwrap()["summary"].take();
    let mut states = BTreeMap::new();
    for line in lines {
        let addr = line["addr"].as_str().unwrap().to_owned();
        let key = (addr, line["port"].as_u64().unwrap());
        let state = line["state"].as_str().unwrap().to_owned();
        assert_eq!(states.insert(key, state), None, "told twice: {line}");
    }
    (states, summary)
}

#[test]
fn a_killed_scan_goes_on_and_tells_each_endpoint_once() {
    lab_test!(a_killed_scan_goes_on_and_tells_each_endpoint_once, {
        let seed = seed_from_env(17);
        let mut rng = Rng::new(seed);
        let lab = Lab::builder().silent("10.78.0.0/26".parse().unwrap()).build().unwrap();
        let open: BTreeSet<u64> = [1_007, 1_100, 1_199].into();
        let ports: Vec<u16> = open.iter().map(|port| u16::try_from(*port).unwrap()).collect();
        let _listeners = lab.far(|| listen_tcp(ports.iter().copied())).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let fresh = ["10.78.0.0/24", "-p", "1001-1200", "--checkpoint", RESUME];
        let pace = ["--rate", "8000", "--retries", "1"];
        let mut child = start(dir.path(), &[&fresh[..], &pace].concat());
        let mut kills = 0;
        while kills < 4 {
            let before = dir.path().join(OUT).metadata().map_or(0, |about| about.len());
            if !kill_at(&mut child, dir.path(), before + rng.below(2_500_000)) {
                break;
            }
            kills += 1;
            child = start(dir.path(), &["--resume", RESUME, "--rate", "8000"]);
        }
        assert!(child.wait().unwrap().success());
        assert!(kills >= 2, "killed {kills} times with seed {seed}");
        let (states, summary) = results(dir.path());
        let expected = (64..256).flat_map(|host| {
            let open = &open;
            (1_001..=1_200).map(move |port| {
                let state = if open.contains(&port) { "open" } else { "closed" };
                ((format!("10.78.0.{host}"), port), state.to_owned())
            })
        });
        assert_eq!(states, expected.collect(), "killed {kills} times with seed {seed}");
        let counted = (&summary["open"], &summary["closed"], &summary["silent"]);
        let wanted = (&(192 * 3).into(), &(192 * 197).into(), &(64 * 200).into());
        assert_eq!(counted, wanted, "seed {seed}: {summary}");
        assert_eq!(suppress::tables().unwrap(), [""; 0], "no filter rule is left");
        assert!(!dir.path().join(RESUME).exists(), "a scan that has ended leaves no resume file");
    });
}

#[test]
fn a_resumed_scan_overwrites_nothing_that_it_cannot_continue() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("portolan").unwrap();
        command.current_dir(dir.path()).args(args).assert()
    };
    let checkpoint = r#"{"portolan_checkpoint":1,
        "targets":[{"addrs":"127.0.0.1","tcp":"1","udp":""}],"kinds":["connect"],"seed":1,
        "begun_ms":1700000000000,"shard":[0,1],"retries":0,"rate_pps":1000,"pass":0,"threads":1,
        "taken":[0],"answered":""}"#;
    fs::write(dir.path().join(RESUME), checkpoint).unwrap();
    fs::write(dir.path().join("a.xml"), "<nmaprun>").unwrap();
    fs::write(dir.path().join(OUT), "80/tcp open\n").unwrap();
    for (args, says) in [
        (["scan", "--resume", RESUME, "-oX", "a.xml"], "a.xml"),
        (["scan", "--resume", RESUME, "-o", OUT], "line 1"),
    ] {
        let run = run(&args).code(2);
        let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert!(said.contains(says), "{said}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("a.xml")).unwrap(), "<nmaprun>");
    assert_eq!(fs::read_to_string(dir.path().join(OUT)).unwrap(), "80/tcp open\n");
    fs::remove_file(dir.path().join(OUT)).unwrap();
    run(&["scan", "--resume", RESUME, "-o", OUT]).success();
    let (states, _) = results(dir.path());
    assert_eq!(states[&("127.0.0.1".to_owned(), 1)], "closed");
}
