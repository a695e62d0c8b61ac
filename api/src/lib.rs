//! The daemon: it runs the configured scans when they are due, remembers through the store, and
//! serves what is known over HTTP and to Prometheus.
//!
//! It sends no packet itself: whoever starts a [`Daemon`] hands it a [`ScanRunner`].

#![forbid(unsafe_code)]
#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the workspace is released as one: a new variant should break the matches it must reach"
)]

/// Who may write.
pub mod auth;
/// Time, injected.
pub mod clock;
/// What the daemon is told to do.
pub mod config;
/// What scans for the daemon.
pub mod runner;
/// When a scan is due.
pub mod schedule;

pub use auth::Token;
pub use clock::{Clock, SystemClock};
pub use config::{
    ConfigError, ConfigWarning, DaemonConfig, Overrides, ScanKind, ScanSpec, Sources,
};
pub use runner::{CancelToken, RunnerError, ScanJob, ScanRunner};
