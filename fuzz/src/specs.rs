//! What people write on the command line.

use portolan_core::target::{PortSpec, TargetSpec};

/// Targets: what is understood is bounded by its own text; an error points into the text.
///
/// # Panics
/// Where that does not hold.
pub fn targets(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match text.parse::<TargetSpec>() {
        Ok(spec) => {
            for range in spec.addrs().ranges() {
                assert!(
                    spec.addrs().contains(range.first()) && spec.addrs().contains(range.last())
                );
            }
        }
        Err(error) => {
            assert!(text.contains(&error.word), "{error}");
            assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{error}");
        }
    }
}

/// Ports: never 0, and the sides of a scan are within what was named.
///
/// # Panics
/// Where that does not hold.
pub fn ports(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match PortSpec::parse(text, &portolan_fingerprints::lookup) {
        Ok(spec) => {
            let (tcp, udp) = spec.for_scan(true, true);
            assert!(!tcp.contains(0) && !udp.contains(0), "port 0");
            let (only, none) = spec.for_scan(true, false);
            assert!(none.is_empty() && only.len() <= 65_535);
        }
        Err(error) => assert!(error.column >= 1, "{error}"),
    }
}
