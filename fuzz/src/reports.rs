//! Other programs' reports, and the store's own texts.

use portolan_net::Checkpoint;
use portolan_store::import::{self, Limits, ReportError};
use portolan_store::{Cursor, ScanReport, SiteName};

/// nmap's XML.
///
/// # Panics
/// Where an error names a line that is not there, or a report contradicts itself.
pub fn nmap_xml(data: &[u8]) {
    check(data, import::nmap_xml(data, SiteName::default(), limits()));
}

/// masscan's JSON.
///
/// # Panics
/// As [`nmap_xml`].
pub fn masscan_json(data: &[u8]) {
    check(data, import::masscan_json(data, SiteName::default(), limits()));
}

/// masscan's list.
///
/// # Panics
/// As [`nmap_xml`].
pub fn masscan_list(data: &[u8]) {
    let _ = import::detect(data);
    check(data, import::masscan_list(data, SiteName::default(), limits()));
}

/// A cursor's text: what is understood prints as it was, or as its equal.
///
/// # Panics
/// Where that does not hold.
pub fn cursor(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}

/// A line of a store's export.
pub fn export_line(data: &[u8]) {
    let _ = portolan_store::check_line(data);
}

/// A stored value under its key: the first octet says how long the key is.
pub fn record(data: &[u8]) {
    let Some((len, rest)) = data.split_first() else { return };
    let (key, body) = rest.split_at(usize::from(*len).min(rest.len()));
    let _ = portolan_store::check_record(key, body);
}

/// A checkpoint's text: what is understood prints as its equal.
///
/// # Panics
/// Where that does not hold.
pub fn checkpoint(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string().parse::<Checkpoint>().ok(), Some(checkpoint));
    }
}

/// What is expected, as a client sends it: a refusal says which entries it is about.
///
/// # Panics
/// Where it names an entry that is not there.
pub fn expected_json(data: &[u8]) {
    let Err(problem) = portolan_api::check_expectations(data) else { return };
    let most = data.split(|octet| *octet == b',').count();
    assert!(problem.errors().iter().all(|e| e.index < most));
}

/// A file of what is expected: what is understood reads the same once it is written.
///
/// # Panics
/// Where that does not hold.
pub fn expected_toml(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = portolan::check_expected(text);
}

/// The output of an interrupted scan: what is kept of it says the same once it stands alone.
///
/// # Panics
/// Where that does not hold.
pub fn results(data: &[u8]) {
    let _ = portolan::check_results(data);
}

/// A request's query: the link to a next page asks for the same rows.
///
/// # Panics
/// Where that does not hold.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = portolan_api::check_query(text);
}

/// Small bounds, so that the fuzzer meets them.
fn limits() -> Limits {
    Limits { total_bytes: 1 << 16, depth: 16, token_bytes: 1 << 12, ..Limits::default() }
}

fn check(data: &[u8], outcome: Result<ScanReport, ReportError>) {
    match outcome {
        Ok(report) => {
            for state in &report.states {
                assert!(
                    report.state_of(&state.endpoint).is_some(),
                    "{} has a state and was not covered",
                    state.endpoint
                );
            }
        }
        Err(error) => {
            let lines = data.split(|octet| *octet == b'\n').count();
            let line = usize::try_from(error.line).unwrap_or(usize::MAX);
            assert!((1..=lines + 1).contains(&line), "{error} of {lines}");
        }
    }
}
