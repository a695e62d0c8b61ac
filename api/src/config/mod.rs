//! What the daemon is told to do: TOML, then environment, then flags.

mod file;
/// One `[[scan]]` entry.
pub mod scan;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use portolan_core::target::spec::NameLookup;
use portolan_core::target::{AddrSet, Scope, TargetSpec};
use portolan_store::SiteName;

use crate::auth::Token;
pub use scan::{LinkName, ScanConfig, ScanKind, ScanRate, ScanSpec, THREADS_MAX};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4280);

/// Everything that `serve` needs to know.
#[derive(Debug, Clone)]
pub struct DaemonConfig {
    /// Address and port to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The store's folder.
    pub data: PathBuf,
    /// What writers must present. Needed beyond loopback.
    pub token: Option<Token>,
    /// Names by which a loopback listener may be called, beside addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// How to log.
    pub log: LogConfig,
    /// What `/metrics` shows.
    pub metrics: MetricsConfig,
    /// The watched folder, if there is one.
    pub import: Option<ImportConfig>,
    /// Bounds on connections and requests.
    pub limits: Limits,
    /// What is scanned when; the good entries only.
    pub scans: Vec<ScanConfig>,
    /// The entries that were refused, and why.
    pub warnings: Vec<ConfigWarning>,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A level or a filter in `tracing`'s syntax; default `info`.
    pub level: String,
    /// How a line looks; by default text on a terminal, JSON elsewhere.
    pub format: Option<LogFormat>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What `/metrics` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Whether the `portmantool_*` families are there too; default true.
    pub compat: bool,
    /// Most hosts with series of their own in the `portmantool_*` families; default 10,000.
    pub hosts_max: usize,
}

/// A folder whose files are imported as scans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportConfig {
    /// The folder that is looked at.
    pub watch: PathBuf,
    /// Where files go once imported; default `archive` inside `watch`.
    pub archive: PathBuf,
    /// The site that the reports are about.
    pub site: SiteName,
    /// How often the folder is looked at; default 5 s.
    pub interval: Duration,
}

/// Bounds on connections and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue. Default 1,024.
    pub connections_max: usize,
    /// For a request's head to arrive, counted from the last answer. Default 15 s.
    pub header_timeout: Duration,
    /// For a connection on which nothing moves in either direction. Default 60 s.
    pub idle_timeout: Duration,
    /// For a request's body to arrive. Default 120 s.
    pub body_timeout: Duration,
    /// For open requests to end once the daemon drains. Default 10 s.
    pub drain_timeout: Duration,
    /// Bytes of a report that is posted. Default 64 MiB.
    pub report_bytes_max: usize,
    /// Bytes of any other body. Default 1 MiB.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_mins(1),
            body_timeout: Duration::from_mins(2),
            drain_timeout: Duration::from_secs(10),
            report_bytes_max: 64 << 20,
            body_bytes_max: 1 << 20,
        }
    }
}

/// One entry that was refused; the others stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// Line of the file, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A configuration that can't be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is no TOML, or a section other than `[[scan]]` is wrong.
    #[error("line {line}: {message}")]
    File {
        /// Line of the file, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A variable of the environment, or a flag.
    #[error("{name}: {message}")]
    Setting {
        /// The variable or flag.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// It would listen beyond loopback with nothing to keep writers out.
    #[error(
        "listening on {listen} reaches beyond this machine, so writers need a token: \
         set token_file in the configuration, or PORTOLAN_TOKEN"
    )]
    NoToken {
        /// The address that was asked for.
        listen: SocketAddr,
    },
}

/// Says whether a word names a link, and if not, what would.
pub type LinkCheck<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Where the settings come from; later ones win.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The text of the configuration file.
    pub file: Option<&'a str>,
    /// The environment; only `PORTOLAN_…` is looked at.
    pub env: &'a [(String, String)],
    /// The flags.
    pub flags: &'a Overrides,
    /// Finds ports by service name.
    pub names: NameLookup<'a>,
    /// Knows the links.
    pub links: LinkCheck<'a>,
}

/// Settings from flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--log-level`.
    pub log_level: Option<String>,
    /// `--log-format`.
    pub log_format: Option<LogFormat>,
}

impl DaemonConfig {
    /// Puts together file, environment and flags.
    ///
    /// Reads the token file where one is named. A bad `[[scan]]` entry becomes a
    /// [`ConfigWarning`] and stops nothing.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut settings = file::Settings::read(sources.file.unwrap_or_default())?;
        settings.apply_env(sources.env)?;
        settings.apply_flags(sources.flags);
        let (scans, warnings) = settings.scans(sources);
        let token = settings.token()?;
        let listen = settings.listen.unwrap_or(DEFAULT_LISTEN);
        if token.is_none() && !listen.ip().is_loopback() {
            return Err(ConfigError::NoToken { listen });
        }
        Ok(Self {
            listen,
            token,
            scans,
            warnings,
            data: settings.data.clone().unwrap_or_else(|| PathBuf::from("portolan-data")),
            allowed_hosts: settings.allowed_hosts.clone(),
            log: LogConfig {
                level: settings.log_level.clone().unwrap_or_else(|| "info".to_owned()),
                format: settings.log_format,
            },
            metrics: MetricsConfig {
                compat: settings.metrics_compat.unwrap_or(true),
                hosts_max: settings.metrics_hosts_max.unwrap_or(10_000),
            },
            import: settings.import()?,
            limits: settings.limits,
        })
    }
}

/// The scope that `[scope]` describes.
fn scope(allow: Option<&TargetSpec>, exclude: Option<&TargetSpec>) -> Scope {
    let scope = allow.map_or_else(Scope::unbounded, |a| Scope::only(a.addrs().clone()));
    let nothing = AddrSet::new();
    scope.without(exclude.map_or(&nothing, TargetSpec::addrs))
}

#[cfg(test)]
mod tests;
