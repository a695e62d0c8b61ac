//! What can go wrong when the store is opened, read or written.

use std::path::PathBuf;

/// The store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store {} is in use by another process", dir.display())]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The store was written by a version of the program with another layout.
    #[error(
        "the store has layout version {found}, this program knows {known}; export it with the program that wrote it and import it here"
    )]
    WrongVersion {
        /// The version in the store.
        found: u32,
        /// The version that this program writes.
        known: u32,
    },
    /// Octets in the store are not what was written there.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What was found, and where.
        what: String,
    },
    /// Too little space is left on the disk to write safely.
    #[error("the disk is full: {free} bytes are free, the store leaves {reserve} untouched")]
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// A write failed earlier; nothing more is written until the store is opened again.
    #[error("the store is read-only since a write failed; it must be opened again")]
    ReadOnly,
    /// A write failed in the middle of a commit; the next opening completes it.
    #[error("a commit was cut short by a failed write; the next opening completes it")]
    Unfinished,
    /// The cursor is not one of this list's.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// One value is larger than the store keeps.
    #[error("{what} is too large to be stored: {len} bytes")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size in bytes.
        len: usize,
    },
    /// The operating system refused.
    #[error("{action} failed")]
    Io {
        /// What was being done.
        action: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}

/// What was to be expected can't be.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// Entries that make no sense: index in the list and what is wrong. Nothing was changed.
    #[error("{} of the entries can't be expected; the first: entry {}: {}",
        .0.len(),
        .0.first().map_or(0, |(i, _)| *i),
        .0.first().map_or("", |(_, p)| p.as_str()))]
    Invalid(Vec<(usize, String)>),
    /// The store could not write it.
    #[error("the expected state could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ExpectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The store could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[source] StoreError),
    /// The receiver took no more.
    #[error("the export could not be written")]
    Write(#[source] std::io::Error),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An export could not be read back. The store is as empty as before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line is not what an export holds there.
    #[error("line {line}: {problem}")]
    Line {
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Only an empty store takes an export.
    #[error("the store is not empty; an export is read into an empty store only")]
    NotEmpty,
    /// The export could not be read.
    #[error("the export could not be read")]
    Read(#[source] std::io::Error),
    /// The store could not write it.
    #[error("the export could not be stored")]
    Store(#[source] StoreError),
}

impl ImportError {
    /// The line at fault, from 1, where one is.
    pub const fn line(&self) -> Option<u64> {
        match self {
            Self::Line { line, .. } => Some(*line),
            _ => None,
        }
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
