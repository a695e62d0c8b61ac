//! In place of the programs in the kernel, where this one is built without the feature `bpf`.

use std::convert::Infallible;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;

use super::{Arrival, Ask, Emitted, Encapsulation, LinkError, PositionLink, RxLink};

/// It was not built in.
#[derive(Debug, thiserror::Error)]
#[error("this program was built without it (cargo feature `bpf`)")]
pub(crate) struct BpfError;

impl BpfError {
    /// What would help.
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) const fn remedy(&self) -> &'static str {
        "build with --features bpf, for rates beyond half a million packets a second"
    }
}

impl From<BpfError> for LinkError {
    fn from(error: BpfError) -> Self {
        Self::Unusable { link: "bpf", why: error.to_string() }
    }
}

/// Says that it is not there.
pub(crate) const fn try_loading() -> Result<(), BpfError> {
    Err(BpfError)
}

/// Bits that nobody else reads; there are none.
#[derive(Debug, Clone)]
pub(crate) struct SharedBits(Infallible);

impl SharedBits {
    pub(crate) const fn new(_len: u64) -> Result<Self, BpfError> {
        Err(BpfError)
    }
}

impl AsRef<[AtomicU64]> for SharedBits {
    fn as_ref(&self) -> &[AtomicU64] {
        match self.0 {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Generator {}

impl Generator {
    pub(crate) const fn open(
        _plan: &ScanPlan,
        _link: usize,
        _interface: &crate::route::Interface,
        _shard: Shard,
        _answered: Option<&SharedBits>,
    ) -> Result<Self, BpfError> {
        Err(BpfError)
    }
}

impl PositionLink for Generator {
    fn emit(&mut self, _ask: Ask) -> Result<Emitted, LinkError> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum AnswersRx {}

impl AnswersRx {
    pub(crate) const fn open(_plan: &ScanPlan, _interface: u32) -> Result<Self, BpfError> {
        Err(BpfError)
    }
}

impl RxLink for AnswersRx {
    fn encapsulation(&self) -> Encapsulation {
        match *self {}
    }

    fn recv(
        &mut self,
        _timeout: Duration,
        _handler: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, LinkError> {
        match *self {}
    }

    fn dropped(&mut self) -> u64 {
        match *self {}
    }
}
