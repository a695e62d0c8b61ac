//! Lists: their rows, their filters, their pages.

use serde_json::{Value, json};

use crate::lab::{Lab, ONE_SCAN, START, tcp};

/// Two scans: in the second, one port has opened and one has closed.
async fn two_scans() -> Lab {
    let lab = Lab::start(ONE_SCAN).await;
    lab.ran("lab").await;
    for host in 1..=5 {
        lab.network.open(tcp(host, 22));
    }
    lab.next_run().await;
    lab.network.open(tcp(9, 80));
    lab.network.close(tcp(5, 22));
    lab.next_run().await;
    lab
}

fn ports(rows: &[Value]) -> Vec<(String, u64)> {
    let port = |r: &Value| (r["address"].as_str().unwrap().to_owned(), r["port"].as_u64().unwrap());
    rows.iter().map(port).collect()
}

#[tokio::test]
async fn scans_are_listed_and_compared() {
    let lab = two_scans().await;
    let (first, second) = (START + 10, START + 20);
    let rows = lab.get("/v1/scans").await.rows();
    let ids: Vec<_> = rows.iter().map(|r| r["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [START, first, second]);
    assert_eq!(rows[2]["name"], "lab");
    assert_eq!(rows[2]["source"], "engine");
    assert_eq!(rows[2]["started_at"], "2026-11-21T19:00:20Z");

    let changes = lab.get(&format!("/v1/diff/{first}/{second}")).await.rows();
    let expected = [("10.78.0.5".to_owned(), 22), ("10.78.0.9".to_owned(), 80)];
    assert_eq!(ports(&changes), expected);
    assert_eq!(changes[1]["state_b"], "open");
    assert_eq!(changes[1]["scan_a"].as_i64().unwrap_or(first), first);
    assert_eq!(changes[1]["scan_b"], second);
    let current = lab.get(&format!("/v1/diff/{first}?against=current")).await.rows();
    assert_eq!(ports(&current), expected);
    // Nothing is expected: against that, a scan differs by what is open in it.
    let against = lab.get(&format!("/v1/diff/{second}")).await.rows();
    assert_eq!(against.len(), 5);
    assert_eq!(against, lab.get(&format!("/v1/diff/{second}?against=expected")).await.rows());
    assert_eq!(against[0]["scan_b"], json!(null));

    let found = lab.get(&format!("/v1/scan/{second}?state=open")).await.rows();
    assert_eq!(found.len(), 5);
    assert_eq!(found[0]["scan_id"], second);
    assert_eq!(found[0]["reason"], "syn-ack");
    for unknown in ["/v1/scan/77", "/v1/diff/77", "/v1/diff/77/78", &format!("/v1/diff/{first}/77")]
    {
        lab.get(unknown).await.assert_problem(404);
    }
    for bad in ["/v1/scan/x", "/v1/diff/x", "/v1/diff/1.5", "/v1/scan/99999999999999999999"] {
        lab.get(bad).await.assert_problem(400);
    }
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn current_state_hosts_and_transitions() {
    let lab = two_scans().await;
    let open = lab.get("/v1/current?state=open").await.rows();
    assert_eq!(open.len(), 5);
    assert_eq!(open[0]["address"], "10.78.0.1");
    assert_eq!(open[0]["scan_id"], START + 20);
    assert_eq!(open[0]["since"], "2026-11-21T19:00:10Z");
    assert_eq!(lab.get("/v1/current?address=10.78.0.8/30&state=open").await.rows().len(), 1);
    assert_eq!(lab.get("/v1/current?port=80&state=open").await.rows().len(), 1);
    assert_eq!(lab.get("/v1/current?protocol=udp").await.rows().len(), 0);
    assert_eq!(lab.get("/v1/current?site=berlin").await.rows().len(), 0);
    let hosts = lab.get("/v1/hosts").await.rows();
    assert!(hosts.iter().any(|h| h["address"] == "10.78.0.9" && h["open"] == 1), "{hosts:?}");
    let turns = lab.get("/v1/transitions?address=10.78.0.5").await.rows();
    assert_eq!(turns.last().unwrap()["from"], "open");
    assert_ne!(turns.last().unwrap()["to"], "open");
    let info = lab.get("/v1/info").await.json();
    assert_eq!(info["scans"], 3);
    assert_eq!(info["last_successful_import"], 1_795_287_620.0);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn pages_lead_through_the_whole_list() {
    let lab = two_scans().await;
    for list in ["/v1/current?state=open", "/v1/diff?port=22,80", "/v1/scans?", "/v1/hosts?"] {
        let whole = lab.get(list.trim_end_matches('?')).await.rows();
        let mut collected = Vec::new();
        let mut next = Some(format!("{list}&limit=2"));
        while let Some(target) = next {
            let answer = lab.get(&target).await;
            let rows = answer.rows();
            assert!(rows.len() <= 2);
            collected.extend(rows);
            next = answer.header("link").map(|link| {
                let (target, rel) = link.split_once(">;").unwrap();
                assert_eq!(rel.trim(), "rel=\"next\"");
                target.strip_prefix('<').unwrap().to_owned()
            });
        }
        assert_eq!(collected, whole, "{list}");
        assert!(whole.len() > 2, "{list} is too short to have pages: {whole:?}");
    }
    let foreign = lab.get("/v1/scans?limit=1").await;
    let cursor = foreign.header("link").unwrap().split("cursor=").nth(1).unwrap();
    let cursor = cursor.split(['&', '>']).next().unwrap();
    lab.get(&format!("/v1/current?cursor={cursor}")).await.assert_problem(400);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn pruning_leaves_the_current_state_alone() {
    let lab = two_scans().await;
    let before = lab.get("/v1/current").await.rows();
    let cut = START + 10;
    assert_eq!(lab.send("DELETE", &format!("/v1/scans/{cut}"), "", "").await.status, 204);
    let ids: Vec<_> = lab.get("/v1/scans").await.rows().iter().map(|r| r["id"].clone()).collect();
    assert!(ids.contains(&json!(cut)), "{ids:?}");
    assert_eq!(lab.send("DELETE", "/v1/scans", "", "").await.status, 204);
    assert_eq!(lab.get("/v1/current").await.rows(), before);
    let left = lab.get("/v1/scans").await.rows();
    assert!(left.len() < 3, "{left:?}");
    lab.send("DELETE", "/v1/scans/", "", "").await.assert_problem(400);
    lab.send("DELETE", "/v1/scans/soon", "", "").await.assert_problem(400);
    lab.stop().await.unwrap();
}
