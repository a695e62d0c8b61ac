//! Whose table it is: a process, named so that no later one can be taken for it.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::SyscallError;

/// How the names of our tables begin.
const PREFIX: &str = "portolan-";

/// Tables made by this process so far.
static TABLES: AtomicU32 = AtomicU32::new(0);

/// A process of this boot: its number is used again after its end, its number and its start
/// together are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// Clock ticks from boot to its start.
    start: u64,
    /// The PID namespace that the number is of.
    namespace: u64,
}

impl Owner {
    /// This process.
    pub(super) fn this_process() -> Result<Self, SyscallError> {
        let failed = |e| SyscallError::new("reading /proc/self", e);
        let namespace = fs::metadata("/proc/self/ns/pid").map_err(failed)?.ino();
        let pid = std::process::id();
        let start = start_of(pid).map_err(failed)?;
        Ok(Self { pid, start, namespace })
    }

    /// A name for a table of this owner, another at each call.
    pub(super) fn table(&self) -> String {
        format!("{self}-{}", TABLES.fetch_add(1, Ordering::Relaxed))
    }

    /// Whose table `name` is; `None` for tables of others.
    pub(super) fn of_table(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        let owner = Self {
            pid: number(parts.next()?)?.try_into().ok()?,
            start: number(parts.next()?)?,
            namespace: number(parts.next()?)?,
        };
        number(parts.next()?)?;
        parts.next().is_none().then_some(owner)
    }

    /// Whether the process has ended, as far as `observer` can tell.
    pub(super) fn is_gone(&self, observer: &Self) -> bool {
        if self.namespace != observer.namespace {
            return false;
        }
        match start_of(self.pid) {
            Ok(start) => start != self.start,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}-{}", self.pid, self.start, self.namespace)
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// When process `pid` started, proc(5): the 22nd field, counted from behind the name, which may
/// hold blanks and brackets. A process that has ended and is not yet waited for counts as gone.
fn start_of(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "unreadable process table");
    let (_, behind) = stat.rsplit_once(')').ok_or_else(odd)?;
    let mut fields = behind.split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fields.nth(18).and_then(|field| field.parse().ok()).ok_or_else(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_those_of_others_are_not() {
        let own = Owner::this_process().unwrap();
        let name = own.table();
        assert_eq!(Owner::of_table(&name), Some(own));
        assert_ne!(own.table(), name);
        for other in [
            "filter",
            "portolan",
            "portolan-",
            "portolan-1-2-3",
            "portolan-1-2-3-4-5",
            "portolan-x-2-3-4",
            "portolan--2-3-4",
            "portolan-+1-2-3-4",
            "portolan-99999999999-2-3-4",
            "my-portolan-1-2-3-4",
        ] {
            assert_eq!(Owner::of_table(other), None, "{other}");
        }
    }

    #[test]
    fn who_lives_is_not_gone_and_who_ended_is() {
        let own = Owner::this_process().unwrap();
        assert!(!own.is_gone(&own));
        assert!(Owner { start: own.start + 1, ..own }.is_gone(&own), "its number used again");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let start = start_of(child.id());
        child.wait().unwrap();
        let ended = Owner { pid: child.id(), start: start.unwrap_or(0), ..own };
        assert!(ended.is_gone(&own));
        let elsewhere = Owner { namespace: own.namespace + 1, ..ended };
        assert!(!elsewhere.is_gone(&own), "nobody here can tell");
    }
}
