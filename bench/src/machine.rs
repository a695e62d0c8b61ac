//! Where something was measured: a figure without that is worth nothing.

use std::fmt;

use serde::Serialize;

/// This machine, and how this program was built.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    kernel: String,
    cpu: String,
    cpus: usize,
    optimized: bool,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let cpu = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned();
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { kernel, cpu, cpus, optimized: !cfg!(debug_assertions) }
    }

    /// What to say where figures can't be believed.
    pub(crate) const fn doubt(&self) -> Option<&'static str> {
        if self.optimized {
            None
        } else {
            Some("NOT OPTIMISED: build with --release before believing a figure")
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cpu, cpus, .. } = self;
        write!(f, "Linux {kernel}, {cpus} × {cpu}")
    }
}
