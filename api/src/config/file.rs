//! The file, the environment and the flags, in one form before anything is concluded from them.

use std::net::SocketAddr;
use std::path::PathBuf;

use portolan_core::target::TargetSpec;
use portolan_store::SiteName;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Deserializer, Spanned};

use super::scan::{RawScan, ScanConfig};
use super::{
    ConfigError, ConfigWarning, ImportConfig, Limits, LogFormat, Overrides, Sources,
    scope as make_scope,
};
use crate::auth::Token;
use crate::schedule::parse_interval;

/// Most `[[scan]]` entries.
const SCANS_MAX: usize = 10_000;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawFile {
    listen: Option<Spanned<String>>,
    data: Option<PathBuf>,
    token_file: Option<PathBuf>,
    allowed_hosts: Vec<String>,
    log: RawLog,
    metrics: RawMetrics,
    import: RawImport,
    scope: RawScope,
    limits: RawLimits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    level: Option<String>,
    format: Option<LogFormat>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawMetrics {
    compat: Option<bool>,
    hosts_max: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawImport {
    watch: Option<PathBuf>,
    archive: Option<PathBuf>,
    site: Option<Spanned<String>>,
    interval: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawScope {
    allow: Option<Spanned<Vec<String>>>,
    exclude: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    connections_max: Option<usize>,
    header_timeout: Option<Spanned<String>>,
    idle_timeout: Option<Spanned<String>>,
    body_timeout: Option<Spanned<String>>,
    drain_timeout: Option<Spanned<String>>,
    report_bytes_max: Option<usize>,
    body_bytes_max: Option<usize>,
}

/// What was said so far.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) listen: Option<SocketAddr>,
    pub(super) data: Option<PathBuf>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) log_level: Option<String>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) metrics_compat: Option<bool>,
    pub(super) metrics_hosts_max: Option<usize>,
    pub(super) limits: Limits,
    token: Option<String>,
    token_file: Option<PathBuf>,
    watch: Option<PathBuf>,
    archive: Option<PathBuf>,
    import_site: Option<SiteName>,
    import_interval: Option<std::time::Duration>,
    allow: Option<TargetSpec>,
    exclude: Option<TargetSpec>,
    /// The `[[scan]]` entries that are tables of the right fields.
    raw_scans: Vec<(usize, RawScan)>,
    warnings: Vec<ConfigWarning>,
}

/// Turns byte offsets of a text into lines counted from 1.
pub(super) struct Lines<'a>(pub(super) &'a str);

impl Lines<'_> {
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.get(..offset).unwrap_or(self.0).matches('\n').count() + 1
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> ConfigError {
        ConfigError::File { line: self.at(offset), message: message.into() }
    }

    fn toml_error(&self, error: &toml::de::Error) -> ConfigError {
        self.error(error.span().map_or(0, |span| span.start), error.message())
    }
}

impl Settings {
    /// Reads the file's text; an empty one says nothing.
    pub(super) fn read(text: &str) -> Result<Self, ConfigError> {
        let lines = Lines(text);
        let mut table = DeTable::parse(text).map_err(|e| lines.toml_error(&e))?;
        let scans = table.get_mut().remove("scan");
        let raw =
            RawFile::deserialize(Deserializer::from(table)).map_err(|e| lines.toml_error(&e))?;
        let mut settings = Self::from_raw(raw, &lines)?;
        if let Some(scans) = scans {
            settings.read_scans(scans, &lines)?;
        }
        Ok(settings)
    }

