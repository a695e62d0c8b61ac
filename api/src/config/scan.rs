//! One `[[scan]]` entry: as it is written, and as it is meant.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use portolan_core::plan::PASSES_MAX;
use portolan_core::target::{PortSpec, Scope, TargetSpec};
use portolan_store::SiteName;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::file::Lines;
use super::{ConfigWarning, LinkCheck, Sources};
use crate::schedule::{Cadence, CronCadence, parse_interval};

/// Most sending threads of a scan.
pub const THREADS_MAX: u32 = 64;

/// What to scan, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSpec {
    /// 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// Whose addresses they are.
    pub site: SiteName,
    /// Addresses and host names; names are resolved anew for every run.
    pub targets: TargetSpec,
    /// Left out, whatever else is said.
    pub exclude: TargetSpec,
    /// The ports; `None`: the default list.
    pub ports: Option<PortSpec>,
    /// The kinds of scan, each once; not empty.
    pub kinds: Vec<ScanKind>,
    /// How fast; `None`: the engine's default.
    pub rate: Option<ScanRate>,
    /// Packets a second to any one host at most.
    pub max_host_rate: Option<NonZeroU32>,
    /// Packets a second to any one /64 of IPv6 or /24 of IPv4 at most.
    pub max_subnet_rate: Option<NonZeroU32>,
    /// Further probes to what has not answered; `None`: the engine's default.
    pub retries: Option<u8>,
    /// What probes leave by; `None`: what the engine finds best.
    pub link: Option<LinkName>,
    /// Sending threads, up to [`THREADS_MAX`]; `None`: the engine's default.
    pub threads: Option<NonZeroU32>,
    /// What may be touched at all.
    pub scope: Scope,
    /// Whether to find out which service answers.
    pub identify: bool,
}

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanKind {
    /// TCP SYN.
    Syn,
    /// UDP.
    Udp,
    /// TCP connect, which needs no privilege.
    Connect,
    /// Host discovery only.
    Discover,
}

/// The name of a link, which whoever has the links knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkName(String);

impl LinkName {
    fn new(word: &str, check: LinkCheck<'_>) -> Result<Self, String> {
        check(word).map(|()| Self(word.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How fast a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanRate {
    /// So many packets a second.
    Fixed(NonZeroU32),
    /// As many as the path takes without loss.
    Auto,
}

impl<'de> Deserialize<'de> for ScanRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RateVisitor)
    }
}

struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = ScanRate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate from 1 to 4294967295 packets a second, or \"auto\"")
    }

    fn visit_i64<E: de::Error>(self, pps: i64) -> Result<ScanRate, E> {
        let fixed = u32::try_from(pps).ok().and_then(NonZeroU32::new).map(ScanRate::Fixed);
        fixed.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(pps), &self))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<ScanRate, E> {
        if word == "auto" {
            return Ok(ScanRate::Auto);
        }
        Err(E::invalid_value(de::Unexpected::Str(word), &self))
    }
}

/// A scan and when it runs.
#[derive(Debug, Clone)]
pub struct ScanConfig {
    /// What to do.
    pub spec: Arc<ScanSpec>,
    /// How often.
    pub cadence: Cadence,
}

/// An entry as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScan {
    name: Spanned<String>,
    site: Option<Spanned<String>>,
    targets: Spanned<Vec<String>>,
    #[serde(default)]
    exclude: Option<Spanned<Vec<String>>>,
    ports: Option<Spanned<String>>,
    kinds: Option<Spanned<Vec<ScanKind>>>,
    rate: Option<Spanned<ScanRate>>,
    max_host_rate: Option<NonZeroU32>,
    max_subnet_rate: Option<NonZeroU32>,
    retries: Option<Spanned<u8>>,
    link: Option<Spanned<String>>,
    threads: Option<Spanned<u32>>,
    interval: Option<Spanned<String>>,
    cron: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    #[serde(default)]
    identify: bool,
    #[serde(skip)]
    lines: FieldLines,
}

/// The line of each field that can be wrong in itself.
#[derive(Debug, Default)]
struct FieldLines {
    name: usize,
    site: usize,
    targets: usize,
    exclude: usize,
    ports: usize,
    kinds: usize,
    retries: usize,
    link: usize,
    threads: usize,
    cadence: usize,
}

impl RawScan {
    /// Notes the lines of the fields while the text is at hand.
    pub(super) fn find_lines(&mut self, lines: &Lines<'_>) {
        let name = lines.at(self.name.span().start);
        let when = self.timezone.as_ref().or(self.cron.as_ref()).or(self.interval.as_ref());
        self.lines = FieldLines {
            name,
            site: line(self.site.as_ref(), lines, name),
            targets: line(Some(&self.targets), lines, name),
            exclude: line(self.exclude.as_ref(), lines, name),
            ports: line(self.ports.as_ref(), lines, name),
            kinds: line(self.kinds.as_ref(), lines, name),
            retries: line(self.retries.as_ref(), lines, name),
            link: line(self.link.as_ref(), lines, name),
            threads: line(self.threads.as_ref(), lines, name),
            cadence: line(when, lines, name),
        };
    }

    /// The line of the entry's name.
    pub(super) const fn line(&self) -> usize {
        self.lines.name
    }

