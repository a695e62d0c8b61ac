//! A folder whose files are imported as scans and then moved away.
//!
//! A file is taken once its size and time have stayed the same from one look to the next. What was
//! imported goes to the archive; what can't be read goes to `failed/`, with a file beside it that
//! says why. Nothing is ever deleted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use portolan_store::Store;

use crate::clock::Clock;
use crate::config::ImportConfig;
use crate::importer::{self, ImportFailure};
use crate::metrics::Metrics;
use crate::problem::Chain;
use crate::runner::CancelToken;

/// Most files that one look takes; the next look goes on.
const FILES_MAX: usize = 1_000;

/// Looks at one folder.
pub struct Watcher {
    config: ImportConfig,
    store: Store,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// Size and time of files at the last look.
    seen: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
}

/// What one look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Files that became scans.
    pub imported: usize,
    /// Files that were put aside.
    pub failed: usize,
    /// Files that may still be growing.
    pub waiting: usize,
}

impl Watcher {
    /// A watcher that has not looked yet.
    pub fn new(
        config: ImportConfig,
        store: Store,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { config, store, metrics, clock, seen: BTreeMap::new() }
    }

    /// Looks again and again until `stop` is cancelled.
    pub async fn run(mut self, stop: CancelToken) {
        let stopped = stop.cancelled();
        tokio::pin!(stopped);
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let outcome = self.look();
                (self, outcome)
            });
            let Ok((watcher, outcome)) = looked.await else {
                tracing::error!("the watcher broke off; this is a bug");
                return;
            };
            self = watcher;
            if let Err(error) = outcome {
                tracing::warn!(folder = ?self.config.watch, %error, "the watched folder can't be read");
            }
            let next = self.clock.now().after(self.config.interval);
            tokio::select! {
                () = &mut stopped => return,
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn look(&mut self) -> io::Result<Looked> {
        let mut looked = Looked::default();
        let mut seen = BTreeMap::new();
        for path in files(&self.config.watch)?.into_iter().take(FILES_MAX) {
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            let now = (metadata.len(), metadata.modified().ok());
            if self.seen.get(&path) != Some(&now) {
                looked.waiting += 1;
                seen.insert(path, now);
                continue;
            }
            match self.take(&path) {
                Some(true) => looked.imported += 1,
                Some(false) => looked.failed += 1,
                None => {
                    seen.insert(path, now);
                }
            }
        }
        self.seen = seen;
        Ok(looked)
    }

    /// Imports one file and moves it away; `None` when it stays for another try.
    fn take(&self, path: &Path) -> Option<bool> {
        let outcome = self.import(path);
        let (folder, reason) = match &outcome {
            Ok(()) => (self.config.archive.clone(), None),
            // A store that takes nothing now may take it later.
            Err(ImportFailure::Store(error)) => {
                tracing::error!(file = ?path, error = %Chain(error), "report not stored yet");
                return None;
            }
            Err(failure) => (self.config.watch.join("failed"), Some(Chain(failure).to_string())),
        };
        match put_away(path, &folder, reason.as_deref()) {
            Ok(to) => tracing::info!(file = ?path, to = ?to, "report put away"),
            // It stays, and would be imported again and again: say so every time.
            Err(error) => tracing::error!(file = ?path, %error, "report can't be moved away"),
        }
        Some(outcome.is_ok())
    }

    fn import(&self, path: &Path) -> Result<(), ImportFailure> {
        let file = File::open(path).map_err(ImportFailure::Read)?;
        let (site, now) = (self.config.site.clone(), self.clock.now());
        importer::import(&self.store, &self.metrics, BufReader::new(file), site, now).map(drop)
    }
}

/// The plain files of a folder by name, less those that are hidden or in the making.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let unfinished = [".tmp", ".part", ".reason.txt"].iter().any(|end| name.ends_with(end));
        if !name.starts_with('.') && !unfinished && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Moves a file into `folder` under a name that is free there, and says why beside it.
fn put_away(path: &Path, folder: &Path, reason: Option<&str>) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (0_u32..).map(|n| match n {
        0 => folder.join(&name),
        n => folder.join(format!("{name}.{n}")),
    });
    let Some(to) = free.into_iter().find(|to| !to.exists()) else {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    };
    if let Some(reason) = reason {
        let mut beside = to.clone().into_os_string();
        beside.push(".reason.txt");
        fs::write(PathBuf::from(beside), format!("{reason}\n"))?;
    }
    match fs::rename(path, &to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(path, &to)?;
            File::open(&to)?.sync_all()?;
            fs::remove_file(path)?;
        }
        outcome => outcome?,
    }
    Ok(to)
}