    fn from_raw(raw: RawFile, lines: &Lines<'_>) -> Result<Self, ConfigError> {
        let listen = parse_spanned(raw.listen, lines, |text| {
            text.parse().map_err(|_| format!("listen {text:?}; expected ADDRESS:PORT"))
        })?;
        let site = parse_spanned(raw.import.site, lines, |text| {
            text.parse::<SiteName>().map_err(|e| e.to_string())
        })?;
        Ok(Self {
            listen,
            data: raw.data,
            allowed_hosts: raw.allowed_hosts,
            log_level: raw.log.level,
            log_format: raw.log.format,
            metrics_compat: raw.metrics.compat,
            metrics_hosts_max: raw.metrics.hosts_max,
            limits: limits(raw.limits, lines)?,
            token_file: raw.token_file,
            watch: raw.import.watch,
            archive: raw.import.archive,
            import_site: site,
            import_interval: parse_spanned(raw.import.interval, lines, parse_interval)?,
            allow: parse_spanned(raw.scope.allow, lines, |list| addresses(&list.join("\n")))?,
            exclude: parse_spanned(raw.scope.exclude, lines, |list| addresses(&list.join("\n")))?,
            ..Self::default()
        })
    }

    /// Each entry by itself: a bad one is noted and left out.
    fn read_scans(
        &mut self,
        scans: Spanned<DeValue<'_>>,
        lines: &Lines<'_>,
    ) -> Result<(), ConfigError> {
        let at = scans.span().start;
        let DeValue::Array(entries) = scans.into_inner() else {
            return Err(lines.error(at, "scan is a list of tables; write [[scan]]"));
        };
        if entries.len() > SCANS_MAX {
            return Err(lines.error(at, format!("more than {SCANS_MAX} scans")));
        }
        for entry in entries {
            let span = entry.span();
            match RawScan::deserialize(toml::de::ValueDeserializer::from(entry)) {
                Ok(scan) => self.raw_scans.push((span.start, scan)),
                Err(error) => {
                    let offset = error.span().map_or(span.start, |s| s.start);
                    let message = error.message().to_owned();
                    self.warnings.push(ConfigWarning { line: lines.at(offset), message });
                }
            }
        }
        for (_, scan) in &mut self.raw_scans {
            scan.find_lines(lines);
        }
        Ok(())
    }

