//! The daemon's configuration.

use portolan_api::config::{DaemonConfig, Overrides, Sources};
use portolan_net::link::LinkKind;

/// A configuration file: understood, or refused with a reason; warnings name lines that exist.
///
/// Files that name a token file are left out: reading it would touch the disk.
///
/// # Panics
/// Where that does not hold.
pub fn toml(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if text.contains("token") {
        return;
    }
    let loaded = DaemonConfig::load(&Sources {
        file: Some(text),
        env: &[],
        flags: &Overrides::default(),
        names: &portolan_fingerprints::lookup,
        links: &|word| word.parse::<LinkKind>().map(drop).map_err(|e| e.to_string()),
    });
    match loaded {
        Ok(config) => assert!(config.scans.len() <= text.lines().count()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
