//! `portolan doctor`: what this host can do, and the remedy for what it can't.

/// One look at one thing.
mod checks;

use std::io::{self, Write as _};

use serde::Serialize;

use crate::args::{DoctorArgs, DoctorFormat};
use crate::exit::{Exit, Failure};
use crate::output::escape;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it should be.
    Ok,
    /// Scans run, with a limit.
    Warn,
    /// Raw scans can't run.
    Fail,
}

/// What was found, and what to do about it.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    level: Level,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, found: found.into(), remedy: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, level: Level::Warn, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, level: Level::Fail, found: found.into(), remedy: Some(remedy.into()) }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    raw_scan: bool,
    checks: &'a [Check],
}

/// Looks, and says what it found.
///
/// # Errors
/// Stdout can't be written.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let checks = checks::all();
    let raw_scan = checks.iter().all(|c| c.level != Level::Fail);
    let mut out = io::stdout().lock();
    match args.format {
        DoctorFormat::Json => {
            let report = Report { version: env!("CARGO_PKG_VERSION"), raw_scan, checks: &checks };
            let text = serde_json::to_string_pretty(&report).map_err(io::Error::from)?;
            writeln!(out, "{text}")?;
        }
        DoctorFormat::Text => {
            for check in &checks {
                let level = match check.level {
                    Level::Ok => "ok",
                    Level::Warn => "warn",
                    Level::Fail => "FAIL",
                };
                writeln!(out, "{level:<5} {:<12} {}", check.name, escape::line(&check.found))?;
                if let Some(remedy) = &check.remedy {
                    writeln!(out, "{:<18} → {}", "", escape::line(remedy))?;
                }
            }
            let verdict = if raw_scan {
                "raw scans can run on this host"
            } else {
                "raw scans can't run on this host; `portolan scan` connects instead"
            };
            writeln!(out, "\n{verdict}")?;
        }
    }
    Ok(if raw_scan { Exit::Done } else { Exit::Privilege })
}