    /// The environment's variables win over the file.
    pub(super) fn apply_env(&mut self, env: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, value) in env {
            self.apply_variable(name, value)
                .map_err(|message| ConfigError::Setting { name: name.clone(), message })?;
        }
        Ok(())
    }

    fn apply_variable(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "PORTOLAN_LISTEN" => {
                let problem = |_| format!("{value:?}; expected ADDRESS:PORT");
                self.listen = Some(value.parse().map_err(problem)?);
            }
            "PORTOLAN_DATA" => self.data = Some(value.into()),
            "PORTOLAN_TOKEN" => self.token = Some(value.to_owned()),
            "PORTOLAN_TOKEN_FILE" => self.token_file = Some(value.into()),
            "PORTOLAN_ALLOWED_HOSTS" => {
                self.allowed_hosts = value.split(',').map(|h| h.trim().to_owned()).collect();
            }
            "PORTOLAN_LOG_LEVEL" => self.log_level = Some(value.to_owned()),
            "PORTOLAN_LOG_FORMAT" => {
                self.log_format = Some(match value {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    _ => return Err(format!("{value:?}; expected text or json")),
                });
            }
            "PORTOLAN_METRICS_COMPAT" => {
                let problem = |_| format!("{value:?}; expected true or false");
                self.metrics_compat = Some(value.parse().map_err(problem)?);
            }
            "PORTOLAN_IMPORT_WATCH" => self.watch = Some(value.into()),
            "PORTOLAN_IMPORT_ARCHIVE" => self.archive = Some(value.into()),
            "PORTOLAN_SCOPE_ALLOW" => self.allow = Some(addresses(value)?),
            "PORTOLAN_SCOPE_EXCLUDE" => self.exclude = Some(addresses(value)?),
            _ => {}
        }
        Ok(())
    }

    /// The flags win over everything.
    pub(super) fn apply_flags(&mut self, flags: &Overrides) {
        self.listen = flags.listen.or(self.listen);
        self.data = flags.data.clone().or_else(|| self.data.take());
        self.log_level = flags.log_level.clone().or_else(|| self.log_level.take());
        self.log_format = flags.log_format.or(self.log_format);
    }

    /// The token itself, read from its file if need be.
    pub(super) fn token(&self) -> Result<Option<Token>, ConfigError> {
        let problem = |name: &str, message| ConfigError::Setting { name: name.to_owned(), message };
        if let Some(text) = self.token.as_deref().filter(|t| !t.is_empty()) {
            return Token::new(text).map(Some).map_err(|m| problem("PORTOLAN_TOKEN", m));
        }
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let fail = |message| problem("token_file", format!("{}: {message}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        Token::new(&text).map(Some).map_err(fail)
    }

    /// The watched folder.
    pub(super) fn import(&self) -> Result<Option<ImportConfig>, ConfigError> {
        let Some(watch) = self.watch.clone() else {
            if self.archive.is_some() {
                let message = "an archive without a watched folder; set watch too".to_owned();
                return Err(ConfigError::Setting { name: "import.archive".to_owned(), message });
            }
            return Ok(None);
        };
        Ok(Some(ImportConfig {
            archive: self.archive.clone().unwrap_or_else(|| watch.join("archive")),
            watch,
            site: self.import_site.clone().unwrap_or_default(),
            interval: self.import_interval.unwrap_or(std::time::Duration::from_secs(5)),
        }))
    }

    /// The scans, bounded by the scope, and what was refused, in the order of the lines.
    pub(super) fn scans(&self, sources: &Sources<'_>) -> (Vec<ScanConfig>, Vec<ConfigWarning>) {
        let scope = make_scope(self.allow.as_ref(), self.exclude.as_ref());
        let mut warnings = self.warnings.clone();
        let mut scans: Vec<ScanConfig> = Vec::new();
        for (_, raw) in &self.raw_scans {
            match raw.build(&scope, sources) {
                Ok(scan) if scans.iter().any(|s| s.spec.name == scan.spec.name) => {
                    let message = format!("scan {:?} is there already", scan.spec.name);
                    warnings.push(ConfigWarning { line: raw.line(), message });
                }
                Ok(scan) => scans.push(scan),
                Err(warning) => warnings.push(warning),
            }
        }
        warnings.sort_by_key(|w| w.line);
        (scans, warnings)
    }
}

fn limits(raw: RawLimits, lines: &Lines<'_>) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let time = |value, default| {
        parse_spanned(value, lines, parse_interval).map(|found| found.unwrap_or(default))
    };
    Ok(Limits {
        connections_max: raw.connections_max.unwrap_or(default.connections_max).max(1),
        header_timeout: time(raw.header_timeout, default.header_timeout)?,
        idle_timeout: time(raw.idle_timeout, default.idle_timeout)?,
        body_timeout: time(raw.body_timeout, default.body_timeout)?,
        drain_timeout: time(raw.drain_timeout, default.drain_timeout)?,
        report_bytes_max: raw.report_bytes_max.unwrap_or(default.report_bytes_max),
        body_bytes_max: raw.body_bytes_max.unwrap_or(default.body_bytes_max),
    })
}

fn parse_spanned<R, T>(
    value: Option<Spanned<R>>,
    lines: &Lines<'_>,
    parse: impl Fn(&R::Target) -> Result<T, String>,
) -> Result<Option<T>, ConfigError>
where
    R: std::ops::Deref,
{
    let Some(value) = value else { return Ok(None) };
    parse(value.get_ref()).map(Some).map_err(|message| lines.error(value.span().start, message))
}

/// Addresses only: a scope does not change with the answers of a name server.
fn addresses(text: &str) -> Result<TargetSpec, String> {
    let spec: TargetSpec = text.parse().map_err(|e| format!("{e}"))?;
    match spec.names().first() {
        Some(name) => Err(format!("{name:?} is a name; a scope is made of addresses")),
        None => Ok(spec),
    }
}
