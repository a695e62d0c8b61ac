//! What is known of services over HTTP, and what changes of it.

use serde_json::json;

use crate::client::NOTHING;
use crate::lab::Lab;

/// nmap's report of one SSH server.
fn nmap(start: i64, service: &str) -> String {
    format!(
        r#"<?xml version="1.0"?>
<nmaprun scanner="nmap" start="{start}" version="7.93" xmloutputversion="1.05">
<scaninfo type="syn" protocol="tcp" numservices="1" services="22"/>
<host starttime="{start}" endtime="{start}"><status state="up" reason="arp-response" reason_ttl="0"/>
<address addr="10.78.0.1" addrtype="ipv4"/>
<ports><port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/>{service}</port></ports></host>
<runstats><finished time="{start}" exit="success"/><hosts up="1" down="0" total="1"/></runstats>
</nmaprun>
"#
    )
}

fn openssh(version: &str) -> String {
    format!(
        r#"<service name="ssh" product="OpenSSH" version="{version}" ostype="Linux" method="probed" conf="10"><cpe>cpe:/a:openbsd:openssh:{version}</cpe></service>"#
    )
}

#[tokio::test]
async fn a_changed_version_is_a_transition_and_a_difference_where_it_is_asked_for() {
    let lab = Lab::start("").await;
    let (first, second, third) = (1_795_280_000_i64, 1_795_280_100_i64, 1_795_280_200_i64);
    for report in [nmap(first, &openssh("9.2p1")), nmap(second, ""), nmap(third, &openssh("9.3p1"))]
    {
        let answer = lab.send("POST", "/v1/scan", "application/xml", &report).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    let current = lab.get("/v1/current").await.rows();
    assert_eq!(
        current[0]["service"],
        json!({
            "name": "ssh", "product": "OpenSSH", "version": "9.3p1", "extra": null,
            "cpe": ["cpe:2.3:a:openbsd:openssh:9.3p1:*:*:*:*:*:*:*"], "tls": false,
            "vendor": null, "os": "Linux", "device": null, "tls_info": null, "ssh": null
        })
    );
    let turns = lab.get("/v1/transitions").await.rows();
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert_eq!((&turns[0]["kind"], &turns[0]["before"]), (&json!("state"), &json!(null)));
    assert_eq!((&turns[0]["from"], &turns[0]["to"]), (&json!(""), &json!("open")));
    assert_eq!(turns[1]["kind"], "version");
    assert_eq!((&turns[1]["before"], &turns[1]["after"]), (&json!("9.2p1"), &json!("9.3p1")));
    assert_eq!((&turns[1]["from"], &turns[1]["to"]), (&json!("open"), &json!("open")));
    assert_eq!(turns[1]["scan_id"], third);

    // Who asks as ever is answered as ever.
    let plain = format!("/v1/diff/{first}/{third}");
    assert_eq!(lab.get(&plain).await.rows(), NOTHING);
    let rows = lab.get(&format!("{plain}?services=true")).await.rows();
    assert_eq!((&rows[0]["state_a"], &rows[0]["state_b"]), (&json!("open"), &json!("open")));
    assert_eq!(rows[0]["kind"], "version");
    let change = json!([{"kind": "version", "from": "9.2p1", "to": "9.3p1"}]);
    assert_eq!(rows[0]["changes"], change);
    let rows = lab.get(&format!("/v1/diff/{first}?against=current&services=true")).await.rows();
    assert_eq!(rows[0]["changes"], change);
    // A scan that was told nothing differs in nothing.
    for (a, b) in [(first, second), (second, third)] {
        let rows = lab.get(&format!("/v1/diff/{a}/{b}?services=true")).await.rows();
        assert_eq!(rows, NOTHING);
    }
    lab.get("/v1/diff?services=true").await.assert_problem(400);
    lab.get(&format!("{plain}?services=maybe")).await.assert_problem(400);
    lab.stop().await.unwrap();
}
