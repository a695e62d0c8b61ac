//! A real Prometheus scrapes the daemon, where one is installed.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Command;

use crate::client::send;
use crate::lab::{Lab, ONE_SCAN, tcp};

/// A port that nothing listens on at this moment; Prometheus does not say which it was given.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Asks Prometheus until the answer holds `wanted`.
async fn ask(addr: SocketAddr, target: &str, wanted: &str) {
    loop {
        // It takes a moment until it listens.
        if TcpStream::connect(addr).await.is_ok() {
            let answer = send(addr, "GET", target, &[], b"").await;
            if answer.text().contains(wanted) {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_real_prometheus_scrapes_it() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.ran("lab").await;
    lab.network.open(tcp(1, 22));
    lab.next_run().await;
    let file = lab.path("prometheus.yml");
    let text = format!(
        "scrape_configs:\n- job_name: portolan\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{}']\n",
        lab.addr
    );
    fs::write(&file, text).unwrap();
    let addr = free_address();
    let started = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", lab.path("tsdb").display()))
        .arg(format!("--web.listen-address={addr}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut prometheus) = started else {
        // Not installed: that the text is sound is checked with the metrics themselves.
        assert_eq!(lab.metric("portolan_scans_active").await, Some(0.0));
        return lab.stop().await.unwrap();
    };
    let asked = async {
        ask(addr, "/api/v1/targets", "\"health\":\"up\"").await;
        let rogue = "/api/v1/query?query=portmantool_ports_rogue%7Bhost%3D%2210.78.0.1%22%7D";
        ask(addr, rogue, ",\"1\"]").await;
        ask(addr, "/api/v1/query?query=portolan_deviations", "unexpected_open").await;
    };
    let answered = tokio::time::timeout(Duration::from_mins(1), asked).await;
    prometheus.kill().await.unwrap();
    assert!(answered.is_ok(), "it was not scraped within a minute");
    lab.stop().await.unwrap();
}
