//! The engine as commands see it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use portolan_core::permutation::Shard;
use portolan_core::target::{Scope, TargetSet};
use portolan_core::{Endpoint, MacAddr, ScanEvent, ScanStats};

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScanKinds {
    pub(crate) syn: bool,
    pub(crate) udp: bool,
    pub(crate) connect: bool,
    pub(crate) discover: bool,
}
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanOptions {
    pub(crate) kinds: ScanKinds,
    pub(crate) rate_pps: u32,
    pub(crate) retries: u8,
    pub(crate) cooldown: Option<Duration>,
    pub(crate) seed: Option<u64>,
    pub(crate) shard: Shard,
    pub(crate) interface: Option<String>,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) source_ports: Option<(u16, u16)>,
    pub(crate) router_mac: Option<MacAddr>,
    pub(crate) threads: u32,
    pub(crate) checkpoint: Option<PathBuf>,
    pub(crate) resume: Option<Checkpoint>,
}
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);
impl Cancel {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed)
    }
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) targets: TargetSet,
    pub(crate) kinds: ScanKinds,
    pub(crate) rate_pps: u32,
    pub(crate) retries: u8,
}
impl std::fmt::Display for Checkpoint {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
impl std::str::FromStr for Checkpoint {
    type Err = ScanPlanError;
    fn from_str(_s: &str) -> Result<Self, ScanPlanError> {
        Err(ScanPlanError::NeedsPrivilege { what: "" })
    }
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ScanPlanError {
    #[error("no {what}")]
    NeedsPrivilege { what: &'static str },
}
pub(crate) type ScanError = ScanPlanError;
pub(crate) struct ScanOutcome {
    pub(crate) stats: ScanStats,
    pub(crate) complete: bool,
    pub(crate) asked: TargetSet,
    pub(crate) checkpoint: Option<Checkpoint>,
}
pub(crate) struct Scan(TargetSet);
impl Scan {
    pub(crate) fn plan(
        targets: &TargetSet,
        _scope: &Scope,
        _options: ScanOptions,
    ) -> Result<Self, ScanPlanError> {
        Ok(Self(targets.clone()))
    }
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> + '_ {
        std::iter::empty()
    }
    pub(crate) fn run(
        self,
        _cancel: &Cancel,
        _on_event: &mut dyn FnMut(ScanEvent),
    ) -> Result<ScanOutcome, ScanError> {
        Err(ScanPlanError::NeedsPrivilege { what: "" })
    }
}
