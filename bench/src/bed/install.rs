//! Bringing packages, without letting one of them start anything.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::catalogue::{Daemon, Places};

/// What Debian's maintainer scripts ask before they start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// What every bed needs besides.
const TOOLS: [&str; 3] = ["openssl", "stunnel4", "util-linux"];
/// Packages that are installed at once.
const CHUNK: usize = 24;

/// Installs what `daemons` lack; what can't be had is told, and its daemon will not come up.
pub(crate) fn install(daemons: &[Daemon], places: &Places) -> anyhow::Result<()> {
    let wanted: BTreeSet<&str> = daemons
        .iter()
        .flat_map(|daemon| &daemon.packages)
        .map(String::as_str)
        .chain(TOOLS)
        .collect();
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !is_installed(name)).collect();
    if !missing.is_empty() {
        let _policy = Policy::forbid()?;
        let _stale = apt(&["update", "-q"]);
        for chunk in missing.chunks(CHUNK) {
            if apt_install(chunk) {
                continue;
            }
            for one in chunk {
                if !apt_install(&[*one]) {
                    tell(&format!("NOT INSTALLED: {one}"))?;
                }
            }
        }
    }
    for daemon in daemons {
        for (kind, names) in
            [("unpack", &daemon.unpack), ("pip", &daemon.pip), ("npm", &daemon.npm)]
        {
            let folder = places.of(kind, &daemon.name);
            if names.is_empty() || folder.join(".whole").exists() {
                continue;
            }
            if let Err(error) = bring(kind, names, &folder) {
                tell(&format!("NOT INSTALLED: {}: {error:#}", daemon.name))?;
            }
        }
    }
    Ok(())
}

fn tell(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Abbrev}", package]).stderr(Stdio::null());
    query.output().is_ok_and(|output| output.stdout.starts_with(b"ii"))
}

fn apt_install(packages: &[&str]) -> bool {
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(["-o", "Dpkg::Options::=--force-confold"]);
    arguments.extend(packages);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command.stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Brings `names` of `kind` into `folder`, wholly or not at all.
fn bring(kind: &str, names: &[String], folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut command = match kind {
        "pip" => {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "-q", "--no-warn-script-location", "--target"]);
            pip.arg(folder);
            pip
        }
        "npm" => {
            let mut npm = Command::new("npm");
            npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
            npm.arg("--prefix").arg(folder);
            npm
        }
        _ => {
            let mut sh = Command::new("sh");
            let text = "apt-get -q download \"$@\" && for f in *.deb; do dpkg-deb -x $f .; \
                        done && for f in *.deb; do dpkg-deb -f $f Version > \
                        ${f%%_*}.version; done && rm *.deb";
            sh.args(["-ec", text, "sh"]).current_dir(folder);
            sh
        }
    };
    let output = command.args(names).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{kind}: {}", words.lines().last().unwrap_or("no word"));
    }
    Ok(fs::write(folder.join(".whole"), "")?)
}

/// While it lives, installing starts nothing.
struct Policy {
    /// What was there before.
    before: Option<(Vec<u8>, u32)>,
    path: PathBuf,
}

impl Policy {
    fn forbid() -> anyhow::Result<Self> {
        let path = PathBuf::from(POLICY);
        let mode = fs::metadata(&path).map_or(0o755, |data| data.permissions().mode());
        let before = fs::read(&path).ok().map(|text| (text, mode));
        fs::write(&path, "#!/bin/sh\nexit 101\n").context("forbidding services to start")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { before, path })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let restored = match &self.before {
            None => fs::remove_file(&self.path),
            Some((text, mode)) => fs::write(&self.path, text)
                .and_then(|()| fs::set_permissions(&self.path, fs::Permissions::from_mode(*mode))),
        };
        if let Err(error) = restored {
            let _told = tell(&format!("{}: not as it was before: {error}", self.path.display()));
        }
    }
}
