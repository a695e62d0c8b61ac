//! Every record is read and checked against the others.

use std::collections::{BTreeMap, BTreeSet};

use portolan_core::target::PortSet;

use crate::codec::hex;
use crate::error::StoreError;
use crate::inner::Inner;
use crate::line::{self, Line};
use crate::store::VerifyReport;

const MAX_PROBLEMS: usize = 1000;

/// Checks the whole store. The caller may read.
pub(crate) fn verify(inner: &Inner) -> Result<VerifyReport, StoreError> {
    let mut check = Check::default();
    check.sites.extend(inner.sites_for(None).into_iter().map(|(number, _)| number));
    for pair in inner.kv.range(&[0], &[0xff]) {
        let pair = pair?;
        check.report.records += 1;
        match line::of_pair(&pair) {
            Ok(Some(line)) => {
                match line.to_pair() {
                    Ok((key, _)) if key == pair.0 => {}
                    Ok(_) => check.problem(format!("key {} is not its record's", hex(&pair.0))),
                    Err(what) => check.problem(format!("{what} under key {}", hex(&pair.0))),
                }
                check.line(&line);
            }
            Ok(None) => {}
            Err(error) => check.problem(error.to_string()),
        }
    }
    check.finish();
    Ok(check.report)
}

#[derive(Default)]
struct Check {
    report: VerifyReport,
    sites: BTreeSet<u32>,
    /// Per scan: endpoints and closed ports as its header counts them.
    promised: BTreeMap<i64, (u64, u64)>,
    /// The same as they were found.
    found: BTreeMap<i64, (u64, u64)>,
}

impl Check {
    fn problem(&mut self, problem: String) {
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(problem);
        }
    }

    fn line(&mut self, line: &Line) {
        if let Some(site) = line.site().filter(|site| !self.sites.contains(site)) {
            self.problem(format!("a record speaks of site {site}, which has no name"));
        }
        if let Some(id) = line.part_of() {
            self.found.entry(id).or_default();
        }
        match line {
            Line::Scan { id, scan } => {
                self.promised.insert(*id, (scan.rows, scan.closed_ports));
            }
            Line::Rows { id, rows } => {
                self.found.entry(*id).or_default().0 += count(rows.len());
            }
            Line::ClosedPorts { id, lists } => {
                let ports: u64 = lists.iter().map(|list| count(list.ports.0.len())).sum();
                self.found.entry(*id).or_default().1 += ports;
            }
            Line::Listed { addr, listed, .. } => {
                let sets = listed.layers.iter().flat_map(|l| [&l.closed.0, &l.silent.0]);
                let sum: usize = sets.clone().map(PortSet::len).sum();
                let all = sets.fold(crate::bits::PortBits::new(), |mut bits, set| {
                    bits.add(set);
                    bits
                });
                if all.to_set().len() != sum {
                    self.problem(format!("ports of {addr} are listed twice"));
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self) {
        for (id, found) in std::mem::take(&mut self.found) {
            match self.promised.remove(&id) {
                None => self.problem(format!("parts of scan {id}, which is not committed")),
                Some(promised) if promised != found => self.problem(format!(
                    "scan {id} has {} endpoints and {} closed ports; {} and {} were committed",
                    found.0, found.1, promised.0, promised.1
                )),
                Some(_) => {}
            }
        }
        for (id, promised) in std::mem::take(&mut self.promised) {
            if promised != (0, 0) {
                self.problem(format!("scan {id} has lost its endpoints"));
            }
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
