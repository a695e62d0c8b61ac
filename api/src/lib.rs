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
/// The daemon as a whole.
pub mod daemon;
/// What is known of TLS and SSH, as JSON.
pub mod facts;
/// Routes, requests and answers.
pub mod http;
/// Other programs' reports.
pub mod importer;
/// What Prometheus reads.
pub mod metrics;
/// What went wrong with a request.
pub mod problem;
/// One run of one scan.
pub mod run;
/// What scans for the daemon.
pub mod runner;
/// When a scan is due.
pub mod schedule;
/// What starts it then.
pub mod scheduler;
/// The accept loop.
pub mod server;
/// A folder whose files are imported.
pub mod watch;

pub use auth::Token;
pub use clock::{Clock, SystemClock};
pub use config::{
    ConfigError, ConfigWarning, DaemonConfig, Overrides, ScanKind, ScanRate, ScanSpec, Sources,
};
pub use daemon::{Daemon, DaemonError, DaemonHandle};
pub use http::{check_expectations, check_query};
pub use runner::{CancelToken, RunnerError, ScanJob, ScanRunner};
