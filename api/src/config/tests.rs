use super::*;
use crate::schedule::Cadence;

fn no_names(_: &str) -> Vec<(portolan_core::Transport, u16)> {
    Vec::new()
}

fn two_links(word: &str) -> Result<(), String> {
    let known = ["auto", "mmsg"].contains(&word);
    known.then_some(()).ok_or_else(|| format!("{word:?}; expected auto or mmsg"))
}

fn load_with(
    file: &str,
    env: &[(&str, &str)],
    flags: &Overrides,
) -> Result<DaemonConfig, ConfigError> {
    let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let links = &two_links;
    DaemonConfig::load(&Sources { file: Some(file), env: &env, flags, names: &no_names, links })
}

fn load(file: &str) -> Result<DaemonConfig, ConfigError> {
    load_with(file, &[], &Overrides::default())
}

fn line_of(error: Result<DaemonConfig, ConfigError>) -> usize {
    match error.unwrap_err() {
        ConfigError::File { line, .. } => line,
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = load("").unwrap();
    assert_eq!(config.listen, DEFAULT_LISTEN);
    assert!(config.scans.is_empty() && config.warnings.is_empty());
    assert!(config.metrics.compat);
}

#[test]
fn later_sources_win() {
    let file = "listen = '127.0.0.1:1'\ndata = 'a'\n[log]\nlevel = 'warn'";
    let flags = Overrides { listen: Some("127.0.0.1:3".parse().unwrap()), ..Overrides::default() };
    let env = [("PORTOLAN_LISTEN", "127.0.0.1:2"), ("PORTOLAN_DATA", "b"), ("HOME", "/")];
    let config = load_with(file, &env, &flags).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, PathBuf::from("b"));
    assert_eq!(config.log.level, "warn");
}

#[test]
fn one_bad_scan_does_not_stop_the_others() {
    let file = r#"
[[scan]]
name = "good"
targets = ["10.0.0.0/24"]
ports = "22,80"
interval = "10s"

[[scan]]
name = "reversed"
targets = ["10.0.0.9-10.0.0.1"]

[[scan]]
name = "mistyped"
targets = ["10.0.0.1"]
intervall = "10s"

[[scan]]
name = "nightly"
site = "berlin"
targets = ["10.0.0.1", "router.example"]
kinds = ["udp", "syn", "udp"]
cron = "0 3 * * 7"
timezone = "Europe/Berlin"

[[scan]]
name = "good"
targets = ["10.0.0.1"]

[[scan]]
name = "hourly"
targets = ["10.0.0.1"]
ports = "22,70000"
"#;
    let config = load(file).unwrap();
    let names: Vec<_> = config.scans.iter().map(|s| s.spec.name.as_str()).collect();
    assert_eq!(names, ["good", "nightly"]);
    let lines: Vec<_> = config.warnings.iter().map(|w| w.line).collect();
    assert_eq!(lines, [10, 15, 26, 32], "{:?}", config.warnings);
    assert!(config.warnings[0].message.contains("reversed"), "{:?}", config.warnings);
    assert!(config.warnings[1].message.contains("intervall"), "{:?}", config.warnings);
    assert!(config.warnings[3].message.contains("column 4"), "{:?}", config.warnings);
    let nightly = &config.scans[1];
    assert_eq!(nightly.spec.kinds, [ScanKind::Syn, ScanKind::Udp]);
    assert_eq!(nightly.spec.site.to_string(), "berlin");
    assert!(matches!(nightly.cadence, Cadence::Cron(_)));
}

