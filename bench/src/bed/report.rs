//! What was right, as a table for people and as JSON for programs, and whether it is enough.

use std::fmt;

use anyhow::bail;
use serde::Serialize;

use super::catalogue::{Daemon, Places};
use super::scan::{Answer, Scan};
use super::score::{Asked, Score, Verdict, score};
use super::version;
use crate::machine::Machine;

/// What must be right, of a hundred endpoints.
const SERVICES_MIN: f64 = 80.0;
const PRODUCTS_MIN: f64 = 65.0;
const VERSIONS_MIN: f64 = 30.0;
/// Products that may be wrong, of all.
const WRONG_MAX: usize = 5;
/// How many times faster than nmap it must be.
const RATIO_MIN: f64 = 8.0;

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
struct Row {
    daemon: String,
    port: u16,
    transport: &'static str,
    ipv6: bool,
    tls: bool,
    services: Vec<String>,
    products: Vec<String>,
    version: Option<String>,
    answers: Vec<(Answer, Score)>,
}

/// A scanner's totals.
#[derive(Debug, Clone, Serialize)]
struct Total {
    scanner: String,
    services: usize,
    products: usize,
    wrong: usize,
    versions: usize,
    seconds: f64,
}

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    machine: Machine,
    daemons: usize,
    /// Endpoints whose product can be known, and whose version is told.
    with_product: usize,
    with_version: usize,
    rows: Vec<Row>,
    totals: Vec<Total>,
}

impl Report {
    pub(crate) fn new(
        daemons: &[Daemon],
        places: &Places,
        asked: &[Asked<'_>],
        ours: &Scan,
        theirs: Option<&Scan>,
    ) -> Self {
        let scans: Vec<&Scan> = std::iter::once(ours).chain(theirs).collect();
        let versions: Vec<(&str, Option<String>)> =
            daemons.iter().map(|d| (d.name.as_str(), version::of(d, places))).collect();
        let row = |asked: &Asked<'_>| {
            let Asked { daemon, endpoint } = asked;
            let known = versions.iter().find(|(name, _)| *name == daemon.name);
            let known = known.and_then(|(_, version)| version.clone());
            let judged = |scan: &&Scan| {
                let answer = scan.answers.get(&asked.port()).cloned().unwrap_or_default();
                let score = score(endpoint, known.as_deref(), &answer);
                (answer, score)
            };
            let shown = endpoint.version.clone().or_else(|| known.clone());
            Row {
                daemon: daemon.name.clone(),
                port: endpoint.port,
                transport: if endpoint.udp { "udp" } else { "tcp" },
                ipv6: endpoint.ipv6,
                tls: endpoint.tls || endpoint.front.is_some(),
                services: endpoint.service.clone(),
                products: endpoint.product.clone(),
                version: shown.filter(|_| !endpoint.hidden),
                answers: scans.iter().map(judged).collect(),
            }
        };
        let rows: Vec<Row> = asked.iter().map(row).collect();
        let totals = scans.iter().enumerate().map(|(at, scan)| total(&rows, at, scan)).collect();
        let mut names: Vec<&str> = rows.iter().map(|row| row.daemon.as_str()).collect();
        names.dedup();
        Self {
            machine: Machine::here(),
            daemons: names.len(),
            with_product: rows.iter().filter(|row| !row.products.is_empty()).count(),
            with_version: rows.iter().filter(|row| row.version.is_some()).count(),
            rows,
            totals,
        }
    }

    /// Fails where what is right is not enough.
    pub(crate) fn judge(&self) -> anyhow::Result<()> {
        let Some(ours) = self.totals.first() else { bail!("nothing was scanned") };
        let mut lacks = Vec::new();
        for (what, right, least) in [
            ("services", ours.services, SERVICES_MIN),
            ("products", ours.products, PRODUCTS_MIN),
            ("versions", ours.versions, VERSIONS_MIN),
        ] {
            let share = self.share(right);
            if share < least {
                lacks.push(format!("{what}: {share:.0} %, at least {least:.0} %"));
            }
        }
        if ours.wrong > WRONG_MAX {
            lacks.push(format!("{} products are wrong, at most {WRONG_MAX}", ours.wrong));
        }
        if let Some(ratio) = self.ratio().filter(|ratio| *ratio < RATIO_MIN) {
            lacks.push(format!("{ratio:.1} times as fast as nmap, at least {RATIO_MIN}"));
        }
        if !lacks.is_empty() {
            bail!("not enough: {}", lacks.join("; "));
        }
        Ok(())
    }

