//! Every scanner on the same works, in one run on one machine.

/// Recall against rate, drawn.
mod chart;
/// One measured run of a program.
pub(crate) mod child;
/// A probe and its answer as octets.
mod frame;
/// The responder in user space.
mod responder;
#[cfg(test)]
mod responder_tests;
/// What was measured, as a table and as JSON.
mod results;
/// How each scanner is run.
mod settings;
/// Which scanners there are and what they report.
mod tool;
/// What is scanned.
mod work;
/// A network that is a function of a seed.
mod world;
/// The responder in the driver.
mod xdp;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_simnet::lab::{Namespace, lead_into_lab};

use crate::wire::Meter;
use results::{Results, Run, WorkResults};
use settings::{Setting, settings, timeout};
use tool::{Installed, Tool};
use work::{Stage, Work};

/// Set in the child that runs in namespaces of its own.
const INSIDE: &str = "PORTOLAN_BENCH_INSIDE";

/// What is compared.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Runs of each scanner's best complete setting; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// Only these scanners [default: all that are installed]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Tool>,
    /// Only these works
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    work: Vec<Work>,
    /// The binary of ours [default: the one built beside this program]
    #[arg(long, value_name = "FILE")]
    portolan: Option<PathBuf>,
    /// Fixes what answers where
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Show every setting that was tried, not only the best
    #[arg(long)]
    settings: bool,
    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw recall against rate into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Compares, in a child that is root of namespaces of its own.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return compare(options);
    }
    let exe = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(exe);
    child.args(std::env::args_os().skip(1)).env(INSIDE, "1").stdin(Stdio::null());
    lead_into_lab(&mut child)?;
    let status =
        child.status().context("namespaces of our own: run as root, or allow user namespaces")?;
    if !status.success() {
        bail!("the comparison ended with {status}");
    }
    Ok(())
}

fn compare(options: &Options) -> anyhow::Result<()> {
    let tools = if options.only.is_empty() { Tool::ALL.to_vec() } else { options.only.clone() };
    let works = if options.work.is_empty() { Work::ALL.to_vec() } else { options.work.clone() };
    let installed = Installed::find(&tools, options.portolan.as_deref())?;
    let mut results = Results::here(options.seed, options.rounds);
    for work in works {
        let mut measured = None;
        // A cable has its own place: two would be called the same.
        Namespace::create()?.run(|| {
            measured = Some(attempt(work, &installed, options));
            Ok(())
        })?;
        results.works.extend(measured.transpose()?);
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", results.table(options.settings))?;
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&results)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        let drawing = chart::draw(&results);
        std::fs::write(path, drawing).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Tries every setting once, then each scanner's best until it has had its rounds.
fn attempt(work: Work, installed: &[Installed], options: &Options) -> anyhow::Result<WorkResults> {
    let stage = Stage::build(work, options.seed)?;
    let mut results = WorkResults::new(work, &stage);
    for scanner in installed {
        let settings = settings(scanner, work);
        if settings.is_empty() {
            results.left_out.push(format!("{} {}", scanner.tool.name(), scanner.version));
        }
        for setting in settings {
            let run = measure(work, &stage, &setting);
            tell(work, &setting, &run);
            results.tried(setting, run);
        }
    }
    // In turns, so that what the machine does besides meets all of them alike.
    for _ in 1..options.rounds {
        for index in results.best() {
            let Some(setting) = results.setting(index) else { continue };
            let run = measure(work, &stage, &setting);
            tell(work, &setting, &run);
            results.again(index, run);
        }
    }
    Ok(results)
}

fn tell(work: Work, setting: &Setting, run: &Run) {
    let Setting { name, flags, .. } = setting;
    let _unheard = writeln!(std::io::stderr(), "{}: {name} {flags}: {run}", work.name());
}

/// One run; a scanner that fails is a result too.
fn measure(work: Work, stage: &Stage, setting: &Setting) -> Run {
    let measured = || -> anyhow::Result<Run> {
        let folder = tempfile::tempdir()?;
        let meter = Meter::start(&stage.lab)?;
        let overrun = stage.lab.relay_overrun();
        let used = stage.run(setting.brings_program, || {
            child::measure(&setting.command, folder.path(), timeout(work))
        });
        let wire = meter.stop()?;
        let found = tool::read(setting.tool, folder.path())?;
        let lost = stage.lab.relay_overrun() - overrun;
        Ok(Run::new(used?, wire, &found, &stage.truth).in_lab_that_lost(lost))
    };
    measured().unwrap_or_else(|error| Run::failed(format!("{error:#}")))
}
