//! What was measured, as a table and as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::child::Used;
use super::settings::Setting;
use super::tool::{Found, Tool};
use super::work::{OpenSet, Stage, Work};
use crate::machine::Machine;
use crate::wire::Measured;

/// One run of one scanner.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Run {
    wall_s: f64,
    cpu_s: f64,
    memory_bytes: u64,
    /// Frames that arrived at the far side, whatever they were.
    packets: u64,
    /// Of these a second, while it was sending.
    wire_pps: f64,
    found: usize,
    recall: f64,
    precision: f64,
    duplicates: u64,
    /// Frames that the lab itself lost, because it did not keep up.
    lab_lost: u64,
    /// Why it does not count.
    failure: Option<String>,
}

impl Run {
    pub(crate) fn new(used: Used, wire: Measured, found: &Found, truth: &OpenSet) -> Self {
        let right = found.open.intersection(truth).count();
        let failure = if used.timed_out {
            Some(format!("timed out after {:.0} s", used.wall_s))
        } else {
            used.failure
        };
        Self {
            wall_s: used.wall_s,
            cpu_s: used.cpu_s,
            memory_bytes: used.memory_max,
            packets: wire.packets,
            wire_pps: wire.pps,
            found: found.open.len(),
            recall: part(right, truth.len()),
            precision: part(right, found.open.len()),
            duplicates: found.duplicates,
            lab_lost: 0,
            failure,
        }
    }

    /// The same in a lab that lost `frames` beyond what it was to lose.
    pub(crate) const fn in_lab_that_lost(mut self, frames: u64) -> Self {
        self.lab_lost = frames;
        self
    }

    pub(crate) fn failed(why: String) -> Self {
        Self { failure: Some(why), ..Self::default() }
    }

    /// Packets for each second of processor time.
    fn pps_per_core(&self) -> f64 {
        if self.cpu_s > 0.0 { as_f64(self.packets) / self.cpu_s } else { 0.0 }
    }

    pub(crate) const fn recall(&self) -> f64 {
        self.recall
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.failure {
            return write!(f, "{why} ({} found)", self.found);
        }
        let (wall, recall) = (self.wall_s, self.recall * 100.0);
        write!(f, "{wall:.2} s, {recall:.3} %, {:.0} pps", self.wire_pps)?;
        if self.lab_lost > 0 {
            write!(f, " (the lab did not keep up: {} frames)", self.lab_lost)?;
        }
        Ok(())
    }
}

/// A setting and its runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tried {
    tool: &'static str,
    name: String,
    flags: String,
    pub(crate) rate_pps: Option<u32>,
    command: Vec<String>,
    pub(crate) runs: Vec<Run>,
    #[serde(skip)]
    setting: Setting,
}

impl Tried {
    /// The median of a figure over the runs that count.
    fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> =
            self.runs.iter().filter(|run| run.failure.is_none()).map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    /// The least of a figure over all runs.
    fn least(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(figure).fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.runs.iter().find_map(|run| run.failure.as_deref())
    }

    /// Ours, or whose.
    pub(crate) const fn tool(&self) -> Tool {
        self.setting.tool
    }

    /// The row's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// One work's.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkResults {
    work: &'static str,
    about: &'static str,
    answers: String,
    open: usize,
    goal: f64,
    /// Scanners that can't do it in one go.
    pub(crate) left_out: Vec<String>,
    tried: Vec<Tried>,
}

