//! Recall against rate, drawn: one panel a work, one line a scanner.

use std::fmt::{self, Write as _};

use super::results::{Results, WorkResults};
use super::tool::Tool;

const WIDTH: f64 = 640.0;
const PANEL: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 44.0;
/// The axis of rates, packets a second: its ends, and what is marked.
const RATE_MIN: f64 = 10_000.0;
const RATE_MAX: f64 = 3_000_000.0;
const MARKS: [(f64, &str); 6] = [
    (RATE_MIN, "10k"),
    (30_000.0, "30k"),
    (100_000.0, "100k"),
    (300_000.0, "300k"),
    (1_000_000.0, "1M"),
    (RATE_MAX, "3M"),
];

/// An SVG of every run at a rate that was asked for.
pub(crate) fn draw(results: &Results) -> String {
    let panels = results.works.len().max(1);
    let height = PANEL * f64::from(u32::try_from(panels).unwrap_or(1));
    let mut out = String::new();
    let mut write = || -> fmt::Result {
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"11\">"
        )?;
        writeln!(out, "<title>Recall against the rate asked for</title>")?;
        writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")?;
        let mut top = 0.0;
        for work in &results.works {
            panel(work, top, &mut out)?;
            top += PANEL;
        }
        writeln!(out, "</svg>")
    };
    // Writing to memory does not fail.
    let _ = write();
    out
}

fn panel(work: &WorkResults, top: f64, out: &mut String) -> fmt::Result {
    let (low, high) = (lowest(work), 1.0);
    let x = |pps: f64| {
        let (first, last) = (RATE_MIN.ln(), RATE_MAX.ln());
        LEFT + (pps.ln() - first) / (last - first) * (WIDTH - LEFT - RIGHT)
    };
    let y = |recall: f64| {
        let part = (high - recall) / (high - low);
        top + TOP + part * (PANEL - TOP - BOTTOM)
    };
    let (floor, ceiling) = (y(low), y(high));
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.0}\" font-size=\"13\">{}: recall against packets a second \
         asked for</text>",
        top + 20.0,
        work.name()
    )?;
    for (pps, label) in MARKS {
        let at = x(pps);
        writeln!(
            out,
            "<path d=\"M{at:.1} {ceiling:.1}V{floor:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" \
             y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            floor + 16.0
        )?;
    }
    for step in 0..=4 {
        let recall = low + (high - low) * f64::from(step) / 4.0;
        let (at, end) = (y(recall), WIDTH - RIGHT);
        writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{end}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{:.2} %</text>",
            LEFT - 6.0,
            at + 4.0,
            recall * 100.0
        )?;
    }
    let mut line_top = top + TOP + 8.0;
    for (name, colour, points) in lines(work) {
        let places: Vec<String> = points
            .iter()
            .map(|(pps, recall)| format!("{:.1},{:.1}", x(*pps), y(*recall)))
            .collect();
        writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        )?;
        for (pps, recall) in &points {
            let (at_x, at_y) = (x(*pps), y(*recall));
            writeln!(out, "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"3\" fill=\"{colour}\"/>")?;
        }
        writeln!(
            out,
            "<text x=\"{}\" y=\"{line_top:.1}\" fill=\"{colour}\">{name}</text>",
            WIDTH - RIGHT + 10.0
        )?;
        line_top += 15.0;
    }
    Ok(())
}

type Line = (String, &'static str, Vec<(f64, f64)>);

/// The best recall of each scanner at each rate.
fn lines(work: &WorkResults) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for tried in work.all() {
        let Some(rate) = tried.rate_pps else { continue };
        let recall = tried.runs.iter().map(super::results::Run::recall).fold(0.0, f64::max);
        let point = (f64::from(rate), recall);
        let known = lines.iter().position(|(name, ..)| name == tried.name());
        let line = known.unwrap_or_else(|| {
            lines.push((tried.name().to_owned(), colour(tried.tool(), lines.len()), Vec::new()));
            lines.len() - 1
        });
        let Some((_, _, points)) = lines.get_mut(line) else { continue };
        match points.iter_mut().find(|(pps, _)| pps.total_cmp(&point.0).is_eq()) {
            Some(known) => known.1 = known.1.max(point.1),
            None => points.push(point),
        }
    }
    for (_, _, points) in &mut lines {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}

/// The axis begins below the worst, at a round part.
fn lowest(work: &WorkResults) -> f64 {
    let recalls = lines(work).into_iter().flat_map(|(_, _, points)| points);
    let worst = recalls.map(|(_, recall)| recall).fold(1.0, f64::min);
    [0.999, 0.99, 0.95, 0.9, 0.75, 0.5].into_iter().find(|low| *low < worst).unwrap_or(0.0)
}

const fn colour(tool: Tool, line: usize) -> &'static str {
    match (tool, line % 4) {
        (Tool::Portolan, 0) => "#0b6e4f",
        (Tool::Portolan, 1) => "#2a9d8f",
        (Tool::Portolan, 2) => "#1d3557",
        (Tool::Portolan, _) => "#457b9d",
        (Tool::Masscan, _) => "#c1121f",
        (Tool::Zmap, _) => "#e09f3e",
        (Tool::Nmap, _) => "#7b2cbf",
        (Tool::Rustscan, _) => "#6c584c",
    }
}