#[test]
fn links_threads_and_retries_are_those_of_the_command_line() {
    let scan = |name: &str, rest: &str| {
        format!("[[scan]]\nname = '{name}'\ntargets = ['10.0.0.1']\n{rest}\n")
    };
    let file = [
        scan("plain", ""),
        scan("fast", "link = 'mmsg'\nthreads = 64"),
        scan("unknown", "link = 'bus'"),
        scan("none", "threads = 0"),
        scan("many", "threads = 65"),
        scan("patient", "retries = 15"),
        scan("stubborn", "retries = 16"),
    ];
    let config = load(&file.concat()).unwrap();
    let [plain, fast, patient] = config.scans.as_slice() else { panic!("{:?}", config.warnings) };
    assert_eq!(patient.spec.retries, Some(15));
    assert_eq!((&plain.spec.link, plain.spec.threads), (&None, None));
    assert_eq!(fast.spec.link.as_ref().map(LinkName::as_str), Some("mmsg"));
    assert_eq!(fast.spec.threads.map(std::num::NonZeroU32::get), Some(THREADS_MAX));
    let told: Vec<_> = config.warnings.iter().map(|w| (w.line, w.message.as_str())).collect();
    let unknown = "scan \"unknown\": link: \"bus\"; expected auto or mmsg";
    let many = "scan \"many\": threads; expected 1 to 64";
    let none = "scan \"none\": threads; expected 1 to 64";
    let stubborn = "scan \"stubborn\": retries; expected 0 to 15";
    assert_eq!(told, [(13, unknown), (17, none), (21, many), (29, stubborn)]);
}

#[test]
fn what_is_wrong_elsewhere_is_an_error_with_its_line() {
    assert_eq!(line_of(load("listen = '127.0.0.1:1'\n[log\n")), 2);
    assert_eq!(line_of(load("\n\nlistne = 'x'")), 3);
    assert_eq!(line_of(load("\nlisten = 'x'")), 2);
    assert_eq!(line_of(load("[scope]\n\nallow = ['10.0.0.0/33']")), 3);
    assert_eq!(line_of(load("scan = 3")), 1);
    assert_eq!(line_of(load("[limits]\nheader_timeout = 'soon'")), 2);
}

#[test]
fn a_scan_stays_in_scope() {
    let file = "[scope]\nallow = ['10.0.0.0/8']\nexclude = ['10.0.0.1']\n\
                [[scan]]\nname = 'in'\ntargets = ['10.0.0.0/24']\n\
                [[scan]]\nname = 'out'\ntargets = ['192.0.2.1']\n";
    let config = load(file).unwrap();
    assert_eq!(config.scans.len(), 1);
    assert!(!config.scans[0].spec.scope.permits("10.0.0.1".parse().unwrap()));
    assert_eq!(config.warnings[0].line, 9);
}

#[test]
fn beyond_loopback_it_needs_a_token() {
    let file = "listen = '0.0.0.0:4280'";
    assert!(matches!(load(file), Err(ConfigError::NoToken { .. })));
    let flags = Overrides::default();
    let config = load_with(file, &[("PORTOLAN_TOKEN", "0123456789abcdef")], &flags).unwrap();
    assert!(config.token.unwrap().matches(b"0123456789abcdef"));
    let short = load_with(file, &[("PORTOLAN_TOKEN", "hunter2")], &flags).unwrap_err();
    assert!(!short.to_string().contains("hunter2"), "{short}");
    assert!(matches!(
        load_with(file, &[("PORTOLAN_TOKEN", "")], &flags),
        Err(ConfigError::NoToken { .. })
    ));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "fedcba9876543210\n").unwrap();
    let file = format!("listen = '[::]:4280'\ntoken_file = {:?}", path.to_str().unwrap());
    assert!(load(&file).unwrap().token.unwrap().matches(b"fedcba9876543210"));
}

#[test]
fn the_example_in_deploy_is_read_without_complaint() {
    let config = load(include_str!("../../../deploy/portolan.toml")).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.scans.len(), 3);
}

#[test]
fn limits_are_numbers_and_no_connect_scan_has_them() {
    let scan = "[[scan]]\nname = 'a'\ntargets = ['10.0.0.1']\n";
    let limits = "max_host_rate = 10\nmax_subnet_rate = 100\n";
    let config = load(&format!("{scan}{limits}")).unwrap();
    let spec = &config.scans[0].spec;
    let limits_of = [spec.max_host_rate, spec.max_subnet_rate].map(|most| most.unwrap().get());
    assert_eq!((limits_of, config.warnings.len()), ([10, 100], 0));
    for bad in ["max_subnet_rate = 0", "kinds = ['connect']\nmax_subnet_rate = 5"] {
        let config = load(&format!("{scan}{bad}")).unwrap();
        assert_eq!((config.scans.len(), config.warnings.len()), (0, 1), "{bad}");
    }
}
