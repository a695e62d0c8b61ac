//! The expected state over HTTP: all of a request or nothing of it.

use serde_json::{Value, json};

use crate::client::NOTHING;
use crate::lab::{Lab, ONE_SCAN, tcp};

fn entry(address: &str, port: impl Into<Value>) -> Value {
    json!({"address": address, "port": port.into(), "protocol": "tcp", "state": "open",
           "comment": "c"})
}

#[tokio::test]
async fn what_is_patched_is_given_back() {
    let lab = Lab::start("").await;
    let all = json!([
        entry("10.0.0.1", 22),
        entry("10.0.0.0/24", "8000-8100"),
        entry("10.0.1.1-10.0.1.9", 80),
        entry("2001:db8::1", 443),
        {"Address": "10.0.0.2", "PORT": 53, "Protocol": "udp", "State": "open|filtered",
         "comment": null, "site": "berlin", "unknown": 1},
    ]);
    assert_eq!(lab.patch(&all).await.status, 204);
    let rows = lab.get("/v1/expected").await.rows();
    assert_eq!(rows.len(), 5);
    for (address, port) in [
        ("10.0.0.1", json!(22)),
        ("10.0.0.0/24", json!("8000-8100")),
        ("10.0.1.1-10.0.1.9", json!(80)),
        ("2001:db8::1", json!(443)),
    ] {
        let mut wanted = entry(address, port);
        wanted["site"] = json!("default");
        assert!(rows.contains(&wanted), "{wanted} is not in {rows:?}");
    }
    let berlin = lab.get("/v1/expected?site=berlin").await.rows();
    assert_eq!(
        berlin,
        [json!({"address": "10.0.0.2", "port": 53, "protocol": "udp",
        "state": "open|filtered", "comment": "", "site": "berlin"})]
    );

    // What is sent again is replaced, comment and all, and what was given can be sent back.
    let again = json!([{"address": "10.0.0.1", "port": 22, "protocol": "tcp", "state": "closed"}]);
    lab.patch(&again).await;
    assert_eq!(lab.patch(&lab.get("/v1/expected").await.json()).await.status, 204);
    let rows = lab.get("/v1/expected?address=10.0.0.1&port=22").await.rows();
    let exact = rows.iter().find(|r| r["address"] == "10.0.0.1").unwrap();
    assert_eq!((&exact["state"], &exact["comment"]), (&json!("closed"), &json!("")));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn any_json_content_type_will_do() {
    let lab = Lab::start("").await;
    let body = json!([entry("10.0.0.1", 22)]).to_string();
    for good in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.portolan+json",
        "text/json",
    ] {
        assert_eq!(lab.send("PATCH", "/v1/expected", good, &body).await.status, 204, "{good}");
    }
    for bad in ["", "text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        lab.send("PATCH", "/v1/expected", bad, &body).await.assert_problem(415);
    }
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn one_bad_entry_refuses_them_all_by_its_index() {
    let lab = Lab::start("").await;
    let bad = [
        entry("10.0.0.256", 1),
        entry("host.example", 1),
        entry("10.0.0.1 10.0.0.2", 1),
        entry("10.0.0.9-10.0.0.1", 1),
        entry("10.0.0.0/33", 1),
        entry("", 1),
        entry("10.0.0.1", 0),
        entry("10.0.0.1", 65_536),
        entry("10.0.0.1", -1),
        entry("10.0.0.1", 22.5),
        entry("10.0.0.1", "22,80"),
        entry("10.0.0.1", "90-80"),
        entry("10.0.0.1", "ssh"),
        entry("10.0.0.1", json!([22])),
        json!({"address": "10.0.0.1", "port": 1, "protocol": "tpc", "state": "open"}),
        json!({"address": "10.0.0.1", "port": 1, "protocol": "tcp", "state": "ajar"}),
        json!({"address": "10.0.0.1", "port": 1, "protocol": "tcp"}),
        json!({"address": 7, "port": 1, "protocol": "tcp", "state": "open"}),
        json!({"address": "10.0.0.1", "port": 1, "protocol": "tcp", "state": "open", "site": "A B"}),
        json!({"address": "10.0.0.1", "port": 1, "protocol": "tcp", "state": "open",
               "comment": "x".repeat(1_025)}),
        json!("10.0.0.1"),
        json!(null),
    ];
    for entry_that_is_bad in &bad {
        let all = json!([entry("10.0.0.7", 22), entry_that_is_bad, entry("10.0.0.8", 22)]);
        let answer = lab.patch(&all).await;
        assert_eq!(answer.wrong_entries(), [1], "{entry_that_is_bad}");
    }
    assert_eq!(lab.get("/v1/expected").await.rows(), NOTHING);

    let everything_wrong = lab.patch(&json!([{}, entry("10.0.0.1", 22), {"port": 0}])).await;
    assert_eq!(everything_wrong.wrong_entries(), [0, 0, 0, 0, 2, 2, 2, 2]);
    let pointers: Vec<_> = everything_wrong.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers[..4], ["/0/address", "/0/port", "/0/protocol", "/0/state"]);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn two_entries_for_the_same_are_refused_with_both_indexes() {
    let lab = Lab::start("").await;
    let all = json!([entry("10.0.0.1", 22), entry("10.0.0.2", 22), entry("10.0.0.1", "22")]);
    assert_eq!(lab.patch(&all).await.wrong_entries(), [0, 2]);
    assert_eq!(lab.get("/v1/expected").await.rows(), NOTHING);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_list_is_refused_and_an_empty_list_is_nothing() {
    let lab = Lab::start("").await;
    for bad in ["", "{", "[1,]", "{}", "null", "7", "\"x\"", "[{\"a\":}]", "\u{feff}[]"] {
        lab.send("PATCH", "/v1/expected", "application/json", bad).await.assert_problem(400);
    }
    let deep = "[".repeat(100_000);
    lab.send("PATCH", "/v1/expected", "application/json", deep).await.assert_problem(400);
    assert_eq!(lab.patch(&json!([])).await.status, 204);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn expectations_are_deleted_by_selector_or_by_filter() {
    let lab = Lab::start("").await;
    let all = json!([
        entry("10.0.0.1", 22),
        entry("10.0.0.1", 80),
        entry("10.0.0.2", 22),
        entry("10.0.0.3", 22)
    ]);
    lab.patch(&all).await;
    let one = json!([{"address": "10.0.0.1", "port": 22, "protocol": "tcp"}]).to_string();
    let answer = lab.send("DELETE", "/v1/expected", "application/json", &one).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(lab.get("/v1/expected").await.rows().len(), 3);
    let bad = json!([{"address": "10.0.0.1", "port": 80, "protocol": "tcp"}, {"port": 1}]);
    let answer = lab.send("DELETE", "/v1/expected", "application/json", bad.to_string()).await;
    assert_eq!(answer.wrong_entries(), [1, 1]);
    assert_eq!(lab.get("/v1/expected").await.rows().len(), 3);
    assert_eq!(lab.send("DELETE", "/v1/expected?port=22", "", "").await.status, 204);
    let left = lab.get("/v1/expected").await.rows();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["port"], 80);
    let both = lab.send("DELETE", "/v1/expected?port=80", "application/json", &one).await;
    both.assert_problem(400);
    // Neither selector nor filter is no wish to delete everything.
    assert!(lab.send("DELETE", "/v1/expected", "", "").await.status >= 400);
    assert_eq!(lab.get("/v1/expected").await.rows().len(), 1);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_deleted_expectation_shows_in_the_diff_at_once() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.network.open(tcp(3, 443));
    lab.next_run().await;
    lab.patch(&json!([entry("10.78.0.0/24", "1-1024")])).await;
    assert_eq!(lab.get("/v1/diff").await.rows(), NOTHING);
    lab.send("DELETE", "/v1/expected?address=10.78.0.0/24", "", "").await;
    assert_eq!(lab.get("/v1/diff").await.rows()[0]["port"], 443);
    let rogue = "portmantool_ports_rogue{host=\"10.78.0.3\",protocol=\"tcp\"}";
    assert_eq!(lab.metric(rogue).await, Some(1.0));
    lab.stop().await.unwrap();
}