    /// What is meant.
    ///
    /// # Errors
    /// The first field that makes no sense, with its line.
    pub(super) fn build(
        &self,
        scope: &Scope,
        sources: &Sources<'_>,
    ) -> Result<ScanConfig, ConfigWarning> {
        let name = self.name.get_ref();
        let bad = |line: usize| {
            move |problem: String| ConfigWarning {
                line,
                message: format!("scan {name:?}: {problem}"),
            }
        };
        let lines = &self.lines;
        check_name(name).map_err(bad(lines.name))?;
        let site = match &self.site {
            None => SiteName::default(),
            Some(site) => site.get_ref().parse().map_err(|e| bad(lines.site)(format!("{e}")))?,
        };
        let targets = target_list(self.targets.get_ref()).map_err(bad(lines.targets))?;
        if targets.is_empty() {
            return Err(bad(lines.targets)("expected at least one target".to_owned()));
        }
        check_scope(scope, &targets).map_err(bad(lines.targets))?;
        let exclude = self.exclude.as_ref().map_or_else(
            || Ok(TargetSpec::default()),
            |list| target_list(list.get_ref()).map_err(bad(lines.exclude)),
        )?;
        let ports = self.ports.as_ref().map(|text| PortSpec::parse(text.get_ref(), sources.names));
        let ports = ports.transpose().map_err(|e| bad(lines.ports)(format!("ports: {e}")))?;
        let rate = self.rate.as_ref().map(|rate| *rate.get_ref());
        let retries = self.retries.as_ref().map(|retries| *retries.get_ref());
        if retries.is_some_and(|r| r >= PASSES_MAX) {
            return Err(bad(lines.retries)(format!("retries; expected 0 to {}", PASSES_MAX - 1)));
        }
        let link = self.link.as_ref().map(|word| LinkName::new(word.get_ref(), sources.links));
        let link = link.transpose().map_err(|e| bad(lines.link)(format!("link: {e}")))?;
        let kinds = self.kinds().map_err(bad(lines.kinds))?;
        let limited = self.max_host_rate.is_some() || self.max_subnet_rate.is_some();
        if limited && kinds.contains(&ScanKind::Connect) {
            let problem = "a connect scan keeps no max_host_rate and no max_subnet_rate";
            return Err(bad(lines.kinds)(problem.to_owned()));
        }
        let spec = ScanSpec {
            name: name.clone(),
            site,
            targets,
            exclude,
            ports,
            kinds,
            rate,
            max_host_rate: self.max_host_rate,
            max_subnet_rate: self.max_subnet_rate,
            retries,
            link,
            threads: self.threads().map_err(bad(lines.threads))?,
            scope: scope.clone(),
            identify: self.identify,
        };
        let cadence = self.cadence().map_err(bad(lines.cadence))?;
        Ok(ScanConfig { spec: Arc::new(spec), cadence })
    }

    fn kinds(&self) -> Result<Vec<ScanKind>, String> {
        let Some(kinds) = &self.kinds else {
            return Ok(vec![ScanKind::Syn]);
        };
        let mut kinds = kinds.get_ref().clone();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            return Err("kinds is empty; expected some of syn, udp, connect, discover".to_owned());
        }
        Ok(kinds)
    }

    fn threads(&self) -> Result<Option<NonZeroU32>, String> {
        let Some(threads) = &self.threads else { return Ok(None) };
        let count = NonZeroU32::new(*threads.get_ref()).filter(|n| n.get() <= THREADS_MAX);
        count.map(Some).ok_or_else(|| format!("threads; expected 1 to {THREADS_MAX}"))
    }

    fn cadence(&self) -> Result<Cadence, String> {
        match (&self.interval, &self.cron, &self.timezone) {
            (Some(_), Some(_), _) => Err("interval and cron; expected one of them".to_owned()),
            (_, None, Some(_)) => Err("timezone without cron".to_owned()),
            (Some(text), None, None) => parse_interval(text.get_ref()).map(Cadence::Every),
            (None, Some(pattern), zone) => {
                let zone = zone.as_ref().map_or("UTC", |z| z.get_ref());
                CronCadence::new(pattern.get_ref(), zone).map(Cadence::Cron)
            }
            (None, None, None) => Ok(Cadence::Manual),
        }
    }
}

fn line<T>(field: Option<&Spanned<T>>, lines: &Lines<'_>, otherwise: usize) -> usize {
    field.map_or(otherwise, |f| lines.at(f.span().start))
}

fn check_name(name: &str) -> Result<(), String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(known) {
        Ok(())
    } else {
        Err("a name has 1 to 64 of A-Z a-z 0-9 . _ -".to_owned())
    }
}

fn target_list(list: &[String]) -> Result<TargetSpec, String> {
    let mut all = TargetSpec::default();
    for text in list {
        all.merge(text.parse().map_err(|e| format!("{text:?}: {e}"))?);
    }
    Ok(all)
}

fn check_scope(scope: &Scope, targets: &TargetSpec) -> Result<(), String> {
    let outside = scope.outside(targets.addrs());
    if outside.is_empty() { Ok(()) } else { Err(format!("{outside} is outside [scope] allow")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Only {
        rate: ScanRate,
    }

    #[test]
    fn a_rate_is_a_number_or_auto() {
        let read = |text: &str| toml::from_str::<Only>(text).map(|only| only.rate);
        assert_eq!(read("rate = \"auto\"").ok(), Some(ScanRate::Auto));
        let fixed = NonZeroU32::new(200).map(ScanRate::Fixed);
        assert_eq!(read("rate = 200").ok(), fixed);
        for bad in ["rate = 0", "rate = -1", "rate = 4294967296", "rate = \"fast\"", "rate = 1.5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
