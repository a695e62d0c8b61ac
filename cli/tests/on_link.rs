//! A /64 on the link is scanned by its hosts, as one names it.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use portolan_simnet::lab::{Lab, listen_tcp};
use portolan_simnet::lab_test;
use serde_json::Value;

fn scan(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portolan"))
        .arg("scan")
        .args(args)
        .env_remove("PORTOLAN_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_64_on_the_link_is_scanned_and_one_elsewhere_is_refused() {
    lab_test!(a_64_on_the_link_is_scanned_and_one_elsewhere_is_refused, {
        let lab = Lab::builder().build().unwrap();
        let _listener = lab.far(|| listen_tcp([22])).unwrap();
        let done = scan(&["fd00:77::/64", "-p", "22", "--open", "-f", "ndjson"]);
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{told}");
        assert!(told.contains("fd00:77::/64 is too large to sweep"), "{told}");
        let out = String::from_utf8(done.stdout).unwrap();
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let open: BTreeSet<String> = lines
            .filter(|line| line["state"] == "open")
            .map(|line| line["addr"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(open, ["fd00:77::2".to_owned()].into());
        for (args, code, words) in [
            (&["fd00:78::/64", "-p", "22"][..], 2, "too many"),
            (&["fd00:77::/64", "-p", "22", "--dry-run"], 2, "too many"),
            (&["fd00:77::/64", "-p", "22", "--shard", "1/2"], 2, "list them"),
            (&["fd00:77::/64", "-p", "22", "--exclude", "ff02::1"], 4, "is excluded"),
        ] {
            let refused = scan(args);
            let told = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(code), "{args:?}: {told}");
            assert!(told.contains(words), "{args:?}: {told}");
        }
    });
}
