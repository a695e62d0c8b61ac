//! Fuzz targets: one function of octets for everything that reads what others wrote.
//!
//! A target panics where the code under test breaks a promise, and returns otherwise.
//! libFuzzer drives them from `libfuzzer/` (nightly, its own workspace); `tests/replay.rs` replays
//! seeds and corpora on stable with every `cargo test`.

#![forbid(unsafe_code)]

/// The daemon's configuration.
pub mod config;
/// Frames from the wire.
pub mod frames;
/// What services say.
pub mod identify;
/// What the kernel tells.
pub mod kernel;
/// Other programs' reports, and the store's own texts.
pub mod reports;
/// What people write on the command line.
pub mod specs;
/// What SSH servers say.
pub mod ssh;
/// What TLS servers show.
pub mod tls;
/// Replies to UDP probes.
pub mod udp;

/// A target: its name, which is also that of its folders of seeds and corpus, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("checkpoint", reports::checkpoint),
    ("config", config::toml),
    ("cursor", reports::cursor),
    ("decode", identify::decode),
    ("expected_json", reports::expected_json),
    ("expected_toml", reports::expected_toml),
    ("export_line", reports::export_line),
    ("frame", frames::parse_any),
    ("identify", identify::octets),
    ("ipv6_pattern", specs::ipv6_patterns),
    ("masscan_json", reports::masscan_json),
    ("masscan_list", reports::masscan_list),
    ("neighbor", frames::neighbor),
    ("nftables", kernel::nftables),
    ("nmap_xml", reports::nmap_xml),
    ("on_link", frames::on_link),
    ("port_spec", specs::ports),
    ("query", reports::query),
    ("receive", frames::receive),
    ("record", reports::record),
    ("results", reports::results),
    ("route", kernel::route),
    ("ssh", ssh::octets),
    ("target_list", specs::target_list),
    ("target_spec", specs::targets),
    ("tls_certificate", tls::certificate),
    ("tls_flight", tls::flight),
    ("udp_reply", udp::reply),
];
