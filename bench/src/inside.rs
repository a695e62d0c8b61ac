//! This program once more, as root of namespaces of its own.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use portolan_simnet::lab::{spawn_as_root, spawn_in_namespaces};

/// Set in the child that runs in namespaces of its own.
const INSIDE: &str = "PORTOLAN_BENCH_INSIDE";

/// Runs `work` in a child that is root of namespaces of its own: called there again, it is run.
///
/// # Errors
/// Those of `work`, and when there can be no such child.
pub(crate) fn inside(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return work();
    }
    let exe = std::env::current_exe().context("finding this program")?;
    let command = || {
        let mut child = Command::new(&exe);
        child.args(std::env::args_os().skip(1)).env(INSIDE, "1").stdin(Stdio::null());
        child
    };
    let (mut child, mut again) = (command(), command());
    // Real root may use BPF, which no user namespace allows.
    let output = spawn_as_root(&mut child)
        .or_else(|_| spawn_in_namespaces(&mut again))
        .context("namespaces of our own: run as root, or allow user namespaces")?;
    io::stdout().write_all(&output.stdout)?;
    io::stderr().write_all(&output.stderr)?;
    if !output.status.success() {
        bail!("the measurement ended with {}", output.status);
    }
    Ok(())
}
