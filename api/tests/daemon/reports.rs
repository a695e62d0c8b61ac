//! Other programs' reports: posted, and dropped into the watched folder.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::client::NOTHING;
use crate::lab::{Lab, config};

const NMAP: &str = r#"<?xml version="1.0"?>
<nmaprun scanner="nmap" start="1795280000" version="7.93" xmloutputversion="1.05">
<scaninfo type="syn" protocol="tcp" numservices="2" services="22,80"/>
<host starttime="1795280000" endtime="1795280001"><status state="up" reason="arp-response" reason_ttl="0"/>
<address addr="10.78.0.1" addrtype="ipv4"/><address addr="02:00:5E:10:00:01" addrtype="mac"/>
<ports><extraports state="closed" count="1"><extrareasons reason="reset" count="1" proto="tcp" ports="80"/></extraports>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="ssh" method="table" conf="3"/></port>
</ports></host>
<runstats><finished time="1795280001" exit="success"/><hosts up="1" down="0" total="1"/></runstats>
</nmaprun>
"#;

const MASSCAN: &str = r#"[
{ "ip": "10.78.0.2", "timestamp": "1795280100", "ports": [ {"port": 443, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 64} ] }
]
"#;

#[tokio::test]
async fn a_posted_report_is_a_scan() {
    let lab = Lab::start("").await;
    for good in ["application/xml", "text/xml; charset=utf-8"] {
        let answer = lab.send("POST", "/v1/scan?site=berlin", good, NMAP).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let scan = lab.get(answer.header("location").unwrap()).await.rows();
        assert_eq!(scan[0]["address"], "10.78.0.1");
        assert_eq!(scan[0]["site"], "berlin");
    }
    // The second had to take the next free second.
    let ids: Vec<_> = lab.get("/v1/scans").await.rows().iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, [json!(1_795_280_000), json!(1_795_280_001)]);
    assert_eq!(lab.get("/v1/diff").await.rows()[0]["kind"], "unexpected_open");
    let answer = lab.send("POST", "/v1/scan", "application/json", MASSCAN).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(lab.get("/v1/current?port=443").await.rows()[0]["state"], "open");
    let imported = "portolan_imports_total{format=\"nmap-xml\",result=\"success\"}";
    assert_eq!(lab.metric(imported).await, Some(2.0));
    assert_eq!(lab.metric("portmantool_imports_last").await, Some(1_795_287_600.0));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_report_that_can_not_be_read_changes_nothing_and_is_counted() {
    let lab = Lab::start("").await;
    let cut = &NMAP[..NMAP.len() / 2];
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaa\">]><nmaprun>&a;</nmaprun>";
    for bad in [cut, bomb, "", "<html/>", "nonsense", "<nmaprun"] {
        lab.send("POST", "/v1/scan", "application/xml", bad).await.assert_problem(400);
    }
    lab.send("POST", "/v1/scan", "image/png", NMAP).await.assert_problem(415);
    lab.send("POST", "/v1/scan?site=A%20B", "text/xml", NMAP).await.assert_problem(400);
    assert_eq!(lab.get("/v1/scans").await.rows(), NOTHING);
    assert_eq!(lab.metric("portmantool_imports_failed_total").await, Some(6.0));
    assert_eq!(lab.metric("portmantool_imports_last").await, Some(0.0));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn files_in_the_watched_folder_are_imported_once_and_put_away() {
    let mut inbox = None;
    let lab = Lab::with(|folder| {
        let path = folder.path().join("inbox");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("good.xml"), NMAP).unwrap();
        fs::write(path.join("bad.xml"), "<nmaprun><oops").unwrap();
        fs::write(path.join("half.xml.part"), "<nmaprun>").unwrap();
        let text = format!("[import]\nwatch = {path:?}\nsite = 'berlin'\ninterval = '5s'\n");
        inbox = Some(path);
        config(&text)
    })
    .await;
    let inbox = inbox.unwrap();
    // A file is taken on the second look, when it has not changed since the first.
    while inbox.join("good.xml").exists() || inbox.join("bad.xml").exists() {
        lab.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    let reason = fs::read_to_string(inbox.join("failed/bad.xml.reason.txt")).unwrap();
    assert!(reason.contains("line 1"), "{reason}");
    assert!(inbox.join("half.xml.part").exists());
    assert!(inbox.join("archive/good.xml").exists());
    let scans = lab.get("/v1/scans").await.rows();
    assert_eq!(scans.len(), 1);
    assert_eq!(scans[0]["site"], "berlin");

    // The same name again finds another place.
    fs::write(inbox.join("good.xml"), NMAP).unwrap();
    while inbox.join("good.xml").exists() {
        lab.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert!(inbox.join("archive/good.xml.1").exists());
    assert_eq!(lab.get("/v1/scans").await.rows().len(), 2);
    assert!(lab.path("store").exists());
    lab.stop().await.unwrap();
}
