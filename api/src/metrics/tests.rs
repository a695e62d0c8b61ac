use std::io::Write as _;
use std::process::{Command, Stdio};

use portolan_core::{PortState, Transport};
use portolan_store::{DriftKind, SiteName};

use super::*;

fn summary(hosts: u8) -> Arc<Summary> {
    let mut summary = Summary::default();
    for host in 0..hosts {
        let addr = std::net::IpAddr::from([10, 0, 0, host]);
        for site in ["default", "berlin"] {
            let site: SiteName = site.parse().unwrap();
            summary.ports.insert((site.clone(), addr, Transport::Tcp, PortState::Open), 2);
            summary.rogue.insert((site.clone(), addr, Transport::Tcp), 1);
            *summary.rogue_by_kind.entry((site, DriftKind::UnexpectedOpen)).or_default() += 1;
        }
    }
    summary.imports_last = Some(UnixTime::from_millis(1_500));
    Arc::new(summary)
}

fn render(metrics: &Metrics, summary: Arc<Summary>, config: &MetricsConfig) -> String {
    let snapshot =
        Snapshot { summary, scans: &[], store_bytes: 4_096, store_read_only: false, config };
    metrics.render(&snapshot).unwrap()
}

fn filled() -> Metrics {
    let metrics = Metrics::new(UnixTime::from_seconds(1)).unwrap();
    metrics.run_ended("lab", RunResult::Success, Duration::from_secs(3));
    metrics.http(HttpLabels { method: "GET", route: "/v1/diff", code: 200 }, Duration::ZERO);
    metrics.import_ended(Some(Source::NmapXml), true);
    metrics.import_ended(None, false);
    metrics
}

#[test]
fn the_old_names_keep_their_labels() {
    let config = MetricsConfig { compat: true, hosts_max: 10 };
    let text = render(&filled(), summary(2), &config);
    for line in [
        "portmantool_ports{host=\"10.0.0.1\",protocol=\"tcp\",state=\"open\"} 4",
        "portmantool_ports_rogue{host=\"10.0.0.0\",protocol=\"tcp\"} 2",
        "portmantool_imports_failed_total 0",
        "portmantool_imports_last 1.5",
        "portolan_ports{site=\"berlin\",protocol=\"tcp\",state=\"open\"} 4",
        "portolan_deviations{site=\"berlin\",kind=\"unexpected_open\"} 2",
        "portolan_deviations{site=\"berlin\",kind=\"missing\"} 0",
        "portolan_deviations{site=\"default\",kind=\"unexpected_open\"} 2",
        "portolan_imports_total{format=\"nmap-xml\",result=\"failed\"} 0",
        "portolan_imports_total{format=\"unknown\",result=\"failed\"} 1",
        "portolan_http_requests_total{method=\"GET\",route=\"/v1/diff\",code=\"200\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_old_names_can_be_switched_off() {
    let text = render(&filled(), summary(2), &MetricsConfig { compat: false, hosts_max: 10 });
    assert!(!text.contains("portmantool_imports"), "{text}");
}

#[test]
fn hosts_beyond_the_cap_are_counted_not_shown() {
    let text = render(&filled(), summary(5), &MetricsConfig { compat: true, hosts_max: 2 });
    assert_eq!(text.matches("portmantool_ports{").count(), 2);
    let dropped = "portolan_series_dropped_total{family=\"portmantool_ports\"} 3";
    assert!(text.contains(dropped), "{text}");
}

#[test]
fn promtool_has_nothing_to_say_about_our_names() {
    let text = render(&filled(), summary(2), &MetricsConfig { compat: true, hosts_max: 10 });
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        // Where promtool is not installed, the shape of the names is all that can be checked.
        assert!(text.lines().all(|l| l.starts_with('#') || l.contains(' ')));
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("portolan_") && !said.contains("process_"), "{said}\n{text}");
    assert!(!said.contains("error while linting"), "{said}\n{text}");
}

#[test]
fn the_alert_rules_hold_and_name_families_that_exist() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus");
    let rules = std::fs::read_to_string(folder.join("rules.yml")).unwrap();
    let metrics = filled();
    metrics.count_report("lab", &{
        let mut report =
            ScanReport::empty(SiteName::default(), Source::Engine, UnixTime::default());
        report.counters.coverage = 1.0;
        report
    });
    let mut text = render(&metrics, summary(1), &MetricsConfig { compat: true, hosts_max: 10 });
    // These two need a configured scan.
    text.push_str("portolan_scans_total portolan_scan_coverage_ratio");
    text.push_str(" portolan_scan_last_success_timestamp_seconds");
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for name in rules.split(|c| !word(c)).filter(|w| w.starts_with("portolan_")) {
        assert!(text.contains(name), "{name} is no metric");
    }
    let tested = Command::new("promtool")
        .args(["test", "rules", "rules_test.yml"])
        .current_dir(folder)
        .output();
    if let Ok(output) = tested {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
