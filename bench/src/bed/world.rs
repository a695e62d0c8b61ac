//! Where the daemons run: a namespace at the far end of a cable, with an `/etc`, a `/root`, a
//! `/usr`, a `/var` and a `/run` of its own, so that nothing they write outlives them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use portolan_simnet::lab::{FAR_V4, FAR_V6, Lab, NEAR_V4};

/// The name of the host.
const HOST: &str = "bed.example";

/// The far end; gone with its process.
pub(crate) struct World {
    lab: Lab,
    folder: PathBuf,
}

impl World {
    /// Lays the cable and covers what must not be written to, with `folder` for what is written.
    ///
    /// The caller has namespaces of its own for network, mounts, processes and names.
    pub(crate) fn build(folder: PathBuf) -> anyhow::Result<Self> {
        let lab = Lab::builder().build().context("laying the cable")?;
        call("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", &text(&folder)])?;
        for place in ["etc", "root", "usr", "var"] {
            let (upper, work) = (folder.join(place), folder.join(format!("{place}.work")));
            fs::create_dir(&upper)?;
            fs::create_dir(&work)?;
            let layers =
                format!("lowerdir=/{place},upperdir={},workdir={}", text(&upper), text(&work));
            let at = format!("/{place}");
            call("mount", &["-t", "overlay", "overlay", "-o", &layers, &at])?;
        }
        call("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])?;
        call("mkdir", &["-p", "-m", "1777", "/run/lock", "/tmp/.X11-unix"])?;
        call("mount", &["-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp/.X11-unix"])?;
        fs::write("/proc/sys/kernel/hostname", "bed")?;
        let hosts = format!(
            "127.0.0.1 localhost\n::1 localhost\n{FAR_V4} {HOST} bed\n{FAR_V6} {HOST} bed\n\
             {NEAR_V4} near.example\n"
        );
        fs::write("/etc/hosts", hosts)?;
        fs::write("/etc/mailname", format!("{HOST}\n"))?;
        // Nobody to be asked: daemons that look names up are told so at once.
        fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
        let switch = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
        let others = switch.lines().filter(|line| !line.starts_with("hosts:"));
        let switch: Vec<&str> = others.chain(["hosts: files", ""]).collect();
        fs::write("/etc/nsswitch.conf", switch.join("\n"))?;
        let world = Self { lab, folder };
        world.certify()?;
        Ok(world)
    }

    /// A certificate for every daemon, and its key, in one file too.
    fn certify(&self) -> anyhow::Result<()> {
        let (key, cert) = (text(&self.folder.join("key.pem")), text(&self.folder.join("cert.pem")));
        let subject = format!("/CN={HOST}");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]);
        openssl.args(["-subj", &subject, "-keyout", &key, "-out", &cert]);
        let output = openssl.stdin(Stdio::null()).output().context("openssl")?;
        if !output.status.success() {
            bail!("openssl: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let both = [fs::read(&key)?, fs::read(&cert)?].concat();
        fs::write(self.folder.join("both.pem"), both)?;
        call("chmod", &["644", &key])
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs `work` where the daemons are.
    pub(crate) fn far<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        self.lab.far(work)
    }

    /// `given` with the places of this world filled in: `{dir}`, `{addr}`, `{cert}`, `{key}`,
    /// `{both}`.
    pub(crate) fn fill(&self, dir: &Path, given: &str) -> String {
        given
            .replace("{dir}", &text(dir))
            .replace("{addr}", &FAR_V4.to_string())
            .replace("{cert}", &text(&self.folder.join("cert.pem")))
            .replace("{key}", &text(&self.folder.join("key.pem")))
            .replace("{both}", &text(&self.folder.join("both.pem")))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn call(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| program.to_owned())?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{program} {}: {words}", arguments.join(" "));
    }
    Ok(())
}