impl WorkResults {
    pub(crate) fn new(work: Work, stage: &Stage) -> Self {
        Self {
            work: work.name(),
            about: work.about(),
            answers: stage.answers.clone(),
            open: stage.truth.len(),
            goal: work.goal(),
            left_out: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// A setting's first run.
    pub(crate) fn tried(&mut self, setting: Setting, run: Run) {
        self.tried.push(Tried {
            tool: setting.tool.name(),
            name: setting.name.clone(),
            flags: setting.flags.clone(),
            rate_pps: setting.rate_pps,
            command: setting.command.clone(),
            runs: vec![run],
            setting,
        });
    }

    /// A further run of the setting at `index`.
    pub(crate) fn again(&mut self, index: usize, run: Run) {
        if let Some(tried) = self.tried.get_mut(index) {
            tried.runs.push(run);
        }
    }

    pub(crate) fn setting(&self, index: usize) -> Option<Setting> {
        self.tried.get(index).map(|tried| tried.setting.clone())
    }

    /// All settings and their runs.
    pub(crate) fn all(&self) -> &[Tried] {
        &self.tried
    }

    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        self.work
    }

    /// Of each row's settings the best after their first runs: the fastest of those that found
    /// what there is to find, or else the one that found most.
    pub(crate) fn best(&self) -> Vec<usize> {
        let mut best: Vec<usize> = Vec::new();
        for (index, tried) in self.tried.iter().enumerate() {
            let same = |other: &&mut usize| {
                self.tried.get(**other).is_some_and(|other| other.name == tried.name)
            };
            match best.iter_mut().find(same) {
                None => best.push(index),
                Some(other) => {
                    if self.tried.get(*other).is_some_and(|o| self.beats(tried, o)) {
                        *other = index;
                    }
                }
            }
        }
        best
    }

    fn beats(&self, one: &Tried, other: &Tried) -> bool {
        let (Some(a), Some(b)) = (one.runs.first(), other.runs.first()) else { return false };
        let complete = |run: &Run| run.failure.is_none() && run.recall >= self.goal;
        match (complete(a), complete(b)) {
            (true, true) => a.wall_s < b.wall_s,
            (a, b) if a != b => a,
            _ if a.failure.is_some() != b.failure.is_some() => b.failure.is_some(),
            _ => a.recall > b.recall,
        }
    }

    fn write(&self, every: bool, out: &mut String) -> fmt::Result {
        let rows = if every { (0..self.tried.len()).collect() } else { self.best() };
        let rows: Vec<&Tried> = rows.into_iter().filter_map(|at| self.tried.get(at)).collect();
        // Ratios are to the fastest of ours that is complete.
        let ours = self
            .best()
            .into_iter()
            .filter_map(|at| self.tried.get(at))
            .filter(|t| t.tool() == Tool::Portolan && t.failure().is_none())
            .filter(|t| t.least(Run::recall) >= self.goal)
            .map(|t| t.median(|run| run.wall_s))
            .fold(f64::INFINITY, f64::min);
        writeln!(out, "\n### {}: {}\n", self.work, self.about)?;
        writeln!(out, "{} answers; {} ports are open.\n", self.answers, self.open)?;
        writeln!(
            out,
            "| scanner | setting | wall s | ÷ ours | recall % | precision % | duplicates | \
             wire kpps | kpps per core | CPU s | memory MB |"
        )?;
        writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for row in rows {
            row.write(ours, out)?;
        }
        let lost: u64 = self.tried.iter().flat_map(|t| &t.runs).map(|run| run.lab_lost).sum();
        if lost > 0 {
            writeln!(out, "\nThe lab itself lost {lost} frames: it did not keep up.")?;
        }
        if !self.left_out.is_empty() {
            let names = self.left_out.join(", ");
            writeln!(out, "\nLeft out, with no way to do this in a few runs: {names}.")?;
        }
        Ok(())
    }
}

impl Tried {
    fn write(&self, ours: f64, out: &mut String) -> fmt::Result {
        let Self { name, flags, .. } = self;
        if let Some(why) = self.failure() {
            let most = self.runs.iter().map(Run::recall).fold(0.0, f64::max) * 100.0;
            return writeln!(out, "| {name} | `{flags}` | {why} | | {most:.3} | | | | | | |");
        }
        let wall = self.median(|run| run.wall_s);
        let ratio = if ours.is_finite() { format!("{:.2}", wall / ours) } else { "-".to_owned() };
        // Of several runs the worst says how far to trust it.
        let recall = self.least(Run::recall) * 100.0;
        let precision = self.least(|run| run.precision) * 100.0;
        let duplicates = self.median(|run| as_f64(run.duplicates));
        let wire = self.median(|run| run.wire_pps) / 1e3;
        let per_core = self.median(Run::pps_per_core) / 1e3;
        let cpu = self.median(|run| run.cpu_s);
        let memory = self.median(|run| as_f64(run.memory_bytes)) / 1e6;
        writeln!(
            out,
            "| {name} | `{flags}` | {wall:.2} | {ratio} | {recall:.3} | {precision:.3} | \
             {duplicates:.0} | {wire:.0} | {per_core:.0} | {cpu:.2} | {memory:.0} |"
        )
    }
}

/// Everything, and where it was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Results {
    #[serde(flatten)]
    machine: Machine,
    seed: u64,
    rounds: u16,
    pub(crate) works: Vec<WorkResults>,
}

impl Results {
    /// Nothing yet, on this machine.
    pub(crate) fn here(seed: u64, rounds: u16) -> Self {
        Self { machine: Machine::here(), seed, rounds, works: Vec::new() }
    }

    /// For people, in Markdown; the best setting of each scanner, or `every` one that was tried.
    pub(crate) fn table(&self, every: bool) -> String {
        let mut out = String::new();
        let Self { machine, rounds, seed, .. } = self;
        let mut write = || -> fmt::Result {
            writeln!(out, "{machine}; median of {rounds}, seed {seed}.")?;
            if let Some(doubt) = machine.doubt() {
                writeln!(out, "\n{doubt}.")?;
            }
            self.works.iter().try_for_each(|work| work.write(every, &mut out))
        };
        // Writing to memory does not fail.
        let _ = write();
        out
    }
}

fn part(some: usize, all: usize) -> f64 {
    let number = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
    if all == 0 { 1.0 } else { number(some) / number(all) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets and octets for people to read")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}
