//! Which daemons there are, and what is true of them: the files of `bench/bed/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    daemon: Vec<Daemon>,
}

/// A program that listens; `README.md` beside the files says what each field is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Daemon {
    pub(crate) name: String,
    /// Debian's packages.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    /// Debian's packages that can't be installed beside others: laid out in a folder.
    #[serde(default)]
    pub(crate) unpack: Vec<String>,
    /// Packages of the Python index.
    #[serde(default)]
    pub(crate) pip: Vec<String>,
    /// Packages of the npm registry.
    #[serde(default)]
    pub(crate) npm: Vec<String>,
    /// Part of the quick bed.
    #[serde(default)]
    pub(crate) ci: bool,
    /// Files to write into its folder, or wherever an absolute name says.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// Shell text to run first.
    #[serde(default)]
    pub(crate) setup: Option<String>,
    /// Shell text that starts it.
    pub(crate) run: String,
    /// Shell text that prints its version, where it is not that of its first package.
    #[serde(default)]
    pub(crate) version_command: Option<String>,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// A port of it and what is true there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own in the file")]
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) udp: bool,
    /// Asked at the IPv6 address.
    #[serde(default)]
    pub(crate) ipv6: bool,
    /// Behind TLS, by itself.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Behind TLS: a front that ends it and passes on to this port.
    #[serde(default)]
    pub(crate) front: Option<u16>,
    /// Names of the service that are right.
    pub(crate) service: Vec<String>,
    /// Names of the product that are right; none where nobody could know it.
    #[serde(default)]
    pub(crate) product: Vec<String>,
    /// The version that it tells, where that is not its package's.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// It does not tell its version.
    #[serde(default)]
    pub(crate) hidden: bool,
}

/// Reads every file of `folder`, in order of their names.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Daemon>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let mut daemons = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        let file: File =
            toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        daemons.extend(file.daemon);
    }
    check(&daemons)?;
    Ok(daemons)
}

/// Two daemons must not want one port, nor one name.
fn check(daemons: &[Daemon]) -> anyhow::Result<()> {
    let mut ports: BTreeMap<(bool, u16), &str> = BTreeMap::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for daemon in daemons {
        if !names.insert(&daemon.name) {
            bail!("two daemons are called {}", daemon.name);
        }
        for endpoint in &daemon.endpoints {
            let other = ports.insert((endpoint.udp, endpoint.port), &daemon.name);
            if let Some(other) = other.filter(|other| *other != daemon.name) {
                bail!("{other} and {} want port {}", daemon.name, endpoint.port);
            }
        }
    }
    Ok(())
}

/// Where packages lie that Debian's system does not know of.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    cache: PathBuf,
}

impl Places {
    /// `cache`, or `bed` beside what was built.
    pub(crate) fn new(cache: Option<&Path>) -> anyhow::Result<Self> {
        let exe = std::env::current_exe().context("finding this program")?;
        let built = exe.parent().and_then(Path::parent).context("finding the build")?;
        Ok(Self { cache: cache.map_or_else(|| built.join("bed"), Path::to_path_buf) })
    }

    /// Packages of kind `kind` (`unpack`, `pip`, `npm`) for the daemon called `name`.
    pub(crate) fn of(&self, kind: &str, name: &str) -> PathBuf {
        self.cache.join(kind).join(name)
    }

    /// `text` with its places filled in: `{root}`, `{pip}`, `{npm}`.
    pub(crate) fn fill(&self, daemon: &Daemon, text: &str) -> String {
        let path = |kind| self.of(kind, &daemon.name).display().to_string();
        text.replace("{root}", &path("unpack"))
            .replace("{pip}", &path("pip"))
            .replace("{npm}", &format!("{}/node_modules", path("npm")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bed_is_well_formed_and_large() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bed");
        let daemons = read(&folder).unwrap();
        let endpoints: usize = daemons.iter().map(|daemon| daemon.endpoints.len()).sum();
        assert!(daemons.len() >= 60 && endpoints >= 80, "{} {endpoints}", daemons.len());
        for daemon in &daemons {
            assert!(daemon.endpoints.iter().all(|e| !e.service.is_empty()), "{}", daemon.name);
        }
        let quick = daemons.iter().filter(|daemon| daemon.ci).count();
        assert!((10..=20).contains(&quick), "{quick}");
    }

    #[test]
    fn no_two_want_one_port() {
        let daemon = |name: &str, port| Daemon {
            name: name.into(),
            packages: Vec::new(),
            unpack: Vec::new(),
            pip: Vec::new(),
            npm: Vec::new(),
            ci: false,
            files: BTreeMap::new(),
            setup: None,
            run: String::new(),
            version_command: None,
            endpoints: vec![
                toml::from_str(&format!("port = {port}\nservice = [\"http\"]")).unwrap(),
            ],
        };
        assert!(check(&[daemon("a", 80), daemon("b", 81)]).is_ok());
        assert!(check(&[daemon("a", 80), daemon("b", 80)]).is_err());
        assert!(check(&[daemon("a", 80), daemon("a", 81)]).is_err());
    }
}
