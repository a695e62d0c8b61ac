//! Figures for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::machine::Machine;
use crate::wire::Measured;

/// One scanner's runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    sender: String,
    runs_pps: Vec<f64>,
    median_pps: f64,
    /// The fewest frames that arrived in a run.
    packets_min: u64,
    /// Its median, as a multiple of the first peer's.
    ratio: Option<f64>,
}

impl Row {
    pub(crate) const fn new(sender: String) -> Self {
        Self { sender, runs_pps: Vec::new(), median_pps: 0.0, packets_min: u64::MAX, ratio: None }
    }

    pub(crate) fn push(&mut self, measured: Measured) {
        self.runs_pps.push(measured.pps);
        self.packets_min = self.packets_min.min(measured.packets);
        let mut sorted = self.runs_pps.clone();
        sorted.sort_by(f64::total_cmp);
        self.median_pps = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    }
}

/// Everything that was measured, and where.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    machine: Machine,
    probes: u64,
    threads: u32,
    /// Whether the far end drops in XDP, before its stack.
    xdp: bool,
    rows: Vec<Row>,
}

impl Report {
    /// Ratios are to the first row that is not ours.
    pub(crate) fn new(probes: u64, threads: u32, xdp: bool, mut rows: Vec<Row>) -> Self {
        let peer = rows.iter().find(|row| !row.sender.starts_with("portolan"));
        let peer = peer.map(|row| row.median_pps).filter(|pps| *pps > 0.0);
        for row in &mut rows {
            row.ratio = peer.map(|peer| row.median_pps / peer);
        }
        Self { machine: Machine::here(), probes, threads, xdp, rows }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, probes, threads, xdp, .. } = self;
        writeln!(f, "{machine}")?;
        let far = if *xdp { "which drops in XDP" } else { "whose stack drops" };
        writeln!(
            f,
            "one veth pair, counted by the far end, {far}; {probes} probes, {threads} thread(s)"
        )?;
        if let Some(doubt) = machine.doubt() {
            writeln!(f, "{doubt}")?;
        }
        writeln!(
            f,
            "{:<20} {:>10} {:>7} {:>12}  runs, pps",
            "sender", "median pps", "ratio", "arrived"
        )?;
        for row in &self.rows {
            let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            let runs: Vec<String> = row.runs_pps.iter().map(|pps| format!("{pps:.0}")).collect();
            let Row { sender, median_pps, packets_min, .. } = row;
            let runs = runs.join(" ");
            writeln!(f, "{sender:<20} {median_pps:>10.0} {ratio:>7} {packets_min:>12}  {runs}")?;
        }
        Ok(())
    }
}
