//! `portolan identify` as a program between two pipes.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

use assert_cmd::Command;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

fn question(id: &Value, protocol: Option<&str>, kind: &str, data: &[u8]) -> String {
    let data = BASE64.encode(data);
    json!({"id": id, "protocol": protocol, "kind": kind, "data": data}).to_string() + "\n"
}

fn identify() -> Command {
    let mut command = Command::cargo_bin("portolan").unwrap();
    command.env_remove("PORTOLAN_LOG").arg("identify");
    command.timeout(std::time::Duration::from_mins(1));
    command
}

fn answers(stdout: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn answers_come_in_the_order_of_the_questions() {
    let input = [
        question(&json!(7), Some("ssh"), "banner", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n"),
        question(&json!("x"), None, "banner", b"\xff\x00nobody says this"),
        question(
            &json!(null),
            None,
            "http-head",
            b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n",
        ),
        "\n".to_owned(),
        question(&json!([1]), None, "dns-version-bind", b"9.18.24-1-Debian"),
    ];
    let output = identify().write_stdin(input.concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = answers(&output.stdout);
    let ids: Vec<&Value> = found.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(7), &json!("x"), &json!(null), &json!([1])]);
    let service = |at: usize| &found[at]["service"];
    assert_eq!(service(0)["name"], "ssh");
    assert_eq!(service(0)["product"], "OpenSSH");
    assert_eq!(service(0)["version"], "9.2p1");
    assert_eq!(service(1), &Value::Null);
    assert_eq!((&service(2)["name"], &service(2)["product"]), (&json!("http"), &json!("nginx")));
    assert_eq!(service(2)["version"], "1.22.1");
    assert_eq!(service(3)["name"], "dns");
}

#[test]
fn what_comes_before_a_bad_line_is_answered() {
    let good = question(&json!(1), None, "banner", b"+OK Dovecot ready.\r\n");
    for (bad, why) in [("{\"id\":2}\n", "kind"), ("{\"kind\":\"banner\",\"data\":\"%\"}\n", "data")]
    {
        let input = format!("{good}{bad}{good}");
        let output = identify().write_stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(answers(&output.stdout).len(), 1);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("line 2") && said.contains(why), "{said}");
    }
}

#[test]
fn signatures_of_ones_own_are_read_and_bad_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    let signature = |pattern: &str| {
        format!(
            "[[signature]]\nservice = 'acme'\nkind = 'banner'\nhas = 'ACME'\n\
             pattern = '{pattern}'\nproduct = 'Anvil'\nexamples = [{{ data = 'ACME 1.0' }}]\n"
        )
    };
    let file = folder.path().join("acme.toml");
    let run = || {
        let input = question(&json!(1), None, "banner", b"ACME anvil 3.1");
        let mut command = identify();
        command.arg("--signatures").arg(folder.path()).write_stdin(input);
        command.output().unwrap()
    };
    std::fs::write(&file, signature("^ACME (?:anvil )?(?P<version>[0-9.]+)")).unwrap();
    let found = answers(&run().stdout);
    assert_eq!(found[0]["service"], json!({"name": "acme", "product": "Anvil", "version": "3.1"}));
    for bad in ["^ACME (?=x)", "(?:(?:a{1000}){1000}){1000}", "("] {
        std::fs::write(&file, signature(bad)).unwrap();
        let output = run();
        assert_eq!(output.status.code(), Some(2), "{bad}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("acme.toml") && said.contains("Anvil"), "{said}");
    }
}
