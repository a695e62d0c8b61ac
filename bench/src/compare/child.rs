//! One measured run of a program.
//!
//! Linux counts the memory of whoever calls `exec` as the program's: so a small process of its
//! own, this program again, starts it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_simnet::process::run_bounded;
use serde::{Deserialize, Serialize};

/// What the small process is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Milliseconds that the program may take
    #[arg(long)]
    timeout_ms: u64,
    /// Where it runs and its output goes
    #[arg(long)]
    folder: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What a program used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Octets; of the largest process where there were several.
    pub(crate) memory_max: u64,
    pub(crate) timed_out: bool,
    /// How it ended, unless well.
    pub(crate) failure: Option<String>,
}

/// The small process: runs the program and prints what it used.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let Options { timeout_ms, folder, command } = options;
    let (program, arguments) = command.split_first().context("no program")?;
    let mut child = Command::new(program);
    child.args(arguments).current_dir(folder).stdin(Stdio::null());
    child.stdout(File::create(folder.join("stdout"))?);
    child.stderr(File::create(folder.join("stderr"))?);
    let ran = run_bounded(&mut child, Duration::from_millis(*timeout_ms))
        .with_context(|| format!("running {program}"))?;
    let used = Used {
        wall_s: ran.wall.as_secs_f64(),
        cpu_s: ran.cpu.as_secs_f64(),
        memory_max: ran.memory_max,
        timed_out: ran.timed_out,
        failure: (!ran.timed_out && !ran.status.success()).then(|| ran.status.to_string()),
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &used)?;
    Ok(out.flush()?)
}

/// Runs `command` in `folder`, and kills it after `timeout`.
pub(crate) fn measure(
    command: &[String],
    folder: &Path,
    timeout: Duration,
) -> anyhow::Result<Used> {
    let exe = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(exe);
    child.args(["child", "--timeout-ms", &timeout.as_millis().to_string(), "--folder"]);
    child.arg(folder).arg("--").args(command).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = child.output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut used: Used = serde_json::from_slice(&output.stdout).context("what was used")?;
    if let Some(failure) = used.failure.as_mut() {
        let words = std::fs::read_to_string(folder.join("stderr")).unwrap_or_default();
        let last = words.lines().rev().find(|line| !line.trim().is_empty());
        *failure = format!("{failure}: {}", last.unwrap_or("no word"));
    }
    Ok(used)
}