    /// How many times faster than nmap we were.
    fn ratio(&self) -> Option<f64> {
        match self.totals.as_slice() {
            [ours, theirs] if ours.seconds > 0.0 => Some(theirs.seconds / ours.seconds),
            _ => None,
        }
    }

    /// `count` as a part of a hundred endpoints.
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    fn share(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.rows.len().max(1) as f64
    }
}

fn total(rows: &[Row], at: usize, scan: &Scan) -> Total {
    let count = |of: fn(&Score) -> Verdict, verdict| {
        let scores = rows.iter().filter_map(|row| row.answers.get(at));
        scores.filter(|(_, score)| of(score) == verdict).count()
    };
    Total {
        scanner: scan.name.clone(),
        services: count(|score| score.service, Verdict::Right),
        products: count(|score| score.product, Verdict::Right),
        wrong: count(|score| score.product, Verdict::Wrong),
        versions: count(|score| score.version, Verdict::Right),
        seconds: scan.seconds,
    }
}

/// `+` for what is right, `!` for what is wrong, `.` for what was not told.
const fn mark(verdict: Verdict) -> char {
    match verdict {
        Verdict::Right => '+',
        Verdict::Wrong => '!',
        Verdict::Silent => '.',
    }
}

/// What a scanner said, in one line without what a terminal would obey.
fn words(answer: &Answer) -> String {
    let Answer { service, product, version, .. } = answer;
    let parts = [service, product, version].into_iter().flatten();
    let text = parts.map(String::as_str).collect::<Vec<_>>().join(" ");
    text.chars().filter(|c| !c.is_control()).take(42).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        if let Some(doubt) = self.machine.doubt() {
            writeln!(f, "{doubt}")?;
        }
        writeln!(f, "service, product, version: + right, ! wrong, . not told")?;
        let [port, daemon, truth] = ["port", "daemon", "truth"];
        write!(f, "{port:<11} {daemon:<22} {truth:<34}")?;
        for total in &self.totals {
            write!(f, "     {:<42}", total.scanner)?;
        }
        writeln!(f)?;
        for row in &self.rows {
            let address = if row.ipv6 { "6" } else { "" };
            let tls = if row.tls { "s" } else { "" };
            let port = format!("{}/{}{address}{tls}", row.port, row.transport);
            let truth: Vec<&str> = [row.services.first(), row.products.first()]
                .into_iter()
                .flatten()
                .chain(&row.version)
                .map(String::as_str)
                .collect();
            let truth: String = truth.join(" ").chars().take(34).collect();
            write!(f, "{port:<11} {:<22} {truth:<34}", row.daemon)?;
            for (answer, score) in &row.answers {
                let Score { service, product, version } = score;
                let marks: String = [*service, *product, *version].map(mark).iter().collect();
                write!(f, " {marks} {:<42}", words(answer))?;
            }
            writeln!(f)?;
        }
        let Self { daemons, with_product, with_version, rows, .. } = self;
        writeln!(
            f,
            "\n{} endpoints of {daemons} daemons; {with_product} have a product that can be \
             known, {with_version} tell a version",
            rows.len()
        )?;
        for total in &self.totals {
            let Total { scanner, services, products, wrong, versions, seconds } = total;
            writeln!(
                f,
                "{scanner:<10} services {services} ({:.0} %), products {products} ({:.0} %), \
                 wrong {wrong}, versions {versions} ({:.0} %), {seconds:.1} s",
                self.share(*services),
                self.share(*products),
                self.share(*versions)
            )?;
        }
        if let Some(ratio) = self.ratio() {
            writeln!(f, "{ratio:.1} times as fast as nmap")?;
        }
        Ok(())
    }
}
