//! In place of the generator, where the program is built without the feature `bpf`.

use std::sync::atomic::AtomicU64;

use portolan_core::permutation::Shard;
use portolan_core::plan::ScanPlan;

use super::{Ask, Emitted, LinkError, PositionLink};

/// It was not built in.
#[derive(Debug, thiserror::Error)]
#[error("this program was built without it (cargo feature `bpf`)")]
pub(crate) struct GeneratorError;

impl GeneratorError {
    /// What would help.
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) const fn remedy(&self) -> &'static str {
        "build with --features bpf, for rates beyond half a million packets a second"
    }
}

impl From<GeneratorError> for LinkError {
    fn from(error: GeneratorError) -> Self {
        Self::Unusable { link: "bpf", why: error.to_string() }
    }
}

/// Says that it is not there.
pub(crate) const fn try_loading() -> Result<(), GeneratorError> {
    Err(GeneratorError)
}

/// Bits that nobody else reads; there are none.
#[derive(Debug, Clone)]
pub(crate) enum SharedBits {}

impl SharedBits {
    pub(crate) const fn new(_len: u64) -> Result<Self, GeneratorError> {
        Err(GeneratorError)
    }
}

impl AsRef<[AtomicU64]> for SharedBits {
    fn as_ref(&self) -> &[AtomicU64] {
        match *self {}
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
    ) -> Result<Self, GeneratorError> {
        Err(GeneratorError)
    }
}

impl PositionLink for Generator {
    fn emit(&mut self, _ask: Ask) -> Result<Emitted, LinkError> {
        match *self {}
    }
}
