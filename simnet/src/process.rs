//! A child process that is bounded in time, and what it used.

use std::io;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::sys;

/// What became of a child.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Whether it was killed for want of time.
    pub timed_out: bool,
    /// From before its start to its end.
    pub wall: Duration,
    /// Processor time of the user and of the kernel on its behalf.
    pub cpu: Duration,
    /// The most memory it had resident, octets.
    ///
    /// Linux counts from before `exec`: it is never less than what the caller has resident.
    pub memory_max: u64,
}

/// Runs `command` to its end, and kills it after `timeout`.
///
/// # Errors
/// When it can't be started or waited for.
pub fn run_bounded(command: &mut Command, timeout: Duration) -> io::Result<Ran> {
    let start = Instant::now();
    let mut child = command.spawn()?;
    let ended = sys::wait_with_usage(child.id(), timeout)?;
    let wall = start.elapsed();
    let timed_out = ended.is_none();
    let ended = match ended {
        None => {
            child.kill()?;
            sys::wait_with_usage(child.id(), Duration::from_mins(1))?
        }
        ended => ended,
    };
    let Some((status, usage)) = ended else {
        return Err(io::Error::other("a killed child does not end"));
    };
    let sys::Usage { cpu, memory_max } = usage;
    Ok(Ran { status, timed_out, wall, cpu, memory_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_ends_is_measured() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3"]);
        let ran = run_bounded(&mut command, Duration::from_mins(1)).unwrap();
        assert_eq!(ran.status.code(), Some(3));
        assert!(!ran.timed_out && !ran.cpu.is_zero() && ran.memory_max > 100_000, "{ran:?}");
    }

    #[test]
    fn a_child_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        let ran = run_bounded(command.arg("600"), Duration::from_millis(1)).unwrap();
        assert!(ran.timed_out && !ran.status.success(), "{ran:?}");
    }
}
