//! What people write on the command line.

use portolan_core::Family;
use portolan_core::target::ipv6_pattern::{CANDIDATE_RANGES_MAX, SWEPT_MAX};
use portolan_core::target::{Ipv6Pattern, PortSpec, TargetSpec, candidates};

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

/// A file of targets: what is wrong in it is said of a line that is there.
///
/// # Panics
/// Where that does not hold.
pub fn target_list(data: &[u8]) {
    let _ = portolan::check_list(data);
}

/// Targets, a line's end, patterns: what is asked lies within the targets, small ranges whole.
///
/// # Panics
/// Where that does not hold.
pub fn ipv6_patterns(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Some((targets, words)) = text.split_once('\n') else { return };
    let patterns = words.split(',').map(str::parse).collect::<Result<Vec<Ipv6Pattern>, _>>();
    let (Ok(spec), Ok(patterns)) = (targets.parse::<TargetSpec>(), patterns) else { return };
    let Ok(asked) = candidates(spec.addrs(), &patterns) else { return };
    let named = spec.addrs();
    assert!(asked.difference(named).is_empty(), "beyond what was named");
    assert!(asked.ranges().len() <= CANDIDATE_RANGES_MAX + named.ranges().len());
    for range in named.ranges() {
        if range.family() == Family::V4 || range.span() < SWEPT_MAX {
            assert!(asked.contains(range.first()) && asked.contains(range.last()), "{range}");
        }
    }
}
