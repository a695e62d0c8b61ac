//! Real daemons in a namespace of their own, asked who they are by us and by nmap; what their
//! packages say of them is the truth.

/// Which daemons there are, and what is true of them.
mod catalogue;
/// Bringing their packages.
mod install;
/// Which ports listen.
mod listening;
/// What nmap's XML says.
mod nmap;
/// What was found, as a table and as JSON.
mod report;
/// Asking them.
mod scan;
/// What was right.
mod score;
/// Starting them.
mod start;
/// Versions as packages and as services tell them.
mod version;
/// Where they run.
mod world;

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use portolan_simnet::lab::lead_into_lab;

use catalogue::{Daemon, Places};
use report::Report;
use world::World;

/// Names the folder of the world to the child that runs in namespaces of its own.
const INSIDE: &str = "PORTOLAN_BED";

/// The files that come with this program.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bed");

/// What is tried.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Options {
    /// Only the daemons that are quickly installed
    #[arg(long)]
    ci: bool,
    /// Only these daemons
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Without these daemons
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    without: Vec<String>,
    /// Ours alone, without the yardstick
    #[arg(long)]
    no_nmap: bool,
    /// First bring the packages that are missing (needs root)
    #[arg(long)]
    install: bool,
    /// The folder of files that say which daemons there are [default: that of this source]
    #[arg(long, value_name = "DIR", default_value = SOURCE, hide_default_value = true)]
    bed: PathBuf,
    /// Where packages go that are not Debian's to install [default: `bed` beside the build]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The binary of ours [default: the one built beside this program]
    #[arg(long, value_name = "FILE")]
    portolan: Option<PathBuf>,
    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Once the daemons listen, run this instead of scanning, beside them
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// The daemons run already, for this is what `--run` runs
    #[arg(long, conflicts_with = "run")]
    running: bool,
}

/// Tries all that was asked for, in a child that has namespaces of its own.
///
/// # Errors
/// When the bed can't be made, and when less is right than must be.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let places = Places::new(options.cache.as_deref())?;
    let daemons = chosen(options)?;
    if let Some(folder) = std::env::var_os(INSIDE) {
        let folder = PathBuf::from(folder);
        if options.running {
            let up = start::read_up(&folder)?;
            return measure(options, &daemons, &places, &up);
        }
        return inside(options, &daemons, &places, folder);
    }
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return unavailable("daemons that change who they are need real root");
    }
    if options.install {
        install::install(&daemons, &places)?;
    }
    let folder = tempfile::Builder::new().prefix("bed").tempdir()?;
    let mut child = lead_in(folder.path().into())?;
    let status = child.status().context("namespaces of our own: unshare of util-linux")?;
    if !status.success() {
        bail!("the bed ended with {status}");
    }
    Ok(())
}

/// Says loudly why the bed proves nothing, and fails where it must: with `CI=true`.
fn unavailable(why: &str) -> anyhow::Result<()> {
    let line = format!("BED NOT AVAILABLE: {why}");
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        bail!(line);
    }
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

/// This program once more, with its own network, mounts, processes and name: what it starts ends
/// with it, whatever it does to get away.
fn lead_in(folder: OsString) -> anyhow::Result<Command> {
    let exe = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new("unshare");
    child.args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    child.arg(exe).args(std::env::args_os().skip(1)).env(INSIDE, folder).stdin(Stdio::null());
    lead_into_lab(&mut child)?;
    Ok(child)
}

fn chosen(options: &Options) -> anyhow::Result<Vec<Daemon>> {
    let mut daemons = catalogue::read(&options.bed)?;
    for name in options.only.iter().chain(&options.without) {
        if !daemons.iter().any(|daemon| daemon.name == *name) {
            bail!("{name}: there is no such daemon in {}", options.bed.display());
        }
    }
    daemons.retain(|daemon| {
        (!options.ci || daemon.ci)
            && (options.only.is_empty() || options.only.contains(&daemon.name))
            && !options.without.contains(&daemon.name)
    });
    Ok(daemons)
}

fn inside(
    options: &Options,
    daemons: &[Daemon],
    places: &Places,
    folder: PathBuf,
) -> anyhow::Result<()> {
    let world = World::build(folder)?;
    let started = start::start(daemons, &world, places)?;
    let mut err = std::io::stderr().lock();
    for (name, why) in &started.failed {
        writeln!(err, "NOT UP: {name}: {why}")?;
    }
    drop(err);
    if let Some(command) = &options.run {
        let status = Command::new("sh").args(["-c", command]).status()?;
        if !status.success() {
            bail!("{command}: {status}");
        }
        return Ok(());
    }
    measure(options, daemons, places, &started.up)?;
    let down = started.failed.len();
    if options.ci && down > 0 {
        unavailable(&format!("{down} daemons of the quick bed did not come up"))?;
    }
    Ok(())
}

/// Scans what is up, tells what was right, and whether that is enough.
fn measure(
    options: &Options,
    daemons: &[Daemon],
    places: &Places,
    up: &start::Up,
) -> anyhow::Result<()> {
    let endpoints = score::endpoints(daemons, up);
    let ports = scan::Ports::of(&endpoints);
    let ours = scan::portolan(options.portolan.as_deref(), &ports)?;
    let theirs = if options.no_nmap { None } else { Some(scan::nmap(&ports)?) };
    let report = Report::new(daemons, places, &endpoints, &ours, theirs.as_ref());
    write!(std::io::stdout().lock(), "{report}")?;
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    report.judge()
}
