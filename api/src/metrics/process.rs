//! The process itself, as Linux tells of it in `/proc`.

use std::fs;

use portolan_core::UnixTime;

use super::family::{Families, number, seconds};

/// Clock ticks a second in `/proc/self/stat`; Linux has it fixed at 100 for user space.
const USER_HZ: f64 = 100.0;

/// Adds the `process_*` families that this system can fill.
pub(super) fn add(all: &mut Families, started_at: UnixTime) {
    let help = "When the daemon started.";
    all.gauge("process_start_time_seconds", help, [(vec![], seconds(started_at))]);
    if let Some(bytes) = resident_bytes() {
        let help = "Memory that is resident.";
        all.gauge("process_resident_memory_bytes", help, [(vec![], number(bytes))]);
    }
    if let Some(ticks) = cpu_ticks() {
        let help = "Processor time used, user and system.";
        all.counter("process_cpu_seconds_total", help, [(vec![], number(ticks) / USER_HZ)]);
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        let help = "Open file descriptors.";
        all.gauge("process_open_fds", help, [(vec![], number(descriptors.count()))]);
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

fn cpu_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold anything; fields 14 and 15 are utime and stime.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}
