//! Scans that are due, that are asked for, that fail, and what is said of what they find.

use std::time::Duration;

use portolan_api::Clock as _;
use serde_json::json;

use crate::client::NOTHING;
use crate::lab::{Lab, ONE_SCAN, START, config, tcp};
use crate::network::Mood;

#[tokio::test]
async fn a_port_that_opens_shows_and_is_gone_once_it_is_accepted() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.network.open(tcp(1, 22));
    lab.ran("lab").await;
    let ssh = json!([{"address": "10.78.0.1", "port": 22, "protocol": "tcp", "state": "open"}]);
    assert_eq!(lab.patch(&ssh).await.status, 204);
    assert_eq!(lab.get("/v1/diff").await.rows(), NOTHING);

    lab.network.open(tcp(1, 80));
    lab.next_run().await;
    let rows = lab.get("/v1/diff").await.rows();
    assert_eq!(
        rows,
        [json!({
            "address": "10.78.0.1", "port": 80, "protocol": "tcp", "site": "default",
            "expected_state": "", "actual_state": "open", "scan_id": START + 10, "comment": "",
            "kind": "unexpected_open",
        })]
    );
    let rogue = "portmantool_ports_rogue{host=\"10.78.0.1\",protocol=\"tcp\"}";
    assert_eq!(lab.metric(rogue).await, Some(1.0));
    assert_eq!(
        lab.metric("portolan_deviations{site=\"default\",kind=\"unexpected_open\"}").await,
        Some(1.0)
    );

    let web = json!([{"address": "10.78.0.1", "port": 80, "protocol": "tcp", "state": "open",
                      "comment": "the new web server"}]);
    assert_eq!(lab.patch(&web).await.status, 204);
    assert_eq!(lab.get("/v1/diff").await.rows(), NOTHING);
    assert_eq!(lab.metric(rogue).await, Some(0.0));
    assert_eq!(
        lab.metric("portolan_deviations{site=\"default\",kind=\"unexpected_open\"}").await,
        Some(0.0)
    );
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn what_seems_gone_is_asked_again_before_anyone_is_told() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.network.open(tcp(1, 22));
    lab.ran("lab").await;
    let ssh = json!([{"address": "10.78.0.1", "port": 22, "protocol": "tcp", "state": "open"}]);
    lab.patch(&ssh).await;

    lab.network.be_shy(tcp(1, 22));
    lab.next_run().await;
    assert_eq!(lab.get("/v1/diff").await.rows(), NOTHING);
    let last = lab.network.jobs.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("lab".to_owned(), Some(vec![tcp(1, 22)]))));

    lab.network.close(tcp(1, 22));
    lab.next_run().await;
    let rows = lab.get("/v1/diff").await.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["kind"], "missing");
    assert_eq!(rows[0]["expected_state"], "open");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn runs_never_overlap_and_can_be_asked_for() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.ran("lab").await;
    lab.network.set_mood(Mood::Hold);
    lab.clock.advance(Duration::from_secs(1));
    let first = lab.send("POST", "/v1/run", "", "").await;
    assert_eq!(first.status, 202);
    let id = first.json()["runs"][0]["id"].clone();
    assert_eq!(first.json(), json!({"runs": [{"id": id, "name": "lab", "started": true}]}));
    let again = lab.send("POST", "/v1/run/lab", "", "").await;
    assert_eq!(again.json(), json!({"runs": [{"id": id, "name": "lab", "started": false}]}));
    assert_eq!(lab.get("/v1/schedule").await.rows()[0]["running"], id);
    // Several turns pass while it runs.
    lab.clock.advance(Duration::from_secs(35));
    assert_eq!(lab.network.jobs.lock().unwrap().len(), 2);
    lab.network.set_mood(Mood::Scan);
    lab.ran("lab").await;
    // What was missed is caught up once: the run after it, and then the turn is 10 s away.
    let rows = lab.get("/v1/schedule").await.rows();
    assert_eq!(rows[0]["running"], json!(null));
    assert_eq!(rows[0]["last_run"]["error"], json!(null));
    assert_eq!(lab.network.jobs.lock().unwrap().len(), 3);
    lab.send("POST", "/v1/run/nosuch", "", "").await.assert_problem(404);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_scan_that_fails_or_panics_does_not_stop_the_others() {
    let two = format!(
        "{ONE_SCAN}[[scan]]\nname = 'other'\ntargets = ['10.78.0.9']\nports = '80'\ninterval = '10s'\n"
    );
    let lab = Lab::start(&two).await;
    lab.ran("lab").await;
    lab.ran("other").await;
    for mood in [Mood::Fail, Mood::Panic] {
        lab.network.set_mood(mood);
        let failed = lab.next_run().await;
        assert!(failed.last.unwrap().outcome.is_err());
        assert!(lab.ran("other").await.last.unwrap().outcome.is_ok());
    }
    let rows = lab.get("/v1/schedule").await.rows();
    assert!(rows[0]["last_run"]["error"].is_string(), "{rows:?}");
    lab.network.set_mood(Mood::Scan);
    assert!(lab.next_run().await.last.unwrap().outcome.is_ok());
    let failed = "portolan_scans_total{scan=\"lab\",result=\"failed\"}";
    assert_eq!(lab.metric(failed).await, Some(1.0));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_reload_replaces_the_scans_and_keeps_turns() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.ran("lab").await;
    let both = format!(
        "{ONE_SCAN}[[scan]]\nname = 'new'\nsite = 'berlin'\ntargets = ['10.78.0.5']\nports = '80'\ninterval = '1h'\n"
    );
    lab.handle.reload(config(&both)).await;
    lab.ran("new").await;
    // The old one had its turn already.
    assert_eq!(lab.network.jobs.lock().unwrap().len(), 2);
    lab.handle.reload(config("")).await;
    lab.handle.scheduler().wait_for(<[_]>::is_empty).await.unwrap();
    assert_eq!(lab.get("/v1/schedule").await.rows(), NOTHING);
    assert_eq!(lab.metric("portolan_config_last_reload_successful").await, Some(1.0));
    lab.handle.reload_failed(&std::io::Error::other("no such file"));
    assert_eq!(lab.metric("portolan_config_last_reload_successful").await, Some(0.0));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn what_runs_when_the_daemon_stops_ends_early_and_is_stored() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.network.open(tcp(1, 22));
    lab.ran("lab").await;
    lab.network.set_mood(Mood::Hold);
    lab.clock.advance(Duration::from_secs(10));
    let scheduler = lab.handle.scheduler().clone();
    scheduler.wait_for(|s| s[0].running.is_some()).await.unwrap();
    let (store, now) = (lab.store.clone(), lab.clock.now());
    lab.stop().await.unwrap();
    let scans = store.scans(&portolan_store::PageRequest::all()).unwrap().items;
    let last = scans.last().unwrap();
    assert!(last.started_at <= now);
    assert!(!last.complete, "{scans:?}");
}

#[tokio::test]
async fn a_daemon_without_scans_serves_all_the_same() {
    let lab = Lab::start("").await;
    assert_eq!(lab.get("/v1/schedule").await.rows(), NOTHING);
    assert_eq!(lab.send("POST", "/v1/run", "", "").await.json(), json!({"runs": []}));
    lab.stop().await.unwrap();
}
