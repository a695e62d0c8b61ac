//! What a process and the network beneath it have used so far.

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Descriptors that servers need.
const DESCRIPTORS: u64 = 65_536;
/// Ticks a second in which the kernel tells processor time: `USER_HZ`, proc(5).
const TICKS_PER_SECOND: f64 = 100.0;

/// Of a process.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Used {
    /// Seconds of its own code.
    pub(crate) user_s: f64,
    /// Seconds of the kernel on its behalf.
    pub(crate) system_s: f64,
    /// Octets resident.
    pub(crate) resident: u64,
    /// Octets resident at most.
    pub(crate) resident_max: u64,
}

impl Used {
    /// Of process `id`, or `self`: from `/proc`.
    pub(crate) fn of(id: &str) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The second field, a name in parentheses, may hold anything.
        let fields = stat.rsplit_once(')').context("no name")?.1;
        let ticks = |at: usize| {
            let field =
                fields.split_ascii_whitespace().nth(at).and_then(|field| field.parse().ok());
            field.map(|ticks: u32| f64::from(ticks) / TICKS_PER_SECOND).context("no times")
        };
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let octets = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.map(|kib| kib << 10).with_context(|| format!("no {name}"))
        };
        Ok(Self {
            user_s: ticks(11)?,
            system_s: ticks(12)?,
            resident: octets("VmRSS")?,
            resident_max: octets("VmHWM")?,
        })
    }

    /// Since `before`; memory as it is now.
    pub(crate) fn since(self, before: Self) -> Self {
        let (user_s, system_s) = (self.user_s - before.user_s, self.system_s - before.system_s);
        Self { user_s, system_s, ..self }
    }

    /// Lets the calling process count from now what it has resident at most, and returns what it
    /// has: proc(5), `clear_refs`.
    pub(crate) fn reset_own_peak() -> anyhow::Result<Self> {
        std::fs::write("/proc/self/clear_refs", "5").context("resetting the peak of memory")?;
        Self::of("self")
    }
}

/// Of a network namespace's TCP.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Traffic {
    /// Connections that were begun.
    pub(crate) connections: u64,
    /// Segments that were sent, both ways.
    pub(crate) segments: u64,
}

impl Traffic {
    /// Of the caller's namespace: `/proc/net/snmp`, RFC 4022.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/thread-self/net/snmp")?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().context("no TCP")?, lines.next().context("no TCP")?);
        let value = |name: &str| {
            let mut pairs = names.split(' ').zip(values.split(' '));
            let value = pairs.find(|(of, _)| *of == name).and_then(|(_, value)| value.parse().ok());
            value.with_context(|| format!("no {name}"))
        };
        Ok(Self { connections: value("ActiveOpens")?, segments: value("OutSegs")? })
    }

    /// Since `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            connections: self.connections.saturating_sub(before.connections),
            segments: self.segments.saturating_sub(before.segments),
        }
    }
}

/// Lets the calling process open `most` descriptors and no more.
pub(crate) fn limit_descriptors(most: u64) -> anyhow::Result<()> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Nofile, limit).context("setting the limit of descriptors")
}

/// Lets the calling process open as many descriptors as servers need, or as many as it may.
pub(crate) fn raise_descriptors() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(DESCRIPTORS, |most| most.max(DESCRIPTORS));
    // More than the hard limit takes real root.
    limit_descriptors(most).or_else(|_| limit_descriptors(limit.maximum.unwrap_or(DESCRIPTORS)))
}
