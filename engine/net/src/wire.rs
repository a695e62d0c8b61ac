//! What the interfaces themselves count.

use std::io;

use crate::sys::SyscallError;

/// An interface's own counters, since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WireCount {
    /// Frames that left, whoever sent them.
    pub packets: u64,
    /// Frames that were to leave and were dropped.
    pub dropped: u64,
}

impl WireCount {
    /// What was counted since `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            dropped: self.dropped.saturating_sub(before.dropped),
        }
    }
}

/// Reads the counters of one interface of the calling thread's network namespace.
#[derive(Debug, Clone)]
pub struct WireMeter {
    interface: String,
}

impl WireMeter {
    /// For the interface called `interface`.
    pub fn new(interface: &str) -> Self {
        Self { interface: interface.to_owned() }
    }

    /// The counters now.
    ///
    /// `/sys` shows the interfaces of whoever mounted it; `/proc/thread-self` shows this thread's.
    ///
    /// # Errors
    /// [`SyscallError`] without `/proc`, or when the interface is gone.
    pub fn read(&self) -> Result<WireCount, SyscallError> {
        let failed = |e| SyscallError::new("reading an interface's counters", e);
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").map_err(failed)?;
        find(&table, &self.interface)
            .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no such interface")))
    }
}

/// Eight numbers received, then eight sent: octets, packets, errors, drops, ….
fn find(table: &str, interface: &str) -> Option<WireCount> {
    let line = table
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let mut sent = line.split_ascii_whitespace().skip(9);
    let packets = sent.next()?.parse().ok()?;
    let dropped = sent.nth(1)?.parse().ok()?;
    Some(WireCount { packets, dropped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_columns_of_the_right_line_are_read() {
        let table = "Inter-| Receive | Transmit\n face |bytes packets errs drop …\n\
            eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
            eth01: 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36\n";
        assert_eq!(find(table, "eth0"), Some(WireCount { packets: 10, dropped: 12 }));
        assert_eq!(find(table, "eth01"), Some(WireCount { packets: 30, dropped: 32 }));
        assert_eq!(find(table, "eth"), None);
        let lo = WireMeter::new("lo").read().unwrap();
        assert_eq!(lo.since(lo), WireCount::default());
        assert!(WireMeter::new("no such thing").read().is_err());
    }
}
